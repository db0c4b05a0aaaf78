//! `cargo xtask reproduce-paper`: every table and figure of arXiv:2403.15881 whose setting is known, stage by stage, and one page that says what holds.

use crate::reproduce_figures::problems::Chosen;
use clap::{Args, value_parser};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use upg_core::{ForwardKl, ReverseKl};
use upg_experiments::Error;
use upg_experiments::commands::place::PlaceArgs;
use upg_experiments::config::{Config, ConfigFile, DeviceName};
use upg_experiments::io::console::{print, say};
use upg_experiments::io::output::{OutputFile, clean_up_on_signals};
use upg_experiments::paper::figures::{Extent, FEW_DATA, Problem};
use upg_experiments::paper::reproduction::{
    self, FILES, Findings, Found, Made, ReproductionError, Setting, Stage, Stages, judge,
};
use upg_experiments::paper::table2;
use upg_train::Objective;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Smaller problems and flows, and fewer steps: within about ten minutes on two cores.
    #[arg(long)]
    quick: bool,
    /// Where to compute the costs and the flows that are trained and evaluated; comparisons of gradients are made on the processor.
    #[command(flatten)]
    place: PlaceArgs,
    /// Folder for the stages, `paper.json`, `PAPER.md` and `paper.html`; made if it is missing. What is done there isn't done again.
    #[arg(long, default_value = "paper-out")]
    out: PathBuf,
    /// Make these stages only, by the names of their files; of the others the page has what the folder has.
    #[arg(long, value_delimiter = ',', value_name = "STAGES")]
    only: Vec<String>,
    /// Steps of the trainings at the paper's own settings, where all of them take too long.
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Write `docs/paper.json` and `docs/PAPER.md`, too.
    #[arg(long)]
    docs: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match reproduce(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

/// A configuration of `configs/` by its name, with its text.
type Named = (&'static str, &'static str);

macro_rules! named {
    ($name:literal) => {
        ($name, include_str!(concat!("../../configs/", $name, ".ron")))
    };
}

/// The paper's problems at its own settings, each with the ordinary gradient of its divergence.
const PAPER: [(Named, Objective); 3] = [
    (named!("gmm_paper"), Objective::Forward(ForwardKl::MaxLikelihood)),
    (named!("phi4_z2nice"), Objective::Reverse(ReverseKl::Reparam)),
    (named!("u1_16x16_beta3"), Objective::Reverse(ReverseKl::Reparam)),
];
/// The best flows of this project for these problems.
const BEST: [Named; 3] = [named!("gmm_spline"), named!("phi4_16x8"), named!("u1_16x16_continuous")];
/// The flows of Table 2 in a quick look: the paper's, then one of every family that trains well on its problems.
const QUICK_COSTS: [&str; 6] = ["z2nice", "u1", "spline", "conv", "continuous", "u1-continuous"];
/// The stage of the costs.
const COSTS: &str = "costs";
/// Problems that are compared: the paper's by its flows, then by splines and continuous flows.
const COMPARED: [&str; 6] = ["gmm", "phi4", "u1", "gmm_spline", "phi4_16x8", "u1_8x8_continuous"];

fn reproduce(arguments: &Arguments) -> Result<(), ReproductionError> {
    clean_up_on_signals().map_err(Error::Signals)?;
    let begin = Instant::now();
    let tell = |what: &str| say(format_args!("{:6.0} s  {what}", begin.elapsed().as_secs_f64()));
    check(&arguments.only)?;
    let paper =
        PAPER.iter().map(|((name, text), _)| Setting::of(name, &parsed(text))).collect::<Result<Vec<_>, _>>()?;
    let reproduction = Reproduction {
        arguments,
        extent: if arguments.quick { Extent::Quick } else { Extent::Full },
        stages: Stages::open(&arguments.out)?,
        paper,
        tell: &tell,
    };
    let findings = reproduction.findings()?;
    let told =
        judge(&findings).iter().map(|found| format!("{:<24} {}\n", found.words(), found.claim)).collect::<String>();
    let files = FILES.map(|name| arguments.out.join(name).display().to_string()).join(", ");
    Ok(print(format_args!("{told}written to {files}\n"))?)
}

/// # Errors
/// If a stage is asked for that there isn't.
fn check(only: &[String]) -> Result<(), ReproductionError> {
    let names = names();
    match only.iter().find(|name| !names.contains(name)) {
        Some(name) => Err(ReproductionError::Unknown { name: name.clone(), accepted: names.join(", ") }),
        None => Ok(()),
    }
}

/// Names of all stages, in their order.
fn names() -> Vec<String> {
    let own = PAPER.iter().flat_map(|&((name, _), _)| [name.to_owned(), ordinary(name)]);
    let best = BEST.iter().map(|&(name, _)| name.to_owned());
    let compared = COMPARED.into_iter().chain([FEW_DATA]).map(str::to_owned);
    compared.chain(best.map(trained)).chain([COSTS.into()]).chain(own.map(trained)).collect()
}

/// The stage in which a configuration is trained: stages of comparisons have names of problems, which may be the same.
fn trained(name: impl std::fmt::Display) -> String {
    format!("trained_{name}")
}

fn parsed(text: &str) -> Config {
    Config::parse(text).expect("configs/ has experiments")
}

fn write_docs(findings: &Findings) -> Result<(), ReproductionError> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    OutputFile::create(&docs.join("paper.json"))?.commit(reproduction::to_json(findings).as_bytes())?;
    Ok(OutputFile::create(&docs.join("PAPER.md"))?.commit(reproduction::markdown(findings).as_bytes())?)
}

