//! A run in its folder: what is read before, written meanwhile, and said.

use super::events::Events;
use super::progress::ProgressLine;
use super::signals::Requests;
use crate::Error;
use crate::commands::place::{self, PlaceArgs};
use crate::commands::together::{self, share_state};
use crate::config::{Config, ConfigFile, Data, DeviceName, Invalid, Model, Override, Place, Tensorboard, Training};
use crate::io::checkpoint::{Format, Found, Latest, read_config, read_start, read_weights, save_weights};
use crate::io::console::say;
use crate::io::data::DataRequest;
use crate::io::metrics::{Line, Metrics};
use crate::io::output::{OutputFile, Provenance};
use crate::io::run_dir::{Existing, LockedRun, RunDir};
use crate::io::signals::known;
use crate::io::signals::{Caller, nobody};
use crate::text::Shown;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use upg_core::{Execution, ParamLayout, Real};
use upg_train::peers::{Farewell, Parting};
use upg_train::stats::{DataWeightSums, WeightSums};
use upg_train::{DataSets, Peers, Purpose, Step, Tested, Trainer};

/// Options of `upg train`.
#[derive(Clone, Debug, Default, Args)]
pub struct TrainArgs {
    /// The experiment, RON; with --resume by default that of the run.
    #[arg(long, value_name = "RON")]
    pub config: Option<PathBuf>,
    /// Another value for a field of the configuration: training.optimiser.rate=1e-4. As often as there are such fields.
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<Override>,
    /// Stop after so many steps in all, by default those of the configuration. Schedules keep to the configuration.
    #[arg(long)]
    pub steps: Option<u64>,
    /// Folder of the run; by default `runs/` and the name of the configuration.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the run in the folder; begin one if there is none.
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Delete the run in the folder and begin anew.
    #[arg(long)]
    pub force: bool,
    /// Where to compute; a run that goes on may do so on another device.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Instead of `training.seed`.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// The run to be made, from the arguments and the configuration.
pub(super) struct Plan<'a> {
    file: ConfigFile,
    steps: u64,
    out: PathBuf,
    existing: Existing,
    place: PlaceArgs,
    /// Who asks the run to stop in the place of signals.
    caller: Option<Caller<'a>>,
    peers: Peers,
}

impl<'a> Plan<'a> {
    pub(super) fn new(mut file: ConfigFile, args: &TrainArgs, caller: Option<Caller<'a>>) -> Self {
        if let Some(seed) = args.seed {
            file.config.training.seed = seed;
        }
        let existing = match (args.resume, args.force) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        };
        let out = args.out.clone().unwrap_or_else(|| default_folder(args.config.as_deref()));
        let steps = args.steps.unwrap_or(file.config.training.steps);
        Self { file, steps, out, existing, place: args.place.clone(), caller, peers: Peers::alone() }
    }

    /// As one of several processes, with a card of its own.
    pub(super) fn with_peers(self, peers: &Peers) -> Self {
        Self { place: self.place.of_process(peers), peers: peers.clone(), ..self }
    }

    pub(super) fn peers(&self) -> &Peers {
        &self.peers
    }

    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn listen(&self) -> Result<Requests<'a>, Error> {
        Requests::listen(self.caller, &self.peers).map_err(Error::Signals)
    }

    /// The flow on the device; all that is wrong with it is said before anything is touched.
    pub(super) fn build<D: Place>(&self, device: &D) -> Result<Model<D>, Error> {
        place::made(device, self.file.build_on(device))
    }

    pub(super) fn config(&self) -> &Config {
        &self.file.config
    }

    pub(super) fn place(&self) -> &PlaceArgs {
        &self.place
    }

    /// Checks the configuration before a device is opened; the memory that is looked at is that of the host.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.place.device {
            DeviceName::Cpu => self.file.check_memory()?,
            _ => self.file.check()?,
        }
        let (batch, processes) = (self.config().training.batch, self.peers.size());
        if batch < processes {
            let accepted = format!("at least one sample for each of {processes} processes");
            return Err(Invalid { field: "training.batch".into(), value: batch.to_string(), accepted }.into());
        }
        Ok(self.file.check_products(self.place.device)?)
    }

    /// The overrides to be recorded: those that a run that goes on was begun with, and those given.
    fn overrides(&self, dir: &RunDir) -> Vec<String> {
        let mut all = if self.existing == Existing::Resume { dir.overrides() } else { vec![] };
        let new: Vec<_> = self.file.overrides().into_iter().filter(|given| !all.contains(given)).collect();
        all.extend(new);
        all
    }
}

