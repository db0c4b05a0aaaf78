//! The rules there are, and which hyper-parameters they accept.

use crate::refused::{self, Refused, fraction, positive, require};
use upg_core::device;

/// How a gradient becomes a step; in RON `Adam(rate: 1e-3)`, `AdamW(rate: 1e-3, weight_decay: 0.1)`, `Sgd(rate: 0.1, momentum: 0.9)`.
///
/// ```
/// # use upg_train::optimiser::Rule;
/// assert_eq!(Rule::adam(1e-3), Rule::Adam { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
/// let rule = Rule::Adam { rate: 1e-3, beta1: 0.9, beta2: 1.5, epsilon: 1e-8 };
/// assert_eq!(rule.check().unwrap_err().to_string(), "beta2 = 1.5: accepted is a number in [0, 1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "optimiser", deny_unknown_fields)
)]
pub enum Rule {
    /// Adam.
    Adam {
        /// The learning rate η.
        rate: f64,
        /// The share of the first moment that is kept in a step, β₁.
        #[cfg_attr(feature = "serde", serde(default = "beta1"))]
        beta1: f64,
        /// The share of the second moment that is kept in a step, β₂.
        #[cfg_attr(feature = "serde", serde(default = "beta2"))]
        beta2: f64,
        /// Added to the root of the second moment, ε.
        #[cfg_attr(feature = "serde", serde(default = "epsilon"))]
        epsilon: f64,
    },
    /// Adam with decoupled weight decay.
    AdamW {
        /// The learning rate η.
        rate: f64,
        /// The share of the first moment that is kept in a step, β₁.
        #[cfg_attr(feature = "serde", serde(default = "beta1"))]
        beta1: f64,
        /// The share of the second moment that is kept in a step, β₂.
        #[cfg_attr(feature = "serde", serde(default = "beta2"))]
        beta2: f64,
        /// Added to the root of the second moment, ε.
        #[cfg_attr(feature = "serde", serde(default = "epsilon"))]
        epsilon: f64,
        /// A step takes η times this share of θ away from θ.
        #[cfg_attr(feature = "serde", serde(default = "weight_decay"))]
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// The learning rate η.
        rate: f64,
        /// The share of the last step's direction that is kept; 0 is plain gradient descent.
        #[cfg_attr(feature = "serde", serde(default))]
        momentum: f64,
    },
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

fn weight_decay() -> f64 {
    0.01
}

impl Rule {
    /// Adam with its usual hyper-parameters.
    pub fn adam(rate: f64) -> Self {
        Self::Adam { rate, beta1: beta1(), beta2: beta2(), epsilon: epsilon() }
    }

    /// Adam with decoupled weight decay, with its usual hyper-parameters.
    pub fn adam_w(rate: f64) -> Self {
        let weight_decay = weight_decay();
        Self::AdamW { rate, beta1: beta1(), beta2: beta2(), epsilon: epsilon(), weight_decay }
    }

    /// The learning rate before any schedule.
    pub fn rate(&self) -> f64 {
        match *self {
            Self::Adam { rate, .. } | Self::AdamW { rate, .. } | Self::Sgd { rate, .. } => rate,
        }
    }

    /// Looks at every hyper-parameter.
    ///
    /// # Errors
    /// The first one that isn't accepted.
    pub fn check(&self) -> Result<(), Refused> {
        refused::first(self.refusals())
    }

    /// Every hyper-parameter that isn't accepted.
    pub fn refusals(&self) -> Vec<Refused> {
        let mut checks = vec![positive("rate", self.rate())];
        match *self {
            Self::Adam { beta1, beta2, epsilon, .. } => checks.extend(check_adam([beta1, beta2], epsilon)),
            Self::AdamW { beta1, beta2, epsilon, weight_decay, .. } => {
                checks.extend(check_adam([beta1, beta2], epsilon));
                let accepted = weight_decay.is_finite() && weight_decay >= 0.0;
                checks.push(require(accepted, "weight_decay", weight_decay, "a finite number, at least 0"));
            }
            Self::Sgd { momentum, .. } => checks.push(fraction("momentum", momentum)),
        }
        refused::failed(checks)
    }

    /// The rule of step `step` = 1, 2, … at learning rate `rate`.
    pub(super) fn at(&self, rate: f64, step: u64) -> device::Rule {
        match *self {
            Self::Adam { beta1, beta2, epsilon, .. } => {
                device::Rule::Adam { beta: [beta1, beta2], epsilon, rate, decay: 0.0, step }
            }
            Self::AdamW { beta1, beta2, epsilon, weight_decay, .. } => {
                device::Rule::Adam { beta: [beta1, beta2], epsilon, rate, decay: rate * weight_decay, step }
            }
            Self::Sgd { momentum: 0.0, .. } => device::Rule::Descent { rate },
            Self::Sgd { momentum, .. } => device::Rule::Momentum { momentum, rate },
        }
    }

    /// The names of what the rule remembers of the gradients, one number a parameter each.
    pub fn moment_names(&self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } | Self::AdamW { .. } => &["first_moment", "second_moment"],
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["momentum"],
        }
    }
}

fn check_adam([beta1, beta2]: [f64; 2], epsilon: f64) -> [Result<(), Refused>; 3] {
    [fraction("beta1", beta1), fraction("beta2", beta2), positive("epsilon", epsilon)]
}
