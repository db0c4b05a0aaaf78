//! ActNorm: y_i = x_i·e^{σ_i} + b_i, with a scale and a shift for each degree of freedom.
//!
//! ℓ = Σ_i σ_i. Verbs:
//!
//! - push: a ← u = a·e^{−σ}, and minus the gradients of the pull-back with u in the place of a;
//! - pull back: ∂σ_i (+)= Σ_samples (a_i x_i e^{σ_i} + w), ∂b_i (+)= Σ_samples a_i with the old a, a ← a·e^σ.
//!
//! The inverse is x = (y − b)·e^{−σ}, its verbs those of the map exchanged, MATH (17). At the start σ = b = 0, or they are chosen by a batch so that
//! what comes out has mean 0 and variance 1 in each degree of freedom: y for a batch of x, x for a batch of y. Source: D. Kingma, P. Dhariwal,
//! arXiv:1807.03039, section 3.1.

use upg_core::vmath::{Kernel, MulAdd, dispatch};
use upg_core::{
    Accum, Batch, BatchStart, Cpu, GradSink, Init, Invertible, Layer, ParamLayout, Pass, Prepared, Real, Tensor,
};

/// How σ and b start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "start"))]
pub enum FirstValues {
    /// σ = b = 0.
    Identity,
    /// By the first batch of a training.
    #[default]
    Data,
}

/// y = x·e^σ + b.
#[derive(Clone, Copy, Debug)]
pub struct ActNorm {
    dof: usize,
    first: FirstValues,
    direction: Direction,
}

/// Whether the layer takes x to y, or y to x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Map,
    Inverse,
}

/// e^σ and e^{−σ} for each degree of freedom, and Σ σ.
#[derive(Debug, Default)]
struct Factors<T> {
    factor: Vec<T>,
    reciprocal: Vec<T>,
    log_det: f64,
}

/// x, and only for the other verbs.
#[derive(Debug, Default)]
struct Tape<T: Real>(Batch<T>);

/// The parameters.
pub fn params(dof: usize) -> ParamLayout {
    let mut layout = ParamLayout::default();
    layout.push(Tensor::new("log_scale", [dof], Init::Constant(0.0)));
    layout.push(Tensor::new("shift", [dof], Init::Constant(0.0)));
    layout
}

impl ActNorm {
    /// A scale and a shift for each of `dof` degrees of freedom.
    pub fn new(dof: usize, first: FirstValues) -> Self {
        Self { dof, first, direction: Direction::Map }
    }

    /// x ← y, or y ← x for the inverse.
    fn map<T: Real>(&self, theta: &[T], factors: &Factors<T>, batch: &mut Batch<T>, log_det: &mut [f64]) {
        assert_eq!(batch.rows(), self.dof, "rows of the batch, and degrees of freedom of the layer");
        let (shifts, of_map) = (&theta[self.dof..], self.direction == Direction::Map);
        for (i, &shift) in shifts.iter().enumerate() {
            let row = batch.row_mut(i);
            match self.direction {
                Direction::Map => dispatch(ScaleAndShift { row, factor: factors.factor[i], shift }),
                Direction::Inverse => dispatch(ShiftAndScale { row, factor: factors.reciprocal[i], shift }),
            }
        }
        let added = if of_map { factors.log_det } else { -factors.log_det };
        log_det.iter_mut().for_each(|log_det| *log_det += added);
    }

    /// The push of the map, which is the pull-back of its inverse.
    fn push_map<T: Real>(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        a: &mut Batch<T>,
        w: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let factors = pass.prepared.get::<Factors<T>>();
        multiply(a, &factors.reciprocal);
        self.add_gradient(-1.0, factors, a, &pass.tape.get::<Tape<T>>().0, w, grad);
    }

    /// The pull-back of the map, which is the push of its inverse.
    fn pull_map<T: Real>(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        a: &mut Batch<T>,
        w: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let factors = pass.prepared.get::<Factors<T>>();
        self.add_gradient(1.0, factors, a, &pass.tape.get::<Tape<T>>().0, w, grad);
        multiply(a, &factors.factor);
    }

    /// ∂θ (+)= ± the gradients for a cotangent a at y, if there is a sink.
    fn add_gradient<T: Real>(
        &self,
        sign: f64,
        factors: &Factors<T>,
        a: &Batch<T>,
        x: &Batch<T>,
        w: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        let (of_scale, of_shift) = into.split_at_mut(self.dof);
        for (i, (of_scale, of_shift)) in of_scale.iter_mut().zip(of_shift).enumerate() {
            let [with_x, alone] = dispatch(Sums { a: a.row(i), x: x.row(i) });
            *of_scale += T::of(sign * (factors.factor[i].wide() * with_x + w * a.samples() as f64));
            *of_shift += T::of(sign * alone);
        }
    }
}

