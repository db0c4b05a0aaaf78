//! An axis of a grid: a field, and the values that it takes in turn, `training.optimiser.rate=[1e-3, 1e-4]`.

use super::locate;
use super::overrides::Override;
use std::str::FromStr;

/// A field and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Its path, e.g. `training.optimiser.rate`.
    pub field: String,
    /// The values, RON; at least one.
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ACCEPTED: &str = "accepted is FIELD=[VALUE, VALUE], e.g. training.batch=[500, 1000]";
        let Override { field, value, .. } = text.parse().map_err(|_| ACCEPTED)?;
        let values = locate::elements(&value).filter(|values| !values.is_empty()).ok_or(ACCEPTED)?;
        Ok(Self { field, values: values.into_iter().map(str::to_owned).collect() })
    }
}

impl Axis {
    /// The field with one of the values.
    pub fn set(&self, value: &str) -> Override {
        Override { field: self.field.clone(), value: value.to_owned(), option: "--grid" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_field_and_a_list() {
        let axis: Axis = " flow.hidden = [[8], [8, 8],] ".parse().unwrap();
        assert_eq!((&axis.field[..], axis.values), ("flow.hidden", vec!["[8]".to_owned(), "[8, 8]".to_owned()]));
        for wrong in ["training.batch", "training.batch=5", "training.batch=[]", "training.batch=[1", "a=[1,,2]"] {
            assert!(wrong.parse::<Axis>().is_err(), "{wrong}");
        }
    }
}
