//! Descriptions of elementwise transforms.

#[cfg(feature = "serde")]
use crate::numbers;
use crate::{elementwise::block_rows, error::FlowError};

/// A monotone transform of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "transform", deny_unknown_fields)
)]
pub enum TransformSpec {
    /// y = t·e^s + m (see [`affine`](crate::affine)).
    Affine {
        /// Soft clamp c of the log-scale, s ← c·tanh(s/c); `None`: unbounded.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        clamp: Option<f64>,
    },
    /// y = t + m (see [`additive`](crate::additive)).
    Additive,
    /// The mixture of logistic distributions of Flow++ (see [`logistic_mixture`](crate::logistic_mixture)).
    LogisticMixture {
        /// Number of distributions.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        mixtures: usize,
    },
}

/// A monotone transform of an angle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "transform", deny_unknown_fields)
)]
pub enum AngleTransformSpec {
    /// The mean of tan transforms, and a shift (see [`tan_mixture`](crate::tan_mixture)).
    TanMixture {
        /// Number of tan transforms.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        mixtures: usize,
    },
}

impl Default for TransformSpec {
    /// Affine, unbounded.
    fn default() -> Self {
        Self::Affine { clamp: None }
    }
}

impl TransformSpec {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Numbers φ per degree of freedom.
    pub fn width(&self) -> usize {
        match *self {
            Self::Affine { .. } => 2,
            Self::Additive => 1,
            Self::LogisticMixture { mixtures } => mixtures.saturating_mul(3).saturating_add(2),
        }
    }

    /// Numbers on the tape for λ and the partials of one element.
    pub(super) fn kept(&self) -> u64 {
        partials(self.width())
    }

    pub(super) fn check(&self) -> Result<(), FlowError> {
        match *self {
            Self::Affine { clamp: Some(c) } if !(c.is_finite() && c > 0.0) => {
                Err(FlowError::new("transform.clamp", c, "a positive number, or None"))
            }
            Self::LogisticMixture { mixtures } => check_mixtures(mixtures),
            Self::Affine { .. } | Self::Additive => Ok(()),
        }
    }
}

impl AngleTransformSpec {
    /// Numbers φ per active plaquette.
    pub fn width(&self) -> usize {
        let Self::TanMixture { mixtures } = *self;
        mixtures.saturating_add(1)
    }

    /// Numbers on the tape for λ and the partials of one plaquette.
    pub(super) fn kept(&self) -> u64 {
        partials(self.width())
    }

    pub(super) fn check(&self) -> Result<(), FlowError> {
        let Self::TanMixture { mixtures } = *self;
        check_mixtures(mixtures)
    }
}

fn check_mixtures(mixtures: usize) -> Result<(), FlowError> {
    if mixtures == 0 { Err(FlowError::new("transform.mixtures", mixtures, "at least 1")) } else { Ok(()) }
}

/// Rows of a table of partials; the width may be anything.
fn partials(width: usize) -> u64 {
    block_rows(width.min(usize::MAX / 4)) as u64
}
