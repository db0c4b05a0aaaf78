//! What `upg flows` tells of every flow: an entry for each variant of [`FlowConfig`], in its order.
//!
//! A new recipe is one [`Entry`] more: its name, where its samples live, what it is good for, and the section `flow` as it is written with standard
//! settings. In that text `{lattice}` stands for the extents and `{links}` for the shape of links, `[2, extents…]`. Its fields are
//! explained by [`schema`]; a test compares the names with the variants there are.

use super::flow::FlowConfig;
use super::{Config, notation, schema};
use crate::text::one_line;

/// Where the samples of a flow live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lives {
    /// On the line, each number.
    Numbers,
    /// On the circle, each number.
    Angles,
    /// On the circle, two angles for each site of a lattice.
    Links,
    /// Where its layers do.
    Anywhere,
}

impl Lives {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Numbers => "numbers",
            Self::Angles => "angles",
            Self::Links => "links",
            Self::Anywhere => "numbers, angles or links",
        }
    }

    /// A target with such samples.
    fn target(self) -> &'static str {
        match self {
            Self::Numbers | Self::Anywhere => "Phi4(lattice: {lattice}, kappa: 0.2, lambda: 0.1)",
            Self::Angles | Self::Links => "U1(lattice: {lattice}, beta: 1.0)",
        }
    }
}

/// How the example of a flow is trained.
#[derive(Clone, Copy, Debug)]
enum Trained {
    /// By samples of its own, as flows with nets are.
    BySamples,
    /// By samples of the target.
    ByData,
    /// As continuous flows are: few parameters, a high rate, and no choice by a loss that profits from the integrator's error.
    InTime,
}

impl Trained {
    /// The sections behind the target.
    fn sections(self) -> &'static str {
        match self {
            Self::BySamples => {
                "    training: (steps: 2000, batch: 256, objective: Reverse(PathFast), optimiser: Adam(rate: 2e-3), schedule: Cosine()),\n"
            }
            Self::ByData => {
                "    training: (steps: 2000, batch: 256, objective: Forward(PathFast), optimiser: Adam(rate: 2e-3), schedule: Cosine()),\n    \
                 data: (train: Draw(10000), test: Draw(10000)),\n"
            }
            Self::InTime => {
                "    training: (\n        \
                 steps: 800, batch: 32, objective: Reverse(PathFast), optimiser: Adam(rate: 0.02, beta2: 0.99), schedule: Cosine(), warm_up: 24,\n        \
                 validation: (every: 200, samples: 1024),\n    ),\n    \
                 evaluation: (ode_steps: 40),\n"
            }
        }
    }
}

/// What is told of a flow.
#[derive(Debug)]
pub struct Entry {
    /// Its name in a configuration.
    pub name: &'static str,
    /// Where its samples live.
    pub lives: Lives,
    /// What it is good for, in a line.
    pub good_for: &'static str,
    /// The section `flow`.
    flow: &'static str,
    trained: Trained,
}

