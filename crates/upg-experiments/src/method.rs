//! The estimators by name, and which divergence each belongs to.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use upg_core::{ForwardKl, ReverseKl};

/// An estimator, by the name used in files and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// Ordinary total gradient of the reverse KL.
    Reparam,
    /// Path gradient in one pass, Algorithm 1; reverse and forward KL.
    PathFast,
    /// Path gradient of the reverse KL in two passes, Algorithm 2.
    PathTwoPass,
    /// Algorithm 2, keeping the tape of the sampling pass.
    PathTwoPassLean,
    /// Ordinary gradient of the forward KL.
    MaxLikelihood,
    /// Path gradient of the forward KL, Algorithm 3.
    Gdreg,
}

/// Which Kullback-Leibler divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    /// KL(q‖p), from base samples.
    Reverse,
    /// KL(p‖q), from data.
    Forward,
}

/// An estimator together with its divergence: one of the seven combinations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Of the reverse KL.
    Reverse(ReverseKl),
    /// Of the forward KL.
    Forward(ForwardKl),
}

impl Method {
    /// All of them; the first of each divergence is the ordinary gradient.
    pub const ALL: [Self; 7] = [
        Self::Reverse(ReverseKl::Reparam),
        Self::Reverse(ReverseKl::PathFast),
        Self::Reverse(ReverseKl::PathTwoPass),
        Self::Reverse(ReverseKl::PathTwoPassLean),
        Self::Forward(ForwardKl::MaxLikelihood),
        Self::Forward(ForwardKl::PathFast),
        Self::Forward(ForwardKl::Gdreg),
    ];

    /// The combination of the two names.
    ///
    /// # Errors
    /// If the estimator doesn't estimate that divergence.
    pub fn new(estimator: Estimator, divergence: Divergence) -> Result<Self, MethodError> {
        let fits = |method: &Self| method.estimator() == estimator && method.divergence() == divergence;
        Self::ALL.into_iter().find(fits).ok_or(MethodError { estimator, divergence })
    }

    /// All methods of a divergence, its ordinary gradient first.
    pub fn of(divergence: Divergence) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |method| method.divergence() == divergence)
    }

    /// The name of the estimator.
    pub fn estimator(self) -> Estimator {
        match self {
            Self::Reverse(ReverseKl::Reparam) => Estimator::Reparam,
            Self::Reverse(ReverseKl::PathFast) | Self::Forward(ForwardKl::PathFast) => Estimator::PathFast,
            Self::Reverse(ReverseKl::PathTwoPass) => Estimator::PathTwoPass,
            Self::Reverse(ReverseKl::PathTwoPassLean) => Estimator::PathTwoPassLean,
            Self::Forward(ForwardKl::MaxLikelihood) => Estimator::MaxLikelihood,
            Self::Forward(ForwardKl::Gdreg) => Estimator::Gdreg,
        }
    }

    /// The divergence.
    pub fn divergence(self) -> Divergence {
        match self {
            Self::Reverse(_) => Divergence::Reverse,
            Self::Forward(_) => Divergence::Forward,
        }
    }

    /// Multiply-adds in units of F, one forward pass of the conditioners over the batch, when these dominate.
    pub fn passes(self) -> u32 {
        match self.estimator() {
            Estimator::Reparam | Estimator::MaxLikelihood => 3,
            Estimator::PathFast => 4,
            Estimator::PathTwoPassLean | Estimator::Gdreg => 5,
            Estimator::PathTwoPass => 6,
        }
    }
}

/// The estimator doesn't estimate the divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct MethodError {
    /// What was asked for.
    pub estimator: Estimator,
    /// What it can't do.
    pub divergence: Divergence,
}

impl fmt::Display for MethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted: Vec<_> = Method::of(self.divergence).map(|method| method.estimator().to_string()).collect();
        let (estimator, divergence, accepted) = (self.estimator, self.divergence, accepted.join(", "));
        write!(f, "estimator = {estimator} does not fit divergence = {divergence}: accepted with it are {accepted}")
    }
}

/// Displays a value by its command-line name.
macro_rules! display_by_name {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.to_possible_value().expect("no value is skipped").get_name())
            }
        }
    )*};
}
display_by_name!(Estimator, Divergence);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_either_a_method_or_refused_with_the_accepted_ones() {
        let mut methods = 0;
        for &divergence in Divergence::value_variants() {
            for &estimator in Estimator::value_variants() {
                match Method::new(estimator, divergence) {
                    Ok(method) => {
                        methods += 1;
                        assert_eq!((method.estimator(), method.divergence()), (estimator, divergence));
                    }
                    Err(error) => {
                        let message = error.to_string();
                        assert!(
                            message.contains(&format!("{estimator}")) && message.contains("path-fast"),
                            "{message}"
                        );
                    }
                }
            }
        }
        assert_eq!(methods, Method::ALL.len());
    }

    #[test]
    fn names_in_files_are_those_of_the_command_line() {
        for estimator in Estimator::value_variants() {
            assert_eq!(serde_json::to_string(estimator).unwrap(), format!("\"{estimator}\""));
        }
    }
}
