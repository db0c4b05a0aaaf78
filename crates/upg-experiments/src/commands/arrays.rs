//! What `upg sample` and `upg log-prob` do, from memory to memory: for callers with arrays of their own.

use super::place::Work;
use super::run_weights::{Loaded, RunArgs};
use crate::Error;
use crate::config::{MOST_SAMPLES, Place, Precision};
use crate::io::run_dir::RunDir;
use crate::io::weights::OutTensor;
use crate::text::shape_text;
use ndarray::{Array2, ArrayD, ArrayViewD, CowArray, Ix2, s};
use std::any::Any;
use upg_core::{Domain, Real};
use upg_targets::space::wrap;
use upg_train::{Draw, SamplePlan};

pub use super::train::Caller;

/// Numbers in the precision of a run, or in the one asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Single.
    F32(ArrayD<f32>),
    /// Double.
    F64(ArrayD<f64>),
}

impl Numbers {
    pub(super) fn of<T: Real>(array: ArrayD<T>) -> Self {
        let any: Box<dyn Any> = Box::new(array);
        any.downcast()
            .map(|array| Self::F32(*array))
            .or_else(|any| any.downcast().map(|array| Self::F64(*array)))
            .expect("f32 or f64")
    }

    /// Their shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(array) => array.shape(),
            Self::F64(array) => array.shape(),
        }
    }

    /// As a tensor to be written.
    pub(super) fn tensor(&self, name: &str) -> OutTensor {
        match self {
            Self::F32(array) => OutTensor::new(name, array.shape(), array),
            Self::F64(array) => OutTensor::new(name, array.shape(), array),
        }
    }
}

/// Numbers that the caller lends.
#[derive(Clone, Copy, Debug)]
pub enum Points<'v, 'a> {
    /// Single.
    F32(&'v ArrayViewD<'a, f32>),
    /// Double.
    F64(&'v ArrayViewD<'a, f64>),
}

impl Points<'_, '_> {
    fn shape(&self) -> &[usize] {
        match self {
            Self::F32(x) => x.shape(),
            Self::F64(x) => x.shape(),
        }
    }

    /// The same numbers as `[points, dof]` in the precision `T`: not copied where they are contiguous and of that precision.
    fn rows<T: Real>(&self, dof: usize) -> CowArray<'_, T, Ix2> {
        let shape = (self.shape()[0], dof);
        match self {
            Self::F32(x) => rows(x, shape),
            Self::F64(x) => rows(x, shape),
        }
    }
}

fn rows<'v, S: Real, T: Real>(x: &'v ArrayViewD<'_, S>, shape: (usize, usize)) -> CowArray<'v, T, Ix2> {
    let same: Option<&ArrayViewD<'_, T>> = cast(x);
    match same {
        Some(x) => x.to_shape(shape).expect("as many numbers"),
        None => {
            let converted = x.mapv(|number| T::of(number.wide()));
            CowArray::from(converted.into_shape_with_order(shape).expect("as many numbers"))
        }
    }
}

/// The view as one of numbers `T`, if it is one.
fn cast<'v, 'a, S: Real, T: Real>(x: &'v ArrayViewD<'a, S>) -> Option<&'v ArrayViewD<'a, T>> {
    let is_the_same = std::any::TypeId::of::<S>() == std::any::TypeId::of::<T>();
    // SAFETY: S and T are the same type.
    is_the_same.then(|| unsafe { &*std::ptr::from_ref(x).cast::<ArrayViewD<'a, T>>() })
}

/// Which samples are drawn of a run.
#[derive(Clone, Debug)]
pub struct SampleRequest {
    /// The run and its weights.
    pub run: RunArgs,
    /// Decides all of them; by default the seed of the run.
    pub seed: Option<u64>,
    /// How many.
    pub samples: usize,
    /// The number of the first.
    pub first: u64,
    /// Of which kind.
    pub draw: Draw,
    /// Precision of computation and samples; by default that of the training.
    pub precision: Option<Precision>,
}

/// Samples of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The samples, shape `[samples, lattice…]`.
    pub x: Numbers,
    /// Their log-weights −S − log q.
    pub log_weights: Vec<f64>,
    /// Fraction of the proposals that were accepted; `None` without a chain.
    pub acceptance: Option<f64>,
}

/// Draws samples of a run; the same as those that `upg sample` writes. The caller is asked after every piece whether to end.
///
/// # Errors
/// If the run or an argument is wrong, or the caller asks for an end.
pub fn sample(request: &SampleRequest, caller: Caller<'_>) -> Result<Drawn, Error> {
    let SampleRequest { samples, first, .. } = *request;
    if !(1..=MOST_SAMPLES).contains(&samples) {
        return Err(Error::Usage(format!("n = {samples}: accepted is at least 1 sample, at most {MOST_SAMPLES}")));
    }
    let last = u64::MAX - samples as u64;
    if first > last {
        return Err(Error::Usage(format!("first = {first}: accepted is at most {last} with n = {samples}")));
    }
    request.run.have_done(request.precision, |dir| SampleJob { request, caller, dir })
}

struct SampleJob<'a> {
    request: &'a SampleRequest,
    caller: Caller<'a>,
    dir: RunDir,
}

