//! The numbers of a base and of a lattice field that a configuration leaves to its target.
//!
//! About a constant field the action of φ⁴ theory per site is μφ² + λφ⁴ with μ = a − 2dκ, a the coefficient of φ² on a site (1 − 2λ in the hopping
//! form). For μ > 0 its one minimum is φ = 0, with curvature 2μ; for μ < 0 there are two, φ² = −μ/2λ, with curvature 2μ + 12λφ² = −4μ. A
//! field of momentum p adds 2κ p̂² to the curvature. So a field about a minimum starts with m² = 2μ or −4μ, the target's κ, and v = √(−μ/2λ).
//! φ is as large as where this action has risen to 1: φ² = (−μ + √(μ² + 4λ))/2λ.

use super::flow::FlowConfig;
use super::invalid::Invalid;
use super::target::TargetConfig;
use upg_flows::{BaseSpec, ContinuousFlow, ConvNvp, FlowError, Glow, Iaf, Maf, RealNvp, SplineNvp, Z2Nice};

/// What a target decides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Defaults {
    m2: Option<f64>,
    kappa: Option<f64>,
    v: Option<f64>,
    scale: Option<f64>,
}

impl Defaults {
    fn of(target: &TargetConfig) -> Self {
        let TargetConfig::Phi4(theory) = target else { return Self::default() };
        let Ok(theory) = theory.build() else { return Self::default() };
        let (kappa, directions) = (theory.kappa(), theory.lattice().len() as f64);
        let mu = theory.quadratic() - 2.0 * directions * kappa;
        let minimum = || (-mu / (2.0 * theory.lambda())).sqrt();
        // twice the product of the roots over the other root: nothing cancels for μ > 0, nor is λ = 0 divided by
        let root = mu.hypot(2.0 * theory.lambda().sqrt());
        let scale = if mu > 0.0 { 2.0 / (mu + root) } else { (root - mu) / (2.0 * theory.lambda()) }.sqrt();
        Self {
            m2: (mu != 0.0).then_some(if mu > 0.0 { 2.0 * mu } else { -4.0 * mu }),
            kappa: Some(kappa),
            v: (mu < 0.0).then(minimum),
            scale: scale.is_normal().then_some(scale),
        }
    }

    /// The base with these numbers where it has none of its own.
    fn complete(self, base: BaseSpec) -> BaseSpec {
        match base {
            BaseSpec::FreeField { m2, kappa } => {
                BaseSpec::FreeField { m2: m2.or(self.m2), kappa: kappa.or(self.kappa) }
            }
            BaseSpec::TwoSigns { m2, kappa, v } => {
                BaseSpec::TwoSigns { m2: m2.or(self.m2), kappa: kappa.or(self.kappa), v: v.or(self.v) }
            }
            other => other,
        }
    }
}

impl FlowConfig {
    /// The flow with the numbers that are left to the target.
    pub(super) fn completed(&self, target: &TargetConfig) -> Self {
        let (mut flow, defaults) = (self.clone(), Defaults::of(target));
        if let Some(base) = flow.base_mut() {
            *base = defaults.complete(*base);
        }
        let Some(scale) = defaults.scale else { return flow };
        match flow {
            Self::Continuous(ContinuousFlow { field, lattice, steps, base }) => {
                Self::Continuous(ContinuousFlow { field: field.with_default_scale(scale), lattice, steps, base })
            }
            Self::Layers(spec) => Self::Layers(spec.with_default_scale(scale)),
            other => other,
        }
    }

    /// The base, where it can be chosen.
    fn base_mut(&mut self) -> Option<&mut BaseSpec> {
        match self {
            Self::RealNvp(RealNvp { base, .. })
            | Self::Z2Nice(Z2Nice { base, .. })
            | Self::ConvNvp(ConvNvp { base, .. })
            | Self::Glow(Glow { base, .. })
            | Self::Maf(Maf { base, .. })
            | Self::Iaf(Iaf { base, .. })
            | Self::SplineNvp(SplineNvp { base, .. })
            | Self::Continuous(ContinuousFlow { base, .. }) => Some(base),
            Self::U1(_) | Self::U1Continuous(_) | Self::TorusSpline(_) => None,
            Self::Layers(spec) => Some(&mut spec.base),
        }
    }
}

/// What is said about a field of the flow that isn't accepted beside `target`: nothing about one that is left to a target which isn't accepted.
pub(super) fn explained(error: FlowError, target: &TargetConfig) -> Option<Invalid> {
    let givers = match error.field {
        _ if error.value != "absent" => return Some(error.into()),
        "base.m2" => "Phi4 does, if its quadratic term isn't 0",
        "base.kappa" => "Phi4 does",
        "base.v" => "Phi4 with two minima does",
        _ => return Some(error.into()),
    };
    let invalid = Invalid::from(error);
    let accepted = format!("{}, as this target gives no default: {givers}", invalid.accepted);
    target.build::<f64>().is_ok().then_some(Invalid { accepted, ..invalid })
}

#[cfg(test)]
mod tests;
