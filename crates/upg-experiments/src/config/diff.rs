//! How two configurations differ: what a resumed run must not do silently.

use super::experiment::Config;
use super::locate;
use super::training::{Tensorboard, Training};
use std::collections::BTreeMap;
use std::fmt;

/// A field that two configurations have different values for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Path of the field, e.g. `training.batch`.
    pub field: String,
    /// Its value in the run; `None` if the field isn't there.
    pub of_run: Option<String>,
    /// Its value now.
    pub now: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_absent = |value: &Option<String>| value.clone().unwrap_or("absent".into());
        write!(
            f,
            "{} = {}: accepted is {}, as the run began",
            self.field,
            or_absent(&self.now),
            or_absent(&self.of_run)
        )
    }
}

impl Config {
    /// The first field whose change would make a resumed run another run.
    ///
    /// Whatever is only written or computed afterwards may change: checkpoints, logging, the evaluation. So may the products of accelerators,
    /// as the device may: the run goes on from the same state, if not to the same bits.
    pub fn first_difference(&self, now: &Self) -> Option<Difference> {
        let (run, now) = (self.decisive().values(), now.decisive().values());
        let changed = |field: &&String| run.get(*field) != now.get(*field);
        // The innermost field says it best: `flow` differs wherever `flow.layers` does.
        let field = run.keys().chain(now.keys()).filter(changed).max_by_key(|field| field.matches('.').count())?;
        Some(Difference { field: field.clone(), of_run: run.get(field).cloned(), now: now.get(field).cloned() })
    }

    /// The configuration with everything that may change at its default.
    fn decisive(&self) -> Self {
        let mut config = Self { data: self.data(), ..Self::new(self.flow.clone(), self.target.clone()) };
        config.training = Training {
            checkpoint: Default::default(),
            log_every: 1,
            abort_after: 1,
            tensorboard: Tensorboard::Off,
            ..self.training.clone()
        };
        config
    }

    /// Every field with the text of its value.
    fn values(&self) -> BTreeMap<String, String> {
        let text = self.to_ron();
        locate::fields(&text)
            .into_iter()
            .map(|field| (field.path, text[field.value..field.range.end].to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "(flow: Z2Nice(lattice: [6], couplings: 1, hidden: [4]), target: Gmm(dim: 6), training: (steps: 9))";

    fn difference(old: &str, new: &str) -> Option<String> {
        let changed = TEXT.replace(old, new);
        assert_ne!(changed, TEXT);
        let (run, now) = (Config::parse(TEXT).unwrap(), Config::parse(&changed).unwrap());
        run.first_difference(&now).map(|difference| difference.to_string())
    }

    #[test]
    fn the_innermost_field_is_named_with_both_values() {
        let told = difference("couplings: 1", "couplings: 2").unwrap();
        assert_eq!(told, "flow.couplings = 2: accepted is 1, as the run began");
        assert!(
            difference("steps: 9", "steps: 9, clip: 1.5")
                .unwrap()
                .starts_with("training.clip = 1.5: accepted is absent")
        );
        assert!(difference("Gmm(dim: 6)", "Phi4(lattice: [6], kappa: 0.1, lambda: 1)").is_some());
        let base = difference("[4])", "[4], base: TwoSigns(m2: 1, kappa: 0, v: 2))").unwrap();
        assert!(base.starts_with("flow.base.") && base.ends_with(": accepted is absent, as the run began"), "{base}");
        let optimiser = difference("steps: 9", "steps: 9, optimiser: Adam(rate: 0.5)").unwrap();
        assert!(optimiser.starts_with("training.optimiser.rate = 0.5"), "{optimiser}");
    }

    #[test]
    fn what_is_only_written_may_change() {
        assert_eq!(difference("steps: 9", "steps: 9, log_every: 3, checkpoint: (every: 5)"), None);
        assert_eq!(difference("steps: 9)", "steps: 9), evaluation: (samples: 200)"), None);
    }

    #[test]
    fn products_may_change_as_the_device_may() {
        assert_eq!(difference("steps: 9)", "steps: 9), precision: (products: Tf32)"), None);
    }
}
