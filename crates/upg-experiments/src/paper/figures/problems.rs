//! The paper's three problems, and the first of them by splines, in two sizes.

use crate::config::Config;
use std::time::Duration;

/// A problem and how it is trained.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Its name in tables and plots.
    pub name: &'static str,
    /// Its description, in words.
    pub title: String,
    /// The experiment; its objective and seed are filled in.
    pub config: Config,
    /// The costs of the steps are measured for at least as long.
    pub calibration: Duration,
}

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// About two minutes on two cores.
    Quick,
    /// The paper's lattices, with nets that two cores can train in some hours; the paper's own nets are in `configs/`.
    Full,
}

impl Extent {
    /// The seeds.
    pub fn seeds(self) -> std::ops::RangeInclusive<u64> {
        1..=5
    }

    /// The seeds of the problem with few data.
    pub fn seeds_of_few_data(self) -> std::ops::RangeInclusive<u64> {
        match self {
            Self::Quick => 1..=1,
            Self::Full => 1..=3,
        }
    }

    /// The costs of the steps of a problem are measured for at least as long.
    pub fn calibration(self) -> Duration {
        match self {
            Self::Quick => Duration::from_secs(1),
            Self::Full => Duration::from_secs(10),
        }
    }
}

/// The problems, in the order of the paper.
pub fn problems(extent: Extent) -> Vec<Problem> {
    let [gmm, gmm_spline, phi4, u1] = match extent {
        Extent::Quick => [GMM_QUICK, GMM_SPLINE_QUICK, PHI4_QUICK, U1_QUICK],
        Extent::Full => [GMM, GMM_SPLINE, PHI4, U1],
    };
    let [phi4_title, u1_title] = match extent {
        Extent::Quick => ["φ⁴ theory, 8×4", "U(1) gauge theory, 4×4, β = 2"],
        Extent::Full => ["φ⁴ theory, 16×8", "U(1) gauge theory, 16×16, β = 3"],
    };
    let problem = |name, title: &str, text| Problem {
        name,
        title: title.into(),
        config: Config::parse(text).expect("the problems are experiments"),
        calibration: extent.calibration(),
    };
    vec![
        problem("gmm", "Gaussian mixture, 6 dimensions", gmm),
        problem("gmm_spline", "Gaussian mixture, 6 dimensions, splines", gmm_spline),
        problem("phi4", phi4_title, phi4),
        problem("u1", u1_title, u1),
    ]
}

/// Name of the problem with few training data.
pub const FEW_DATA: &str = "few_data";

/// The problem with few training data that shows the regularising effect of the path gradient.
pub fn few_data(extent: Extent) -> Problem {
    let (text, title) = match extent {
        Extent::Quick => (FEW_QUICK, "Gaussian mixture, 6 dimensions, 500 training samples"),
        Extent::Full => (FEW, "Gaussian mixture, 6 dimensions, 2000 training samples"),
    };
    let config = Config::parse(text).expect("the problem is an experiment");
    Problem { name: FEW_DATA, title: title.into(), config, calibration: Duration::ZERO }
}

const GMM_QUICK: &str = "(
    flow: RealNvp(lattice: [6], couplings: 6, hidden: [48, 48], activation: Tanh, mask: Alternating),
    target: Gmm(dim: 6),
    training: (steps: 1000, batch: 128, optimiser: Adam(rate: 5e-4), validation: (every: 100, samples: 4000)),
    data: (train: Draw(10000), test: Draw(4000)),
)";

const GMM_SPLINE_QUICK: &str = "(
    flow: SplineNvp(lattice: [6], couplings: 4, hidden: [32, 32], bins: 8, interval: 4.0),
    target: Gmm(dim: 6),
    training: (steps: 600, batch: 128, optimiser: Adam(rate: 2e-3), schedule: Cosine(), validation: (every: 60, samples: 4000)),
    data: (train: Draw(10000), test: Draw(4000)),
)";