/// Every flow, in the order of the variants of [`FlowConfig`].
pub const FLOWS: &[Entry] = &[
    Entry {
        name: "RealNvp",
        lives: Lives::Numbers,
        good_for: "any numbers, to begin with; both directions cost the same; its transform can be a spline or a mixture",
        flow: "RealNvp(lattice: {lattice}, couplings: 8, hidden: [64, 64])",
        trained: Trained::BySamples,
    },
    Entry {
        name: "Z2Nice",
        lives: Lives::Numbers,
        good_for: "targets with S(x) = S(-x), a symmetry that q then has to the bit; it only shifts, so it takes more couplings or wider nets",
        flow: "Z2Nice(lattice: {lattice}, couplings: 8, hidden: [64, 64])",
        trained: Trained::BySamples,
    },
    Entry {
        name: "ConvNvp",
        lives: Lives::Numbers,
        good_for: "lattice fields whose nets shall see neighbours alone and be the same everywhere; few weights; with symmetry: Z2 odd to the bit",
        flow: "ConvNvp(lattice: {lattice}, couplings: 8, hidden: [8, 8])",
        trained: Trained::BySamples,
    },
    Entry {
        name: "Glow",
        lives: Lives::Numbers,
        good_for: "numbers that no mask suits: a trained linear layer mixes them in every step; cells: [2, 2] keeps it small on a lattice",
        flow: "Glow(lattice: {lattice}, steps: 6, hidden: [64, 64])",
        trained: Trained::BySamples,
    },
    Entry {
        name: "SplineNvp",
        lives: Lives::Numbers,
        good_for: "numbers far from normal within a known interval, as with several modes; few couplings, but the last layers of their nets are wide",
        flow: "SplineNvp(lattice: {lattice}, couplings: 4, hidden: [64, 64], bins: 8, interval: 4.0)",
        trained: Trained::BySamples,
    },
    Entry {
        name: "TorusSpline",
        lives: Lives::Angles,
        good_for: "angles without a gauge symmetry, one for each index of `lattice`; for links, as in this example, U1 and U1Continuous are better",
        flow: "TorusSpline(lattice: {links}, couplings: 4, hidden: [64, 64], bins: 8)",
        trained: Trained::BySamples,
    },
    Entry {
        name: "Maf",
        lives: Lives::Numbers,
        good_for: "learning from data, forward KL: densities in one pass, every number depends on all before it; samples come number by number",
        flow: "Maf(lattice: {lattice}, layers: 4, hidden: [128, 128])",
        trained: Trained::ByData,
    },
    Entry {
        name: "Iaf",
        lives: Lives::Numbers,
        good_for: "learning from its own samples, reverse KL: samples in one pass; densities of given points come number by number",
        flow: "Iaf(lattice: {lattice}, layers: 4, hidden: [128, 128])",
        trained: Trained::BySamples,
    },
    Entry {
        name: "U1",
        lives: Lives::Links,
        good_for: "U(1) gauge theory: gauge invariant; its weights fit any lattice",
        flow: "U1(lattice: {lattice}, layers: 16, mixtures: 2, hidden: [8, 8])",
        trained: Trained::BySamples,
    },
    Entry {
        name: "Continuous",
        lives: Lives::Numbers,
        good_for: "lattice fields: all their symmetries, few parameters; trained by path gradients; with a field Shallow(width, times) other numbers, too",
        flow: "Continuous(lattice: {lattice}, field: Lattice(frequencies: 12, times: 6), steps: 10)",
        trained: Trained::InTime,
    },
    Entry {
        name: "U1Continuous",
        lives: Lives::Links,
        good_for: "U(1) gauge theory: gauge invariant, few parameters, soon trained; by path gradients",
        flow: "U1Continuous(lattice: {lattice}, sines: 4, products: 2, times: 4, steps: 10)",
        trained: Trained::InTime,
    },
    Entry {
        name: "Layers",
        lives: Lives::Anywhere,
        good_for: "whatever no recipe is made for: any layers in any order, and inverses of them",
        flow: "Layers(shape: {lattice}, base: StandardNormal, layers: [\
               Coupling(mask: Alternating(Even), net: Mlp(hidden: [64]), transform: Affine(clamp: 2)), \
               Coupling(mask: Alternating(Odd), net: Mlp(hidden: [64]), transform: Affine(clamp: 2)), Scaling(scales: PerDof)])",
        trained: Trained::BySamples,
    },
];

/// The entry of this name.
pub fn flow_named(name: &str) -> Option<&'static Entry> {
    FLOWS.iter().find(|entry| entry.name == name)
}

impl Entry {
    /// The section `flow` on a lattice.
    pub fn written(&self, lattice: &[usize]) -> String {
        on(lattice, self.flow)
    }

    /// The same as a value.
    ///
    /// # Errors
    /// What is wrong with the lattice.
    pub fn flow(&self, lattice: &[usize]) -> Result<FlowConfig, String> {
        notation::options().from_str(&self.written(lattice)).map_err(|error| one_line(&error.code.to_string(), 300))
    }

