//! Training without files.
//!
//! | module | what is there |
//! |---|---|
//! | [`trainer`] | the steps |
//! | [`validation`] | the test between steps |
//! | [`fault`] | where a step went wrong that was skipped |

pub mod fault;
pub mod trainer;
pub mod validation;

pub use trainer::{Step, Trainer};

#[cfg(test)]
mod tests;
