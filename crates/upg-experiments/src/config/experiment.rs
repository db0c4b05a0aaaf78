//! The experiment as a whole.

use super::data::{Data, EvaluationConfig};
use super::flow::FlowConfig;
use super::notation;
use super::precision::PrecisionConfig;
use super::target::TargetConfig;
use super::training::Training;
use serde::{Deserialize, Serialize};
use upg_flows::{FlowError, FlowSpec};

/// An experiment: a flow, the target it is to sample, how it is trained and what is computed at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The flow.
    pub flow: FlowConfig,
    /// The target.
    pub target: TargetConfig,
    /// How the flow is trained.
    #[serde(default)]
    pub training: Training,
    /// How accelerators multiply.
    #[serde(default)]
    pub precision: PrecisionConfig,
    /// Samples of the target. `None`: none, unless the training needs some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// The evaluation at the end.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
}

impl Config {
    /// A flow and a target, all else at its default.
    pub fn new(flow: FlowConfig, target: TargetConfig) -> Self {
        let (training, precision) = (Training::default(), PrecisionConfig::default());
        Self { flow, target, training, precision, data: None, evaluation: EvaluationConfig::default() }
    }

    /// The configuration in one line of RON, default values spelled out.
    pub fn to_ron(&self) -> String {
        notation::options().to_string(self).expect("a configuration has a text")
    }

    /// The same, a field a line.
    pub fn to_pretty_ron(&self) -> String {
        let pretty =
            ron::ser::PrettyConfig::new().compact_arrays(true).extensions(ron::extensions::Extensions::empty());
        notation::options().to_string_pretty(self, pretty).expect("a configuration has a text")
    }

    /// The flow as a list of layers, with the numbers of its base that are left to the target.
    ///
    /// # Errors
    /// Names the field that isn't accepted.
    pub fn flow_spec(&self) -> Result<FlowSpec, FlowError> {
        self.flow.completed(&self.target).spec()
    }

    /// The same in one line of RON, if it is accepted.
    pub fn flow_to_ron(&self) -> Option<String> {
        let spec = self.flow_spec().ok()?;
        Some(notation::options().to_string(&spec).expect("a flow has a text"))
    }

    /// Where samples of the target come from, if there are any.
    pub fn data(&self) -> Option<Data> {
        self.data.clone().or_else(|| self.training.objective.needs_data().then(Data::default))
    }
}
