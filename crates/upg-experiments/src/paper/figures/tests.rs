//! The comparison on a problem of a second.

use super::*;
use crate::config::Config;
use std::time::Duration;
use upg_train::method::{Divergence, Estimator};

const SMALL: &str = "(flow: RealNvp(lattice: [2], couplings: 2, hidden: [6], activation: Tanh, mask: Alternating), target: Gmm(dim: 2), \
    training: (steps: 30, batch: 64, optimiser: Adam(rate: 0.01), validation: (every: 10, samples: 200)), \
    data: (train: Draw(100), test: Draw(150)))";

fn small() -> Problem {
    let config = Config::parse(SMALL).unwrap();
    Problem { name: "gmm", title: "two <dimensions>".into(), config, calibration: Duration::ZERO }
}

#[test]
fn pairs_differ_in_the_estimator_alone() {
    let mut told = vec![];
    let study = compare(&small(), 1..=2, 2, |what| told.push(what.to_owned())).unwrap();
    assert_eq!((study.outcomes.len(), told.len()), (2, 5));
    let estimators = [Estimator::Reparam, Estimator::MaxLikelihood];
    for (outcome, (divergence, ordinary)) in
        study.outcomes.iter().zip([Divergence::Reverse, Divergence::Forward].into_iter().zip(estimators))
    {
        assert_eq!(outcome.divergence, divergence);
        for pair in &outcome.pairs {
            assert_eq!((pair.ordinary.estimator, pair.path.estimator), (ordinary, Estimator::PathFast));
            let begin = |run: &Run| run.course[0].tested;
            assert_eq!(begin(&pair.ordinary), begin(&pair.path), "the same weights at the start");
            let [ordinary, path] = [&pair.ordinary, &pair.path].map(|run| run.at_steps.unwrap());
            assert_ne!(ordinary.tested, path.tested);
            assert_eq!((ordinary.step, path.step), (30, 30));
            assert_eq!(pair.path.at_seconds, pair.path.at_steps);
        }
    }
    let seeds: Vec<_> = study.outcomes[0].pairs.iter().map(|pair| pair.path.course[0].tested).collect();
    assert_ne!(seeds[0], seeds[1]);
}

#[test]
fn equal_seconds_are_those_of_the_measured_steps() {
    let study = compare(&small(), 1..=1, 1, |_| ()).unwrap();
    for Outcome { ordinary, path, pairs, .. } in &study.outcomes {
        assert!(ordinary.rounds >= cost::LEAST_ROUNDS && ordinary.rounds == path.rounds);
        for (cost, run) in [(ordinary, &pairs[0].ordinary), (path, &pairs[0].path)] {
            for moment in &run.course {
                assert_eq!(moment.seconds, moment.step as f64 * cost.seconds.median);
            }
        }
        let [own, wanted] = [&pairs[0].ordinary, &pairs[0].path].map(|run| run.at_seconds.unwrap().seconds);
        assert!((own - wanted).abs() <= 0.51 * ordinary.seconds.median, "{own} s, {wanted} s");
    }
}

#[test]
fn runs_that_diverge_are_told_and_are_no_error() {
    let mut problem = small();
    problem.config.training.optimiser = upg_train::optimiser::Rule::Sgd { rate: 1e30, momentum: 0.0 };
    let study = compare(&problem, 1..=2, 1, |_| ()).unwrap();
    for run in study.outcomes[0].pairs.iter().flat_map(|pair| [&pair.ordinary, &pair.path]) {
        assert!(run.diverged() && run.given_up.is_some_and(|step| step <= 30), "{run:?}");
        assert!(run.at_steps.is_none() && run.course.len() <= 4);
    }
    let figures = Figures { studies: vec![study], regularising: None };
    let text = text(&figures);
    assert!(
        text.contains("gmm, reverse KL, 2 pairs: 2 of 2 runs with the ordinary gradient diverged; 2 of 2"),
        "{text}"
    );
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &figures, &Provenance::new(1, "f32", Some(1), SMALL.into())).unwrap();
    let page = std::fs::read_to_string(folder.path().join("figures.html")).unwrap();
    assert!(page.contains("<td>diverged</td>"), "{page}");
    let json = std::fs::read_to_string(folder.path().join("figures.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rows"][0]["ordinary"]["diverged"], 2);
    assert!(json["studies"][0]["outcomes"][0]["pairs"][0]["path"]["at_steps"].is_null());
}

const CONTINUOUS: &str = "(flow: Continuous(lattice: [4], field: Lattice(frequencies: 2, times: 2), steps: 1), target: Gmm(dim: 4), \
    training: (steps: 40, batch: 64, optimiser: Adam(rate: 0.1), validation: (every: 40, samples: 200)), \
    data: (train: Draw(100), test: Draw(150)), evaluation: (ode_steps: 8))";

