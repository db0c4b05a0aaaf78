//! The estimators by name, and which divergence each belongs to.

use std::fmt;
use std::str::FromStr;
use upg_core::{ForwardKl, ReverseKl};

/// An estimator, by the name used in files and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodError {
    /// The estimator asked for.
    pub estimator: Estimator,
    /// The divergence it doesn't belong to.
    pub divergence: Divergence,
}

impl fmt::Display for MethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted: Vec<_> = Method::of(self.divergence).map(|method| method.estimator().name()).collect();
        let (estimator, divergence, accepted) = (self.estimator, self.divergence, accepted.join(", "));
        write!(f, "estimator = {estimator} does not fit divergence = {divergence}: accepted with it are {accepted}")
    }
}

impl std::error::Error for MethodError {}

/// A name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// The name.
    pub name: String,
    /// The names there are.
    pub accepted: Vec<&'static str>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: accepted are {}", self.name, self.accepted.join(", "))
    }
}

impl std::error::Error for UnknownName {}

impl Estimator {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Reparam, Self::PathFast, Self::PathTwoPass, Self::PathTwoPassLean, Self::MaxLikelihood, Self::Gdreg];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reparam => "reparam",
            Self::PathFast => "path-fast",
            Self::PathTwoPass => "path-two-pass",
            Self::PathTwoPassLean => "path-two-pass-lean",
            Self::MaxLikelihood => "max-likelihood",
            Self::Gdreg => "gdreg",
        }
    }
}

impl Divergence {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reverse, Self::Forward];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reverse => "reverse",
            Self::Forward => "forward",
        }
    }
}

/// Text from a value by its name, and back.
macro_rules! by_name {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $kind {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                let unknown = || UnknownName { name: name.into(), accepted: Self::ALL.map(Self::name).to_vec() };
                Self::ALL.into_iter().find(|value| value.name() == name).ok_or_else(unknown)
            }
        }
    )*};
}
by_name!(Estimator, Divergence);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_either_a_method_or_refused_with_the_accepted_ones() {
        let mut methods = 0;
        for divergence in Divergence::ALL {
            for estimator in Estimator::ALL {
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
    fn names_are_read_back() {
        for estimator in Estimator::ALL {
            assert_eq!(estimator.to_string().parse(), Ok(estimator));
        }
        for divergence in Divergence::ALL {
            assert_eq!(divergence.to_string().parse(), Ok(divergence));
        }
        let error = "path".parse::<Estimator>().unwrap_err().to_string();
        assert!(error.starts_with("path: accepted are reparam, path-fast"), "{error}");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn names_in_files_are_those_of_the_command_line() {
        for estimator in Estimator::ALL {
            assert_eq!(serde_json::to_string(&estimator).unwrap(), format!("\"{estimator}\""));
        }
        for divergence in Divergence::ALL {
            assert_eq!(serde_json::to_string(&divergence).unwrap(), format!("\"{divergence}\""));
        }
    }
}
