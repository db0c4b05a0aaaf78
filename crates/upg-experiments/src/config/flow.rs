//! The section `flow`.

use serde::{Deserialize, Serialize};
use upg_flows::{
    ContinuousFlow, ConvNvp, FlowError, FlowSpec, Glow, Iaf, Maf, RealNvp, SplineNvp, TorusSpline, U1Continuous,
    U1Flow, Z2Nice,
};

/// The flows there are: recipes, or any list of layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "flow")]
pub enum FlowConfig {
    /// `RealNvp(lattice, couplings, hidden, activation, mask, transform?, clamp?, init?, base?)`.
    RealNvp(RealNvp),
    /// `Z2Nice(lattice, couplings, hidden, activation?, mask?, init?, base?)`.
    Z2Nice(Z2Nice),
    /// `ConvNvp(lattice, couplings, hidden, kernel?, activation?, transform?, symmetry?, init?, base?)`.
    ConvNvp(ConvNvp),
    /// `Glow(lattice, steps, hidden, activation?, mask?, transform?, cells?, norm?, init?, base?)`.
    Glow(Glow),
    /// `SplineNvp(lattice, couplings, hidden, bins, interval, activation?, mask?, init?, base?)`.
    SplineNvp(SplineNvp),
    /// `TorusSpline(lattice, couplings, hidden, bins, activation?, mask?, init?)`.
    TorusSpline(TorusSpline),
    /// `Maf(lattice, layers, hidden, activation?, transform?, init?, base?)`.
    Maf(Maf),
    /// `Iaf(lattice, layers, hidden, activation?, transform?, init?, base?)`.
    Iaf(Iaf),
    /// `U1(lattice, layers, mixtures or transform, hidden, kernel?, slope?, init?)`.
    U1(U1Flow),
    /// `Continuous(lattice, field, steps, base?)`.
    Continuous(ContinuousFlow),
    /// `U1Continuous(lattice, sines, products, times, steps)`.
    U1Continuous(U1Continuous),
    /// `Layers(shape, base, layers)`.
    Layers(FlowSpec),
}

impl FlowConfig {
    /// The flow as a list of layers.
    ///
    /// # Errors
    /// Names the field that isn't accepted.
    pub fn spec(&self) -> Result<FlowSpec, FlowError> {
        match self {
            Self::RealNvp(recipe) => recipe.spec(),
            Self::Z2Nice(recipe) => recipe.spec(),
            Self::ConvNvp(recipe) => recipe.spec(),
            Self::Glow(recipe) => recipe.spec(),
            Self::SplineNvp(recipe) => recipe.spec(),
            Self::TorusSpline(recipe) => recipe.spec(),
            Self::Maf(recipe) => recipe.spec(),
            Self::Iaf(recipe) => recipe.spec(),
            Self::U1(recipe) => recipe.spec(),
            Self::Continuous(recipe) => recipe.spec(),
            Self::U1Continuous(recipe) => recipe.spec(),
            Self::Layers(spec) => spec.check().map(|()| spec.clone()),
        }
    }

    /// Every field that isn't accepted.
    pub(super) fn errors(&self) -> Vec<FlowError> {
        match self {
            Self::RealNvp(recipe) => recipe.errors(),
            Self::Z2Nice(recipe) => recipe.errors(),
            Self::ConvNvp(recipe) => recipe.errors(),
            Self::Glow(recipe) => recipe.errors(),
            Self::SplineNvp(recipe) => recipe.errors(),
            Self::TorusSpline(recipe) => recipe.errors(),
            Self::Maf(recipe) => recipe.errors(),
            Self::Iaf(recipe) => recipe.errors(),
            Self::U1(recipe) => recipe.errors(),
            Self::Continuous(recipe) => recipe.errors(),
            Self::U1Continuous(recipe) => recipe.errors(),
            Self::Layers(spec) => spec.errors(),
        }
    }

    /// Extents of the lattice; `[d]` for d numbers without one.
    pub fn lattice(&self) -> &[usize] {
        match self {
            Self::Layers(spec) => spec.lattice(),
            recipe => recipe.extents().1,
        }
    }

    /// The field that says where the degrees of freedom lie, and its value.
    pub(super) fn extents(&self) -> (&'static str, &[usize]) {
        match self {
            Self::RealNvp(RealNvp { lattice, .. })
            | Self::Z2Nice(Z2Nice { lattice, .. })
            | Self::ConvNvp(ConvNvp { lattice, .. })
            | Self::Maf(Maf { lattice, .. })
            | Self::Iaf(Iaf { lattice, .. })
            | Self::SplineNvp(SplineNvp { lattice, .. })
            | Self::TorusSpline(TorusSpline { lattice, .. })
            | Self::Glow(Glow { lattice, .. })
            | Self::U1(U1Flow { lattice, .. })
            | Self::Continuous(ContinuousFlow { lattice, .. })
            | Self::U1Continuous(U1Continuous { lattice, .. }) => ("lattice", lattice),
            Self::Layers(spec) => ("shape", &spec.shape),
        }
    }
}
