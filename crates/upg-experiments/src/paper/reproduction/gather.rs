//! The stages: what is measured by the table, the figures and the commands, as plain data.

use super::error::ReproductionError;
use super::found::{Compared, Comparison, Cost, FewData, Found, Learned, Likeness, Made, Noise, Sampler, Setting};
use crate::Error;
use crate::commands::place::{self, PlaceArgs, Work};
use crate::commands::run_weights::{RunArgs, Weights};
use crate::commands::{evaluate, train};
use crate::config::{Config, ConfigFile, Place, Precision, Products};
use crate::io::checkpoint::read_progress;
use crate::io::output::Provenance;
use crate::io::run_dir::{RunDir, RunError};
use crate::io::signals::nobody;
use crate::paper::figures::{self, Problem, Study, Winner, rows, shown};
use crate::paper::table2::{self, Case, Plan, Row};
use serde_json::Value;
use std::path::Path;
use upg_train::method::Estimator;

impl Setting {
    /// That of a configuration.
    ///
    /// # Errors
    /// If it describes no flow.
    pub fn of(problem: &str, config: &Config) -> Result<Self, ReproductionError> {
        let model = config.build::<f32>().map_err(Error::from)?;
        let (training, text) =
            (&config.training, |part: Result<String, ron::Error>| part.expect("descriptions have a text"));
        Ok(Self {
            problem: problem.into(),
            flow: text(ron::to_string(&config.flow)),
            target: text(ron::to_string(&config.target)),
            parameters: model.layout().size(),
            training: format!(
                "{} steps of {} samples, rate {:e}",
                training.steps,
                training.batch,
                training.optimiser.rate()
            ),
        })
    }

    /// How close it is to `paper`.
    pub fn likeness(&self, paper: &Self) -> Likeness {
        match (self.target == paper.target, self.flow == paper.flow, self.training == paper.training) {
            (false, ..) => Likeness::OtherProblem,
            (true, false, _) => Likeness::OtherFlow,
            (true, true, false) => Likeness::OtherTraining,
            (true, true, true) => Likeness::Same,
        }
    }

    /// The closest to one of `paper`.
    fn likeness_to_any(&self, paper: &[Self]) -> Likeness {
        paper.iter().map(|paper| self.likeness(paper)).max().unwrap_or(Likeness::OtherProblem)
    }
}

impl Made {
    fn of(provenance: &Provenance) -> Self {
        let Provenance { version, commit, processor, threads, device, card, .. } = provenance;
        let device = card.as_ref().map_or_else(|| device.clone(), |card| format!("{device} ({card})"));
        Self {
            version: (*version).into(),
            commit: (*commit).into(),
            processor: processor.clone(),
            threads: *threads,
            device,
        }
    }

    /// This processor.
    fn here(threads: usize) -> Self {
        Self::of(&Provenance::new(threads, "f32", None, String::new()))
    }
}

/// Measures the costs of the estimators.
///
/// # Errors
/// If a case describes no model, or the device can't be had.
pub fn costs(cases: &[Case], plan: &[Plan], place: &PlaceArgs) -> Result<(Made, Found), ReproductionError> {
    place::on(place, Products::Full, Precision::F32, Measure { cases, plan })?
}

struct Measure<'a> {
    cases: &'a [Case],
    plan: &'a [Plan],
}

impl Work for Measure<'_> {
    type Outcome = Result<(Made, Found), ReproductionError>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let made = Made::of(&place::provenance(&device, Some(table2::SEED), String::new()));
        let rows = table2::run(self.cases, self.plan, &device)?;
        Ok((made, Found::Costs(rows.iter().map(cost).collect())))
    }
}

fn cost(row: &Row) -> Cost {
    Cost {
        flow: row.flow.into(),
        target: row.target.into(),
        divergence: row.divergence.to_string(),
        estimator: row.estimator.to_string(),
        batch: row.batch,
        seconds: row.seconds.median,
        ratio: row.ratio.mean,
        ratio_std: row.ratio.std,
    }
}

/// Trains a problem with ordinary and with path gradients.
///
/// # Errors
/// As [`figures::compare`].
pub fn comparison(
    problem: &Problem,
    seeds: impl Iterator<Item = u64> + Clone,
    threads: usize,
    paper: &[Setting],
    say: impl FnMut(&str),
) -> Result<(Made, Found), ReproductionError> {
    let study = figures::compare(problem, seeds, threads, say)?;
    let setting = Setting::of(problem.name, &problem.config)?;
    let found = Comparison {
        title: study.title.clone(),
        likeness: setting.likeness_to_any(paper),
        setting,
        seeds: study.outcomes.first().map_or(0, |outcome| outcome.pairs.len()),
        noise: noise(&study),
        rows: rows(std::slice::from_ref(&study)).iter().map(compared).collect(),
    };
    Ok((Made::here(threads), Found::Comparison(found)))
}

