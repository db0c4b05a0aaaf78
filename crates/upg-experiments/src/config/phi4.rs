//! φ⁴ theory by its hopping parameter or by its mass.

use serde::{Deserialize, Serialize};
use upg_flows::numbers::extents;
use upg_targets::phi4::MassConvention;
use upg_targets::{Phi4, TargetError};

/// φ⁴ theory: `kappa`, or `mass_squared` with its `convention`, decides which action it is, and of which field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Phi4", deny_unknown_fields)]
pub struct Phi4Config {
    /// Extents of the lattice.
    #[serde(deserialize_with = "extents")]
    pub lattice: Vec<usize>,
    /// Hopping parameter κ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kappa: Option<f64>,
    /// m².
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mass_squared: Option<f64>,
    /// Coupling λ.
    pub lambda: f64,
    /// What m² and λ mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convention: Option<Convention>,
}

/// How an action with a mass is written: see [`MassConvention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "convention")]
pub enum Convention {
    /// Σ [ (∂φ)² + m² φ² + λ φ⁴ ].
    NoHalves,
    /// Σ [ ½ (∂φ)² + ½ m² φ² + λ φ⁴/4! ].
    Canonical,
}

impl From<Convention> for MassConvention {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::NoHalves => Self::NoHalves,
            Convention::Canonical => Self::Canonical,
        }
    }
}

impl Phi4Config {
    /// The hopping form.
    pub fn hopping(lattice: impl Into<Vec<usize>>, kappa: f64, lambda: f64) -> Self {
        Self { lattice: lattice.into(), kappa: Some(kappa), mass_squared: None, lambda, convention: None }
    }

    pub(super) fn build(&self) -> Result<Phi4, TargetError> {
        let Self { lattice, lambda, .. } = self;
        let refuse = |field, value, accepted| Err(TargetError { field, value, accepted });
        match (self.kappa, self.mass_squared, self.convention) {
            (Some(kappa), None, None) => Phi4::new(lattice, kappa, *lambda),
            (None, Some(mass_squared), Some(convention)) => {
                Phi4::by_mass(lattice, mass_squared, *lambda, convention.into())
            }
            (Some(kappa), Some(mass_squared), _) => {
                refuse("mass_squared", format!("{mass_squared}, with kappa = {kappa}"), "one of the two")
            }
            (Some(_), None, Some(convention)) => {
                refuse("convention", format!("{convention:?}, with kappa"), "one only with mass_squared")
            }
            (None, Some(_), None) => {
                refuse("convention", "absent".into(), "NoHalves or Canonical, beside mass_squared")
            }
            (None, None, _) => refuse("kappa", "absent".into(), "kappa, or mass_squared with its convention"),
        }
    }
}
