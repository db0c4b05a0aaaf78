//! The paper's three problems, in two sizes.

use crate::config::Config;

/// A problem and how it is trained.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Its name in tables and plots.
    pub name: &'static str,
    /// Its description, in words.
    pub title: String,
    /// The experiment; its objective and seed are filled in.
    pub config: Config,
}

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Within ten minutes on two cores.
    Quick,
    /// The paper's lattices, with nets that two cores can train in some hours; the paper's own nets are in `configs/`.
    Full,
}

impl Extent {
    /// The seeds.
    pub fn seeds(self) -> std::ops::RangeInclusive<u64> {
        match self {
            Self::Quick => 1..=3,
            Self::Full => 1..=5,
        }
    }
}

/// The problems, in the order of the paper.
pub fn problems(extent: Extent) -> Vec<Problem> {
    let texts = match extent {
        Extent::Quick => [GMM_QUICK, PHI4_QUICK, U1_QUICK],
        Extent::Full => [GMM, PHI4, U1],
    };
    let titles = match extent {
        Extent::Quick => ["Gaussian mixture, 6 dimensions", "φ⁴ theory, 8×4", "U(1) gauge theory, 8×8, β = 2"],
        Extent::Full => ["Gaussian mixture, 6 dimensions", "φ⁴ theory, 16×8", "U(1) gauge theory, 16×16, β = 3"],
    };
    ["gmm", "phi4", "u1"]
        .into_iter()
        .zip(titles)
        .zip(texts)
        .map(|((name, title), text)| Problem {
            name,
            title: title.into(),
            config: Config::parse(text).expect("the problems are experiments"),
        })
        .collect()
}

const GMM_QUICK: &str = "(
    flow: RealNvp(lattice: [6], couplings: 6, hidden: [64, 64], activation: Tanh, mask: Alternating),
    target: Gmm(dim: 6),
    training: (steps: 3000, batch: 256, optimiser: Adam(rate: 5e-4), validation: (every: 250, samples: 10000)),
    data: (train: Draw(10000), test: Draw(10000)),
)";

const PHI4_QUICK: &str = "(
    flow: Z2Nice(lattice: [8, 4], couplings: 6, hidden: [64, 64]),
    target: Phi4(lattice: [8, 4], kappa: 0.3, lambda: 0.022),
    training: (steps: 3000, batch: 256, optimiser: Adam(rate: 5e-4), clip: 1.0, validation: (every: 250, samples: 10000)),
    data: (train: Draw(10000), test: Draw(10000)),
)";

const U1_QUICK: &str = "(
    flow: U1(lattice: [8, 8], layers: 8, mixtures: 2, hidden: [8, 8]),
    target: U1(lattice: [8, 8], beta: 2.0),
    training: (steps: 1200, batch: 128, optimiser: Adam(rate: 1e-3), validation: (every: 100, samples: 10000)),
    data: (train: Draw(10000), test: Draw(10000)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_experiments_with_data() {
        for extent in [Extent::Quick, Extent::Full] {
            for problem in problems(extent) {
                assert!(problem.config.data.is_some(), "{}", problem.name);
                problem.config.build::<f32>().unwrap();
            }
        }
    }
}
