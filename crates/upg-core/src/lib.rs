//! Path gradients for normalizing flows: the score recursion, the estimators, and the traits that carry them.
pub mod batch;
pub mod chain;
pub mod density;
pub mod device;
pub mod engine;
pub mod estimator;
pub mod layer;
pub mod params;
pub mod real;
pub mod streams;
pub mod vmath;
pub mod workspace;

pub use batch::Batch;
pub use chain::Chain;
pub use density::{Base, Boltzmann, Density, StandardNormal, Target, UniformTorus};
pub use device::{Cpu, Device};
pub use engine::{Cut, EndSamples, Engine, Gradient, Start};
pub use estimator::{ForwardKl, ReverseKl};
pub use layer::{Accum, GradSink, Invertible, Layer, Pass};
pub use params::{Init, ParamLayout, Tensor};
pub use real::Real;
pub use streams::{Rng, Streams};
pub use workspace::Workspace;
