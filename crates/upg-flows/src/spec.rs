//! Descriptions of flows: plain data that every device can lower to its layers.
//!
//! A [`FlowSpec`] is a base density and a list of layers, all of them on samples of one shape. It tells, before anything is made, how
//! large the flow is, what its parameters are, and how a batch is to be cut. The host lowers it by [`FlowSpec::build`].
//!
//! ```
//! use upg_core::{Cpu, Layer};
//! use upg_flows::spec::{BaseSpec, CouplingSpec, FlowSpec, LayerSpec, MlpSpec, NetSpec, ScalingSpec, TransformSpec};
//! use upg_flows::{Activation, Bias, MaskSpec, Parity, Scales, StartAt};
//!
//! let net = MlpSpec { hidden: vec![16], activation: Activation::Silu, bias: Bias::Yes, start: StartAt::Random };
//! let coupling = |parity| {
//!     LayerSpec::Coupling(CouplingSpec {
//!         mask: MaskSpec::Checkerboard(parity),
//!         net: NetSpec::Mlp(net.clone()),
//!         transform: TransformSpec::LogisticMixture { mixtures: 4 },
//!     })
//! };
//! let spec = FlowSpec {
//!     shape: vec![4, 4],
//!     base: BaseSpec::StandardNormal,
//!     layers: vec![
//!         coupling(Parity::Even),
//!         LayerSpec::Inverse(coupling(Parity::Odd).into()),
//!         LayerSpec::Scaling(ScalingSpec { scales: Scales::One }),
//!     ],
//! };
//! let flow = spec.build::<f64>()?;
//! assert_eq!(Layer::<Cpu<f64>>::params(&flow), spec.params()?);
//! assert_eq!(spec.params()?.tensors()[0].name, "layers.0.net.0.weight");
//! # Ok::<(), upg_flows::FlowError>(())
//! ```
//!
//! A layer of one's own needs no description: [`Chain`](upg_core::Chain) takes any, beside those that [`LayerSpec::build`] makes.
//!
//! ```
//! use upg_core::{Chain, Cpu};
//! use upg_flows::spec::{AnyLayer, CouplingSpec, LayerSpec, MlpSpec, NetSpec, TransformSpec};
//! use upg_flows::{Activation, Bias, MaskSpec, Parity, StartAt};
//! # use upg_flows::{GlobalScaling as Mine, Scales};
//! # fn mine() -> Mine { Mine::new(8, Scales::One) }
//!
//! let coupling = |parity| {
//!     let net = MlpSpec { hidden: vec![16], activation: Activation::Tanh, bias: Bias::Yes, start: StartAt::Identity };
//!     let transform = TransformSpec::Affine { clamp: None };
//!     LayerSpec::Coupling(CouplingSpec { mask: MaskSpec::Alternating(parity), net: NetSpec::Mlp(net), transform })
//! };
//! let layers: Vec<AnyLayer<f64>> =
//!     vec![coupling(Parity::Even).build(&[8])?, coupling(Parity::Odd).build(&[8])?, Box::new(mine())];
//! let flow = Chain::new::<Cpu<f64>>(layers);
//! # Ok::<(), upg_flows::FlowError>(())
//! ```

mod act_norm;
mod autoregressive;
mod base;
mod cnn;
mod continuous;
mod coupling;
mod description;
mod flow;
mod gauge;
mod host;
mod householder;
mod lattice_net;
mod layer;
mod linear;
mod mlp;
mod net;
mod net_description;
mod outline;
mod permutation;
mod plaquette;
mod scaling;
mod transform;

pub use act_norm::ActNormSpec;
pub use autoregressive::AutoregressiveSpec;
pub use base::BaseSpec;
pub use cnn::CnnSpec;
pub use continuous::{ContinuousSpec, FieldSpec};
pub use coupling::{AngleCouplingSpec, CouplingSpec};
pub use flow::FlowSpec;
pub use gauge::GaugeCouplingSpec;
pub use host::{AnyBase, AnyLayer, Flow};
pub use householder::HouseholderSpec;
pub use lattice_net::LatticeNetSpec;
pub use layer::LayerSpec;
pub use linear::LinearSpec;
pub use mlp::MlpSpec;
pub use net::NetSpec;
pub use permutation::PermutationSpec;
pub use plaquette::PlaquetteFlowSpec;
pub use scaling::ScalingSpec;
pub use transform::{AngleTransformSpec, TransformSpec};

pub(crate) use description::Description;
pub(crate) use outline::Outline;
