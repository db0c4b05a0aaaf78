//! What the stages find, as plain data: all of it is in `paper.json`, and the texts are made of that file alone.

use serde::{Deserialize, Serialize};

/// All that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// Whether by the quick settings.
    pub quick: bool,
    /// The paper's own settings of its problems.
    pub paper: Vec<Setting>,
    /// The stages, in their order.
    pub stages: Vec<Stage>,
}

/// A problem and how it is trained, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Name of the problem.
    pub problem: String,
    /// The flow, RON.
    pub flow: String,
    /// The target, RON.
    pub target: String,
    /// Parameters of the flow.
    pub parameters: usize,
    /// Steps, samples per step, and the learning rate.
    pub training: String,
}

/// A stage that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What it was asked for: with anything else it is made anew.
    pub asked: String,
    /// What made it.
    pub made: Made,
    /// What it found.
    pub found: Found,
}

/// Program and machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Version of the program.
    pub version: String,
    /// Its commit.
    pub commit: String,
    /// Name of the processor.
    pub processor: String,
    /// Threads of the processor.
    pub threads: usize,
    /// The device, and which card it is if it is one.
    pub device: String,
}

/// What a stage found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The cost of the estimators.
    Costs(Vec<Cost>),
    /// Ordinary and path gradients on a problem.
    Comparison(Comparison),
    /// The effect of few training data.
    FewData(FewData),
    /// A flow, trained and evaluated.
    Sampler(Sampler),
}

/// The cost of an estimator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Name of the flow.
    pub flow: String,
    /// Name of the target.
    pub target: String,
    /// The divergence.
    pub divergence: String,
    /// The estimator.
    pub estimator: String,
    /// Samples per gradient.
    pub batch: usize,
    /// Median of a gradient.
    pub seconds: f64,
    /// Over the ordinary gradient.
    pub ratio: f64,
    /// The standard deviation of that.
    pub ratio_std: f64,
}

/// How close a setting is to the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The problem is smaller, or another one.
    OtherProblem,
    /// The problem is the paper's, the flow another one.
    OtherFlow,
    /// Problem and flow are the paper's, the training another one.
    OtherTraining,
    /// All of it is the paper's.
    Same,
}

/// Ordinary and path gradients on a problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The problem in words.
    pub title: String,
    /// How it is trained.
    pub setting: Setting,
    /// How close that is to the paper's.
    pub likeness: Likeness,
    /// Pairs of runs, one a seed.
    pub seeds: usize,
    /// Metric by metric.
    pub rows: Vec<Compared>,
    /// The noise of the path gradient at the end.
    pub noise: Vec<Noise>,
}

/// A metric of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The divergence that was minimised.
    pub divergence: String,
    /// The measure in which both are equal: steps or seconds.
    pub equal: String,
    /// The metric.
    pub metric: String,
    /// With the ordinary gradient, in words with its spread.
    pub ordinary: String,
    /// With the path gradient.
    pub path: String,
    /// The mean advantage of the path gradient over the pairs, and its standard error.
    pub gain: Option<[f64; 2]>,
    /// `path`, `ordinary`, or `neither`.
    pub better: String,
}

/// The variance of the path gradient over that of the ordinary one, at the end of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// The divergence.
    pub divergence: String,
    /// After so many steps.
    pub step: u64,
    /// The ratio.
    pub ratio: f64,
    /// Its standard error.
    pub error: f64,
}

/// What few training data do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewData {
    /// The problem in words.
    pub title: String,
    /// How it is trained.
    pub setting: Setting,
    /// How close that is to the paper's.
    pub likeness: Likeness,
    /// The runs at their ends.
    pub runs: Vec<Learned>,
}

/// A run on few data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// The estimator.
    pub estimator: String,
    /// The seed.
    pub seed: u64,
    /// mean(−log q) of the data it was trained on.
    pub train: Option<f64>,
    /// mean(−log q) of others.
    pub test: Option<f64>,
}

/// A flow, trained and evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampler {
    /// Name of the configuration.
    pub config: String,
    /// How it is trained.
    pub setting: Setting,
    /// How close that is to the paper's.
    pub likeness: Likeness,
    /// The divergence with its estimator.
    pub objective: String,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// Samples of the evaluation.
    pub samples: u64,
    /// Effective sample sizes.
    pub ess_reverse: Option<f64>,
    /// On test data, where there are some.
    pub ess_forward: Option<f64>,
    /// mean(−log q) of test data, where there are some.
    pub nll: Option<f64>,
    /// Of the Markov chain.
    pub acceptance: Option<f64>,
    /// log Z with its standard error.
    pub log_z: Option<[f64; 2]>,
    /// Exactly, where it is known.
    pub log_z_exact: Option<f64>,
    /// Whether nothing speaks against it.
    pub log_z_trusted: bool,
}

impl Findings {
    /// The costs.
    pub fn costs(&self) -> impl Iterator<Item = &Cost> {
        let costs = self.stages.iter().filter_map(|stage| match &stage.found {
            Found::Costs(found) => Some(found),
            _ => None,
        });
        costs.flatten()
    }

    /// The comparisons.
    pub fn comparisons(&self) -> impl Iterator<Item = &Comparison> {
        self.stages.iter().filter_map(|stage| match &stage.found {
            Found::Comparison(found) => Some(found),
            _ => None,
        })
    }

    /// The effects of few data.
    pub fn few_data(&self) -> impl Iterator<Item = &FewData> {
        self.stages.iter().filter_map(|stage| match &stage.found {
            Found::FewData(found) => Some(found),
            _ => None,
        })
    }

    /// The flows that were trained and evaluated.
    pub fn samplers(&self) -> impl Iterator<Item = &Sampler> {
        self.stages.iter().filter_map(|stage| match &stage.found {
            Found::Sampler(found) => Some(found),
            _ => None,
        })
    }
}
