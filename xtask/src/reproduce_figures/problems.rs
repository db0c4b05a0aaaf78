//! The problems by name: the paper's, and those of `configs/`, as they are there but for the tests on the way.

use upg_experiments::config::{Config, Source};
use upg_experiments::paper::figures::{self, Extent, FiguresError, Problem};

/// A problem by the text of its configuration; objective and seed are filled in.
struct Configured {
    name: &'static str,
    title: &'static str,
    text: &'static str,
    /// Samples to train the forward KL on, where the configuration trains the reverse KL alone.
    train: Option<usize>,
}

/// Tests on the way of a run: with the many steps of its integrator, a test of a continuous flow costs as much as some dozen steps of its training.
const TESTS: u64 = 5;
/// `--quick` divides the steps by this,
const QUICK: u64 = 4;
/// and the samples of a test by this.
const QUICK_TEST: usize = 2;

/// The text of a file of `configs/`.
macro_rules! config {
    ($name:literal) => {
        include_str!(concat!("../../../configs/", $name, ".ron"))
    };
}

const CONFIGURED: [Configured; 14] = [
    Configured {
        name: "phi4_16x8",
        title: "φ⁴ theory, 16×8, continuous flow",
        text: config!("phi4_16x8"),
        train: Some(10_000),
    },
    Configured {
        name: "phi4_32x32",
        title: "φ⁴ theory, 32×32, continuous flow",
        text: config!("phi4_32x32"),
        train: Some(4000),
    },
    Configured {
        name: "phi4_64x64",
        title: "φ⁴ theory, 64×64, continuous flow",
        text: config!("phi4_64x64"),
        train: Some(2000),
    },
    Configured {
        name: "phi4_6x6",
        title: "φ⁴ theory, 6×6, m² = −4, continuous flow",
        text: config!("phi4_6x6"),
        train: Some(10_000),
    },
    Configured {
        name: "phi4_14x14",
        title: "φ⁴ theory, 14×14, m² = −4, continuous flow",
        text: config!("phi4_14x14"),
        train: Some(10_000),
    },
    Configured {
        name: "phi4_8x2", title: "φ⁴ theory, 8×2, continuous flow", text: config!("phi4_8x2"), train: None
    },
    Configured {
        name: "u1_8x8_continuous",
        title: "U(1) gauge theory, 8×8, β = 2, continuous flow",
        text: config!("u1_8x8_continuous"),
        train: Some(10_000),
    },
    Configured {
        name: "u1_16x16_continuous",
        title: "U(1) gauge theory, 16×16, β = 3, continuous flow",
        text: config!("u1_16x16_continuous"),
        train: Some(10_000),
    },
    Configured {
        name: "u1_16x16_beta5_continuous",
        title: "U(1) gauge theory, 16×16, β = 5, continuous flow",
        text: config!("u1_16x16_beta5_continuous"),
        train: Some(10_000),
    },
    Configured {
        name: "u1_32x32_continuous",
        title: "U(1) gauge theory, 32×32, β = 3, continuous flow",
        text: config!("u1_32x32_continuous"),
        train: Some(4000),
    },
    Configured {
        name: "random_gaussians",
        title: "40 Gaussians at random places",
        text: config!("random_gaussians"),
        train: None,
    },
    Configured { name: "many_well", title: "Many wells, 32 dimensions", text: config!("many_well"), train: None },
    Configured { name: "funnel", title: "Funnel, 10 dimensions", text: config!("funnel"), train: None },
    Configured { name: "banana", title: "Banana, 2 dimensions", text: config!("banana"), train: None },
];

/// Trained beside the paper's problems where nothing else is asked for.
const BY_DEFAULT: &str = "phi4_16x8";

impl Configured {
    fn problem(&self, extent: Extent) -> Problem {
        let mut config = Config::parse(self.text).expect("the problems are experiments");
        let training = &mut config.training;
        if extent == Extent::Quick {
            training.steps /= QUICK;
            training.validation.samples /= QUICK_TEST;
        }
        training.validation.every = training.steps / TESTS;
        if let Some(train) = self.train {
            config.data.get_or_insert_default().train = Source::Draw(train);
        }
        Problem { name: self.name, title: self.title.into(), config, calibration: extent.calibration() }
    }
}

/// What is to be trained.
pub(crate) struct Chosen {
    /// To compare.
    pub problems: Vec<Problem>,
    /// To show the regularising effect.
    pub few_data: Option<Problem>,
}