struct Reproduction<'a> {
    arguments: &'a Arguments,
    extent: Extent,
    stages: Stages,
    paper: Vec<Setting>,
    tell: &'a dyn Fn(&str),
}

impl Reproduction<'_> {
    /// Makes the stages; after each of them all that there is so far is written, should the next be interrupted.
    fn findings(&self) -> Result<Findings, ReproductionError> {
        let mut findings = Findings { quick: self.arguments.quick, paper: self.paper.clone(), stages: vec![] };
        let names: Vec<_> = COMPARED.iter().chain(&[FEW_DATA]).map(|&name| name.to_owned()).collect();
        let Chosen { problems, few_data } = Chosen::new(self.extent, &names)?;
        let mut keep = |stage: Option<Stage>| {
            let Some(stage) = stage else { return Ok(()) };
            findings.stages.push(stage);
            self.write(&findings)
        };
        for name in COMPARED {
            let problem = problems.iter().find(|problem| problem.name == name).expect("it was chosen");
            keep(self.comparison(problem)?)?;
        }
        keep(self.few_data(&few_data.expect("it was chosen"))?)?;
        for (name, text) in BEST {
            keep(self.sampler(name, &trained(name), parsed(text), true)?)?;
        }
        keep(self.costs()?)?;
        for ((name, text), objective) in PAPER {
            for (name, objective) in [(name.to_owned(), None), (ordinary(name), Some(objective))] {
                self.own(&name, parsed(text), objective)?.into_iter().try_for_each(|stage| keep(Some(stage)))?;
            }
        }
        Ok(findings)
    }

    /// A stage that is to be made, or else the one that the folder has. A standard one has to have been asked for the same; one that isn't
    /// is taken as it is, as its own settings are told beside it.
    fn stage(
        &self,
        name: &str,
        asked: String,
        is_standard: bool,
        find: impl FnOnce() -> Result<(Made, Found), ReproductionError>,
    ) -> Result<Option<Stage>, ReproductionError> {
        let only = &self.arguments.only;
        let is_named = |one: &String| {
            name == one || name.strip_prefix(one.as_str()).is_some_and(|rest| Some(rest) == self.steps().as_deref())
        };
        if if only.is_empty() { is_standard } else { only.iter().any(is_named) } {
            return self.stages.stage(name, asked, find).map(Some);
        }
        let kept = self.stages.kept(name)?;
        Ok(kept.filter(|stage| !is_standard || stage.asked == asked))
    }

    fn write(&self, findings: &Findings) -> Result<(), ReproductionError> {
        reproduction::write(&self.arguments.out, findings)?;
        if self.arguments.docs { write_docs(findings) } else { Ok(()) }
    }

    /// The end of the names of stages with fewer steps.
    fn steps(&self) -> Option<String> {
        self.arguments.steps.map(|steps| format!("_{steps}"))
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.arguments.place.threads.unwrap_or_else(cores)
    }

    fn costs(&self) -> Result<Option<Stage>, ReproductionError> {
        let flows: Vec<_> = QUICK_COSTS.iter().filter(|_| self.arguments.quick).map(|&name| name.to_owned()).collect();
        let cases = table2::only(table2::cases(), &flows)?;
        let plan = table2::plan(self.arguments.quick);
        let configs: Vec<_> = cases.iter().map(|case| case.config.to_ron()).collect();
        let asked = format!("{} {plan:?} [{}]", self.arguments.place.device, configs.join(", "));
        self.stage(COSTS, asked, true, || {
            (self.tell)("the cost of the estimators");
            reproduction::costs(&cases, &plan, &self.arguments.place)
        })
    }

    fn comparison(&self, problem: &Problem) -> Result<Option<Stage>, ReproductionError> {
        let seeds = self.extent.seeds();
        self.stage(problem.name, asked(problem, &seeds), true, || {
            reproduction::comparison(problem, seeds.clone(), self.threads(), &self.paper, self.tell)
        })
    }

    fn few_data(&self, problem: &Problem) -> Result<Option<Stage>, ReproductionError> {
        // One seed, that of a quick look, tells nothing.
        let seeds = Extent::Full.seeds_of_few_data();
        self.stage(problem.name, asked(problem, &seeds), true, || {
            reproduction::few_data(problem, seeds.clone(), self.threads(), &self.paper, self.tell)
        })
    }

    /// The paper's own flow by its own training, or by one of fewer steps, and what the folder has of others. A processor would need days for these.
    fn own(
        &self,
        name: &str,
        mut config: Config,
        objective: Option<Objective>,
    ) -> Result<Vec<Stage>, ReproductionError> {
        let is_for_these = !self.arguments.quick && self.arguments.place.device != DeviceName::Cpu;
        config.training.objective = objective.unwrap_or(config.training.objective);
        let whole = match self.arguments.steps {
            None => self.sampler(name, &trained(name), config, is_for_these)?,
            Some(steps) => {
                config.training.steps = steps;
                let stage = trained(name) + &self.steps().expect("there are some");
                self.sampler(name, &stage, config, is_for_these)?;
                self.stages.kept(&trained(name))?
            }
        };
        Ok(whole.into_iter().chain(self.stages.kept_of_fewer_steps(&trained(name))?).collect())
    }

    /// A flow that is trained and evaluated: the same on every device, but for its seconds.
    fn sampler(
        &self,
        name: &str,
        stage: &str,
        config: Config,
        is_standard: bool,
    ) -> Result<Option<Stage>, ReproductionError> {
        self.stage(stage, config.to_ron(), is_standard, || {
            (self.tell)(&format!("{name}: trained and evaluated"));
            let file = ConfigFile::of_text(config.to_ron(), Path::new("")).map_err(Error::from)?;
            let run = self.stages.path().join("runs").join(stage);
            reproduction::sampler(name, &file, &run, &self.arguments.place, &self.paper)
        })
    }
}

