//! The flows, targets and optimisers of upg on CUDA devices.
//!
//! [`Cuda`] is a [`Device`](upg_core::Device): the estimators, the engine and the training loop work on it as they work on the host. All
//! that it asks of a card is the small trait [`Gpu`](gpu::Gpu), which [`Driver`](driver::Driver) implements with the CUDA driver and, in tests,
//! `Emulator` on the host, with the very same text of the kernels.

mod bases;
pub mod catalogue;
pub mod cuda;
pub mod driver;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod gpu;
pub mod kernels;
mod launch;
mod layers;
mod links;
mod lower;
mod memory;
mod modes;
mod plans;
mod poisoned;
mod probe;
mod product;
mod random;
mod targets;
mod texts;

pub use bases::AnyBase;
pub use cuda::Cuda;
pub use layers::AnyLayer;
pub use lower::{LowerError, has_kernels};
pub use memory::{Batch, Buffer, Params, ParamsMut, Sums};
pub use poisoned::Poisoned;
pub use product::Precision;
pub use targets::AnyTarget;
pub use texts::Texts;
