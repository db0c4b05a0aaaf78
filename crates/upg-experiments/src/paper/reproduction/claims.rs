//! The paper's claims, and what is measured of each.
//!
//! A claim about costs holds if every measured factor is within what the paper reports, or better. A claim about trainings holds if the path gradient is better by two of the metrics and worse by none, at
//! equal steps and at equal seconds, where better is by more than Student's two standard errors of the mean difference over the seeds; it fails the other
//! way round, and is undecided where nothing can be told or the metrics disagree. One about variances holds if the ratio is below 1 by two standard errors.

use super::found::{Compared, Comparison, Cost, FewData, Findings, Likeness, Sampler};
use crate::report::plot::significant;
use upg_train::stats::Moments;

/// The paper's range of the path gradient in one pass over the ordinary one, on an A100.
const FAST: [f64; 2] = [1.4, 2.3];
/// The paper's range of two passes over one.
const TWO_PASSES: [f64; 2] = [1.3, 8.0];

/// What the measurement says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It doesn't.
    Fails,
    /// These settings can't tell.
    Undecided,
    /// Nothing was measured of it.
    NotMeasured,
}

impl Verdict {
    /// In words.
    fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "does not hold",
            Self::Undecided => "undecided",
            Self::NotMeasured => "not measured",
        }
    }
}

/// A claim beside what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The claim.
    pub claim: &'static str,
    /// Where the paper makes it.
    pub place: &'static str,
    /// What was measured.
    pub measured: String,
    /// What that says.
    pub verdict: Verdict,
    /// How close what was measured is to the paper's setting.
    pub likeness: Likeness,
}

impl Judgement {
    /// The claim, of which nothing was measured.
    fn none(claim: &'static str, place: &'static str) -> Self {
        Self { claim, place, measured: "nothing".into(), verdict: Verdict::NotMeasured, likeness: Likeness::Same }
    }

    /// The verdict, with where it was found: one on another problem than the paper's says so.
    pub fn words(&self) -> String {
        let where_ = match (self.verdict, self.likeness) {
            (Verdict::NotMeasured, _) | (_, Likeness::Same) => "",
            (_, Likeness::OtherProblem) => ", at this size",
            (_, Likeness::OtherFlow) => ", with this flow",
            (_, Likeness::OtherTraining) => ", trained like this",
        };
        format!("{}{where_}", self.verdict.words())
    }
}

/// Every claim whose setting is known.
pub fn judge(findings: &Findings) -> Vec<Judgement> {
    let paper_flows = |cost: &&Cost| ["z2nice", "u1"].contains(&&cost.flow[..]);
    let others = |cost: &&Cost| !["z2nice", "u1"].contains(&&cost.flow[..]);
    let costs = |divergence: &'static str| findings.costs().filter(move |cost| cost.divergence == divergence);
    vec![
        fast(
            "The path gradient in one pass costs 1.4 to 2.3 times the ordinary one (reverse KL; the flows of the paper).",
            "Table 2",
            costs("reverse").filter(paper_flows),
        ),
        two_passes(findings),
        fast(
            "So it does for maximum likelihood (forward KL): what was out of reach before.",
            "abstract, Section 4",
            costs("forward").filter(paper_flows),
        ),
        fast(
            "It works for all architectures of practical relevance: further families at these costs.",
            "abstract",
            findings.costs().filter(others),
        ),
        trained(
            findings,
            "gmm",
            "forward",
            "On the Gaussian mixture, path gradients of the forward KL train better than maximum likelihood.",
            "Figures 1 and 9",
        ),
        trained(
            findings,
            "gmm",
            "reverse",
            "On the Gaussian mixture, path gradients of the reverse KL train better than ordinary ones.",
            "Figures 1 and 9",
        ),
        trained(
            findings,
            "phi4",
            "reverse",
            "On φ⁴ theory, path gradients of the reverse KL train better than ordinary ones.",
            "φ⁴ experiments",
        ),
        trained(
            findings,
            "u1",
            "reverse",
            "On U(1) gauge theory, path gradients of the reverse KL train better than ordinary ones.",
            "U(1) experiments",
        ),
        variances(findings),
        regularises(findings),
    ]
}

