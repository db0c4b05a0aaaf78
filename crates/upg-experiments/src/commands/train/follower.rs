//! A process of a run that isn't the first: it computes its share of every step and test, and writes and says nothing.

use super::session::{Plan, data_sets, is_test_due, trainer};
use super::signals::Requests;
use crate::Error;
use crate::commands::place;
use crate::commands::together::share_state;
use crate::config::Place;
use upg_train::peers::Parting;
use upg_train::{DataSets, Step, Trainer};

pub(super) struct Follower<'a, D: Place> {
    plan: &'a Plan<'a>,
    trainer: Trainer<D>,
    signals: Requests<'a>,
}

impl<'a, D: Place> Follower<'a, D> {
    /// Gets from the first process what that has read, and draws with it what is to be drawn.
    pub fn begin(plan: &'a Plan<'a>, device: &D) -> Result<Self, Error> {
        let model = plan.build(device)?;
        let signals = plan.listen()?;
        let data = data_sets(DataSets::default(), plan, &model, None, device)?;
        let mut trainer = trainer(plan, device, model, data)?;
        place::settle(device)?;
        share_state(plan.peers(), &mut trainer)?;
        Ok(Self { plan, trainer, signals })
    }

    /// Makes the steps, as long as the first process does.
    pub fn run(mut self) -> Result<String, Error> {
        let outcome = self.make_steps();
        match self.plan.peers().parted() {
            Some(parting @ Parting::Lost { process: 0, .. }) => {
                Err(Error::FirstLost { parting, dir: self.plan.out().to_owned() })
            }
            _ => outcome,
        }
    }

    fn make_steps(&mut self) -> Result<String, Error> {
        self.signals.save_from_now_on();
        while self.trainer.progress().step < self.plan.steps() {
            let step = self.trainer.step()?;
            if is_test_due(&self.plan.config().training, step.step) {
                self.trainer.validate()?;
                self.trainer.take_best(); // which the first process has, too
            }
            self.abort_if_diverged(&step)?;
            if let Some(signal) = self.signals.agreed(self.plan.peers()) {
                return Err(Error::Interrupted { signal, step: step.step, dir: self.plan.out().to_owned() });
            }
        }
        Ok(String::new())
    }

    fn abort_if_diverged(&self, step: &Step) -> Result<(), Error> {
        let in_a_row = self.trainer.progress().skipped_in_a_row;
        match &step.fault {
            Some(fault) if in_a_row >= self.plan.config().training.abort_after => {
                Err(Error::Diverged { step: step.step, in_a_row, fault: fault.clone(), warnings: vec![] })
            }
            _ => Ok(()),
        }
    }
}
