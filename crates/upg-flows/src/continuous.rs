//! Continuous flow: dx/dt = f(x, t; θ) from t = 0 to 1, by N steps of the classical Runge–Kutta method of order 4, h = 1/N.
//!
//! With stage inputs x_1 = x, x_2 = x + h k_1/2, x_3 = x + h k_2/2, x_4 = x + h k_3, velocities k_i = f(x_i, t + c_i h), c = (0, ½, ½, 1)
//! and weights b = (1, 2, 2, 1)/6:
//!
//! - MATH (30): x ← x + h Σ b_i k_i, ℓ ← ℓ + h Σ b_i div f(x_i, t + c_i h).
//! - Push, MATH (31): the same method for da/dt = −(∂f/∂x)ᵀ a − w ∇div f at these inputs, ∂θ −= h Σ b_i [(∂f/∂θ)ᵀ a_i + w ∂div f/∂θ].
//! - Pull back, MATH (32): exactly that of the discrete map, from its last stage to the first. The cotangent of k_i is
//!   κ_i = h b_i a + h c_{i+1} ξ_{i+1} (κ_4 = h b_4 a), ξ_i = (∂f/∂x)ᵀ κ_i + h b_i w ∇div f; then a ← a + Σ ξ_i, ∂θ += Σ (∂f/∂θ)ᵀ κ_i + h b_i w ∂div f/∂θ.
//!
//! So ∂θ is exact for the discrete x, while ℓ and the score are those of the continuous flow up to O(h⁴). The inverse integrates
//! backwards. The tape holds the stage inputs: what a field computes of them it computes again on the way back.
//! Source: R. T. Q. Chen et al., arXiv:1806.07366.

mod carry;
mod field;
mod memory;
mod steps;

pub(crate) use field::fill_basis;
pub use field::{Covector, Evaluation, Moment, VectorField};

use carry::Verb;
use memory::{Carried, Running, Tape, Work, narrow};
use std::sync::Arc;
use steps::{Stages, Steps};
use upg_core::{Batch, Cpu, GradSink, Invertible, Layer, ParamLayout, Pass, Prepared, Real};

/// The flow of a vector field over a unit of time.
#[derive(Debug)]
pub struct Continuous<F> {
    field: Arc<F>,
    steps: Steps,
    /// The times of all stages.
    times: Arc<[f64]>,
}

impl<F> Continuous<F> {
    /// The flow of `field` in `steps` steps.
    ///
    /// # Panics
    /// If `steps` is 0.
    #[track_caller]
    pub fn new(field: F, steps: usize) -> Self {
        let steps = Steps::forth(steps);
        Self { field: Arc::new(field), steps, times: steps.times().collect() }
    }

    /// The same field, integrated backwards: T⁻¹ up to O(h⁴).
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self { field: self.field.clone(), steps: self.steps.reversed(), times: self.times.clone() }
    }
}

impl<T: Real, F: VectorField<T>> Layer<Cpu<T>> for Continuous<F> {
    fn dof(&self) -> usize {
        self.field.dof()
    }

    fn params(&self) -> ParamLayout {
        self.field.params()
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        self.field.prepare(theta, &self.times, prepared.get_mut());
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        self.integrate(pass, x, log_det, None);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(Verb::Push, pass, cotangent, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(Verb::PullBack, pass, cotangent, weight, grad);
    }

    /// The field shares what it computes at a stage between its value and the score.
    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        x: &mut Batch<T>,
        log_det: &mut Vec<f64>,
        score: &mut Batch<T>,
    ) {
        self.integrate(pass, x, log_det, Some(score));
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let Work { running, untaped, field: memory, .. } = pass.scratch.get::<Work<T, F::Memory>>();
        let at = Parameters { theta: pass.theta, prepared: pass.prepared.get() };
        running.begin(x);
        for stages in self.steps.all() {
            self.step(&at, stages, untaped, running, None, memory);
        }
        running.end(x, log_det);
    }
}