/// Metrics by which a gradient has to be better: one of six is by chance one time in seven.
const ENOUGH: usize = 2;
/// Names of the paper's three problems, by its flows.
const PROBLEMS: [&str; 3] = ["gmm", "phi4", "u1"];

fn fast<'a>(claim: &'static str, place: &'static str, costs: impl Iterator<Item = &'a Cost>) -> Judgement {
    let ratios: Vec<_> = costs.filter(|cost| cost.estimator == "path-fast").map(|cost| cost.ratio).collect();
    factors(claim, place, &ratios, |ratio| ratio <= FAST[1])
}

fn two_passes(findings: &Findings) -> Judgement {
    let fast = |cost: &&Cost| cost.estimator == "path-fast" && cost.divergence == "reverse";
    let factors_of = |fast: &Cost| {
        let is_other = |cost: &&Cost| {
            (&cost.flow, &cost.divergence, cost.batch) == (&fast.flow, &fast.divergence, fast.batch)
                && cost.estimator == "path-two-pass"
        };
        Some(findings.costs().find(is_other)?.seconds / fast.seconds)
    };
    let all: Vec<_> = findings.costs().filter(fast).filter_map(factors_of).collect();
    let claim = "Algorithm 2, in two passes, takes 1.3 to 8 times as long as Algorithm 1, in one (all flows that were measured).";
    factors(claim, "Table 2", &all, |factor| factor >= TWO_PASSES[0])
}

fn factors(claim: &'static str, place: &'static str, all: &[f64], accept: impl Fn(f64) -> bool) -> Judgement {
    let (Some(least), Some(most)) = (all.iter().copied().reduce(f64::min), all.iter().copied().reduce(f64::max)) else {
        return Judgement::none(claim, place);
    };
    let measured =
        format!("{least:.2} to {most:.2}, {} of {} so", all.iter().filter(|&&one| accept(one)).count(), all.len());
    let verdict = if all.iter().all(|&one| accept(one)) { Verdict::Holds } else { Verdict::Fails };
    Judgement { claim, place, measured, verdict, likeness: Likeness::Same }
}

/// The comparisons of a problem, by its name.
fn of_problem<'a>(findings: &'a Findings, name: &'a str) -> impl Iterator<Item = &'a Comparison> {
    findings.comparisons().filter(move |comparison| comparison.setting.problem == name)
}

fn trained(
    findings: &Findings,
    problem: &str,
    divergence: &str,
    claim: &'static str,
    place: &'static str,
) -> Judgement {
    let Some(found) = of_problem(findings, problem).next() else {
        return Judgement::none(claim, place);
    };
    let rows: Vec<&Compared> = found.rows.iter().filter(|row| row.divergence == divergence).collect();
    let number = |who: &str| rows.iter().filter(|row| row.better == who).count();
    let (path, ordinary) = (number("path"), number("ordinary"));
    let verdict = match (path, ordinary) {
        (ENOUGH.., 0) => Verdict::Holds,
        (0, ENOUGH..) => Verdict::Fails,
        _ => Verdict::Undecided,
    };
    let measured = format!(
        "{} ({}): better by {path} of {} metrics, worse by {ordinary}, the others can't be told; {} seeds",
        found.title,
        likeness(found.likeness),
        rows.len(),
        found.seeds
    );
    let measured = [measured]
        .into_iter()
        .chain(trained_as_the_paper(findings, problem, divergence))
        .collect::<Vec<_>>()
        .join("; ");
    Judgement { claim, place, measured, verdict, likeness: found.likeness }
}

/// Configurations of the paper's own flows, by the names of their problems and divergences.
const OWN: [(&str, &str, &str); 3] =
    [("gmm", "forward", "gmm_paper"), ("phi4", "reverse", "phi4_z2nice"), ("u1", "reverse", "u1_16x16_beta3")];