/// The configuration named, else that of the run to be resumed.
pub(super) fn config_of(args: &TrainArgs) -> Result<ConfigFile, Error> {
    match (&args.config, &args.out) {
        (Some(path), _) => Ok(ConfigFile::read_with(path, &args.set)?),
        (None, Some(out)) if args.resume => match RunDir::open(out) {
            Ok(dir) => Ok(dir.config_with(&args.set)?),
            Err(_) => {
                let problem = format!("--out = {}: holds no run: accepted is one, or --config with it", out.shown());
                Err(Error::Usage(problem))
            }
        },
        _ => {
            Err(Error::Usage("--config: missing: accepted is the file of an experiment, or --resume with --out".into()))
        }
    }
}

fn default_folder(config: Option<&Path>) -> PathBuf {
    Path::new("runs").join(config.and_then(Path::file_stem).unwrap_or("run".as_ref()))
}

pub(super) fn run_on<D: Place>(plan: Plan<'_>, device: D) -> Result<String, Error> {
    Session::begin(plan, device)?.run().map_err(|error| Error::Failed(Box::new(error)))
}

fn begin_in_folder<D: Place>(plan: Plan<'_>, device: D) -> Result<Session<'_, D>, Error> {
    let config = plan.config();
    let model = plan.build(&device)?;
    let signals = plan.listen()?;
    let given = given_data(config, &model)?;
    let start = start(&plan, &model.layout())?;
    let dir = RunDir::begin(&plan.out, config, plan.existing)?;
    begin(plan, device, model, given, start, dir, signals)
}

/// The run in its folder, ready for its next step; if it can't begin, nothing of it is left.
fn begin<'a, D: Place>(
    plan: Plan<'a>,
    device: D,
    model: Model<D>,
    given: DataSets<D::Real>,
    start: Option<Vec<D::Real>>,
    dir: LockedRun,
    signals: Requests<'a>,
) -> Result<Session<'a, D>, Error> {
    let config = plan.config();
    let here = place::provenance(&device, Some(config.training.seed), config.to_ron());
    let provenance = Provenance {
        overrides: plan.overrides(&dir),
        flow: config.flow_to_ron(),
        ..match plan.existing {
            Existing::Resume => here.after(dir.trained_on()),
            Existing::Refuse | Existing::Replace => here,
        }
    };
    let data = data_sets(given, &plan, &model, Some(&dir), &device).inspect_err(|error| {
        if matches!(error, Error::Data(error) if error.is_refusal()) {
            dir.abandon();
        }
    })?;
    let trainer = trainer(&plan, &device, model, data).inspect_err(|_| dir.abandon())?;
    let mut trainer = start.iter().fold(trainer, |trainer, theta| trainer.with_weights(theta));
    let saved = resume(&mut trainer, config, &dir)?;
    place::settle(&device).inspect_err(|_| dir.abandon())?;
    share_state(&plan.peers, &mut trainer).inspect_err(|_| dir.abandon())?;
    OutputFile::create(&dir.provenance())?.commit(provenance.to_json().as_bytes())?;
    dir.keep_config(config)?;
    let paused = saved.filter(|step| !step.is_multiple_of(config.training.checkpoint.every));
    Ok(Session { saved, paused, ..Session::new(plan, &device, dir, trainer, provenance, signals)? })
}

