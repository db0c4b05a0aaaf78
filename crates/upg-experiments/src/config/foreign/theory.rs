//! The target that someone else computes.
//!
//! Inside, samples are `[dof, samples]` in the precision of the run; who computes them has them as `[samples, dof]` in double precision. They are turned
//! in tiles, into memory that is kept unless it is taken away. Samples that aren't finite aren't shown: their action is NaN. The first failure
//! is kept ([`Target::status`]), and nothing more is asked for.

use super::{Compute, Failure};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use upg_core::{Base, Batch, Cpu, DeviceError, Domain, Real, Rng, StandardNormal, Target, UniformTorus};
use upg_targets::{
    ChainPlan, ChainReport, DataSampler, Exact, Observable, Observables, SampleSpace, Sampling, TargetError,
    chains::{Visit, equilibrium_chains},
};

/// Side of a tile that is turned.
const TILE: usize = 16;
/// Degrees of freedom that are measured, at most.
const MEASURED: usize = 32;
/// Numbers of a sample that a message shows, at most.
const SHOWN: usize = 4;

/// What is known of a target beside who computes it.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// What messages call it.
    pub name: String,
    /// Number of degrees of freedom.
    pub dof: usize,
    /// Shape of a sample; empty for any.
    pub shape: Vec<usize>,
    /// Where its degrees of freedom live.
    pub domain: Domain,
}

/// A target of the user's.
pub struct ForeignTarget {
    computer: Arc<dyn Compute>,
    name: String,
    dof: usize,
    shape: Vec<usize>,
    domain: Domain,
    /// Memory that no call uses now.
    spare: Mutex<Vec<OfCall>>,
    failure: OnceLock<DeviceError>,
    /// Whether a NaN has been told of.
    told: AtomicBool,
    /// Whether force and action have been compared.
    pub(super) is_checked: AtomicBool,
}

/// What goes to who computes, and comes from there.
#[derive(Default)]
struct OfCall {
    /// The samples that are finite, by their numbers in the batch.
    finite: Vec<usize>,
    /// Shape `[finite, dof]`.
    x: Vec<f64>,
    action: Vec<f64>,
    /// As x, or empty.
    force: Vec<f64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ForeignTarget {
    /// A target that `computer` computes.
    pub fn new(computer: Arc<dyn Compute>, about: About) -> Self {
        let About { name, dof, shape, domain } = about;
        Self {
            computer,
            name,
            dof,
            shape,
            domain,
            spare: Mutex::default(),
            failure: OnceLock::new(),
            told: AtomicBool::new(false),
            is_checked: AtomicBool::new(false),
        }
    }

    /// The first failure.
    pub fn failure(&self) -> Option<&DeviceError> {
        self.failure.get()
    }

    /// Has what `call` holds computed.
    fn compute(&self, call: &mut OfCall) -> Result<(), Failure> {
        let OfCall { x, action, force, .. } = call;
        self.computer.compute(x, action, Some(force).filter(|force| !force.is_empty()))
    }

    /// Keeps a failure, if it is the first.
    fn fail<T: Real>(&self, failure: Failure, call: &OfCall, x: &Batch<T>) {
        let reason = match failure.sample {
            Some(sample) => format!("{}: {}", described(call.finite[sample], x), failure.words),
            None => failure.words,
        };
        let target = format!("target {}", self.name);
        self.failure.get_or_init(|| DeviceError::Target { target, reason });
    }

    /// Tells of the first NaN that is made of a finite sample.
    fn tell_of_nan<T: Real>(&self, call: &OfCall, x: &Batch<T>) {
        let is_wrong = |n: &usize| {
            let of_sample = n * self.dof..(n + 1) * self.dof;
            call.action[*n].is_nan() || call.force.get(of_sample).is_some_and(|force| force.iter().any(|f| f.is_nan()))
        };
        let Some(n) = (0..call.action.len()).find(is_wrong) else { return };
        if !self.told.swap(true, Relaxed) {
            let what = if call.action[n].is_nan() { "action" } else { "force" };
            let sample = described(call.finite[n], x);
            self.computer.warn(&format!("target {}: {sample}: the {what} is NaN (told once)", self.name));
        }
    }
}

/// The number of a sample, and the first numbers in it.
fn described<T: Real>(sample: usize, x: &Batch<T>) -> String {
    let first: Vec<_> = (0..x.rows().min(SHOWN)).map(|i| format!("{}", x.row(i)[sample])).collect();
    let more = if x.rows() > SHOWN { ", …" } else { "" };
    format!("sample {sample} of {}, x = [{}{more}]", x.samples(), first.join(", "))
}

impl OfCall {
    /// Takes over the finite samples of `x`, and makes room for what comes of them.
    fn fill<T: Real>(&mut self, x: &Batch<T>, is_force_wanted: bool) {
        let is_finite = |n: &usize| (0..x.rows()).all(|i| x.row(i)[*n].is_finite());
        self.finite.clear();
        self.finite.extend((0..x.samples()).filter(is_finite));
        let (dof, samples) = (x.rows(), self.finite.len());
        self.x.resize(samples * dof, 0.0);
        self.action.resize(samples, 0.0);
        self.force.resize(if is_force_wanted { samples * dof } else { 0 }, 0.0);
        let Self { finite, x: turned, .. } = self;
        in_tiles(finite, dof, |i, n, sample| turned[n * dof + i] = x.row(i)[sample].wide());
    }

