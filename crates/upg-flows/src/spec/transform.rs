//! Descriptions of elementwise transforms.

#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    elementwise::block_rows,
    error::{FlowError, require},
    spline::{Form, MOST_BINS, Spline},
};
use std::ops::Range;
use upg_core::Domain;

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
    /// A rational-quadratic spline on [−interval, interval], the identity outside (see [`spline`](crate::spline)).
    Spline {
        /// Number of bins.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        bins: usize,
        /// Half the length of the interval that the bins divide.
        interval: f64,
    },
    /// An odd rational-quadratic spline and a shift.
    OddSpline {
        /// Number of bins on [0, interval].
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        bins: usize,
        /// Half the length of the interval on which it isn't the identity.
        interval: f64,
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
    /// A rational-quadratic spline of the circle, and a shift (see [`spline`](crate::spline)).
    CircularSpline {
        /// Number of bins.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::whole"))]
        bins: usize,
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
            Self::Spline { bins, interval } => Spline { form: Form::Line { interval }, bins }.width_of(),
            Self::OddSpline { bins, interval } => Spline { form: Form::Odd { interval }, bins }.width_of(),
        }
    }

    /// Which φ change sign with x in a coupling that is odd, T(−x) = −T(x), all others being even; none if no choice makes it odd.
    pub(super) fn odd(&self) -> Option<Range<usize>> {
        match *self {
            Self::Affine { .. } | Self::Additive => Some(0..1),
            Self::OddSpline { .. } => Some(self.width().saturating_sub(1)..self.width()),
            Self::LogisticMixture { .. } | Self::Spline { .. } => None,
        }
    }

    /// Numbers on the tape for λ and the partials of one element.
    pub(super) fn kept(&self) -> u64 {
        match *self {
            Self::Affine { .. } | Self::Additive | Self::LogisticMixture { .. } => partials(self.width()),
            Self::Spline { bins, interval } => kept_by(Spline { form: Form::Line { interval }, bins }),
            Self::OddSpline { bins, interval } => kept_by(Spline { form: Form::Odd { interval }, bins }),
        }
    }

    pub(super) fn checks(&self) -> Vec<Result<(), FlowError>> {
        match *self {
            Self::Spline { bins, interval } | Self::OddSpline { bins, interval } => {
                let positive = interval > 0.0 && interval.is_finite();
                vec![check_bins(bins), require(positive, "transform.interval", interval, "a positive number")]
            }
            _ => vec![self.check()],
        }
    }

    fn check(&self) -> Result<(), FlowError> {
        match *self {
            Self::Affine { clamp: Some(c) } if !(c.is_finite() && c > 0.0) => {
                Err(FlowError::new("transform.clamp", c, "a positive number, or None"))
            }
            Self::LogisticMixture { mixtures } => check_mixtures(mixtures),
            _ => Ok(()),
        }
    }
}

impl AngleTransformSpec {
    /// Numbers φ per angle.
    pub fn width(&self) -> usize {
        match *self {
            Self::TanMixture { mixtures } => mixtures.saturating_add(1),
            Self::CircularSpline { bins } => Spline { form: Form::Circle, bins }.width_of(),
        }
    }

    /// Numbers on the tape for λ and the partials of one angle.
    pub(super) fn kept(&self) -> u64 {
        match *self {
            Self::TanMixture { .. } => partials(self.width()),
            Self::CircularSpline { bins } => kept_by(Spline { form: Form::Circle, bins }),
        }
    }

    pub(super) fn check(&self) -> Result<(), FlowError> {
        match *self {
            Self::TanMixture { mixtures } => check_mixtures(mixtures),
            Self::CircularSpline { bins } => check_bins(bins),
        }
    }
}

/// The transform of a coupling.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyTransform<'a> {
    OfNumbers(&'a TransformSpec),
    OfAngles(&'a AngleTransformSpec),
}

impl AnyTransform<'_> {
    /// Where what it moves lives.
    pub fn domain(self) -> Domain {
        match self {
            Self::OfNumbers(_) => Domain::Line,
            Self::OfAngles(_) => Domain::Circle,
        }
    }

    /// Numbers φ per degree of freedom.
    pub fn width(self) -> usize {
        match self {
            Self::OfNumbers(transform) => transform.width(),
            Self::OfAngles(transform) => transform.width(),
        }
    }

    /// Numbers on the tape for λ and the partials of one element.
    pub fn kept(self) -> u64 {
        match self {
            Self::OfNumbers(transform) => transform.kept(),
            Self::OfAngles(transform) => transform.kept(),
        }
    }

    /// Numbers that a net reads of one that is kept: itself, or its cosine and sine.
    pub fn features(self) -> u64 {
        match self {
            Self::OfNumbers(_) => 1,
            Self::OfAngles(_) => 2,
        }
    }

    /// Which φ are odd where the coupling is, see [`TransformSpec::odd`].
    pub fn odd(self) -> Option<Range<usize>> {
        match self {
            Self::OfNumbers(transform) => transform.odd(),
            Self::OfAngles(_) => None,
        }
    }

    pub fn checks(self) -> Vec<Result<(), FlowError>> {
        match self {
            Self::OfNumbers(transform) => transform.checks(),
            Self::OfAngles(transform) => vec![transform.check()],
        }
    }
}

fn check_mixtures(mixtures: usize) -> Result<(), FlowError> {
    if mixtures == 0 { Err(FlowError::new("transform.mixtures", mixtures, "at least 1")) } else { Ok(()) }
}

fn check_bins(bins: usize) -> Result<(), FlowError> {
    require((2..=MOST_BINS).contains(&bins), "transform.bins", bins, "a whole number, at least 2 and at most 999")
}

/// Rows that a spline keeps.
fn kept_by(spline: Spline) -> u64 {
    spline.rows_of() as u64
}

/// Rows of a table of partials; the width may be anything.
fn partials(width: usize) -> u64 {
    block_rows(width.min(usize::MAX / 4)) as u64
}