/// What a training of the paper's own flow came to with either gradient, if there were both: one seed, which decides nothing.
fn trained_as_the_paper(findings: &Findings, problem: &str, divergence: &str) -> Option<String> {
    let &(.., config) = OWN.iter().find(|&&(own, minimised, _)| (own, minimised) == (problem, divergence))?;
    let of = |name: String| findings.samplers().filter(move |sampler| sampler.config == name);
    let other_of =
        |path: &Sampler| of(format!("{config}_ordinary")).find(|other| other.setting.training == path.setting.training);
    let pairs = of(config.to_owned()).filter_map(|path| Some((path, other_of(path)?)));
    let (path, other) = pairs.max_by_key(|(path, _)| path.likeness)?;
    let pair = |name: &str, of: fn(&Sampler) -> Option<f64>| {
        Some(format!("{name} {} for {}", significant(of(path)?, 3), significant(of(other)?, 3)))
    };
    let metrics = [
        pair("reverse ESS", |sampler| sampler.ess_reverse),
        pair("forward ESS", |sampler| sampler.ess_forward),
        pair("NLL of test data", |sampler| sampler.nll),
    ];
    let metrics: Vec<_> = metrics.into_iter().flatten().collect();
    Some(format!(
        "by {} ({}; {}), path for ordinary gradients at equal steps, one seed: {}",
        path.config,
        likeness(path.likeness),
        path.setting.training,
        metrics.join(", ")
    ))
}

/// How close a setting is to the paper's, in words.
pub(super) fn likeness(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::OtherProblem => "not the paper's size",
        Likeness::OtherFlow => "the paper's problem, another flow",
        Likeness::OtherTraining => "the paper's problem and flow, another training",
        Likeness::Same => "the paper's setting",
    }
}

fn variances(findings: &Findings) -> Judgement {
    let (claim, place) = (
        "Path gradients have a lower variance at the end of a training (the paper's three problems, both divergences).",
        "abstract, Section 5",
    );
    let of = |name: &'static str| of_problem(findings, name).flat_map(|found| &found.noise);
    let all: Vec<_> = PROBLEMS.into_iter().flat_map(of).collect();
    if all.is_empty() {
        return Judgement::none(claim, place);
    }
    let lower = all.iter().filter(|noise| noise.ratio + 2.0 * noise.error < 1.0).count();
    let higher = all.iter().filter(|noise| noise.ratio - 2.0 * noise.error > 1.0).count();
    let verdict = match (lower, higher) {
        (1.., 0) if lower == all.len() => Verdict::Holds,
        (_, 1..) => Verdict::Fails,
        _ => Verdict::Undecided,
    };
    let ratios: Vec<_> = all.iter().map(|noise| format!("{:.2}", noise.ratio)).collect();
    let measured = format!(
        "variances over those of the ordinary gradient: {}; lower in {lower} of {}, higher in {higher}",
        ratios.join(", "),
        all.len()
    );
    let farthest = PROBLEMS.into_iter().flat_map(|name| of_problem(findings, name)).map(|found| found.likeness).min();
    Judgement { claim, place, measured, verdict, likeness: farthest.unwrap_or(Likeness::Same) }
}

fn regularises(findings: &Findings) -> Judgement {
    let (claim, place) = (
        "It regularises: with few training data maximum likelihood overfits, the path gradient hardly does.",
        "abstract, Figures 1 and 9",
    );
    let Some(found) = findings.few_data().next() else {
        return Judgement::none(claim, place);
    };
    let [Some(likelihood), Some(path)] = ["max-likelihood", "path-fast"].map(|estimator| gap(found, estimator)) else {
        let measured = "a loss that isn't finite".into();
        return Judgement { claim, place, measured, verdict: Verdict::Undecided, likeness: found.likeness };
    };
    let error = |gap: &Gap| gap.error.unwrap_or(0.0);
    let apart = likelihood.mean - path.mean;
    let verdict = match 2.0 * error(&likelihood).hypot(error(&path)) {
        _ if likelihood.seeds < 2 && apart > 0.0 => Verdict::Undecided,
        noise if apart > noise => Verdict::Holds,
        noise if apart < -noise => Verdict::Fails,
        _ => Verdict::Undecided,
    };
    let measured = format!(
        "{} ({}): NLL of test less that of training data {:.2} by maximum likelihood, {:.2} by the path gradient; {} seeds",
        found.title,
        likeness(found.likeness),
        likelihood.mean,
        path.mean,
        likelihood.seeds
    );
    Judgement { claim, place, measured, verdict, likeness: found.likeness }
}

