//! The battery every flow passes: the theorems about the estimators.
//!
//! | check | statement |
//! |---|---|
//! | agreement | reverse: `path-fast` = `path-two-pass` = `path-two-pass-lean`; forward: `path-fast` = `gdreg` |
//! | ordinary gradients | `reparam` and `max-likelihood` are the θ-derivatives of the losses |
//! | path gradients | MATH (1) to (3) built from dense Jacobians, without any verb but `forward` |
//! | trained bases | what the base is given to pull back, MATH (18), from dense Jacobians |
//! | expectation | path gradient and ordinary gradient have the same mean |
//! | zero | with q = p every path gradient is zero, for every single sample |
//! | parts | what is handed out as whole is so, every element once, and what is made of it is the gradient |
//! | results | loss, log-weights, log-dets and end samples agree with a plain evaluation of the flow |
//! | cuts, threads, f32 | how a batch is cut matters only by round-off, threads not by a bit; precisions agree |
//! | draws | a sample depends on its stream and its number alone |
//!
//! A flow joins by one line of [`flow_battery!`](crate::flow_battery).

pub mod agreement;
mod expectation;
mod gradients;
mod results;
pub mod zero;

use crate::{
    domain::Domain,
    draw,
    models::any_target,
    runner::{BaseRunner, Runner},
    target,
    tolerance::Tolerance,
};
use ndarray::{Array2, ArrayView2};
use rand::RngExt;
use upg_core::layer::Whole;
use upg_core::{
    Base, Cpu, Cut, Engine, ForwardKl, Gradient, Invertible, ParamLayout, Real, ReverseKl, Rng, SampleStream,
    StandardNormal, Start, Target, UniformTorus,
};

/// A flow between a base and a target.
pub struct Parts<T: Real> {
    /// T_θ.
    pub flow: Box<dyn Invertible<Cpu<T>>>,
    /// q₀.
    pub base: Box<dyn Base<Cpu<T>>>,
    /// p ∝ e^{−S}.
    pub target: Box<dyn Target<Cpu<T>>>,
    /// Where the samples live.
    pub domain: Domain,
}

impl<T: Real> Parts<T> {
    /// These parts.
    pub fn new(
        flow: impl Invertible<Cpu<T>> + 'static,
        base: impl Base<Cpu<T>> + 'static,
        target: impl Target<Cpu<T>> + 'static,
        domain: Domain,
    ) -> Self {
        Self { flow: Box::new(flow), base: Box::new(base), target: Box::new(target), domain }
    }

    /// `flow` between the standard normal and a random [`AnharmonicChain`](crate::models::AnharmonicChain).
    pub fn on_line(flow: impl Invertible<Cpu<T>> + 'static, rng: &mut Rng) -> Self {
        let dof = flow.dof();
        Self::new(flow, StandardNormal::new(dof), any_target(Domain::Line, dof, rng), Domain::Line)
    }

    /// `flow` between `base` and a random [`AnharmonicChain`](crate::models::AnharmonicChain).
    pub fn on_base(flow: impl Invertible<Cpu<T>> + 'static, base: impl Base<Cpu<T>> + 'static, rng: &mut Rng) -> Self {
        let dof = flow.dof();
        Self::new(flow, base, any_target(Domain::Line, dof, rng), Domain::Line)
    }

    /// `flow` between the uniform density on the torus and random [`Rotors`](crate::models::Rotors).
    pub fn on_circle(flow: impl Invertible<Cpu<T>> + 'static, rng: &mut Rng) -> Self {
        let dof = flow.dof();
        Self::new(flow, UniformTorus::new(dof), any_target(Domain::Circle, dof, rng), Domain::Circle)
    }

    /// The engine of these parts.
    pub fn engine(self, device: Cpu<T>, cut: Cut) -> AnyEngine<T> {
        Engine::new(device, self.flow, self.base, self.target, cut)
    }

    /// The parameters of the base, then those of the flow.
    fn layout(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.nest("base.", &self.base.params());
        layout.nest("", &self.flow.params());
        layout
    }
}

/// An engine on the processor for any flow.
pub type AnyEngine<T> = Engine<Cpu<T>>;

/// A flow to be tested: how to make it, and what is known of it.
pub struct FlowCase {
    /// Flow, base and target, hyper-parameters drawn from the generator.
    pub double: fn(&mut Rng) -> Parts<f64>,
    /// The same in f32, for the same state of the generator.
    pub single: fn(&mut Rng) -> Parts<f32>,
    /// Up to what its equations hold beside rounding: the error of an integrator.
    pub error: f64,
    /// By how many times the usual the parameters are spread: less for a flow whose equations hold up to an error that they decide.
    pub spread: f64,
}

impl FlowCase {
    /// A flow whose equations hold exactly.
    pub fn new(double: fn(&mut Rng) -> Parts<f64>, single: fn(&mut Rng) -> Parts<f32>) -> Self {
        Self { double, single, error: 0.0, spread: 1.0 }
    }
}

