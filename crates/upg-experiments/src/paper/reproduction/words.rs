//! The findings in words and tables.

use super::claims::{judge, likeness};
use super::document::{self, Block};
use super::found::{Comparison, Cost, FewData, Findings, Found, Made, Sampler, Setting};
use crate::report::page::with_error;
use crate::report::plot::significant;
use std::collections::BTreeMap;

const TITLE: &str = "The paper, claim by claim";

/// As Markdown, the text of `docs/PAPER.md`.
pub fn markdown(findings: &Findings) -> String {
    document::markdown(TITLE, &blocks(findings))
}

/// As a page.
pub fn html(findings: &Findings) -> String {
    document::html(TITLE, &blocks(findings))
}

fn blocks(findings: &Findings) -> Vec<Block> {
    let parts: [fn(&Findings) -> Vec<Block>; 7] = [heading, claims, settings, costs, comparisons, few_data, samplers];
    parts.iter().flat_map(|part| part(findings)).collect()
}

fn heading(findings: &Findings) -> Vec<Block> {
    let option = if findings.quick { " --quick" } else { "" };
    let mut text = format!(
        "Fast and unified path gradient estimators for normalizing flows, arXiv:2403.15881, measured by `cargo xtask reproduce-paper{option}`, which wrote this page: every \
         number on it is from the file paper.json beside it."
    );
    if findings.quick {
        text.push_str(
            " These are the QUICK settings: smaller problems, smaller flows and far fewer steps than the paper's, so that all of it ends within about ten minutes on two cores; trainings that were made on a card beside that are told with their own. \
             A claim about trainings that is decided here is decided for these settings, and its verdict says so; what they can't decide is marked as undecided.",
        );
    }
    let mut by: BTreeMap<&Made, Vec<&str>> = BTreeMap::new();
    findings.stages.iter().for_each(|stage| by.entry(&stage.made).or_default().push(&stage.name));
    let machine = |(made, stages): (&Made, Vec<&str>)| {
        let Made { version, commit, processor, threads, device } = made;
        format!(
            "Made by upg {version}, commit {commit}, on {processor}, {threads} threads, device {device}: {}.",
            stages.join(", ")
        )
    };
    [text].into_iter().chain(by.into_iter().map(machine)).map(Block::Text).collect()
}

fn claims(findings: &Findings) -> Vec<Block> {
    let judgements = judge(findings);
    let rows = judgements.iter().map(|judgement| {
        [judgement.claim, judgement.place, &judgement.measured, &judgement.words()].map(str::to_owned).into()
    });
    let table = Block::table(&["claim", "in the paper", "measured here", "here it"], rows.collect());
    let how = "A claim about costs holds if every factor is within the paper's range or better. One about trainings holds if the path gradient is better by two of the six metrics and worse by \
               none, at equal steps and at equal seconds (reverse ESS, forward ESS, NLL of test data; better is by more than chance makes of the mean difference over the seeds one time in \
               twenty-two: Student's two standard errors, 2.9 for five seeds), fails the other way round, and is undecided otherwise. One about variances holds if each ratio is below 1 by two standard errors. Claims whose settings aren't \
               known here aren't listed.";
    [Block::Heading("What holds".into()), Block::Text(how.into())].into_iter().chain(table).collect()
}

fn settings(findings: &Findings) -> Vec<Block> {
    let paper = findings.paper.iter().map(|setting| row_of(setting, "the paper's".into()));
    let here = findings.stages.iter().filter_map(|stage| {
        let (setting, how_close) = match &stage.found {
            Found::Comparison(found) => (&found.setting, found.likeness),
            Found::FewData(found) => (&found.setting, found.likeness),
            Found::Sampler(found) => (&found.setting, found.likeness),
            Found::Costs(_) => return None,
        };
        let named = Setting { problem: stage.name.clone(), ..setting.clone() };
        Some(row_of(&named, format!("here: {}", likeness(how_close))))
    });
    let head = ["problem", "whose", "target", "flow", "parameters", "training"];
    let table = Block::table(&head, paper.chain(here).collect());
    [Block::Heading("Settings".into())].into_iter().chain(table).collect()
}

fn row_of(setting: &Setting, whose: String) -> Vec<String> {
    let Setting { problem, flow, target, parameters, training } = setting;
    let (target, flow) = (format!("`{target}`"), format!("`{flow}`"));
    vec![problem.clone(), whose, target, flow, parameters.to_string(), training.clone()]
}

