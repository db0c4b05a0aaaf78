//! What every layer, flow and target of the workspace is tested with; a development dependency only.
//!
//! The tools: finite differences ([`finite`]), tolerances ([`tolerance`]), dense linear algebra ([`dense`]).
pub mod alloc;
pub mod dense;
pub mod domain;
pub mod draw;
pub mod finite;
pub mod flow;
pub mod layer;
pub mod models;
pub mod numeric;
pub mod reference;
pub mod runner;
pub mod target;
pub mod tolerance;