impl Chosen {
    /// The problems of these names; the standard ones where none is named.
    ///
    /// # Errors
    /// If there is no problem of a name.
    pub fn new(extent: Extent, names: &[String]) -> Result<Self, FiguresError> {
        let all = all(extent);
        if let Some(name) = names.iter().find(|name| all.iter().all(|problem| problem.name != **name)) {
            let accepted = all.iter().map(|problem| problem.name).collect::<Vec<_>>().join(", ");
            return Err(FiguresError::Unknown { name: name.clone(), accepted });
        }
        let wanted = |problem: &Problem| match names {
            [] => is_standard(problem),
            _ => names.iter().any(|name| name == problem.name),
        };
        let (few_data, problems) =
            all.into_iter().filter(wanted).partition::<Vec<_>, _>(|problem| problem.name == figures::FEW_DATA);
        Ok(Self { problems, few_data: few_data.into_iter().next() })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(&self.few_data)
    }
}

/// Every problem there is.
fn all(extent: Extent) -> Vec<Problem> {
    let configured = CONFIGURED.iter().map(|problem| problem.problem(extent));
    figures::problems(extent).into_iter().chain(configured).chain([figures::few_data(extent)]).collect()
}

fn is_standard(problem: &Problem) -> bool {
    problem.name == BY_DEFAULT || CONFIGURED.iter().all(|configured| configured.name != problem.name)
}

/// The names with what they stand for, a line each; those of the standard problems have a star.
pub(super) fn list(extent: Extent) -> String {
    let all = all(extent);
    let width = all.iter().map(|problem| problem.name.len()).max().unwrap_or(0);
    let line = |problem: &Problem| {
        let star = if is_standard(problem) { '*' } else { ' ' };
        format!("{star} {:<width$}  {}\n", problem.name, problem.title)
    };
    all.iter().map(line).chain(["* where --only names none\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use upg_core::Cpu;

    const EXTENTS: [Extent; 2] = [Extent::Quick, Extent::Full];

    fn names(extent: Extent, only: &[&str]) -> Vec<&'static str> {
        let only: Vec<_> = only.iter().map(|&name| name.to_owned()).collect();
        Chosen::new(extent, &only).unwrap().all().map(|problem| problem.name).collect()
    }

    #[test]
    fn every_problem_is_an_experiment_with_data_and_a_name_of_its_own() {
        for extent in EXTENTS {
            let all = all(extent);
            assert_eq!(all.iter().map(|problem| problem.name).collect::<BTreeSet<_>>().len(), all.len());
            for problem in all {
                assert!(problem.config.data.is_some(), "{}", problem.name);
                assert!(problem.config.training.validation.every > 0, "{}", problem.name);
                problem.config.build_for_evaluation(&Cpu::<f32>::here()).unwrap();
            }
        }
    }

    #[test]
    fn continuous_flows_are_tested_with_more_steps_than_they_are_trained_with() {
        let mut continuous = 0;
        for problem in all(Extent::Full) {
            let Some(steps) = problem.config.flow_spec().unwrap().steps() else { continue };
            assert!(problem.config.evaluation.ode_steps.is_some_and(|tested| tested >= 2 * steps), "{}", problem.name);
            continuous += 1;
        }
        assert_eq!(continuous, 10);
    }

    #[test]
    fn a_configuration_is_trained_as_it_is() {
        let written = Config::parse(config!("u1_8x8_continuous")).unwrap();
        let chosen = Chosen::new(Extent::Full, &["u1_8x8_continuous".to_owned()]).unwrap();
        let mut trained = chosen.problems[0].config.clone();
        assert_eq!(trained.training.validation.every, written.training.steps / TESTS);
        trained.training.validation.every = written.training.validation.every;
        trained.data.as_mut().unwrap().train = written.data.as_ref().unwrap().train.clone();
        assert_eq!(trained, written);
        let quick = Chosen::new(Extent::Quick, &["u1_8x8_continuous".to_owned()]).unwrap();
        assert_eq!(quick.problems[0].config.training.steps, written.training.steps / QUICK);
    }

    #[test]
    fn problems_are_chosen_by_name() {
        for extent in EXTENTS {
            assert_eq!(names(extent, &[]), ["gmm", "gmm_spline", "phi4", "u1", "phi4_16x8", "few_data"]);
            assert_eq!(names(extent, &["funnel", "gmm", "funnel"]), ["gmm", "funnel"]);
            assert_eq!(names(extent, &["few_data"]), ["few_data"]);
        }
        let Err(refused) = Chosen::new(Extent::Quick, &["gmm".to_owned(), "gmn".to_owned()]) else {
            panic!("accepted")
        };
        let told = refused.to_string();
        assert!(told.starts_with("--only = gmn: accepted are gmm, gmm_spline, phi4, u1, phi4_16x8, "), "{told}");
        assert!(!told.contains('\n') && told.ends_with(", few_data"), "{told}");
        assert_eq!(refused.exit_status(), 2);
    }

    #[test]
    fn the_list_has_every_name_and_marks_the_standard_ones() {
        let list = list(Extent::Quick);
        assert_eq!(list.lines().count(), all(Extent::Quick).len() + 1);
        assert!(list.contains("\n* phi4_16x8 ") && list.contains("\n  funnel "), "{list}");
    }
}