const PHI4_QUICK: &str = "(
    flow: Z2Nice(lattice: [8, 4], couplings: 6, hidden: [64, 64]),
    target: Phi4(lattice: [8, 4], kappa: 0.3, lambda: 0.022),
    training: (steps: 800, batch: 128, optimiser: Adam(rate: 1e-3), clip: 1.0, validation: (every: 100, samples: 2000)),
    data: (train: Draw(10000), test: Draw(2000)),
)";

const U1_QUICK: &str = "(
    flow: U1(lattice: [4, 4], layers: 8, mixtures: 2, hidden: [8, 8]),
    target: U1(lattice: [4, 4], beta: 2.0),
    training: (steps: 500, batch: 128, optimiser: Adam(rate: 2e-3), validation: (every: 50, samples: 2000)),
    data: (train: Draw(10000), test: Draw(2000)),
)";

const FEW_QUICK: &str = "(
    flow: RealNvp(lattice: [6], couplings: 6, hidden: [64, 64], activation: Tanh, mask: Alternating),
    target: Gmm(dim: 6),
    training: (steps: 1500, batch: 125, optimiser: Adam(rate: 1e-3), validation: (every: 50)),
    data: (train: Draw(500), test: Draw(2000)),
)";

const GMM: &str = "(
    flow: RealNvp(lattice: [6], couplings: 6, hidden: [100, 100, 100], activation: Tanh, mask: Alternating),
    target: Gmm(dim: 6),
    training: (
        steps: 10000, batch: 4000, optimiser: Adam(rate: 1e-4), schedule: Cosine(floor: 1e-6),
        validation: (every: 500, samples: 20000),
    ),
    data: (train: Draw(10000), test: Draw(10000)),
)";

const GMM_SPLINE: &str = "(
    flow: SplineNvp(lattice: [6], couplings: 4, hidden: [64, 64], bins: 8, interval: 4.0),
    target: Gmm(dim: 6),
    training: (
        steps: 4000, batch: 500, optimiser: Adam(rate: 2e-3), schedule: Cosine(floor: 1e-6),
        validation: (every: 400, samples: 10000),
    ),
    data: (train: Draw(10000), test: Draw(10000)),
)";

const PHI4: &str = "(
    flow: Z2Nice(lattice: [16, 8], couplings: 8, hidden: [200, 200]),
    target: Phi4(lattice: [16, 8], kappa: 0.3, lambda: 0.022),
    training: (
        steps: 10000, batch: 1000, optimiser: Adam(rate: 5e-4), clip: 1.0, schedule: Plateau(patience: 3000, factor: 0.92),
        validation: (every: 500, samples: 20000),
    ),
    data: (train: Draw(10000), test: Draw(10000)),
)";

const U1: &str = "(
    flow: U1(lattice: [16, 16], layers: 24, mixtures: 6, hidden: [8, 8]),
    target: U1(lattice: [16, 16], beta: 3.0),
    training: (
        steps: 4000, batch: 1000, optimiser: Adam(rate: 1e-3), schedule: Plateau(patience: 3000, factor: 0.92, watch: LogWeightStd),
        validation: (every: 250, samples: 10000),
    ),
    data: (train: Draw(10000), test: Draw(10000)),
)";

const FEW: &str = "(
    flow: RealNvp(lattice: [6], couplings: 6, hidden: [100, 100], activation: Tanh, mask: Alternating),
    target: Gmm(dim: 6),
    training: (steps: 2500, batch: 500, optimiser: Adam(rate: 1e-3), validation: (every: 50)),
    data: (train: Draw(2000), test: Draw(10000)),
)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_experiments_with_data() {
        for extent in [Extent::Quick, Extent::Full] {
            for problem in problems(extent).into_iter().chain([few_data(extent)]) {
                assert!(problem.config.data.is_some(), "{}", problem.name);
                problem.config.build::<f32>().unwrap();
            }
        }
    }
}