/// The trainer of a plan, before its first step.
pub(super) fn trainer<D: Place>(
    plan: &Plan<'_>,
    device: &D,
    model: Model<D>,
    data: DataSets<D::Real>,
) -> Result<Trainer<D>, Error> {
    let config = plan.config();
    let trainer = Trainer::new(model.problem(), device.clone(), config.training.plan(), data);
    place::settle(device)?;
    let trainer = trainer.and_then(|trainer| trainer.with_peers(plan.peers.clone()));
    let trainer = trainer.map_err(Invalid::from)?;
    let finer = config.build_for_tests(device);
    place::settle(device)?;
    let finer = finer?.map(Model::problem);
    let trainer = finer.into_iter().fold(trainer, Trainer::with_tests_by);
    Ok(match config.annealing(device) {
        Some(annealing) => trainer.with_annealing(annealing),
        None => trainer,
    })
}

/// Goes on from the checkpoint in the folder, if there is one; returns the step of the latest.
fn resume<D: Place>(trainer: &mut Trainer<D>, config: &Config, dir: &RunDir) -> Result<Option<u64>, Error> {
    let format = Format::new(config, trainer.layout());
    let (mut state, saved) = match format.load(dir)? {
        Found::Latest(state) => {
            let of_weights = read_config(&dir.latest())?;
            dir.compare_with(of_weights.as_ref(), config)?;
            of_weights.iter().for_each(|before| note_products(before, config));
            let step = state.progress.step;
            (state, Some(step))
        }
        Found::Previous(state, reason) => {
            let step = state.progress.step;
            say(format_args!("warning: {reason}; going on from the checkpoint before, of step {step}"));
            dir.set_latest_aside()?;
            (state, None)
        }
        Found::Nothing => return Ok(None),
    };
    if state.progress.best.is_some()
        && let Err(reason) = read_weights::<D::Real>(&dir.best(), trainer.layout())
    {
        say(format_args!("warning: {reason}; the next validation begins the search for the best weights anew"));
        state.progress.best = None;
    }
    trainer.restore(&state)?;
    Ok(saved)
}

/// Says that a run goes on with other products than before, which a resumed run may.
fn note_products(before: &Config, now: &Config) {
    let [before, now] = [before, now].map(|config| config.precision.products);
    if before != now {
        say(format_args!("note: products in {now} from here on, in {before} before (precision.products)"));
    }
}

/// The weights to begin with, if the configuration names some and no checkpoint is there to go on from.
fn start<T: Real>(plan: &Plan<'_>, layout: &ParamLayout) -> Result<Option<Vec<T>>, Error> {
    let has_checkpoint = |dir: RunDir| dir.latest().exists() || dir.previous().exists();
    let has_begun = plan.existing == Existing::Resume && RunDir::open(&plan.out).is_ok_and(has_checkpoint);
    let path = plan.config().training.start_from.as_ref().filter(|_| !has_begun);
    path.map(|path| read_start(path, layout)).transpose().map_err(Error::StartFrom)
}

/// Samples in files of the user's; whether they are what they should be is known before anything is written.
fn given_data<D: Place>(config: &Config, model: &Model<D>) -> Result<DataSets<D::Real>, Error> {
    let Some(data) = config.data() else { return Ok(DataSets::default()) };
    let request = request(&data, config, model);
    let train = if config.training.objective.needs_data() { request.given(Purpose::TrainData)? } else { None };
    Ok(DataSets { train, test: request.given(Purpose::TestData)? })
}

