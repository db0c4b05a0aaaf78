//! What every layer, flow and target of the workspace is tested with; a development dependency only.
//!
//! One finite-difference helper ([`finite`]), one set of tolerances ([`tolerance`]).
pub mod finite;
pub mod tolerance;