fn costs(findings: &Findings) -> Vec<Block> {
    let row = |cost: &Cost| {
        let Cost { flow, target, divergence, estimator, batch, seconds, ratio, ratio_std } = cost;
        let ratio = format!("{ratio:.2} ± {ratio_std:.2}");
        let seconds = significant(*seconds, 3);
        vec![flow.clone(), target.clone(), divergence.clone(), batch.to_string(), estimator.clone(), seconds, ratio]
    };
    let head = ["flow", "target", "KL", "batch", "estimator", "seconds", "over the ordinary gradient"];
    let Some(table) = Block::table(&head, findings.costs().map(row).collect()) else { return vec![] };
    let how = "The first two of the paper are z2nice and u1, at its own sizes; the others are further flows of this project. Medians of the times of one gradient in f32, from drawing the base \
               samples to the flat gradient; ratios are paired round by round, mean ± standard deviation.";
    vec![Block::Heading("The cost of the estimators (Table 2)".into()), Block::Text(how.into()), table]
}

fn comparisons(findings: &Findings) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Ordinary and path gradients".into())];
    let rows: Vec<_> = findings.comparisons().flat_map(compared).collect();
    let head = ["problem", "KL", "metric", "equal", "ordinary", "path", "gain of path", "better"];
    let Some(table) = Block::table(&head, rows) else { return vec![] };
    let how = "Both gradients from the same weights, samples and data; mean ± standard deviation over the seeds. Seconds are steps times the cost of a step. The first problems are the paper's, or smaller ones, by smaller flows \
               of its kinds; splines and continuous flows beside them are of this project.";
    blocks.extend([Block::Text(how.into()), table]);
    let noise = |found: &Comparison| -> Vec<Vec<String>> {
        let row = |noise: &super::found::Noise| {
            let ratio = with_error(noise.ratio, noise.error);
            vec![found.title.clone(), noise.divergence.clone(), noise.step.to_string(), ratio]
        };
        found.noise.iter().map(row).collect()
    };
    let rows = findings.comparisons().flat_map(noise).collect();
    let head = ["problem", "KL", "after step", "variance of the path gradient over that of the ordinary one"];
    blocks.extend(Block::table(&head, rows));
    blocks
}

fn compared(found: &Comparison) -> Vec<Vec<String>> {
    let row = |row: &super::found::Compared| {
        let gain = row.gain.map_or("not known".into(), |[gain, error]| with_error(gain, error));
        let better = if row.better == "neither" { "no telling" } else { &row.better };
        let texts = [&found.title, &row.divergence, &row.metric, &row.equal, &row.ordinary, &row.path];
        texts.into_iter().cloned().chain([gain, better.to_owned()]).collect()
    };
    found.rows.iter().map(row).collect()
}

fn few_data(findings: &Findings) -> Vec<Block> {
    let rows = |found: &FewData| -> Vec<Vec<String>> {
        let nll = |nll: Option<f64>| nll.map_or("not finite".into(), |nll| format!("{nll:.3}"));
        let row = |run: &super::found::Learned| {
            vec![found.title.clone(), run.estimator.clone(), run.seed.to_string(), nll(run.train), nll(run.test)]
        };
        found.runs.iter().map(row).collect()
    };
    let head = ["problem", "estimator", "seed", "NLL of training data", "NLL of test data"];
    let table = Block::table(&head, findings.few_data().flat_map(rows).collect());
    table.map_or(vec![], |table| vec![Block::Heading("Few training data".into()), table])
}

fn samplers(findings: &Findings) -> Vec<Block> {
    let of = |x: Option<f64>| x.map_or("-".to_owned(), |x| significant(x, 3));
    let row = |found: &Sampler| {
        let log_z = found.log_z.map_or("-".into(), |[value, error]| with_error(value, error));
        let trusted = if found.log_z_trusted { "" } else { ", not to be trusted" };
        let exact = found.log_z_exact.map_or("-".into(), |exact| format!("{exact:.4}"));
        vec![
            found.config.clone(),
            likeness(found.likeness).to_owned(),
            format!("`{}`", found.objective),
            found.setting.parameters.to_string(),
            of(found.seconds),
            of(found.ess_reverse),
            of(found.ess_forward),
            of(found.nll),
            of(found.acceptance),
            format!("{log_z}{trusted}"),
            exact,
        ]
    };
    let head = [
        "configuration",
        "problem",
        "objective",
        "parameters",
        "seconds",
        "reverse ESS",
        "forward ESS",
        "NLL",
        "acceptance",
        "log Z",
        "exact",
    ];
    let Some(table) = Block::table(&head, findings.samplers().map(row).collect()) else { return vec![] };
    let how = "Configurations of configs/ as they are: trained by `upg train`, evaluated by `upg evaluate`. Those of another flow are the best of this project for the paper's problems.";
    vec![Block::Heading("Trained flows".into()), Block::Text(how.into()), table]
}