/// The samples of the target that the run needs: those given to the first process or kept in its folder, the others drawn by all.
pub(super) fn data_sets<D: Place>(
    given: DataSets<D::Real>,
    plan: &Plan<'_>,
    model: &Model<D>,
    keep: Option<&RunDir>,
    device: &D,
) -> Result<DataSets<D::Real>, Error> {
    let config = plan.config();
    let Some(data) = config.data() else { return Ok(given) };
    let request = DataRequest {
        keep,
        caller: plan.caller.unwrap_or(&nobody), // signals of the system end the program by themselves
        ..request(&data, config, model)
    };
    let samples = |purpose, given| device.host().install(|| together::samples(&plan.peers, &request, purpose, given));
    let train = match config.training.objective.needs_data() {
        true => Some(samples(Purpose::TrainData, given.train)?),
        false => None,
    };
    Ok(DataSets { train, test: Some(samples(Purpose::TestData, given.test)?) })
}

fn request<'a, D: Place>(data: &'a Data, config: &Config, model: &'a Model<D>) -> DataRequest<'a, D::Real> {
    let Model { theory: target, sample_shape, .. } = model;
    DataRequest { data, target, sample_shape, seed: config.training.seed, keep: None, caller: &nobody }
}

/// Whether a test is due after so many steps.
pub(super) fn is_test_due(training: &Training, step: u64) -> bool {
    step.is_multiple_of(training.validation.every) || step == training.steps
}

/// A run under way.
pub(super) struct Session<'a, D: Place> {
    plan: Plan<'a>,
    dir: LockedRun,
    trainer: Trainer<D>,
    /// Where it computes, in words.
    words: String,
    provenance: Provenance,
    signals: Requests<'a>,
    metrics: Metrics,
    events: Option<Events>,
    progress: ProgressLine,
    /// Warnings of the steps that have just been skipped, one after the other.
    unsaid: Vec<String>,
    /// When the clock of the run was last read.
    clock: Instant,
    /// The step of the latest checkpoint.
    saved: Option<u64>,
    /// The step of a pause that this session goes on from, if no checkpoint was due there.
    paused: Option<u64>,
    saved_at: Instant,
    logged: (Instant, u64),
}

impl<'a, D: Place> Session<'a, D> {
    /// The run that is planned, ready for its next step.
    pub fn begin(plan: Plan<'a>, device: D) -> Result<Self, Error> {
        begin_in_folder(plan, device)
    }

    fn new(
        plan: Plan<'a>,
        device: &D,
        dir: LockedRun,
        trainer: Trainer<D>,
        provenance: Provenance,
        signals: Requests<'a>,
    ) -> Result<Self, Error> {
        let step = trainer.progress().step;
        let metrics = Metrics::open(&dir.metrics(), step)?;
        let events = match plan.config().training.tensorboard {
            Tensorboard::Off => None,
            Tensorboard::On => Some(Events::open(&dir)?),
        };
        let progress = if plan.caller.is_some() { ProgressLine::hidden() } else { ProgressLine::new(step, plan.steps) };
        let now = Instant::now();
        let aside = device.aside();
        match step {
            _ if plan.caller.is_some() => {}
            0 if aside.is_empty() => {}
            0 => progress.say(&format!("training{aside}")),
            _ => progress.say(&format!("going on after step {step}{aside}")),
        }
        let (clock, saved_at, logged) = (now, now, (now, step));
        Ok(Self {
            plan,
            dir,
            trainer,
            words: device.words(),
            provenance,
            signals,
            metrics,
            events,
            progress,
            clock,
            saved: None,
            paused: None,
            unsaid: vec![],
            saved_at,
            logged,
        })
    }

    fn run(mut self) -> Result<String, Error> {
        self.start()?;
        while !self.is_done() {
            let outcome = self.step();
            if let Some(parting) = self.plan.peers.parted() {
                return Err(self.end_alone(parting));
            }
            let (step, _) = outcome?;
            if let Some(signal) = self.signals.agreed(&self.plan.peers) {
                self.say_all();
                self.save()?;
                return Err(Error::Interrupted { signal, step: step.step, dir: self.dir.path().to_owned() });
            }
        }
        self.finish()
    }