impl<T: Real, F: VectorField<T>> Invertible<Cpu<T>> for Continuous<F> {
    /// [`reversed`](Continuous::reversed).
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        Box::new(self.reversed())
    }
}

/// θ, and what the field prepared of it.
struct Parameters<'a, T, P> {
    theta: &'a [T],
    prepared: &'a P,
}

impl<F> Continuous<F> {
    /// MATH (30) with a tape, and (31) for the score of x, if there is one.
    fn integrate<T: Real>(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        x: &mut Batch<T>,
        log_det: &mut [f64],
        score: Option<&mut Batch<T>>,
    ) where
        F: VectorField<T>,
    {
        let tape = pass.tape.get::<Tape<T>>();
        let Work { running, carried, field: memory, .. } = pass.scratch.get::<Work<T, F::Memory>>();
        let at = Parameters { theta: pass.theta, prepared: pass.prepared.get() };
        running.begin(x);
        if let Some(score) = &score {
            carried.begin(score);
        }
        for (stages, inputs) in self.steps.all().zip(tape.record(self.steps, x.samples())) {
            self.step(&at, stages, inputs, running, score.is_some().then_some(&mut *carried), memory);
        }
        running.end(x, log_det);
        if let Some(score) = score {
            narrow(&carried.a, score);
        }
    }

    /// One step of (30), with the inputs of its stages, and of (31) with w = 1, if there is a score.
    fn step<T: Real>(
        &self,
        at: &Parameters<'_, T, F::Prepared>,
        stages: Stages,
        inputs: &mut [Batch<T>],
        running: &mut Running<T>,
        mut score: Option<&mut Carried<T>>,
        memory: &mut F::Memory,
    ) where
        F: VectorField<T>,
    {
        inputs[0].copy_from(&running.state);
        if let Some(score) = &mut score {
            score.begin_step();
        }
        for (i, stage) in stages.iter().enumerate() {
            let moment = stage.moment(at.theta, at.prepared);
            let Running { velocity, divergence, .. } = &mut *running;
            match &mut score {
                None => self.field.evaluate(&moment, &inputs[i], velocity, divergence, memory),
                Some(score) => {
                    let (covector, out) = score.aim(Verb::Push, &stages, i, 1.0);
                    let result = Evaluation { velocity, divergence, out };
                    self.field.evaluate_with_pull_back(&moment, &inputs[i], covector, result, memory);
                    score.end_stage();
                }
            }
            running.advance(&stages, i, inputs);
        }
    }

    /// MATH (31) or (32).
    fn carry<T: Real>(
        &self,
        verb: Verb,
        pass: &mut Pass<'_, Cpu<T>>,
        covector: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) where
        F: VectorField<T>,
    {
        let tape = pass.tape.get::<Tape<T>>();
        assert_eq!(covector.samples(), tape.samples, "samples of the covector, and of `forward`");
        let Work { carried, sums, field: memory, .. } = pass.scratch.get::<Work<T, F::Memory>>();
        let at = Parameters { theta: pass.theta, prepared: pass.prepared.get() };
        carried.begin(covector);
        sums.clear();
        if grad.is_some() {
            sums.resize(self.field.sums(self.times.len()), T::zero());
        }
        for n in 0..self.steps.count() {
            let step = verb.step(n, self.steps.count());
            let (stages, inputs) = (self.steps.stages(step), tape.inputs(step));
            carried.begin_step();
            for i in verb.order() {
                let moment = stages[i].moment(at.theta, at.prepared);
                let (covector, out) = carried.aim(verb, &stages, i, weight);
                let sums = grad.is_some().then_some(&mut sums[..]);
                self.field.pull_back(&moment, &inputs[i], covector, out, sums, memory);
                carried.end_stage();
            }
        }
        narrow(&carried.a, covector);
        if let Some(GradSink { into, accum }) = grad {
            self.field.reduce(at.theta, at.prepared, sums, accum, into);
        }
    }
}
