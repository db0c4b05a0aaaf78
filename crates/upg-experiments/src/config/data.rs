//! The sections `data` and `evaluation`: samples of the target, and what is computed at the end.

use super::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use upg_targets::{ChainPlan, HmcOptions};
use upg_train::numbers::size;

/// The section `data`: samples of the target to train the forward KL on, and to test on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "data")]
pub struct Data {
    /// The data the forward KL is trained on; without them there is a test set only.
    pub train: Source,
    /// The data of the forward ESS and the negative log-likelihood.
    pub test: Source,
    /// How samples are drawn where there is no exact sampler.
    pub hmc: Hmc,
}

impl Default for Data {
    fn default() -> Self {
        Self { train: Source::Draw(10_000), test: Source::Draw(10_000), hmc: Hmc::default() }
    }
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "source")]
pub enum Source {
    /// So many are drawn: exactly where the target has a sampler, else by HMC.
    Draw(#[serde(deserialize_with = "size")] usize),
    /// A `.npy` file, `[batch, dof]` or `[batch, lattice…]`; relative to the folder of the configuration.
    File(PathBuf),
}

/// How HMC draws; see [`ChainPlan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "hmc")]
pub struct Hmc {
    /// Number of independent chains.
    #[serde(deserialize_with = "size")]
    pub chains: usize,
    /// Sweeps before the first sample, in which the step size is tuned.
    #[serde(deserialize_with = "size")]
    pub warm_up: usize,
    /// Sweeps from one sample of a chain to the next.
    #[serde(deserialize_with = "size")]
    pub thin: usize,
    /// Length of a trajectory.
    pub length: f64,
}

impl Default for Hmc {
    fn default() -> Self {
        let ChainPlan { chains, warm_up, thin, hmc, .. } = ChainPlan::default();
        Self { chains, warm_up, thin, length: hmc.length }
    }
}

impl Hmc {
    /// The plan for so many samples.
    pub fn plan(&self, samples: usize) -> ChainPlan {
        let Self { chains, warm_up, thin, length } = *self;
        let hmc = HmcOptions { length, ..HmcOptions::default() };
        ChainPlan { samples, chains, warm_up, thin, hmc, ..ChainPlan::default() }
    }
}

impl Data {
    /// Makes the files absolute, relative ones from `folder` on.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for source in [&mut self.train, &mut self.test] {
            if let Source::File(path) = source {
                *path = folder.join(&path);
            }
        }
    }

    /// Every field whose value is out of range.
    pub(super) fn invalid(&self) -> Vec<Invalid> {
        let mut invalid = vec![];
        for (field, source) in [("data.train", &self.train), ("data.test", &self.test)] {
            if let Source::Draw(0) = source {
                invalid.push(refuse(field, "Draw(0)", "Draw(n) with n of at least 1, or File(\"….npy\")"));
            }
        }
        let Hmc { chains, warm_up, thin, length } = &self.hmc;
        for (field, value) in [("data.hmc.chains", chains), ("data.hmc.warm_up", warm_up), ("data.hmc.thin", thin)] {
            if *value == 0 {
                invalid.push(refuse(field, "0", "a whole number of at least 1"));
            }
        }
        if !(length.is_finite() && *length > 0.0) {
            invalid.push(refuse("data.hmc.length", length, "a finite number above 0"));
        }
        invalid
    }
}

/// Fewest samples of an evaluation.
pub const FEWEST_SAMPLES: usize = 2;
/// Most steps of a continuous flow.
const MOST_STEPS: usize = 10_000;

/// The section `evaluation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename = "evaluation")]
pub struct EvaluationConfig {
    /// Samples of the flow.
    #[serde(deserialize_with = "size")]
    pub samples: usize,
    /// Blocks of the jackknife at most: more samples share blocks.
    #[serde(deserialize_with = "size")]
    pub blocks: usize,
    /// Steps of continuous flows wherever the trained flow is used; none: those of the flow, which it is trained with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ode_steps: Option<usize>,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { samples: 100_000, blocks: 1 << 16, ode_steps: None }
    }
}

impl EvaluationConfig {
    /// Every field whose value is out of range.
    pub(super) fn invalid(&self) -> Vec<Invalid> {
        let mut invalid = vec![];
        if self.blocks < 2 {
            invalid.push(refuse("evaluation.blocks", self.blocks, "a whole number of at least 2"));
        }
        if self.samples < FEWEST_SAMPLES {
            invalid.push(refuse("evaluation.samples", self.samples, "a whole number of at least 2"));
        }
        if let Some(steps) = self.ode_steps.filter(|steps| !(1..=MOST_STEPS).contains(steps)) {
            invalid.push(refuse("evaluation.ode_steps", steps, "a whole number, at least 1, at most 10000"));
        }
        invalid
    }
}

fn refuse(field: &str, value: impl ToString, accepted: &str) -> Invalid {
    Invalid { field: field.into(), value: value.to_string(), accepted: accepted.into() }
}
