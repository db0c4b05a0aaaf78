//! All that can end a command early, and the exit status it ends with.

use crate::{
    config::{ConfigError, Invalid},
    method::MethodError,
    output::OutputError,
    run_dir::RunError,
    samples::SamplesError,
    train::fault::Fault,
    weights::WeightsError,
};
use std::io;
use std::path::PathBuf;

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
    /// A value of a configuration that was not read from a file isn't accepted.
    #[error("config: {0}")]
    Invalid(#[from] Invalid),
    /// The folder of a run is not what it should be.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The arguments don't go together.
    #[error("{0}")]
    Usage(String),
    /// Samples of the target can't be had, or aren't those they should be.
    #[error("{0}")]
    Data(String),
    /// The samples file that a field of the configuration names is wrong.
    #[error("{field}: {error}")]
    Given {
        /// The field, e.g. `data.train`.
        field: String,
        /// What is wrong.
        error: SamplesError,
    },
    /// The weights overflowed; they aren't saved.
    #[error(
        "step {step}: weights in {tensor} are not finite: the learning rate is too large; the latest checkpoint is that of step {saved}"
    )]
    Overflown {
        /// The step after which it was noticed.
        step: u64,
        /// The first tensor with such a weight.
        tensor: String,
        /// The step of the latest checkpoint.
        saved: u64,
    },
    /// Something that went wrong once the run had begun. What was saved stays.
    #[error(transparent)]
    Failed(Box<Error>),
    /// The system doesn't hand out signals.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// The run was asked to stop. All is saved.
    #[error("{signal} after step {step}: all is saved, --resume --out {} goes on", dir.display())]
    Interrupted {
        /// Name of the signal.
        signal: &'static str,
        /// Steps made.
        step: u64,
        /// Folder of the run.
        dir: PathBuf,
    },
    /// Step after step had to be skipped. All is saved.
    #[error("step {step}: {fault}; {in_a_row} steps in a row had to be skipped (training.abort_after)")]
    Diverged {
        /// The last one.
        step: u64,
        /// How many.
        in_a_row: u64,
        /// Why the last one.
        fault: Fault,
    },
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
            Self::Invalid(_) | Self::Usage(_) | Self::Data(_) | Self::Given { .. } => 2,
            Self::Run(error) => error.exit_status(),
            Self::Output(error) => error.exit_status(),
            Self::NotFinite { .. } | Self::Signals(_) | Self::Interrupted { .. } | Self::Diverged { .. } => 1,
            Self::Failed(_) | Self::Overflown { .. } => 1,
        }
    }
}

/// `text` in one line of about `longest` characters: what a file holds, or a parser says about it, may be of any length, and may hold
/// line ends and what a terminal obeys.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let words = text.split_whitespace().flat_map(|word| [" ", word]).skip(1);
    for (length, c) in words.flat_map(str::chars).enumerate() {
        match c {
            _ if length == longest => {
                line.push('…');
                break;
            }
            _ if c.is_control() => line.extend(c.escape_default()),
            _ => line.push(c),
        }
    }
    line
}

/// A shape, shortened if it has many extents.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    one_line(&format!("{shape:?}"), 60)
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
    fn any_text_becomes_a_line() {
        for (text, line) in [
            ("a\r\n  b\tc ", "a b c"),
            ("", ""),
            (" \n", ""),
            ("\u{1b}[2J\0", "\\u{1b}[2J\\u{0}"),
            ("äöüß ääää", "äöüß ää…"),
            ("1234567", "1234567"),
            ("12345678", "1234567…"),
        ] {
            assert_eq!(super::one_line(text, 7), line, "{text:?}");
        }
        assert_eq!(super::shape_text(&[3, 4]), "[3, 4]");
        assert!(super::shape_text(&[1; 999]).len() < 80);
    }

    #[test]
    fn unravel_is_c_order() {
        assert_eq!(super::unravel(23, &[3, 2, 5]), [2, 0, 3]);
        assert_eq!(super::unravel(0, &[]), [0; 0]);
    }
}