/// NLL of test data less that of training data.
struct Gap {
    mean: f64,
    error: Option<f64>,
    seeds: u64,
}

fn gap(found: &FewData, estimator: &str) -> Option<Gap> {
    let mut moments = Moments::default();
    for run in found.runs.iter().filter(|run| run.estimator == estimator) {
        moments.push(run.test? - run.train?);
    }
    Some(Gap { mean: moments.mean()?, error: moments.standard_error(), seeds: moments.count() })
}

#[cfg(test)]
mod tests {
    use super::super::found::{Found, Learned, Made, Noise, Setting, Stage};
    use super::*;

    fn findings(found: impl IntoIterator<Item = Found>) -> Findings {
        let made =
            Made { version: "1".into(), commit: "c".into(), processor: "p".into(), threads: 2, device: "cpu".into() };
        let stage = |found| Stage { name: "s".into(), asked: "a".into(), made: made.clone(), found };
        Findings { quick: true, paper: vec![], stages: found.into_iter().map(stage).collect() }
    }

    fn verdict(findings: &Findings, start: &str) -> Verdict {
        judge(findings).iter().find(|judgement| judgement.claim.starts_with(start)).unwrap().verdict
    }

    fn cost(flow: &str, estimator: &str, seconds: f64) -> Cost {
        let (ratio, text) = (seconds, |text: &str| text.to_owned());
        let (divergence, target) = (text("reverse"), text("phi4"));
        Cost {
            flow: text(flow),
            target,
            divergence,
            estimator: text(estimator),
            batch: 64,
            seconds,
            ratio,
            ratio_std: 0.1,
        }
    }

    fn setting(problem: &str) -> Setting {
        Setting { problem: problem.into(), flow: "f".into(), target: "t".into(), parameters: 1, training: "s".into() }
    }

    fn comparison(better: [&str; 3], noise: Noise) -> Found {
        let row = |better: &str| Compared {
            divergence: "forward".into(),
            equal: "steps".into(),
            metric: "NLL".into(),
            ordinary: "1".into(),
            path: "0".into(),
            gain: None,
            better: better.into(),
        };
        let (likeness, rows) = (Likeness::OtherFlow, better.map(row).into());
        Found::Comparison(Comparison {
            title: "t".into(),
            setting: setting("gmm"),
            likeness,
            seeds: 3,
            rows,
            noise: vec![noise],
        })
    }

    fn noise(ratio: f64, error: f64) -> Noise {
        Noise { divergence: "forward".into(), step: 9, ratio, error }
    }

    #[test]
    fn nothing_measured_decides_nothing() {
        assert!(judge(&findings([])).iter().all(|judgement| judgement.verdict == Verdict::NotMeasured));
    }

    #[test]
    fn costs_are_held_against_the_ranges_of_the_paper() {
        let of =
            |fast, two| findings([Found::Costs(vec![cost("u1", "path-fast", fast), cost("u1", "path-two-pass", two)])]);
        let both =
            |fast, two| (verdict(&of(fast, two), "The path gradient in one"), verdict(&of(fast, two), "Algorithm 2"));
        assert_eq!(both(1.35, 2.0), (Verdict::Holds, Verdict::Holds), "cheaper than the paper's");
        assert_eq!(both(2.4, 2.5), (Verdict::Fails, Verdict::Fails));
        let other = findings([Found::Costs(vec![cost("maf", "path-fast", 1.2)])]);
        assert_eq!(verdict(&other, "The path gradient in one"), Verdict::NotMeasured);
        assert_eq!(verdict(&other, "It works for all"), Verdict::Holds);
    }

