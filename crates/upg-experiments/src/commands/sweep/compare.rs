//! The points of the grid beside each other: means over their seeds, and which is the best.

use super::folder::{Folder, Record, Run, short};
use super::outcome::{Measure, Outcome};
use crate::Error;
use crate::io::run_dir::RunDir;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use upg_train::stats::Moments;

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Mean {
    pub mean: f64,
    /// Its standard error; none of a single run.
    pub error: Option<f64>,
}

/// How a point stands beside the best one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    Best,
    /// Within two standard errors of the difference.
    NotToldFromBest,
    /// It is worse, or some of its runs aren't done.
    Other,
}

/// A point of the grid.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Point {
    /// Of each field of the grid.
    pub values: Vec<String>,
    pub runs: usize,
    /// Runs all of whose steps are made; the means are over these.
    pub done: usize,
    pub means: BTreeMap<Measure, Mean>,
    pub standing: Standing,
    /// Of the runs that are done, by their tests.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

/// A run as `sweep.json` tells it.
#[derive(Clone, Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    run: Run,
    step: u64,
    done: bool,
    numbers: BTreeMap<Measure, f64>,
    /// What made it; none if it hasn't begun.
    provenance: Option<Value>,
}

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    /// The fields of the grid, as short as they can be told apart.
    pub fields: Vec<String>,
    pub points: Vec<Point>,
    /// By which the best is chosen.
    pub by: Measure,
    /// Runs with steps to be made, and how many they have.
    pub unfinished: Vec<(String, u64)>,
    runs: Vec<Told>,
    record: Record,
}

impl Comparison {
    /// # Errors
    /// If a file of a run can't be read.
    pub fn of(folder: &Folder, record: &Record) -> Result<Self, Error> {
        let read = |run: &Run| Ok((run.clone(), Outcome::read(&RunDir::open(&folder.run(run))?, record.steps)?));
        let all = record.runs.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
        let by = measure_of_best(all.iter().map(|(_, outcome)| outcome));
        let mut points = points(&all);
        stand(&mut points, by);
        let unfinished = all.iter().filter(|(_, outcome)| !outcome.is_done);
        let unfinished = unfinished.map(|(run, outcome)| (run.name.clone(), outcome.step)).collect();
        let fields = record.fields.iter().map(|field| short(field, &record.fields).to_owned()).collect();
        let runs = all.iter().map(|(run, outcome)| told(run, outcome)).collect();
        Ok(Self { fields, points, by, unfinished, runs, record: record.clone() })
    }

    /// The measures that some point has a mean of.
    pub fn measures(&self) -> Vec<Measure> {
        let is_there = |measure: &Measure| self.points.iter().any(|point| point.means.contains_key(measure));
        Measure::ALL.into_iter().filter(is_there).collect()
    }

    /// All of it, for `sweep.json`.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "fields": self.record.fields,
            "steps": self.record.steps,
            "best_by": self.by,
            "points": self.points,
            "runs": self.runs,
        })
    }

    /// What made the runs, each in words: program, processor, device.
    pub fn made_by(&self) -> BTreeSet<String> {
        let words = |told: &Told| {
            let record = told.provenance.as_ref()?;
            let of = |name| record.get(name).and_then(Value::as_str).unwrap_or("unknown");
            Some(format!("upg {}, commit {}; {}, {}", of("version"), of("commit"), of("processor"), of("device")))
        };
        self.runs.iter().filter_map(words).collect()
    }
}

/// The loss where that of all runs is the same function of the same target, else the effective sample size.
fn measure_of_best<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> Measure {
    let of = |outcome: &'a Outcome| (outcome.config.training.objective, &outcome.config.target);
    let is_one = outcomes.clone().zip(outcomes.clone().skip(1)).all(|(one, other)| of(one) == of(other));
    let have = |measure| outcomes.clone().any(|outcome| outcome.measure(measure).is_some());
    if is_one && have(Measure::Loss) { Measure::Loss } else { Measure::EssReverse }
}

