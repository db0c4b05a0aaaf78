//! The cases that are measured, and how often.

use super::error::TableError;
use crate::config::{Config, FlowConfig, Phi4Config, TargetConfig};
use std::time::Duration;
use upg_flows::spec::{FieldSpec, LinearSpec, ScalingSpec};
use upg_flows::{
    BaseSpec, ContinuousFlow, ConvNvp, FlowSpec, Iaf, LayerSpec, Maf, RealNvp, Scales, SplineNvp, StartAt, Symmetry,
    U1Continuous, U1Flow, Z2Nice,
};
use upg_train::method::Divergence;

/// One flow and its target.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the flow in the table.
    pub flow: &'static str,
    /// Name of the target in the table.
    pub target: &'static str,
    /// Both, as a configuration.
    pub config: Config,
    /// The divergences whose estimators are measured.
    pub divergences: &'static [Divergence],
}

/// How often the estimators of one group are repeated at one batch size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Samples per gradient.
    pub batch: usize,
    /// Counted rounds.
    pub rounds: u32,
    /// No further round begins when the group has taken as long, unless fewer than [`LEAST_ROUNDS`] were counted.
    pub budget: Duration,
}

/// Counted rounds that no budget cuts.
pub const LEAST_ROUNDS: u32 = 2;

/// All rows: both halves of the paper's table, then one flow of every other family. The forward KL is not in the paper.
pub fn cases() -> Vec<Case> {
    let on_phi4 = |(flow, config)| {
        let target = TargetConfig::Phi4(Phi4Config::hopping(lattice(), 0.3, 0.022));
        Case { flow, target: "phi4", config: Config::new(config, target), divergences: BOTH }
    };
    let on_u1 = |(flow, config)| {
        let target = TargetConfig::U1 { lattice: vec![16, 16], beta: 3.0 };
        Case { flow, target: "u1", config: Config::new(config, target), divergences: BOTH }
    };
    let explicit = [("z2nice", z2nice()), ("realnvp", realnvp())].map(on_phi4);
    let implicit = [("u1", u1())].map(on_u1);
    let others = [
        ("spline", spline()),
        ("maf", maf()),
        ("iaf", iaf()),
        ("linear", linear()),
        ("conv", conv()),
        ("continuous", continuous()),
    ];
    let of_plaquettes = [("u1-continuous", u1_continuous())].map(on_u1);
    explicit.into_iter().chain(implicit).chain(others.map(on_phi4)).chain(of_plaquettes).collect()
}

/// The cases of these flows; all of them where none is named.
///
/// # Errors
/// If there is no flow of a name.
pub fn only(cases: Vec<Case>, flows: &[String]) -> Result<Vec<Case>, TableError> {
    if let Some(name) = flows.iter().find(|name| cases.iter().all(|case| case.flow != **name)) {
        let accepted = cases.iter().map(|case| case.flow).collect::<Vec<_>>().join(", ");
        return Err(TableError::Unknown { name: name.clone(), accepted });
    }
    let wanted = |case: &Case| flows.is_empty() || flows.iter().any(|name| name == case.flow);
    Ok(cases.into_iter().filter(wanted).collect())
}

const BOTH: &[Divergence] = &[Divergence::Reverse, Divergence::Forward];

fn lattice() -> Vec<usize> {
    vec![16, 8]
}

/// The upper half: φ⁴ on 16×8, additive couplings.
fn z2nice() -> FlowConfig {
    FlowConfig::Z2Nice(Z2Nice { lattice: lattice(), couplings: 8, hidden: vec![1000; 4], ..Z2Nice::default() })
}

/// The same with affine couplings.
fn realnvp() -> FlowConfig {
    FlowConfig::RealNvp(RealNvp { lattice: lattice(), couplings: 8, hidden: vec![1000; 4], ..RealNvp::default() })
}

/// The lower half: U(1) gauge theory on 16×16 at β = 3.
fn u1() -> FlowConfig {
    let lattice = vec![16, 16];
    FlowConfig::U1(U1Flow { lattice, layers: 24, mixtures: 6, hidden: vec![8, 8], ..U1Flow::default() })
}

fn spline() -> FlowConfig {
    FlowConfig::SplineNvp(SplineNvp { lattice: lattice(), couplings: 8, hidden: vec![1000; 2], ..SplineNvp::default() })
}

fn maf() -> FlowConfig {
    FlowConfig::Maf(Maf { lattice: lattice(), layers: 4, hidden: vec![1000; 2], ..Maf::default() })
}

fn iaf() -> FlowConfig {
    FlowConfig::Iaf(Iaf { lattice: lattice(), layers: 4, hidden: vec![1000; 2], ..Iaf::default() })
}

/// Linear layers alone: by their LU factors, with a scale for each number between them.
fn linear() -> FlowConfig {
    let step = || {
        let scaling = ScalingSpec { scales: Scales::PerDof };
        [LayerSpec::Linear(LinearSpec { start: StartAt::Random, ..LinearSpec::default() }), LayerSpec::Scaling(scaling)]
    };
    let layers = (0..8).flat_map(|_| step()).collect();
    FlowConfig::Layers(FlowSpec { shape: lattice(), base: BaseSpec::StandardNormal, layers })
}

/// Convolutional couplings, odd as the field of the theory is.
fn conv() -> FlowConfig {
    let symmetry = Symmetry::Z2;
    FlowConfig::ConvNvp(ConvNvp {
        lattice: lattice(),
        couplings: 8,
        hidden: vec![16, 16],
        symmetry,
        ..ConvNvp::default()
    })
}

fn continuous() -> FlowConfig {
    let field = FieldSpec::lattice(4, 3);
    let base = BaseSpec::TwoSigns { m2: None, kappa: None, v: None };
    FlowConfig::Continuous(ContinuousFlow { lattice: lattice(), field, steps: 4, base })
}

fn u1_continuous() -> FlowConfig {
    FlowConfig::U1Continuous(U1Continuous { lattice: vec![16, 16], sines: 4, products: 2, times: 4, steps: 10 })
}

/// The batch sizes and repetitions: all of them, or those of a quick look.
pub fn plan(quick: bool) -> Vec<Plan> {
    let plan = |batch, rounds, seconds| Plan { batch, rounds, budget: Duration::from_secs(seconds) };
    match quick {
        true => vec![plan(64, 20, 2), plan(1024, 4, 6)],
        false => vec![plan(64, 60, 60), plan(1024, 15, 150), plan(8192, 5, 900)],
    }
}
