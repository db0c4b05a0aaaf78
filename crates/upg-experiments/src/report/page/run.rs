//! The ingredients of a page.

use ndarray::Array2;
use serde_json::Value;

/// All that is known of one run; everything but the name may be empty.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Name, e.g. of its folder.
    pub name: String,
    /// The configuration, RON.
    pub config: String,
    /// Its provenance.
    pub provenance: Option<Value>,
    /// The lines of `metrics.jsonl`, ascending in `step`.
    pub metrics: Vec<Value>,
    /// `summary.json`.
    pub summary: Option<Value>,
    /// `hmc.json`: the same observables by the sampler of the target.
    pub hmc: Option<Value>,
    /// What is to be said if the summary is of other weights than the run has by now.
    pub stale: Option<String>,
    /// log p̃ − log q of samples of the flow.
    pub log_weights: Option<Vec<f64>>,
    /// Observables with their normalised autocorrelation ρ(t), t = 0, 1, …, in the Markov chain.
    pub autocorrelation: Vec<(String, Vec<f64>)>,
    /// Samples that were to be shown and aren't, as a number in them isn't finite.
    pub not_finite: usize,
    /// A sample of a lattice theory.
    pub field: Option<Field>,
    /// Samples of the flow, shape `[samples, dof]`, for up to 8 degrees of freedom.
    pub marginals: Option<Array2<f64>>,
    /// Samples of the target, shape `[samples, dof]`.
    pub data_marginals: Option<Array2<f64>>,
}

/// A configuration of a two-dimensional lattice.
#[derive(Clone, Debug)]
pub struct Field {
    /// `[L0, L1]` for sites, `[2, L0, L1]` for links.
    pub shape: Vec<usize>,
    /// The values in C order.
    pub values: Vec<f64>,
    /// Their kind.
    pub kind: FieldKind,
}

/// Where the values of a field live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Real numbers on sites.
    Sites,
    /// Angles on links.
    Links,
}
