//! All that can end a command early, and the exit status it ends with.

use crate::{
    config::ConfigError, method::MethodError, output::OutputError, samples::SamplesError, weights::WeightsError,
};

/// Why a command ended without a result. Every message is one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights file is wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The samples file is wrong.
    #[error(transparent)]
    Samples(#[from] SamplesError),
    /// The estimator doesn't fit the divergence.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The output can't be put where it was asked for, or couldn't be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The computation over- or underflowed; nothing is written.
    #[error("{name} has the value {value} at {index:?} ({precision}): the result is not finite, nothing was written")]
    NotFinite {
        /// The result, e.g. `log_weight` or `grad.layers.0.net.0.weight`.
        name: String,
        /// The first number that isn't finite.
        value: f64,
        /// Where it stands.
        index: Vec<usize>,
        /// `f32` or `f64`.
        precision: &'static str,
    },
}

impl Error {
    /// 2 if the input is wrong, 1 if the run failed.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Weights(_) | Self::Samples(_) | Self::Method(_) => 2,
            Self::Output(error) => error.exit_status(),
            Self::NotFinite { .. } => 1,
        }
    }
}

/// The index in C order of element `flat` of an array of shape `shape`.
pub(crate) fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &extent) in index.iter_mut().zip(shape).rev() {
        *i = flat % extent;
        flat /= extent;
    }
    index
}

#[cfg(test)]
mod tests {
    #[test]
    fn unravel_is_c_order() {
        assert_eq!(super::unravel(23, &[3, 2, 5]), [2, 0, 3]);
        assert_eq!(super::unravel(0, &[]), [0; 0]);
    }
}