/// The points in the order of their first runs.
fn points(all: &[(Run, Outcome)]) -> Vec<Point> {
    let mut points: Vec<Point> = vec![];
    for (run, outcome) in all {
        let at = points.iter().position(|point| point.values == run.values).unwrap_or_else(|| {
            let values = run.values.clone();
            let (means, standing) = (BTreeMap::new(), Standing::Other);
            points.push(Point { values, runs: 0, done: 0, means, standing, outcomes: vec![] });
            points.len() - 1
        });
        points[at].runs += 1;
        if outcome.is_done {
            points[at].done += 1;
            points[at].outcomes.push(outcome.clone());
        }
    }
    for point in &mut points {
        let of = |measure| Some((measure, mean(point.outcomes.iter().map(|outcome| outcome.measure(measure)))?));
        point.means = Measure::ALL.into_iter().filter_map(of).collect();
    }
    points
}

/// The mean, if every run has the number.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<Mean> {
    let mut moments = Moments::default();
    values.for_each(|value| moments.push(value.unwrap_or(f64::NAN)));
    Some(Mean { mean: moments.mean()?, error: moments.standard_error() })
}

/// Of the points all of whose runs are done: a mean over the runs that survived would be of the lucky ones.
fn stand(points: &mut [Point], by: Measure) {
    let whole = |point: &Point| point.means.get(&by).copied().filter(|_| point.done == point.runs);
    let cost = |mean: Mean| if by.rises() { -mean.mean } else { mean.mean };
    let best = points.iter().filter_map(whole).min_by(|one, other| cost(*one).total_cmp(&cost(*other)));
    let Some(best) = best else { return };
    let mut is_taken = false;
    for point in points {
        let Some(mean) = whole(point) else { continue };
        let apart = best.error.zip(mean.error).map(|(one, other)| 2.0 * one.hypot(other));
        point.standing = match cost(mean) - cost(best) {
            0.0 if !is_taken => {
                is_taken = true;
                Standing::Best
            }
            difference if apart.is_some_and(|apart| difference <= apart) => Standing::NotToldFromBest,
            _ => Standing::Other,
        };
    }
}

fn told(run: &Run, outcome: &Outcome) -> Told {
    let numbers = Measure::ALL.into_iter().filter_map(|measure| Some((measure, outcome.measure(measure)?)));
    Told {
        run: run.clone(),
        step: outcome.step,
        done: outcome.is_done,
        numbers: numbers.collect(),
        provenance: outcome.provenance.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(done: usize, loss: &[f64]) -> Point {
        let mean = mean(loss.iter().map(|&loss| Some(loss)));
        let means = mean.map(|mean| (Measure::Loss, mean)).into_iter().collect();
        Point { values: vec![], runs: 3, done, means, standing: Standing::Other, outcomes: vec![] }
    }

    fn standings(mut points: Vec<Point>) -> Vec<Standing> {
        stand(&mut points, Measure::Loss);
        points.into_iter().map(|point| point.standing).collect()
    }

    #[test]
    fn what_cannot_be_told_from_the_best_is_marked() {
        use Standing::{Best, NotToldFromBest, Other};
        let points = vec![point(3, &[2.0, 2.1, 2.2]), point(3, &[1.0, 1.2, 1.4]), point(3, &[1.1, 1.3, 1.5])];
        assert_eq!(standings(points), [Other, Best, NotToldFromBest]);
        assert_eq!(standings(vec![point(3, &[2.0]), point(3, &[1.9])]), [Other, Best], "a single seed has no error");
        assert_eq!(standings(vec![point(3, &[1.0, 1.0]), point(3, &[1.0, 1.0])]), [Best, NotToldFromBest]);
    }

    #[test]
    fn a_point_whose_runs_are_not_all_done_is_not_the_best() {
        assert_eq!(standings(vec![point(2, &[1.0, 1.0]), point(3, &[2.0, 2.0])]), [Standing::Other, Standing::Best]);
        assert_eq!(standings(vec![point(2, &[1.0])]), [Standing::Other]);
    }

    #[test]
    fn a_mean_is_of_all_runs_or_of_none() {
        assert_eq!(mean([Some(1.0), None].into_iter()), None);
        assert_eq!(mean([Some(1.0), Some(3.0)].into_iter()), Some(Mean { mean: 2.0, error: Some(1.0) }));
        assert_eq!(mean([Some(1.0)].into_iter()), Some(Mean { mean: 1.0, error: None }));
    }
}