impl<T: Real> Layer<Cpu<T>> for ActNorm {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        params(self.dof)
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        assert_eq!(theta.len(), 2 * self.dof, "parameters given, and parameters of the layer");
        let (scales, factors) = (&theta[..self.dof], prepared.get_mut::<Factors<T>>());
        factors.factor.clear();
        factors.factor.extend(scales.iter().map(|sigma| sigma.exp()));
        factors.reciprocal.clear();
        factors.reciprocal.extend(scales.iter().map(|&sigma| (-sigma).exp()));
        factors.log_det = scales.iter().map(|sigma| sigma.wide()).sum();
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let Tape(kept) = pass.tape.get::<Tape<T>>();
        if self.direction == Direction::Map {
            kept.copy_from(x);
        }
        self.map(pass.theta, pass.prepared.get(), x, log_det);
        if self.direction == Direction::Inverse {
            kept.copy_from(x);
        }
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        match self.direction {
            Direction::Map => self.push_map(pass, cotangent, weight, grad),
            Direction::Inverse => self.pull_map(pass, cotangent, weight, grad),
        }
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        match self.direction {
            Direction::Map => self.pull_map(pass, cotangent, weight, grad),
            Direction::Inverse => self.push_map(pass, cotangent, weight, grad),
        }
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        self.map(pass.theta, pass.prepared.get(), x, log_det);
    }

    fn batch_start(&self) -> Option<&dyn BatchStart<Cpu<T>>> {
        (self.first == FirstValues::Data).then_some(self)
    }
}

impl<T: Real> BatchStart<Cpu<T>> for ActNorm {
    /// A degree of freedom that doesn't vary keeps its scale; one whose mean isn't finite, its shift too.
    fn start(&self, _: &Cpu<T>, x: &Batch<T>, _: usize, theta: &mut [T]) {
        let (scales, shifts) = theta.split_at_mut(self.dof);
        for (i, (sigma, shift)) in scales.iter_mut().zip(shifts).enumerate() {
            let moments = moments(x.row(i));
            let first = match self.direction {
                Direction::Map => first_of_map(moments),
                Direction::Inverse => first_of_inverse(moments),
            };
            [*sigma, *shift] = first.map(T::of);
        }
    }
}

/// σ and b that take what has this mean and variance to mean 0 and variance 1. What doesn't vary keeps its scale; what has no finite mean, its
/// place too.
pub fn first_of_map(moments: [f64; 2]) -> [f64; 2] {
    let [mean, deviation] = centre_and_deviation(moments);
    [deviation.recip().ln(), -mean / deviation]
}

/// The same for the inverse of the map.
pub fn first_of_inverse(moments: [f64; 2]) -> [f64; 2] {
    let [mean, deviation] = centre_and_deviation(moments);
    [deviation.ln(), mean]
}

fn centre_and_deviation([mean, variance]: [f64; 2]) -> [f64; 2] {
    let mean = if mean.is_finite() { mean } else { 0.0 };
    [mean, if variance.is_normal() { variance.sqrt() } else { 1.0 }]
}

/// Mean and variance of a row.
fn moments<T: Real>(row: &[T]) -> [f64; 2] {
    let mean_of = |term: &dyn Fn(f64) -> f64| row.iter().map(|x| term(x.wide())).sum::<f64>() / row.len() as f64;
    let mean = mean_of(&|x| x);
    [mean, mean_of(&|x| (x - mean).powi(2))]
}

impl<T: Real> Invertible<Cpu<T>> for ActNorm {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        let direction = match self.direction {
            Direction::Map => Direction::Inverse,
            Direction::Inverse => Direction::Map,
        };
        Box::new(Self { direction, ..*self })
    }
}

/// Multiplies each row by its factor.
fn multiply<T: Real>(batch: &mut Batch<T>, factors: &[T]) {
    for (i, &factor) in factors.iter().enumerate() {
        dispatch(ScaleAndShift { row: batch.row_mut(i), factor, shift: T::zero() });
    }
}

/// x ← x·factor + shift.
struct ScaleAndShift<'a, T> {
    row: &'a mut [T],
    factor: T,
    shift: T,
}

impl<T: Real> Kernel for ScaleAndShift<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { row, factor, shift } = self;
        row.iter_mut().for_each(|x| *x = M::mul_add(*x, factor, shift));
    }
}

/// y ← (y − shift)·factor.
struct ShiftAndScale<'a, T> {
    row: &'a mut [T],
    factor: T,
    shift: T,
}

impl<T: Real> Kernel for ShiftAndScale<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { row, factor, shift } = self;
        row.iter_mut().for_each(|y| *y = (*y - shift) * factor);
    }
}

/// Σ a x and Σ a, in eight interleaved partial sums each.
struct Sums<'a, T> {
    a: &'a [T],
    x: &'a [T],
}

impl<T: Real> Kernel for Sums<'_, T> {
    type Output = [f64; 2];

    #[inline(always)]
    fn run<M: MulAdd>(self) -> [f64; 2] {
        let Self { a, x } = self;
        let (mut with_x, mut alone) = ([0.0; 8], [0.0; 8]);
        for (a, x) in a.chunks(8).zip(x.chunks(8)) {
            for ((with_x, alone), (a, x)) in with_x.iter_mut().zip(&mut alone).zip(a.iter().zip(x)) {
                *with_x = M::mul_add(a.wide(), x.wide(), *with_x);
                *alone += a.wide();
            }
        }
        [with_x.iter().sum(), alone.iter().sum()]
    }
}