    /// Saves the last whole step, as the other processes don't go on; returns what is to be said.
    fn end_alone(&mut self, parting: Parting) -> Error {
        self.say_all();
        if let Err(error) = self.save() {
            return error;
        }
        let (step, dir) = (self.trainer.progress().step, self.dir.path().to_owned());
        let signal = match &parting {
            Parting::Left { farewell: Farewell::Stopped(signal), .. } => Some(known(signal)),
            Parting::Asked => self.signals.received(),
            Parting::Stopped(signal) => Some(known(signal)),
            _ => None,
        };
        match signal {
            Some(signal) => Error::Interrupted { signal, step, dir },
            None => Error::Parted { parting, step, dir },
        }
    }

    /// Writes the first checkpoint: from here on there always is one.
    pub fn start(&mut self) -> Result<(), Error> {
        self.save()?;
        self.signals.save_from_now_on();
        Ok(())
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.trainer.progress().step >= self.plan.steps
    }

    /// Makes a step, with the test, the line and the checkpoint that are due after it.
    pub fn step(&mut self) -> Result<(Step, Option<Tested>), Error> {
        let step = self.trainer.step()?;
        self.progress.advance(step.step);
        self.abort_if_diverged(&step)?;
        let tested = self.log(&step)?;
        if self.is_checkpoint_due(step.step) {
            self.save()?;
        }
        Ok((step, tested))
    }

    /// Saves, and says in a line what was done.
    pub fn finish(&mut self) -> Result<String, Error> {
        self.say_all();
        self.save()?;
        Ok(self.summary())
    }

    /// Reports skipped steps, once a step isn't; gives up after too many in a row, and the error is said before the warnings.
    fn abort_if_diverged(&mut self, step: &Step) -> Result<(), Error> {
        let Some(fault) = &step.fault else {
            self.say_all();
            return Ok(());
        };
        let in_a_row = self.trainer.progress().skipped_in_a_row;
        self.unsaid.push(format!("warning: step {} skipped: {fault}", step.step));
        if in_a_row < self.plan.config().training.abort_after {
            return Ok(());
        }
        let fault = fault.clone();
        self.log(step)?;
        self.save()?;
        Err(Error::Diverged { step: step.step, in_a_row, fault, warnings: std::mem::take(&mut self.unsaid) })
    }

    /// Says what has been kept back.
    fn say_all(&mut self) {
        self.unsaid.drain(..).for_each(|warning| self.progress.say(&warning));
    }

    /// Tests, alone if the other processes have gone meanwhile: the step is made, and is to be saved with all that belongs to it.
    fn test(&mut self) -> Result<Tested, Error> {
        let outcome = self.trainer.validate();
        if outcome.is_err() && self.plan.peers.parted().is_some() {
            self.trainer.leave_peers();
            return Ok(self.trainer.validate()?);
        }
        Ok(outcome?)
    }

    /// Tests, where a test is due, and writes a line, where one is due.
    fn log(&mut self, step: &Step) -> Result<Option<Tested>, Error> {
        let training = &self.plan.config().training;
        let is_last = step.step == training.steps; // of the run: a pause must leave no trace
        let is_line_due = step.step.is_multiple_of(training.log_every) || is_last;
        let tested = if is_test_due(training, step.step) { Some(self.test()?) } else { None };
        if !(is_line_due || tested.is_some() || step.fault.is_some()) {
            return Ok(tested);
        }
        if let Some(missed @ 1..) = tested.and_then(|tested| tested.missed_by_inverse) {
            self.progress.say(&format!("warning: step {}: the inverse misses {missed} test data, where a slope of the flow is below the precision", step.step));
        }
        self.read_clock();
        let line = self.line(step, tested);
        self.progress.show(&line);
        self.metrics.append(&line)?;
        if let Some(events) = &mut self.events {
            events.append(&line)?;
        }
        self.logged = (Instant::now(), step.step);
        Ok(tested)
    }