/// A precision in which a [`FlowCase`] can be made.
trait InPrecision: Real {
    fn parts(case: &FlowCase, rng: &mut Rng) -> Parts<Self>;
}

impl InPrecision for f64 {
    fn parts(case: &FlowCase, rng: &mut Rng) -> Parts<f64> {
        (case.double)(rng)
    }
}

impl InPrecision for f32 {
    fn parts(case: &FlowCase, rng: &mut Rng) -> Parts<f32> {
        (case.single)(rng)
    }
}

/// A test for every line `name(rng) => parts`: [`check_flow`](crate::flow::check_flow).
///
/// The expression is a [`Parts<T>`](crate::flow::Parts); it may draw hyper-parameters from `rng` (an [`upg_core::Rng`])
/// and may use the precision `T`. Before `=>` may stand, in this order: `up to 1e-9`, the error up to which its equations hold; `spread 0.5`, a
/// factor on the spread of the parameters.
///
/// ```
/// use upg_testkit::{flow::Parts, flow_battery};
/// # fn my_flow<T: upg_core::Real>(_: &mut upg_core::Rng) -> Box<dyn upg_core::Invertible<upg_core::Cpu<T>>> { todo!() }
///
/// flow_battery! {
///     my_flow(rng) => Parts::on_line(my_flow(rng), rng);
/// }
/// ```
#[macro_export]
macro_rules! flow_battery {
    ($($(#[$attribute:meta])* $name:ident ( $rng:ident ) $(up to $error:literal)? $(spread $spread:literal)? => $parts:expr;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            #[allow(unused_variables)]
            fn make<T: ::upg_core::Real>($rng: &mut ::upg_core::Rng) -> $crate::flow::Parts<T> {
                $parts
            }
            $crate::flow::check_flow(&$crate::flow::FlowCase {
                $(error: $error,)?
                $(spread: $spread,)?
                ..$crate::flow::FlowCase::new(make, make)
            });
        }
    )*};
}

/// How many flows are drawn of one case.
const ROUNDS: u64 = 3;
/// The reverse-KL path gradients.
pub const REVERSE_PATHS: [ReverseKl; 3] = [ReverseKl::PathFast, ReverseKl::PathTwoPass, ReverseKl::PathTwoPassLean];
/// The forward-KL path gradients.
pub const FORWARD_PATHS: [ForwardKl; 2] = [ForwardKl::PathFast, ForwardKl::Gdreg];

/// Every estimator.
pub fn all_estimators() -> impl Iterator<Item = Estimator> {
    let reverse = [ReverseKl::Reparam].into_iter().chain(REVERSE_PATHS).map(Estimator::Reverse);
    reverse.chain([ForwardKl::MaxLikelihood].into_iter().chain(FORWARD_PATHS).map(Estimator::Forward))
}

/// The whole batch at once.
const WHOLE: Cut = Cut { micro_batch: 1 << 20, lanes: 1 };

/// An estimator of either divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Of the reverse KL; its samples are base samples z.
    Reverse(ReverseKl),
    /// Of the forward KL; its samples are data x.
    Forward(ForwardKl),
}

impl Estimator {
    /// One gradient at `theta` over `samples`, shape `[batch, dof]`.
    pub fn run<'e, T: Real>(
        self,
        engine: &'e mut AnyEngine<T>,
        theta: &Vec<T>,
        samples: ArrayView2<'_, T>,
    ) -> Gradient<'e, Cpu<T>> {
        let gradient = match self {
            Self::Reverse(how) => engine.reverse_kl(how, theta, Start::Given(samples)),
            Self::Forward(how) => engine.forward_kl(how, theta, samples),
        };
        gradient.expect("the processor doesn't fail")
    }

    /// The same, watched.
    pub fn run_each<'e, T: Real>(
        self,
        engine: &'e mut AnyEngine<T>,
        theta: &Vec<T>,
        samples: ArrayView2<'_, T>,
        whole: &mut Whole<'_, Cpu<T>>,
    ) -> Gradient<'e, Cpu<T>> {
        let gradient = match self {
            Self::Reverse(how) => engine.reverse_kl_each(how, theta, Start::Given(samples), whole),
            Self::Forward(how) => engine.forward_kl_each(how, theta, samples, whole),
        };
        gradient.expect("the processor doesn't fail")
    }
}

/// Runs all checks of the [battery](self) on flows drawn from `case`.
///
/// # Panics
/// If a check fails; the message names it and the round.
pub fn check_flow(case: &FlowCase) {
    for round in 0..ROUNDS {
        let mut trial = Trial::draw(case, round);
        agreement::check(&mut trial);
        gradients::check(&mut trial);
        results::check(&mut trial);
        expectation::check(&mut trial);
        zero::check(&mut trial);
    }
}

/// One drawn flow with its parameters.
struct Trial<'c> {
    case: &'c FlowCase,
    round: u64,
    /// Where `case` starts drawing hyper-parameters.
    hyper: Rng,
    layout: ParamLayout,
    /// The parameters of the base, then those of the flow.
    theta: Vec<f64>,
    /// How many of them are the base's.
    of_base: usize,
    rng: Rng,
}

