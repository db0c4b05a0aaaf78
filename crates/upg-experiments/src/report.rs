//! Text from data, without files: a page of runs, SVG charts, event files.

pub(crate) mod curves;
pub mod page;
pub mod plot;
pub mod tensorboard;