impl Work for SampleJob<'_> {
    type Outcome = Result<Drawn, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let Self { request, caller, dir } = self;
        let mut loaded = Loaded::new(device, &dir, &request.run, request.seed)?;
        let SampleRequest { samples, first, draw, .. } = *request;
        let plan = SamplePlan { seed: loaded.config.training.seed, first, samples, draw, latent: false };
        let dof = loaded.sample_shape.iter().product();
        let (mut x, mut log_weights) = (Array2::<D::Real>::default((samples, dof)), Vec::with_capacity(samples));
        let drawn = loaded.trained.sample(plan, |piece| {
            let begin = log_weights.len();
            x.slice_mut(s![begin..begin + piece.log_weights.len(), ..]).assign(&piece.x);
            log_weights.extend_from_slice(piece.log_weights);
            end_if_asked(caller)
        })?;
        let shape = [&[samples], &loaded.sample_shape[..]].concat();
        let x = x.into_shape_with_order(shape).expect("as many numbers");
        Ok(Drawn { x: Numbers::of(x), log_weights, acceptance: drawn.acceptance })
    }
}

fn end_if_asked(caller: Caller<'_>) -> Result<(), Error> {
    caller().map_or(Ok(()), |who| Err(Error::Cancelled(who)))
}

/// log q of a run at the points, shape `[points, dof]` or `[points, lattice…]`, angles modulo 2π; one number per point.
///
/// # Errors
/// If the run or an argument is wrong, or the caller asks for an end.
pub fn log_prob(
    run: &RunArgs,
    precision: Option<Precision>,
    points: Points<'_, '_>,
    caller: Caller<'_>,
) -> Result<Vec<f64>, Error> {
    run.have_done(precision, |dir| LogProbJob { run, points, caller, dir })
}

struct LogProbJob<'a, 'v> {
    run: &'a RunArgs,
    points: Points<'a, 'v>,
    caller: Caller<'a>,
    dir: RunDir,
}

impl Work for LogProbJob<'_, '_> {
    type Outcome = Result<Vec<f64>, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let Self { run, points, caller, dir } = self;
        let mut loaded = Loaded::new(device, &dir, run, None)?;
        let dof: usize = loaded.sample_shape.iter().product();
        check_shape(points.shape(), &loaded.sample_shape, dof)?;
        let mut x = points.rows::<D::Real>(dof);
        if (0..dof).any(|i| loaded.space().domain(i) == Domain::Circle) {
            let mut wrapped = x.into_owned();
            wrap(loaded.space(), &mut wrapped);
            x = wrapped.into();
        }
        let mut log_prob = Vec::with_capacity(x.nrows());
        loaded.trained.log_prob(x.view(), |of| {
            log_prob.extend_from_slice(of.log_prob);
            end_if_asked(caller)
        })?;
        Ok(log_prob)
    }
}

/// Points are rows, or arranged as samples.
fn check_shape(found: &[usize], sample: &[usize], dof: usize) -> Result<(), Error> {
    if found.split_first().is_some_and(|(_, shape)| shape == sample || shape == [dof]) {
        return Ok(());
    }
    let (found, rows) = (shape_text(found), shape_text(sample));
    Err(Error::Usage(format!("x of shape {found}: accepted is [points, {dof}], or points of shape {rows} each")))
}
