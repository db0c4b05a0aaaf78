//! The layers of a flow as plain data: the registry of their kinds.

use super::{
    act_norm::ActNormSpec,
    autoregressive::AutoregressiveSpec,
    continuous::ContinuousSpec,
    coupling::{AngleCouplingSpec, CouplingSpec},
    description::{Description, Needs, Work},
    gauge::GaugeCouplingSpec,
    householder::HouseholderSpec,
    linear::LinearSpec,
    permutation::PermutationSpec,
    plaquette::PlaquetteFlowSpec,
    scaling::ScalingSpec,
};
use crate::error::FlowError;
use upg_core::{Domain, ParamLayout};

/// One layer of a flow. The shape of the samples it acts on is that of the flow.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "layer"))]
pub enum LayerSpec {
    /// A coupling of numbers.
    Coupling(CouplingSpec),
    /// An autoregressive layer.
    Autoregressive(AutoregressiveSpec),
    /// y = x·e^σ.
    Scaling(ScalingSpec),
    /// y = x·e^σ + b.
    ActNorm(ActNormSpec),
    /// y = P L U x + b.
    Linear(LinearSpec),
    /// A product of reflections.
    Householder(HouseholderSpec),
    /// Degrees of freedom in another order.
    Permutation(PermutationSpec),
    /// A coupling of links.
    GaugeCoupling(GaugeCouplingSpec),
    /// The flow of a vector field.
    Continuous(ContinuousSpec),
    /// A coupling of angles.
    AngleCoupling(AngleCouplingSpec),
    /// The flow of links by the vector field of their plaquettes.
    PlaquetteFlow(PlaquetteFlowSpec),
    /// T⁻¹ of a layer T, over the same parameters.
    Inverse(Box<LayerSpec>),
}

impl LayerSpec {
    /// The layer with another number of steps, if it is a continuous flow, or the inverse of one.
    pub(crate) fn map_steps(self, change: &impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Continuous(flow) => Self::Continuous(ContinuousSpec { steps: change(flow.steps), ..flow }),
            Self::PlaquetteFlow(flow) => Self::PlaquetteFlow(PlaquetteFlowSpec { steps: change(flow.steps), ..flow }),
            Self::Inverse(layer) => Self::Inverse(Box::new(layer.map_steps(change))),
            other => other,
        }
    }

    /// The layer with this size of φ in lattice fields that have none.
    pub(crate) fn with_default_scale(self, scale: f64) -> Self {
        match self {
            Self::Continuous(flow) => {
                Self::Continuous(ContinuousSpec { field: flow.field.with_default_scale(scale), ..flow })
            }
            Self::Inverse(layer) => Self::Inverse(Box::new(layer.with_default_scale(scale))),
            other => other,
        }
    }

    /// The layer's parameters, for samples of this shape: names, shapes, initial values, in the order of the flat buffer.
    ///
    /// # Panics
    /// If the layer isn't accepted for this shape.
    pub fn params(&self, shape: &[usize]) -> ParamLayout {
        self.kind().params(shape)
    }

    /// Steps of a continuous flow, or of the inverse of one.
    pub fn steps(&self) -> Option<usize> {
        match self {
            Self::Continuous(flow) => Some(flow.steps),
            Self::PlaquetteFlow(flow) => Some(flow.steps),
            Self::Inverse(layer) => layer.steps(),
            _ => None,
        }
    }

    fn kind(&self) -> &dyn Description {
        match self {
            Self::Coupling(coupling) => coupling,
            Self::Autoregressive(layer) => layer,
            Self::Scaling(scaling) => scaling,
            Self::ActNorm(norm) => norm,
            Self::Linear(linear) => linear,
            Self::Householder(reflections) => reflections,
            Self::Permutation(permutation) => permutation,
            Self::GaugeCoupling(coupling) => coupling,
            Self::Continuous(flow) => flow,
            Self::AngleCoupling(coupling) => coupling,
            Self::PlaquetteFlow(flow) => flow,
            Self::Inverse(layer) => &**layer,
        }
    }
}

impl Description for LayerSpec {
    fn domain(&self) -> Option<Domain> {
        self.kind().domain()
    }

    fn field_errors(&self) -> Vec<FlowError> {
        self.kind().field_errors()
    }

    fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        self.kind().check_shape(shape)
    }

    fn needs(&self, shape: &[usize]) -> Needs {
        self.kind().needs(shape)
    }

    fn multiply_adds(&self, shape: &[usize]) -> u64 {
        self.kind().multiply_adds(shape)
    }

    fn work(&self) -> Work {
        self.kind().work()
    }

    fn on_links(&self) -> bool {
        self.kind().on_links()
    }

    fn hidden(&self) -> Option<&[usize]> {
        self.kind().hidden()
    }

    fn params(&self, shape: &[usize]) -> ParamLayout {
        self.kind().params(shape)
    }
}
