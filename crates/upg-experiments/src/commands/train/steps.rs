//! A training that a caller of this library makes step by step, in the folder of its run, with all that [`run`](super::run) writes there.

use super::session::{Plan, Session, TrainArgs, config_of};
use crate::Error;
use crate::commands::place::{self, Work};
use crate::config::{ConfigFile, Place};
use crate::io::metrics::Line;

/// A training under way.
pub struct Steps(Box<dyn Stepwise>);

impl Steps {
    /// Begins the training, or goes on with it; `config` is by default that of the run in the folder.
    ///
    /// # Errors
    /// If an input is wrong, or a file can't be written.
    pub fn begin(config: Option<ConfigFile>, args: &TrainArgs) -> Result<Self, Error> {
        let config = config.map_or_else(|| config_of(args), Ok)?;
        let plan = Plan::new(config, args, Some(&|| None));
        plan.check()?;
        let (config, place) = (plan.config(), plan.place().clone());
        place::on(&place, config.precision.products, config.training.precision, Begin(plan))?
    }

    /// Makes a step, with the test, the line and the checkpoint that are due after it; returns its numbers. After the last step all is saved.
    ///
    /// # Errors
    /// If all steps are made, the device or the target fails, the gradient isn't finite too often, or a file can't be written.
    pub fn step(&mut self) -> Result<Line, Error> {
        self.0.step()
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// Writes a checkpoint.
    ///
    /// # Errors
    /// If a file can't be written, or the weights aren't finite.
    pub fn save(&mut self) -> Result<(), Error> {
        self.0.save()
    }
}

struct Begin(Plan<'static>);

impl Work for Begin {
    type Outcome = Result<Steps, Error>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let mut session = Session::begin(self.0, device)?;
        session.start()?;
        Ok(Steps(Box::new(session)))
    }
}

/// A session on any device.
trait Stepwise: Send {
    fn step(&mut self) -> Result<Line, Error>;
    fn is_done(&self) -> bool;
    fn save(&mut self) -> Result<(), Error>;
}

impl<D: Place> Stepwise for Session<'static, D> {
    fn step(&mut self) -> Result<Line, Error> {
        if Session::is_done(self) {
            return Err(Error::Usage("step: all steps of the training are made: accepted is nothing more".into()));
        }
        let (step, tested) = Session::step(self)?;
        if Session::is_done(self) {
            self.finish()?;
        }
        self.read_clock();
        Ok(self.line(&step, tested))
    }

    fn is_done(&self) -> bool {
        Session::is_done(self)
    }

    fn save(&mut self) -> Result<(), Error> {
        Session::save(self)
    }
}
