//! The divergences to be minimised, with their weights.

use crate::method::Method;
use crate::refused::{self, Refused, positive};
use upg_core::{ForwardKl, ReverseKl};

/// The objective of a training: a divergence, or a weighted sum of both.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "objective", deny_unknown_fields)
)]
pub enum Objective {
    /// KL(q‖p), from base samples.
    Reverse(#[cfg_attr(feature = "serde", serde(with = "ReverseName"))] ReverseKl),
    /// KL(p‖q), from data.
    Forward(#[cfg_attr(feature = "serde", serde(with = "ForwardName"))] ForwardKl),
    /// The weighted sum of both.
    Sum {
        /// How the gradient of the reverse KL is estimated.
        #[cfg_attr(feature = "serde", serde(with = "ReverseName"))]
        reverse: ReverseKl,
        /// Its weight.
        reverse_weight: f64,
        /// How the gradient of the forward KL is estimated.
        #[cfg_attr(feature = "serde", serde(with = "ForwardName"))]
        forward: ForwardKl,
        /// Its weight.
        forward_weight: f64,
    },
}

#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(remote = "ReverseKl", rename = "estimator")]
enum ReverseName {
    Reparam,
    PathFast,
    PathTwoPass,
    PathTwoPassLean,
}

#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(remote = "ForwardKl", rename = "estimator")]
enum ForwardName {
    MaxLikelihood,
    PathFast,
    Gdreg,
}

impl Objective {
    /// Weight and estimator of every term.
    pub fn terms(self) -> Vec<(f64, Method)> {
        match self {
            Self::Reverse(how) => vec![(1.0, Method::Reverse(how))],
            Self::Forward(how) => vec![(1.0, Method::Forward(how))],
            Self::Sum { reverse, reverse_weight, forward, forward_weight } => {
                vec![(reverse_weight, Method::Reverse(reverse)), (forward_weight, Method::Forward(forward))]
            }
        }
    }

    /// Whether data of the target are needed.
    pub fn needs_data(self) -> bool {
        !matches!(self, Self::Reverse(_))
    }

    /// Looks at the weights.
    ///
    /// # Errors
    /// The first one that isn't accepted.
    pub fn check(self) -> Result<(), Refused> {
        refused::first(self.refusals())
    }

    /// Every weight that isn't accepted.
    pub fn refusals(self) -> Vec<Refused> {
        let Self::Sum { reverse_weight, forward_weight, .. } = self else { return vec![] };
        refused::failed([positive("reverse_weight", reverse_weight), positive("forward_weight", forward_weight)])
    }
}
