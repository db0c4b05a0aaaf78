//! Normalizing flows with hand-written Jacobian-vector recursions, on the host.
//!
//! A coupling layer is a [`Mask`], a conditioner ([`Mlp`], [`LatticeNet`]) and an elementwise transform ([`Affine`], [`Additive`],
//! [`LogisticMixture`], [`TanMixture`], [`Spline`]; without a closed-form inverse it gets an [`Implicit`] one). An
//! [`Autoregressive`] layer is an [`Order`], a masked net and such a transform. A [`FlowSpec`] describes a flow
//! as plain data; [`RealNvp`], [`SplineNvp`], [`Z2Nice`], [`ConvNvp`], [`Glow`], [`Maf`], [`Iaf`], [`TorusSpline`], [`U1Flow`],
//! [`ContinuousFlow`] and [`U1Continuous`] are recipes for such descriptions.

pub mod act_norm;
pub mod activation;
pub mod additive;
pub mod affine;
pub mod autoregressive;
pub mod bases;
pub mod cnn;
pub mod conditioner;
pub mod continuous;
pub mod coupling;
pub mod elementwise;
pub mod error;
mod features;
pub mod gauge;
pub mod householder;
pub mod implicit;
pub mod lattice_field;
pub mod lattice_net;
pub mod linear;
pub mod logistic_mixture;
pub mod lu;
pub mod mask;
pub mod masked;
pub mod matmul;
pub mod mlp;
pub mod modes;
#[cfg(feature = "serde")]
pub mod numbers;
pub mod orbits;
pub mod permutation;
pub mod plaquette_field;
pub mod plaquette_flow;
pub mod ready;
pub mod scaling;
pub mod shallow_field;
pub mod simd;
pub mod size;
pub mod spec;
pub mod spline;
mod sums;
pub mod tan_mixture;
pub mod triangular;

pub use act_norm::{ActNorm, FirstValues};
pub use activation::Activation;
pub use additive::Additive;
pub use affine::Affine;
pub use autoregressive::Autoregressive;
pub use bases::{DiagonalNormal, FreeField, TwoSigns};
pub use conditioner::Conditioner;
pub use continuous::{Continuous, VectorField};
pub use coupling::Coupling;
pub use elementwise::Elementwise;
pub use error::FlowError;
pub use gauge::GaugeCoupling;
pub use householder::Householder;
pub use implicit::Implicit;
pub use lattice_field::LatticeField;
pub use lattice_net::{LatticeNet, Symmetry};
pub use logistic_mixture::LogisticMixture;
pub use lu::{LuChoices, LuLinear};
pub use mask::{Mask, MaskPattern, MaskSpec, Parity};
pub use mlp::{Bias, Mlp, StartAt};
pub use modes::Modes;
pub use orbits::Orbits;
pub use permutation::{Order, Permutation};
pub use plaquette_field::PlaquetteField;
pub use plaquette_flow::PlaquetteFlow;
pub use ready::{
    ContinuousFlow, ConvNvp, Glow, Iaf, Maf, RealNvp, SplineNvp, TorusSpline, U1Continuous, U1Flow, Z2Nice,
};
pub use scaling::{GlobalScaling, Scales};
pub use shallow_field::ShallowField;
pub use size::Size;
pub use spec::{BaseSpec, Flow, FlowSpec, LayerSpec};
pub use spline::Spline;
pub use tan_mixture::TanMixture;
