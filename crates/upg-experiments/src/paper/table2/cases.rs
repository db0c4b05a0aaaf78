//! The cases that are measured, and how often.

use crate::config::{Config, FlowConfig, Phi4Config, TargetConfig};
use std::time::Duration;
use upg_flows::{Activation, MaskPattern, RealNvp, StartAt, U1Flow, Z2Nice};
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

/// Both halves of the table; the forward KL is not in the paper.
pub fn cases() -> Vec<Case> {
    let mut cases = explicitly_invertible();
    cases.push(implicitly_invertible());
    cases
}

/// The lower half: U(1) gauge theory on 16×16 at β = 3.
fn implicitly_invertible() -> Case {
    let lattice = vec![16, 16];
    let flow = U1Flow { lattice: lattice.clone(), layers: 24, mixtures: 6, hidden: vec![8, 8], ..U1Flow::default() };
    let config = Config::new(FlowConfig::U1(flow), TargetConfig::U1 { lattice, beta: 3.0 });
    Case { flow: "u1", target: "u1", config, divergences: &[Divergence::Reverse, Divergence::Forward] }
}

/// The upper half: φ⁴ on 16×8, affine and additive couplings.
fn explicitly_invertible() -> Vec<Case> {
    let lattice = || vec![16, 8];
    let hidden = || vec![1000; 4];
    let (activation, mask, start) = (Activation::Tanh, MaskPattern::Alternating, StartAt::Random);
    let z2nice = Z2Nice {
        lattice: lattice(),
        couplings: 8,
        hidden: hidden(),
        activation,
        mask: mask.clone(),
        start,
        ..Z2Nice::default()
    };
    let realnvp =
        RealNvp { lattice: lattice(), couplings: 8, hidden: hidden(), activation, mask, start, ..RealNvp::default() };
    let target = TargetConfig::Phi4(Phi4Config::hopping(lattice(), 0.3, 0.022));
    let divergences = &[Divergence::Reverse, Divergence::Forward];
    let case = |name, flow| Case { flow: name, target: "phi4", config: Config::new(flow, target.clone()), divergences };
    vec![case("z2nice", FlowConfig::Z2Nice(z2nice)), case("realnvp", FlowConfig::RealNvp(realnvp))]
}

/// The batch sizes and repetitions: all of them, or those of a quick look.
pub fn plan(quick: bool) -> Vec<Plan> {
    let plan = |batch, rounds, seconds| Plan { batch, rounds, budget: Duration::from_secs(seconds) };
    match quick {
        true => vec![plan(64, 20, 4), plan(1024, 4, 15)],
        false => vec![plan(64, 60, 60), plan(1024, 15, 150), plan(8192, 5, 900)],
    }
}