    /// The numbers of a step that was just made.
    pub fn line(&self, step: &Step, validation: Option<Tested>) -> Line {
        let finite = |x: f64| x.is_finite().then_some(x);
        let log_weights = self.trainer.log_weights();
        let (mut reverse, mut forward) = (WeightSums::default(), DataWeightSums::default());
        reverse.extend(&log_weights.reverse);
        forward.extend(&log_weights.forward);
        let (since, samples) = (self.logged.0.elapsed(), self.plan.config().training.batch as u64);
        let made = (step.step - self.logged.1) * samples * self.plan.config().training.objective.terms().len() as u64;
        let progress = self.trainer.progress();
        Line {
            step: step.step,
            loss: finite(step.loss),
            ess_reverse: reverse.ess(),
            ess_forward: forward.ess(),
            grad_norm: finite(step.grad_norm),
            rate: step.rate,
            seconds: progress.seconds,
            samples_per_second: finite(made as f64 / since.as_secs_f64()),
            skipped: progress.skipped,
            fault: step.fault.as_ref().map(ToString::to_string),
            validation,
        }
    }

    fn is_checkpoint_due(&self, step: u64) -> bool {
        let checkpoint = &self.plan.config().training.checkpoint;
        step.is_multiple_of(checkpoint.every)
            || self.saved_at.elapsed() > Duration::from_secs_f64((60.0 * checkpoint.minutes).min(1e9))
    }

    /// Adds the time since the clock was last read to that of the training.
    pub fn read_clock(&mut self) {
        self.trainer.add_seconds(self.clock.elapsed().as_secs_f64());
        self.clock = Instant::now();
    }

    /// Writes everything, in the order that loses nothing; once a step, lest the checkpoint before the latest be its copy.
    pub fn save(&mut self) -> Result<(), Error> {
        let step = Some(self.trainer.progress().step);
        if self.saved == step {
            return Ok(());
        }
        self.read_clock();
        self.metrics.sync()?;
        let (state, layout) = (self.trainer.state(), self.trainer.layout().clone());
        self.trainer.status()?;
        self.check_weights_finite(&state.theta, &layout)?;
        if let Some(best) = self.trainer.take_best() {
            let weights = state.progress.best.map(|best| best.to_string());
            save_weights(&self.dir.best(), &best, &layout, &Provenance { weights, ..self.provenance.clone() })?;
        }
        let latest = if self.saved.is_some_and(|saved| self.paused == Some(saved)) {
            Latest::Goes
        } else {
            Latest::BecomesPrevious
        };
        Format::new(self.plan.config(), &layout).save(&state, &self.dir, latest, &self.provenance)?;
        (self.saved, self.saved_at) = (step, Instant::now());
        Ok(())
    }

    /// An update that overflows leaves weights that no later step can mend: better the checkpoint that is there.
    fn check_weights_finite(&self, theta: &[D::Real], layout: &ParamLayout) -> Result<(), Error> {
        let overflown = layout.ranges().find(|(_, range)| !theta[range.clone()].iter().all(|x| x.wide().is_finite()));
        let Some((tensor, _)) = overflown else { return Ok(()) };
        let (step, tensor, saved) = (self.trainer.progress().step, tensor.name.clone(), self.saved.unwrap_or(0));
        Err(Error::Overflown { step, tensor, saved })
    }

    fn summary(&self) -> String {
        let progress = self.trainer.progress();
        let best = progress.best.map_or(String::new(), |best| format!(", best weights of {best}"));
        let skipped = match progress.skipped {
            0 => String::new(),
            skipped => format!(", {skipped} steps skipped"),
        };
        let (step, seconds, words, dir) = (progress.step, progress.seconds, &self.words, self.dir.path().shown());
        format!("{step} steps in {seconds:.1} s on {words}{best}{skipped}; the run is in {dir}")
    }
}
