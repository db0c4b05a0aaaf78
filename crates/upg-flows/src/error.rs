//! What can be wrong with the description of a flow.

use std::fmt;

/// A field of a flow's description has a value that isn't accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The field, e.g. `hidden` of a recipe, `net.hidden` of a layer.
    pub field: &'static str,
    /// The layer it belongs to, where the description is a list of layers.
    pub layer: Option<usize>,
    /// Its value.
    pub value: String,
    /// What is accepted.
    pub accepted: &'static str,
}

impl FlowError {
    pub(crate) fn new(field: &'static str, value: impl fmt::Debug, accepted: &'static str) -> Self {
        Self { field, layer: None, value: format!("{value:?}"), accepted }
    }

    /// The same about layer `layer` of a list.
    pub(crate) fn in_layer(self, layer: usize) -> Self {
        Self { layer: Some(layer), ..self }
    }

    /// The field with all names around it: `layers[2].net.hidden`.
    pub fn path(&self) -> String {
        match self.layer {
            Some(layer) => format!("layers[{layer}].{}", self.field),
            None => self.field.to_owned(),
        }
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} is not accepted: {}", self.path(), self.value, self.accepted)
    }
}

impl std::error::Error for FlowError {}
