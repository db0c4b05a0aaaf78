//! Bases with parameters.
//!
//! Beside [`StandardNormal`](upg_core::StandardNormal) and [`UniformTorus`](upg_core::UniformTorus), which have none: [`DiagonalNormal`] for any
//! numbers; [`FreeField`], MATH (19), and [`TwoSigns`], MATH (20), for fields on a periodic lattice.

mod diagonal;
pub(crate) mod free_field;
mod modes;
pub(crate) mod two_signs;

pub use diagonal::DiagonalNormal;
pub use free_field::FreeField;
pub use two_signs::TwoSigns;
