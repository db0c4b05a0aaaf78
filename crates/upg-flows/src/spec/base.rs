//! The bases of flows as plain data: the registry of their kinds.

use super::description::Needs;
use crate::{
    bases::{DiagonalNormal, free_field, two_signs},
    error::FlowError,
    orbits::{Orbits, largest_p_hat_squared, number_of_orbits},
};
use upg_core::{Domain, ParamLayout};

/// A base density.
///
/// The numbers with which a field starts are `None` where a configuration leaves them to its target; a flow needs them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename = "base", deny_unknown_fields)
)]
pub enum BaseSpec {
    /// N(0, 1) in every degree of freedom.
    #[default]
    StandardNormal,
    /// Uniform in [0, 2π) in every degree of freedom.
    UniformTorus,
    /// A learned mean and log-scale for every degree of freedom (see [`DiagonalNormal`]).
    DiagonalNormal,
    /// A free field on the lattice, with a learned log-scale for every orbit of modes (see [`FreeField`](crate::FreeField)).
    FreeField {
        /// m², above 0, of the propagator 1/(m² + 2κ p̂²) at the start.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        m2: Option<f64>,
        /// κ of the same.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        kappa: Option<f64>,
    },
    /// Two of them, about the constant fields ±v, v learned (see [`TwoSigns`](crate::TwoSigns)).
    TwoSigns {
        /// m², above 0, of the propagator 1/(m² + 2κ p̂²) at the start.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        m2: Option<f64>,
        /// κ of the same.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        kappa: Option<f64>,
        /// v at the start, above 0.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        v: Option<f64>,
    },
}

impl BaseSpec {
    /// A free field that starts with the propagator 1/(m² + 2κ p̂²).
    pub fn free_field(m2: f64, kappa: f64) -> Self {
        Self::FreeField { m2: Some(m2), kappa: Some(kappa) }
    }

    /// Two of them that start about ±`v`.
    pub fn two_signs(m2: f64, kappa: f64, v: f64) -> Self {
        Self::TwoSigns { m2: Some(m2), kappa: Some(kappa), v: Some(v) }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StandardNormal => "StandardNormal",
            Self::UniformTorus => "UniformTorus",
            Self::DiagonalNormal => "DiagonalNormal",
            Self::FreeField { .. } => "FreeField",
            Self::TwoSigns { .. } => "TwoSigns",
        }
    }

    /// The parameters of the base for samples of this shape, which come first in the flat buffer, as `base.…`.
    ///
    /// # Panics
    /// If a number is missing.
    pub fn params(&self, shape: &[usize]) -> ParamLayout {
        match *self {
            Self::StandardNormal | Self::UniformTorus => ParamLayout::default(),
            Self::DiagonalNormal => DiagonalNormal::layout(shape.iter().product()),
            Self::FreeField { m2, kappa } => free_field::layout(&Orbits::new(shape), given(m2), given(kappa)),
            Self::TwoSigns { m2, kappa, v } => {
                two_signs::layout(&Orbits::new(shape), given(m2), given(kappa), given(v))
            }
        }
    }

    /// Where its samples live.
    pub fn domain(&self) -> Domain {
        match self {
            Self::UniformTorus => Domain::Circle,
            _ => Domain::Line,
        }
    }

    /// Whether q₀(z) = q₀(−z), whatever its parameters.
    pub fn is_even(&self) -> bool {
        matches!(self, Self::StandardNormal | Self::FreeField { .. } | Self::TwoSigns { .. })
    }

    /// Whether it is the one that is meant where none is named.
    #[cfg(feature = "serde")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Every field that makes no base, whatever the shape of the samples.
    pub(crate) fn field_errors(&self) -> Vec<FlowError> {
        let positive = |field, value: Option<f64>| {
            let accepted = "a finite number above 0";
            check(field, value, |value| value.is_finite() && value > 0.0, accepted)
        };
        let finite = |field, value| check(field, value, f64::is_finite, "a finite number");
        match *self {
            Self::StandardNormal | Self::UniformTorus | Self::DiagonalNormal => vec![],
            Self::FreeField { m2, kappa } => FlowError::failed([positive("base.m2", m2), finite("base.kappa", kappa)]),
            Self::TwoSigns { m2, kappa, v } => {
                let checks = [positive("base.m2", m2), finite("base.kappa", kappa), positive("base.v", v)];
                FlowError::failed(checks)
            }
        }
    }

    /// Refuses a field that has no variance on a lattice of this shape; `field_errors` has found nothing.
    pub(crate) fn check_shape(&self, shape: &[usize]) -> Result<(), FlowError> {
        let (Self::FreeField { m2, kappa } | Self::TwoSigns { m2, kappa, .. }) = *self else { return Ok(()) };
        let smallest = given(m2) + 2.0 * given(kappa).min(0.0) * largest_p_hat_squared(shape);
        let accepted = "a number with m2 + 2 kappa p^2 above 0 for all modes, p^2 up to 4 in each direction";
        check("base.kappa", kappa, |_| smallest > 0.0, accepted)
    }

    /// What the base needs for samples of this shape. The tables of a field hold its modes along each axis, and an orbit for each mode.
    pub(crate) fn needs(&self, shape: &[usize]) -> Needs {
        let dof = shape.iter().fold(1_u64, |dof, &extent| dof.saturating_mul(extent as u64));
        let square = |extent: &usize| (*extent as u64).saturating_mul(*extent as u64);
        let tables = shape.iter().map(square).fold(dof, u64::saturating_add);
        match self {
            Self::StandardNormal | Self::UniformTorus => Needs::default(),
            Self::DiagonalNormal => Needs { parameters: dof.saturating_mul(2), ..Needs::default() },
            Self::FreeField { .. } => Needs { parameters: number_of_orbits(shape), indices: tables, kept: 0 },
            Self::TwoSigns { .. } => {
                Needs { parameters: number_of_orbits(shape).saturating_add(1), indices: tables, kept: 0 }
            }
        }
    }
}

/// A number that was checked.
pub(super) fn given(value: Option<f64>) -> f64 {
    value.expect("a checked base has its numbers")
}

fn check(
    field: &'static str,
    value: Option<f64>,
    holds: impl Fn(f64) -> bool,
    accepted: &'static str,
) -> Result<(), FlowError> {
    match value {
        Some(value) if holds(value) => Ok(()),
        Some(value) => Err(FlowError::new(field, value, accepted)),
        None => Err(FlowError::new(field, "", accepted).with_value("absent")),
    }
}
