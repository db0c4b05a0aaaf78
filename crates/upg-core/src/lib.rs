//! Path gradients for normalizing flows: the score recursion, the estimators, and the traits that carry them.
//!
//! A flow q_θ is a chain of [`Layer`]s with three verbs. Given a [`Base`] density and a [`Target`], an [`Engine`] returns the
//! gradient of the reverse KL(q_θ‖p) or the forward KL(p‖q_θ) by any of the estimators of [`ReverseKl`] and [`ForwardKl`]. The fast
//! path estimator is computed analytically alongside the sampling pass; nothing here differentiates automatically. The mathematics,
//! with the numbered equations that the comments cite as `MATH (n)`, is in [`math`].
//!
//! # Signs and directions
//!
//! | name | meaning |
//! |---|---|
//! | `log_det` | log\|det J\| of the map just applied, in the direction it was applied |
//! | `score` | +∇ log of a named density |
//! | action S, `force` | p ∝ e^{−S}, force = −∇S = ∇ log p |
//! | `log_weight` | log p̃ − log q = −S − log q |
//! | `loss` | mean(log q + S) for the reverse KL, mean(−log q) for the forward KL |
//! | `weight` w of a pull-back | −1/B for ordinary gradients, +1 for a score by way of the inverse, 0 for path gradients |
//!
//! Users hand in and get samples of shape `[batch, dof]`; inside, a [`Batch`] is `[dof, samples]`.
//!
//! # A layer and a target of one's own
//!
//! ```
//! use upg_core::*;
//!
//! /// y_i = x_i e^{σ_i}: one parameter σ_i per degree of freedom.
//! #[derive(Clone)]
//! struct Scale { dof: usize, power: f64 }
//!
//! impl Layer<Cpu<f64>> for Scale {
//!     fn dof(&self) -> usize { self.dof }
//!
//!     fn params(&self) -> ParamLayout {
//!         let mut layout = ParamLayout::default();
//!         layout.push(Tensor::new("sigma", [self.dof], Init::Uniform { bound: 0.3 }));
//!         layout
//!     }
//!
//!     fn forward(&self, pass: &mut Pass<'_, Cpu<f64>>, x: &mut Batch<f64>, log_det: &mut Vec<f64>) {
//!         for (i, sigma) in pass.theta.iter().enumerate() {
//!             x.row_mut(i).iter_mut().for_each(|x| *x *= (self.power * sigma).exp());
//!             log_det.iter_mut().for_each(|l| *l += self.power * sigma);
//!         }
//!         pass.tape.get::<Batch<f64>>().copy_from(x); // y, for the pull-back
//!     }
//!
//!     fn push(&self, pass: &mut Pass<'_, Cpu<f64>>, a: &mut Batch<f64>, w: f64, grad: Option<GradSink<'_, Cpu<f64>>>) {
//!         for (i, sigma) in pass.theta.iter().enumerate() { // ∇ℓ = 0
//!             a.row_mut(i).iter_mut().for_each(|a| *a *= (-self.power * sigma).exp());
//!         }
//!         self.add_gradient(pass, -1.0, a, w, grad);
//!     }
//!
//!     fn pull_back(&self, pass: &mut Pass<'_, Cpu<f64>>, a: &mut Batch<f64>, w: f64, grad: Option<GradSink<'_, Cpu<f64>>>) {
//!         self.add_gradient(pass, 1.0, a, w, grad);
//!         for (i, sigma) in pass.theta.iter().enumerate() {
//!             a.row_mut(i).iter_mut().for_each(|a| *a *= (self.power * sigma).exp());
//!         }
//!     }
//! }
//!
//! impl Scale {
//!     /// ∂σ_i (+)= factor Σ (a_i y_i + w), for a cotangent a of y.
//!     fn add_gradient(
//!         &self, pass: &mut Pass<'_, Cpu<f64>>, factor: f64, a: &Batch<f64>, w: f64, grad: Option<GradSink<'_, Cpu<f64>>>,
//!     ) {
//!         let Some(GradSink { into, accum }) = grad else { return };
//!         let y = pass.tape.get::<Batch<f64>>();
//!         for (i, d) in into.iter_mut().enumerate() {
//!             let sum: f64 = a.row(i).iter().zip(y.row(i)).map(|(a, y)| factor * self.power * (a * y + w)).sum();
//!             *d = if accum == Accum::Add { *d + sum } else { sum };
//!         }
//!     }
//! }
//!
//! impl Invertible<Cpu<f64>> for Scale {
//!     fn inverse(&self) -> Box<dyn Invertible<Cpu<f64>>> {
//!         Box::new(Scale { power: -self.power, ..*self })
//!     }
//! }
//!
//! /// S = Σ x_i²/(2 v): a Gaussian of variance v.
//! struct Wide { dof: usize, variance: f64 }
//!
//! impl Target<Cpu<f64>> for Wide {
//!     fn dof(&self) -> usize { self.dof }
//!
//!     fn action_and_force(&self, _: &Cpu<f64>, x: &Batch<f64>, action: &mut Vec<f64>, force: Option<&mut Batch<f64>>) {
//!         *action = vec![0.0; x.samples()];
//!         for i in 0..self.dof {
//!             action.iter_mut().zip(x.row(i)).for_each(|(s, x)| *s += x * x / (2.0 * self.variance));
//!         }
//!         if let Some(force) = force {
//!             force.copy_from(x);
//!             force.as_mut_slice().iter_mut().for_each(|f| *f /= -self.variance);
//!         }
//!     }
//! }
//!
//! let scale = Scale { dof: 3, power: 1.0 };
//! let mut engine = Engine::new(
//!     Cpu::new(2),
//!     Chain::new::<Cpu<f64>>(vec![scale.clone(), scale]),
//!     StandardNormal::new(3),
//!     Wide { dof: 3, variance: 4.0 },
//!     Cut { micro_batch: 64, lanes: 1 },
//! );
//! // Where q = p, the path gradient is zero sample by sample; the ordinary one is not.
//! let theta = vec![2f64.ln() / 2.0; 6];
//! let start = Start::Draw { stream: SampleStream::new(1, 0, 0), first: 0, samples: 200 };
//! assert!(engine.reverse_kl(ReverseKl::PathFast, &theta, start)?.grad.iter().all(|g| g.abs() < 1e-15));
//! assert!(engine.reverse_kl(ReverseKl::Reparam, &theta, start)?.grad.iter().any(|g| g.abs() > 1e-3));
//! # Ok::<(), DeviceError>(())
//! ```
pub mod batch;
pub mod chain;
pub mod density;
pub mod device;
pub mod domain;
pub mod engine;
pub mod estimator;
pub mod inverse;
pub mod layer;
#[doc = include_str!("../MATH.md")]
pub mod math {}
pub mod params;
pub mod random;
pub mod real;
mod share;
pub mod staircase;
pub mod streams;
pub mod vmath;
pub mod ways;
pub mod workspace;

pub use ndarray;

pub use batch::Batch;
pub use chain::Chain;
pub use density::{Base, BasePass, StandardNormal, Target, UniformTorus};
pub use device::{Cpu, Device, DeviceError, Execution, Memory, Vectors};
pub use domain::Domain;
pub use engine::{Cut, EndSamples, Engine, Gradient, Start, Weighted};
pub use estimator::{ForwardKl, ReverseKl};
pub use inverse::{Inverse, Solve};
pub use layer::{Accum, BatchStart, GradSink, Invertible, Layer, Pass};
pub use params::{Init, ParamLayout, Tensor};
pub use random::SampleStream;
pub use real::Real;
pub use share::share;
pub use staircase::{Staircase, Steps};
pub use streams::{Rng, Streams};
pub use ways::{BothWays, Generating, Normalizing, OneWay};
pub use workspace::{Prepared, Workspace};
