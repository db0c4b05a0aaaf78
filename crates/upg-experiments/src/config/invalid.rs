//! Values that aren't accepted.

use crate::text::one_line;
use upg_flows::FlowError;
use upg_targets::TargetError;
use upg_train::Refused;

/// A field has a value that isn't accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: accepted: {accepted}")]
pub struct Invalid {
    /// The field, e.g. `flow.clamp`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// The accepted values.
    pub accepted: String,
}

impl From<FlowError> for Invalid {
    fn from(error: FlowError) -> Self {
        let value = one_line(&error.value, 100);
        Self { field: format!("flow.{}", error.path()), value, accepted: error.accepted.into() }
    }
}

impl From<TargetError> for Invalid {
    fn from(error: TargetError) -> Self {
        let value = one_line(&error.value, 100);
        Self { field: format!("target.{}", error.field), value, accepted: error.accepted.into() }
    }
}

/// Of a plan that a training was made from.
impl From<Refused> for Invalid {
    fn from(refused: Refused) -> Self {
        let Refused { field, value, accepted } = refused.inside("training");
        Self { field, value, accepted }
    }
}