impl<'c> Trial<'c> {
    fn draw(case: &'c FlowCase, round: u64) -> Self {
        let hyper = draw::rng(1000 + round);
        let mut rng = hyper.clone();
        let parts = (case.double)(&mut rng);
        let (layout, of_base) = (parts.layout(), parts.base.params().size());
        let theta = draw::parameters_within(&mut rng, &layout, case.spread);
        Self { case, round, hyper, layout, theta, of_base, rng }
    }

    fn parts<T: InPrecision>(&self) -> Parts<T> {
        T::parts(self.case, &mut self.hyper.clone())
    }

    fn engine<T: InPrecision>(&self, device: Cpu<T>, cut: Cut) -> AnyEngine<T> {
        self.parts().engine(device, cut)
    }

    fn label(&self, what: &str) -> String {
        format!("{what} (round {})", self.round)
    }

    /// The usual tolerance, or what this case needs.
    fn allowed(&self, usual: Tolerance) -> Tolerance {
        usual.at_least(self.case.error)
    }

    /// A batch size, odd.
    fn batch(&mut self) -> usize {
        5 + 2 * self.rng.random_range(0..5)
    }

    /// Draws from the base, shape `[batch, dof]`, exact in f32.
    fn base_samples(&mut self, batch: usize) -> Array2<f64> {
        let theta = self.theta.clone();
        self.base_samples_at(&theta, batch)
    }

    /// The same at other parameters.
    fn base_samples_at(&mut self, theta: &[f64], batch: usize) -> Array2<f64> {
        let (parts, here) = (self.parts::<f64>(), Cpu::here());
        let stream = SampleStream::new(self.rng.random(), 0, 0);
        let mut base = BaseRunner::new(&here, &*parts.base, &theta[..self.of_base]);
        base.sample(stream, 0, batch).mapv(|z| draw::single(parts.domain, z))
    }

    /// The parameters of the flow.
    fn of_flow(&self) -> &[f64] {
        &self.theta[self.of_base..]
    }

    /// Points of the space the target lives in, shape `[batch, dof]`, exact in f32: not draws from the target.
    fn data(&mut self, batch: usize) -> Array2<f64> {
        let parts = self.parts::<f64>();
        draw::points(&mut self.rng, parts.domain, batch, parts.flow.dof())
    }

    /// z for a reverse, data for a forward estimator.
    fn samples(&mut self, estimator: Estimator, batch: usize) -> Array2<f64> {
        match estimator {
            Estimator::Reverse(_) => self.base_samples(batch),
            Estimator::Forward(_) => self.data(batch),
        }
    }

    /// The map of an estimator applied to its samples, evaluated plainly: `forward` of T or T⁻¹, and both densities.
    fn plain(&self, estimator: Estimator, theta: &[f64], samples: &Array2<f64>) -> Plain {
        let (parts, here) = (self.parts::<f64>(), Cpu::here());
        let (of_base, of_flow) = theta.split_at(self.of_base);
        let inverse = parts.flow.inverse();
        let mapped = match estimator {
            Estimator::Reverse(_) => Runner::new(&here, &*parts.flow, of_flow).forward(samples),
            Estimator::Forward(_) => Runner::new(&here, &*inverse, of_flow).forward(samples),
        };
        let (z, x) = match estimator {
            Estimator::Reverse(_) => (samples, &mapped.y),
            Estimator::Forward(_) => (&mapped.y, samples),
        };
        let (log_base, _) = BaseRunner::new(&here, &*parts.base, of_base).log_density_and_score(z);
        let action = target::action(&here, &*parts.target, x);
        Plain { estimator, end: mapped.y, log_det: mapped.log_det, log_base, action }
    }
}

/// A plain evaluation of the map, per sample.
struct Plain {
    estimator: Estimator,
    end: Array2<f64>,
    log_det: Vec<f64>,
    log_base: Vec<f64>,
    action: Vec<f64>,
}

impl Plain {
    /// log q(x) = log q₀(z) − log|det J_T| = log q₀(z) + log|det J_{T⁻¹}|, per sample.
    fn log_q(&self) -> Vec<f64> {
        let log_q = |(base, log_det): (&f64, &f64)| match self.estimator {
            Estimator::Reverse(_) => base - log_det,
            Estimator::Forward(_) => base + log_det,
        };
        self.log_base.iter().zip(&self.log_det).map(log_q).collect()
    }

    /// −S − log q, per sample.
    fn log_weights(&self) -> Vec<f64> {
        self.action.iter().zip(self.log_q()).map(|(action, log_q)| -action - log_q).collect()
    }

    /// log q + S for the reverse KL, −log q for the forward KL, per sample.
    fn losses(&self) -> Vec<f64> {
        let negative = match self.estimator {
            Estimator::Reverse(_) => self.log_weights(),
            Estimator::Forward(_) => self.log_q(),
        };
        negative.iter().map(|l| -l).collect()
    }

    /// The mean of the losses.
    fn loss(&self) -> f64 {
        self.losses().iter().sum::<f64>() / self.action.len() as f64
    }
}
