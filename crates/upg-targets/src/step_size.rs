//! Dual averaging of a step size towards a target acceptance (M. Hoffman, A. Gelman, J. Mach. Learn. Res. 15 (2014) 1593, §3.2.1).
//!
//! With a_t the mean acceptance probability of step t and δ the target,
//!
//! ```text
//! h_t = (1 − 1/(t+t₀)) h_{t−1} + (δ − a_t)/(t+t₀),   log ε_t = log(10 ε₀) − (√t/γ) h_t,   log ε̄_t = t^{−κ} log ε_t + (1 − t^{−κ}) log ε̄_{t−1} .
//! ```

/// A step size that is tuned for a while and then kept; never above a ceiling, which can be lowered.
#[derive(Clone, Debug)]
pub(crate) struct StepSize {
    target: f64,
    centre: f64,
    log_step: f64,
    log_average: f64,
    h: f64,
    updates: f64,
    ceiling: f64,
}

impl StepSize {
    const T0: f64 = 10.0;
    const GAMMA: f64 = 0.05;
    const KAPPA: f64 = 0.75;
    const LOWER: f64 = 0.8;
    /// The ceiling over the first step: a target so flat that every step is accepted would have it grow until numbers overflow.
    const LARGEST: f64 = 1e4;

    /// Starts at `first`, to be tuned towards the acceptance `target`.
    pub(crate) fn new(first: f64, target: f64) -> Self {
        let log_step = first.ln();
        Self {
            target,
            centre: (10.0 * first).ln(),
            log_step,
            log_average: log_step,
            h: 0.0,
            updates: 0.0,
            ceiling: Self::LARGEST * first,
        }
    }

    /// ε_t, to be used while tuning.
    pub(crate) fn exploring(&self) -> f64 {
        self.log_step.exp().min(self.ceiling)
    }

    /// ε̄_t, to be used afterwards.
    pub(crate) fn tuned(&self) -> f64 {
        self.log_average.exp().min(self.ceiling)
    }

    /// Puts the ceiling below ε_t, but not below `floor`: it was too large.
    pub(crate) fn lower_ceiling(&mut self, floor: f64) {
        self.ceiling = (Self::LOWER * self.exploring()).max(floor).min(self.ceiling);
    }

    /// Takes account of the mean acceptance probability of one step with ε_t.
    pub(crate) fn update(&mut self, acceptance: f64) {
        self.updates += 1.0;
        let weight = 1.0 / (self.updates + Self::T0);
        self.h += weight * ((self.target - acceptance) - self.h);
        self.log_step = self.centre - self.updates.sqrt() / Self::GAMMA * self.h;
        let forget = self.updates.powf(-Self::KAPPA);
        self.log_average += forget * (self.log_step - self.log_average);
    }
}
