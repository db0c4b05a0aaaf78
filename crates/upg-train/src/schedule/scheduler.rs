//! A schedule under way.

use super::{Schedule, Watch};
use crate::refused::{Refused, require};

/// A schedule, the run it belongs to, and how far a plateau has lowered the rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduler {
    schedule: Schedule,
    base_rate: f64,
    warm_up: u64,
    total_steps: u64,
    state: SchedulerState,
}

/// The memory of a scheduler; its RON text holds it to the bit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct SchedulerState {
    /// The smallest metric so far; ∞ before the first.
    pub best: f64,
    /// Number of steps on end that did not improve on it.
    pub bad_steps: u64,
    /// The factor of the rate by now.
    pub factor: f64,
}

/// The metrics of a step; NaN where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    /// The loss.
    pub loss: f64,
    /// The standard deviation of the log-weights.
    pub log_weight_std: f64,
}

impl Default for SchedulerState {
    fn default() -> Self {
        Self { best: f64::INFINITY, bad_steps: 0, factor: 1.0 }
    }
}

impl Scheduler {
    /// `schedule` of a run of `total_steps` steps, from learning rate `base_rate`, the first `warm_up` steps below it.
    pub fn new(schedule: Schedule, base_rate: f64, warm_up: u64, total_steps: u64) -> Self {
        Self { schedule, base_rate, warm_up, total_steps, state: SchedulerState::default() }
    }

    /// The learning rate of step `step` = 0, 1, …
    pub fn rate(&self, step: u64) -> f64 {
        let base = self.base_rate;
        let rate = match self.schedule {
            Schedule::Constant => base,
            Schedule::Cosine { floor, steps } => cosine(base, floor, step, steps.unwrap_or(self.total_steps)),
            Schedule::Plateau { floor, .. } => (base * self.state.factor).max(floor),
        };
        rate * self.warmth(step)
    }

    fn warmth(&self, step: u64) -> f64 {
        if step < self.warm_up { (step + 1) as f64 / self.warm_up as f64 } else { 1.0 }
    }

    /// Takes note of a step's metrics. NaN and −∞ are passed over: nothing compares with the one or improves on the other.
    pub fn observe(&mut self, metrics: Watched) {
        let Schedule::Plateau { patience, threshold, factor, watch, .. } = self.schedule else { return };
        let value = match watch {
            Watch::Loss => metrics.loss,
            Watch::LogWeightStd => metrics.log_weight_std,
        };
        if value > f64::NEG_INFINITY {
            self.state.observe(value, threshold, patience, factor);
        }
    }

    /// The state to be saved.
    pub fn state(&self) -> SchedulerState {
        self.state
    }

    /// Continues from `state`.
    ///
    /// # Errors
    /// If no scheduler can have been in that state; it stays in its own then.
    pub fn restore(&mut self, state: SchedulerState) -> Result<(), Refused> {
        require(state.best > f64::NEG_INFINITY, "best", state.best, "a number or inf")?;
        require((0.0..=1.0).contains(&state.factor), "factor", state.factor, "a number in [0, 1]")?;
        self.state = state;
        Ok(())
    }
}

impl SchedulerState {
    fn observe(&mut self, value: f64, threshold: f64, patience: u64, factor: f64) {
        // An infinite best has no threshold: ∞ − ∞ is NaN.
        let margin = if self.best.is_finite() { threshold * self.best.abs() } else { 0.0 };
        if value < self.best - margin {
            (self.best, self.bad_steps) = (value, 0);
        } else {
            self.bad_steps = self.bad_steps.saturating_add(1);
        }
        if self.bad_steps > patience {
            (self.factor, self.bad_steps) = (self.factor * factor, 0);
        }
    }
}

/// From `top` at step 0 to `floor` at `steps` and beyond.
fn cosine(top: f64, floor: f64, step: u64, steps: u64) -> f64 {
    if step >= steps {
        return floor;
    }
    let angle = std::f64::consts::PI * step as f64 / steps as f64;
    floor + (top - floor) * (0.5 * (1.0 + angle.cos()))
}