    /// An experiment with this flow: the text of a configuration.
    pub fn experiment(&self, lattice: &[usize]) -> String {
        let (flow, target) = (self.written(lattice), on(lattice, self.lives.target()));
        format!("(\n    flow: {flow},\n    target: {target},\n{})", self.trained.sections())
    }

    /// Whether the experiment is accepted.
    ///
    /// # Errors
    /// The first that isn't, in a line.
    pub fn check(&self, lattice: &[usize]) -> Result<(), String> {
        self.flow(lattice)?;
        let config = Config::parse(&self.experiment(lattice)).map_err(|error| error.to_string())?;
        config.build::<f32>().map(|_| ()).map_err(|refused| refused.first.to_string())
    }

    /// What the fields are, line by line.
    pub fn fields(&self) -> Vec<String> {
        schema::of_flow(self.name)
    }
}

/// A text with the extents in their places.
fn on(lattice: &[usize], text: &str) -> String {
    let links = [&[2], lattice].concat();
    text.replace("{lattice}", &format!("{lattice:?}")).replace("{links}", &format!("{links:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use upg_core::Domain;

    /// The names of the variants of `FlowConfig`, as its reader knows them.
    fn variants() -> &'static [&'static str] {
        match notation::options().from_str::<FlowConfig>("None()").unwrap_err().code {
            ron::Error::NoSuchEnumVariant { expected, .. } => expected,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_flow_has_its_entry() {
        let told: Vec<_> = FLOWS.iter().map(|entry| entry.name).collect();
        assert_eq!(told, variants(), "entries of the catalogue, variants of FlowConfig");
    }

    #[test]
    fn every_example_is_the_flow_it_is_an_example_of_and_an_experiment() {
        for entry in FLOWS {
            assert!(entry.flow.starts_with(&format!("{}(", entry.name)), "{}", entry.flow);
            for lattice in [[16, 8], [4, 8]] {
                let parsed = Config::parse(&entry.experiment(&lattice)).unwrap();
                assert_eq!(parsed.flow, entry.flow(&lattice).unwrap(), "{}", entry.name);
                assert_eq!(entry.check(&lattice), Ok(()), "{}", entry.name);
            }
        }
    }

    #[test]
    fn samples_live_where_it_says() {
        for entry in FLOWS {
            let spec = entry.flow(&[8, 4]).unwrap().spec().unwrap();
            let found = match (spec.acts_on_links(), spec.domain()) {
                (true, _) => Lives::Links,
                (false, Domain::Circle) => Lives::Angles,
                (false, Domain::Line) => Lives::Numbers,
            };
            assert!(entry.lives == found || entry.lives == Lives::Anywhere, "{}: {found:?}", entry.name);
        }
    }

    #[test]
    fn texts_are_lines_and_fields_are_explained() {
        for entry in FLOWS {
            assert!(!entry.good_for.contains('\n') && entry.good_for.len() < 150, "{}", entry.name);
            let fields = entry.fields();
            assert!(fields[0].starts_with(&format!("{}(", entry.name)), "{}: {fields:?}", entry.name);
        }
    }

    #[test]
    fn a_lattice_that_does_not_suit_is_refused_in_a_line() {
        let told = |name: &str, lattice: &[usize]| flow_named(name).unwrap().check(lattice).unwrap_err();
        assert!(
            told("U1", &[6, 8]).contains("flow.lattice = [6, 8]: accepted is two extents"),
            "{}",
            told("U1", &[6, 8])
        );
        assert!(flow_named("TorusSpline").unwrap().flow(&[1_000_000]).unwrap_err().contains("at most 1000000 sites"));
        for (name, lattice) in [("TorusSpline", &[5][..]), ("U1", &[6]), ("TorusSpline", &[1_000_000])] {
            assert_eq!(told(name, lattice).lines().count(), 1, "{name} on {lattice:?}");
        }
    }
}
