//! What can be wrong with the description of a flow.

use std::fmt;

/// A field of a flow's description has a value that isn't accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowError {
    /// The field, e.g. `hidden` of a recipe, `net.hidden` of a layer; empty for the layer as such.
    pub field: &'static str,
    /// The layer it belongs to, where the description is a list of layers.
    pub layer: Option<usize>,
    /// Its value.
    pub value: String,
    /// What is accepted.
    pub accepted: &'static str,
}

impl FlowError {
    /// `field` = `value` isn't accepted, but what `accepted` says is.
    pub fn new(field: &'static str, value: impl fmt::Debug, accepted: &'static str) -> Self {
        Self { field, layer: None, value: format!("{value:?}"), accepted }
    }

    /// Something that a device has no kernels for: `value` in the field `field` of a layer, or of the flow where that is `None`. `accepted` is what it has
    /// kernels for.
    ///
    /// ```
    /// use upg_flows::FlowError;
    /// let error = FlowError::without_kernels(Some(3), "", "Householder", "cuda:0", "Coupling or Scaling");
    /// let told = "layers[3] = Householder, which has no kernels for cuda:0: accepted is Coupling or Scaling";
    /// assert_eq!(error.to_string(), told);
    /// ```
    pub fn without_kernels(
        layer: Option<usize>,
        field: &'static str,
        value: &str,
        device: &str,
        accepted: &'static str,
    ) -> Self {
        Self { field, layer, value: format!("{value}, which has no kernels for {device}"), accepted }
    }

    /// The same about layer `layer` of a list.
    pub fn in_layer(self, layer: usize) -> Self {
        Self { layer: Some(layer), ..self }
    }

    /// The error with the value in these words.
    pub(crate) fn with_value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// The first of `all` as the error of a check.
    pub(crate) fn first(all: Vec<Self>) -> Result<(), Self> {
        all.into_iter().next().map_or(Ok(()), Err)
    }

    /// Those of the checks that failed.
    pub(crate) fn failed(checks: impl IntoIterator<Item = Result<(), Self>>) -> Vec<Self> {
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// The field with all names around it: `layers[2].net.hidden`.
    pub fn path(&self) -> String {
        match self.layer {
            Some(layer) if self.field.is_empty() => format!("layers[{layer}]"),
            Some(layer) => format!("layers[{layer}].{}", self.field),
            None => self.field.to_owned(),
        }
    }
}

/// Refuses `value` unless `holds`.
pub(crate) fn require(
    holds: bool,
    field: &'static str,
    value: impl fmt::Debug,
    accepted: &'static str,
) -> Result<(), FlowError> {
    if holds { Ok(()) } else { Err(FlowError::new(field, value, accepted)) }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: accepted is {}", self.path(), self.value, self.accepted)
    }
}

impl std::error::Error for FlowError {}