    /// Hands out what came of them.
    fn write<T: Real>(&self, action: &mut [f64], force: Option<&mut Batch<T>>) {
        let Self { finite, action: of_call, force: turned, .. } = self;
        finite.iter().zip(of_call).for_each(|(&sample, &of_call)| action[sample] = of_call);
        if let Some(force) = force {
            let dof = force.rows();
            in_tiles(finite, dof, |i, n, sample| force.row_mut(i)[sample] = T::of(turned[n * dof + i]));
        }
    }
}

/// Calls `work` with every degree of freedom of every sample, its number among the finite ones and in the batch, tile by tile.
#[inline]
fn in_tiles(finite: &[usize], dof: usize, mut work: impl FnMut(usize, usize, usize)) {
    for (first, tile) in (0..).step_by(TILE).zip(finite.chunks(TILE)) {
        for rows in (0..dof).step_by(TILE).map(|begin| begin..dof.min(begin + TILE)) {
            for i in rows {
                tile.iter().enumerate().for_each(|(n, &sample)| work(i, first + n, sample));
            }
        }
    }
}

impl<T: Real> Target<Cpu<T>> for ForeignTarget {
    fn dof(&self) -> usize {
        self.dof
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, mut force: Option<&mut Batch<T>>) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom of the target");
        action.clear();
        action.resize(x.samples(), f64::NAN);
        if let Some(force) = &mut force {
            force.reshape(x.rows(), x.samples());
            force.fill(T::of(f64::NAN));
        }
        if self.failure.get().is_some() {
            return;
        }
        let mut call = lock(&self.spare).pop().unwrap_or_default();
        let outcome = loop {
            call.fill(x, force.is_some());
            let outcome = if call.finite.is_empty() { Ok(()) } else { self.compute(&mut call) };
            match outcome {
                Err(Failure { was_cut_off: true, .. }) => {}
                outcome => break outcome,
            }
        };
        match outcome {
            Ok(()) => {
                self.tell_of_nan(&call, x);
                call.write(action, force);
            }
            Err(failure) => self.fail(failure, &call, x),
        }
        lock(&self.spare).push(call);
    }

    fn status(&self) -> Result<(), DeviceError> {
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }
}

impl SampleSpace for ForeignTarget {
    fn lattice_shape(&self) -> Option<Vec<usize>> {
        (!self.shape.is_empty()).then(|| self.shape.clone())
    }

    fn domain(&self, _: usize) -> Domain {
        self.domain
    }
}

impl Exact for ForeignTarget {
    fn log_z(&self) -> Option<f64> {
        None
    }
}

/// Of the first numbers x and x², of the first angles cos x and sin x.
impl<T: Real> Observables<T> for ForeignTarget {
    fn primaries(&self) -> Vec<String> {
        let of = |i: usize| match self.domain {
            Domain::Line => [format!("x_{i}"), format!("x_{i}^2")],
            Domain::Circle => [format!("cos_{i}"), format!("sin_{i}")],
        };
        (0..self.dof.min(MEASURED)).flat_map(of).collect()
    }

    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom of the target");
        let measured = self.dof.min(MEASURED);
        out.reshape(2 * measured, x.samples());
        for i in 0..measured {
            for (n, x) in x.row(i).iter().map(|x| x.wide()).enumerate() {
                let [first, second] = match self.domain {
                    Domain::Line => [x, x * x],
                    Domain::Circle => [x.cos(), x.sin()],
                };
                out.row_mut(2 * i)[n] = first;
                out.row_mut(2 * i + 1)[n] = second;
            }
        }
    }

    fn observables(&self) -> Vec<Observable> {
        let of = |i: usize| match self.domain {
            Domain::Line => [
                Observable::mean(format!("mean_{i}"), None, 2 * i),
                Observable::new(format!("variance_{i}"), None, move |a| a[2 * i + 1] - a[2 * i] * a[2 * i]),
            ],
            Domain::Circle => [
                Observable::mean(format!("cos_{i}"), None, 2 * i),
                Observable::mean(format!("sin_{i}"), None, 2 * i + 1),
            ],
        };
        (0..self.dof.min(MEASURED)).flat_map(of).collect()
    }
}

impl<T: Real> DataSampler<T> for ForeignTarget {
    fn sampling(&self) -> Sampling {
        Sampling::Chains
    }

    /// By chains that start at standard normal numbers, or at uniform angles; angles in [0, 2π).
    fn run_chains(&self, plan: &ChainPlan, rng: Rng, visit: Visit<'_, T>) -> Result<ChainReport, TargetError> {
        let start: Box<dyn Base<Cpu<T>>> = match self.domain {
            Domain::Line => Box::new(StandardNormal::new(self.dof)),
            Domain::Circle => Box::new(UniformTorus::new(self.dof)),
        };
        equilibrium_chains(self, &*start, &[], plan, rng, &mut |x| {
            x.as_mut_slice().iter_mut().for_each(|x| *x = self.domain.wrap(*x));
            visit(x)
        })
    }
}