fn compared(row: &figures::Row) -> Compared {
    let better = match row.winner {
        Winner::Path => "path",
        Winner::Ordinary => "ordinary",
        Winner::Neither => "neither",
    };
    Compared {
        divergence: row.divergence.to_string(),
        equal: row.equal.into(),
        metric: row.metric.name().into(),
        ordinary: shown(row.ordinary),
        path: shown(row.path),
        gain: row.gain.zip(row.gain_error).map(|(gain, error)| [gain, error]),
        better: better.into(),
    }
}

/// At the end of the first run of each divergence.
fn noise(study: &Study) -> Vec<Noise> {
    let last = |outcome: &figures::Outcome| {
        let at = outcome.noise.last()?;
        let path = at.estimators.iter().find(|noise| noise.estimator == Estimator::PathFast)?;
        let (ratio, error) = (path.variance_ratio.value, path.variance_ratio.error);
        let divergence = outcome.divergence.to_string();
        (ratio.is_finite() && error.is_finite()).then_some(Noise { divergence, step: at.step, ratio, error })
    };
    study.outcomes.iter().filter_map(last).collect()
}

/// Trains on few data.
///
/// # Errors
/// As [`figures::regularising`].
pub fn few_data(
    problem: &Problem,
    seeds: impl Iterator<Item = u64>,
    threads: usize,
    paper: &[Setting],
    say: impl FnMut(&str),
) -> Result<(Made, Found), ReproductionError> {
    let effect = figures::regularising(problem, seeds, threads, say)?;
    let learned = |run: &figures::Learning| {
        let last = run.course.last()?;
        let [train, test] = [last.train, last.test].map(|nll| nll.is_finite().then_some(nll));
        Some(Learned { estimator: run.estimator.to_string(), seed: run.seed, train, test })
    };
    let setting = Setting::of(problem.name, &problem.config)?;
    let found = FewData {
        title: effect.title.clone(),
        likeness: setting.likeness_to_any(paper),
        setting,
        runs: effect.runs.iter().filter_map(learned).collect(),
    };
    Ok((Made::here(threads), Found::FewData(found)))
}

/// Trains a configuration in the folder `run`, where it goes on if it was stopped, and evaluates it: `upg train --resume` and `upg evaluate`.
///
/// # Errors
/// As these.
pub fn sampler(
    name: &str,
    config: &ConfigFile,
    run: &Path,
    place: &PlaceArgs,
    paper: &[Setting],
) -> Result<(Made, Found), ReproductionError> {
    let out = Some(run.to_owned());
    let arguments = train::TrainArgs {
        config: None,
        set: vec![],
        steps: None,
        out,
        resume: true,
        force: false,
        place: place.clone(),
        seed: None,
    };
    train::run_for(&nobody, Some(config.clone()), &arguments)?;
    let run = RunArgs { run: run.to_owned(), weights: Weights::Best, place: place.clone(), ode_steps: None };
    let dir = RunDir::open(&run.run).map_err(Error::from)?;
    evaluate::run_for(&nobody, &evaluate::EvaluateArgs { run, seed: None, samples: None, out: None })?;
    let setting = Setting::of(name, &config.config)?;
    let progress = read_progress(&dir.latest()).map_err(Error::from)?;
    let summary = summary(&dir)?;
    let number = |path: &str| summary.pointer(path).and_then(Value::as_f64);
    let found = Sampler {
        config: name.into(),
        likeness: setting.likeness_to_any(paper),
        setting,
        objective: objective(&config.config),
        seconds: progress.map(|progress| progress.seconds),
        samples: summary["samples"].as_u64().unwrap_or(0),
        ess_reverse: number("/ess_reverse"),
        ess_forward: number("/ess_forward"),
        nll: number("/nll/value"),
        acceptance: number("/acceptance"),
        log_z: number("/log_z/value").zip(number("/log_z/error")).map(|(value, error)| [value, error]),
        log_z_exact: number("/log_z/exact"),
        log_z_trusted: summary.pointer("/log_z/trusted").and_then(Value::as_bool).unwrap_or(false),
    };
    Ok((made_by(&summary["provenance"]), Found::Sampler(found)))
}

fn objective(config: &Config) -> String {
    ron::to_string(&config.training.objective).expect("a name")
}

fn summary(dir: &RunDir) -> Result<Value, ReproductionError> {
    let path = dir.summary();
    let read = std::fs::read(&path).map_err(|source| Error::from(RunError::System { path: path.clone(), source }))?;
    serde_json::from_slice(&read).map_err(|error| ReproductionError::Altered { path, problem: error.to_string() })
}

/// The record of an evaluation.
fn made_by(provenance: &Value) -> Made {
    let text = |name: &str| provenance.get(name).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let card = provenance.get("card").and_then(Value::as_str);
    let threads = provenance.get("threads").and_then(Value::as_u64).unwrap_or(0);
    Made {
        version: text("version"),
        commit: text("commit"),
        processor: text("processor"),
        threads: usize::try_from(threads).unwrap_or(0),
        device: card.map_or_else(|| text("device"), |card| format!("{} ({card})", text("device"))),
    }
}