/// Name of a configuration with the ordinary gradient in the place of the path gradient.
fn ordinary(name: &str) -> String {
    format!("{name}_ordinary")
}

fn asked(problem: &Problem, seeds: &RangeInclusive<u64>) -> String {
    format!("{seeds:?} {}", problem.config.to_ron())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed page says what the committed numbers do.
    #[test]
    fn the_page_is_that_of_its_numbers() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let read = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
        let findings: Findings = reproduction::of_json(&read("paper.json")).unwrap();
        assert!(!findings.stages.is_empty());
        let told = "differs: cargo xtask reproduce-paper --docs writes it";
        assert_eq!(reproduction::markdown(&findings), read("PAPER.md"), "docs/PAPER.md {told}");
    }

    #[test]
    fn a_stage_that_there_is_not_is_refused() {
        assert_eq!(names().iter().collect::<std::collections::BTreeSet<_>>().len(), names().len());
        check(&["costs".into(), "gmm".into(), "trained_gmm_paper_ordinary".into()]).unwrap();
        let told = check(&["costs".into(), "gmn".into()]).unwrap_err().to_string();
        assert!(told.starts_with("--only = gmn: accepted are gmm, phi4, u1, gmm_spline, "), "{told}");
    }

    #[test]
    fn the_papers_settings_are_the_same_as_themselves() {
        let settings = PAPER.map(|((name, text), _)| Setting::of(name, &parsed(text)).unwrap());
        for (setting, ((_, text), ordinary)) in settings.iter().zip(PAPER) {
            assert_eq!(setting.likeness(setting), reproduction::Likeness::Same);
            assert_ne!(parsed(text).training.objective, ordinary);
        }
        let best = Setting::of(BEST[1].0, &parsed(BEST[1].1)).unwrap();
        assert_eq!(best.likeness(&settings[1]), reproduction::Likeness::OtherFlow);
        assert_eq!(best.likeness(&settings[2]), reproduction::Likeness::OtherProblem);
    }
}