    #[test]
    fn trainings_decide_by_their_metrics() {
        let of = |better| {
            verdict(
                &findings([comparison(better, noise(0.5, 0.1))]),
                "On the Gaussian mixture, path gradients of the forward",
            )
        };
        assert_eq!(of(["path", "neither", "path"]), Verdict::Holds);
        assert_eq!(of(["ordinary", "ordinary", "neither"]), Verdict::Fails);
        assert_eq!(of(["path", "neither", "neither"]), Verdict::Undecided);
        assert_eq!(of(["neither", "ordinary", "neither"]), Verdict::Undecided);
        assert_eq!(of(["neither", "neither", "neither"]), Verdict::Undecided);
        assert_eq!(of(["path", "ordinary", "neither"]), Verdict::Undecided);
    }

    fn sampler(config: &str, ess_reverse: f64) -> Found {
        Found::Sampler(Sampler {
            config: config.into(),
            setting: setting(config),
            likeness: Likeness::Same,
            objective: "o".into(),
            seconds: None,
            samples: 9,
            ess_reverse: Some(ess_reverse),
            ess_forward: None,
            nll: Some(2.0),
            acceptance: None,
            log_z: None,
            log_z_exact: None,
            log_z_trusted: true,
        })
    }

    #[test]
    fn a_verdict_says_where_it_was_found() {
        let of = |more: Vec<Found>| {
            let found = findings([vec![comparison(["path"; 3], noise(0.5, 0.1))], more].concat());
            let start = "On the Gaussian mixture, path gradients of the forward";
            judge(&found).into_iter().find(|judgement| judgement.claim.starts_with(start)).unwrap()
        };
        let smaller = of(vec![]);
        assert_eq!(smaller.words(), "holds, with this flow");
        assert_eq!(Judgement { likeness: Likeness::OtherProblem, ..smaller.clone() }.words(), "holds, at this size");
        assert_eq!(Judgement { likeness: Likeness::Same, ..smaller }.words(), "holds");
        let alone = of(vec![sampler("gmm_paper", 0.9)]);
        assert!(!alone.measured.contains("gmm_paper"), "{}", alone.measured);
        let both = of(vec![sampler("gmm_paper", 0.9), sampler("gmm_paper_ordinary", 0.8)]);
        let told = "; by gmm_paper (the paper's setting; s), path for ordinary gradients at equal steps, one seed: reverse ESS 0.900 for 0.800, NLL of test data 2.00 for 2.00";
        assert!(both.measured.ends_with(told), "{}", both.measured);
    }

    #[test]
    fn variances_decide_by_their_errors() {
        let of =
            |ratio, error| verdict(&findings([comparison(["path"; 3], noise(ratio, error))]), "Path gradients have");
        assert_eq!([of(0.5, 0.1), of(0.9, 0.1), of(1.4, 0.1)], [Verdict::Holds, Verdict::Undecided, Verdict::Fails]);
    }

    #[test]
    fn overfitting_is_told_from_several_seeds() {
        let run = |estimator: &str, seed, test| Learned { estimator: estimator.into(), seed, train: Some(9.0), test };
        let of = |runs: Vec<Learned>| {
            let found = FewData { title: "t".into(), setting: setting("few"), likeness: Likeness::OtherFlow, runs };
            verdict(&findings([Found::FewData(found)]), "It regularises")
        };
        let pair = |seed, test: f64| [run("max-likelihood", seed, Some(test)), run("path-fast", seed, Some(9.1))];
        assert_eq!(of([pair(1, 12.0), pair(2, 13.0)].concat()), Verdict::Holds);
        assert_eq!(of(pair(1, 12.0).into()), Verdict::Undecided, "one seed");
        assert_eq!(of([pair(1, 9.0), pair(2, 9.1)].concat()), Verdict::Undecided);
        assert_eq!(of(vec![run("max-likelihood", 1, None), run("path-fast", 1, Some(9.0))]), Verdict::Undecided);
    }
}
