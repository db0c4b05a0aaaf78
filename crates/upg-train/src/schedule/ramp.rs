//! Annealing: a parameter of the target that starts elsewhere and goes to its value during the first steps.

use crate::refused::{self, Refused, require};

/// The way of a parameter from `from` to its value; in RON `(from: 0.5, steps: 1000, shape: Cosine)`.
///
/// With u = step/steps in [0, 1], the value is from + (to − from)·u (`Linear`) or from + (to − from)·½(1 − cos πu) (`Cosine`).
///
/// ```
/// use upg_train::schedule::{Ramp, Shape};
/// let ramp = Ramp { from: 1.0, steps: 4, shape: Shape::Linear };
/// assert_eq!([0, 1, 4, 5].map(|step| ramp.value(step, 3.0)), [1.0, 1.5, 3.0, 3.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Ramp {
    /// Where the parameter starts.
    pub from: f64,
    /// The first step that has the parameter's own value.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::numbers::count"))]
    pub steps: u64,
    /// How it goes there.
    #[cfg_attr(feature = "serde", serde(default))]
    pub shape: Shape,
}

/// The shape of a ramp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "shape"))]
pub enum Shape {
    /// A straight line.
    #[default]
    Linear,
    /// Half a period of a cosine, level at both ends.
    Cosine,
}

impl Ramp {
    /// The value at step `step` = 0, 1, … on the way to `to`; from `steps` on it is `to` to the bit.
    pub fn value(&self, step: u64, to: f64) -> f64 {
        if step >= self.steps {
            return to;
        }
        let way = step as f64 / self.steps as f64;
        let way = match self.shape {
            Shape::Linear => way,
            Shape::Cosine => 0.5 * (1.0 - (std::f64::consts::PI * way).cos()),
        };
        self.from + (to - self.from) * way
    }

    /// Looks at every field.
    ///
    /// # Errors
    /// The first one that isn't accepted.
    pub fn check(&self) -> Result<(), Refused> {
        refused::first(self.refusals())
    }

    /// Every field that isn't accepted.
    pub fn refusals(&self) -> Vec<Refused> {
        refused::failed([
            require(self.from.is_finite(), "from", self.from, "a finite number"),
            require(self.steps > 0, "steps", self.steps, "a whole number, at least 1"),
        ])
    }
}