#[test]
fn continuous_flows_are_tested_with_the_steps_of_the_evaluation() {
    let mut problem = Problem { config: Config::parse(CONTINUOUS).unwrap(), ..small() };
    let fine = compare(&problem, 1..=1, 1, |_| ()).unwrap();
    problem.config.evaluation.ode_steps = None;
    let coarse = compare(&problem, 1..=1, 1, |_| ()).unwrap();
    for (fine, coarse) in fine.outcomes.iter().zip(&coarse.outcomes) {
        // The trainings are the same, what is found isn't.
        let [fine, coarse] = [fine, coarse].map(|outcome| outcome.pairs[0].path.at_steps.unwrap().tested);
        assert!(fine.nll.unwrap().is_finite() && (fine.loss - coarse.loss).abs() > 1e-4, "{fine:?}, {coarse:?}");
    }
    let page =
        page(&Figures { studies: vec![fine], regularising: None }, &Provenance::new(1, "f32", Some(1), "".into()));
    assert!(page.contains("every 40 steps, with 8 steps of the integrator instead of 1"), "{page}");
}

#[test]
fn noise_is_told_at_start_middle_and_end() {
    let study = compare(&small(), 1..=2, 1, |_| ()).unwrap();
    for (outcome, number) in study.outcomes.iter().zip([4, 3]) {
        let steps: Vec<_> = outcome.noise.iter().map(|at| (at.step, at.estimators.len())).collect();
        assert_eq!(steps, [(0, number), (15, number), (30, number)]);
        assert!(outcome.noise.iter().flat_map(|at| &at.estimators).all(|of| of.divergence == outcome.divergence));
        let variance = |at: usize| outcome.noise[at].estimators[1].variance.value;
        assert!(variance(0) > 0.0 && variance(0) != variance(2));
    }
}

#[test]
fn few_data_are_learned_by_heart() {
    let mut problem = small();
    problem.config.training.steps = 300;
    problem.config.data.as_mut().unwrap().train = crate::config::Source::Draw(10);
    let effect = regularising(&problem, 1..=1, 1, |_| ()).unwrap();
    let [likelihood, path] = &effect.runs[..] else { panic!("two runs") };
    assert_eq!((likelihood.estimator, path.estimator), (Estimator::MaxLikelihood, Estimator::PathFast));
    assert_eq!(likelihood.course[0], path.course[0], "the same weights at the start");
    assert_eq!(likelihood.course.iter().map(|nll| nll.step).step_by(10).collect::<Vec<_>>(), [0, 100, 200, 300]);
    let last = |run: &Learning| *run.course.last().unwrap();
    let (likelihood, path) = (last(likelihood), last(path));
    assert!(likelihood.train < path.train && path.test < likelihood.test, "{likelihood:?} {path:?}");
}

#[test]
fn the_files_hold_every_comparison() {
    let studies = vec![compare(&small(), 4..=5, 1, |_| ()).unwrap()];
    let effect = regularising(&small(), 4..=5, 1, |_| ()).unwrap();
    let figures = Figures { studies, regularising: Some(effect) };
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &figures, &Provenance::new(1, "f32", Some(4), SMALL.into())).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("figures.json")).unwrap()).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2 * 2 * 3);
    assert_eq!(json["studies"][0]["outcomes"][1]["pairs"][1]["seed"], 5);
    assert!(json["studies"][0]["outcomes"][1]["ordinary"]["seconds"]["median"].as_f64().unwrap() > 0.0);
    assert_eq!(json["regularising"]["runs"].as_array().unwrap().len(), 4);
    let page = std::fs::read_to_string(folder.path().join("figures.html")).unwrap();
    roxmltree::Document::parse_with_options(&page, roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() })
        .expect("a page is well-formed");
    assert_eq!(page.matches("<figure>").count(), page.matches("<figcaption>").count());
    assert_eq!(page.matches("<figure>").count(), 14, "three metrics by steps and by time, for two KLs, and two NLLs");
    assert!(page.contains("two &lt;dimensions&gt;") && page.contains("signal to noise, step 15"));
    let place = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what} in {page}"));
    assert!(place("<h2>Summary") < place("<h2>What is shown") && place("<h2>What is shown") < place("<figure>"));
    assert!(!page.contains("src=") && !page.contains("href="), "it stands alone");
    let text = text(&figures);
    assert!(text.contains("median of steps") && text.contains("test NLL") && text.contains("better in"), "{text}");
    assert!(text.contains("gmm, reverse KL, 2 pairs: ") && page.contains("gain of path"), "{text}");
}
