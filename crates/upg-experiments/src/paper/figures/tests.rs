//! The comparison on a problem of a second.

use super::*;
use crate::config::Config;
use upg_train::method::{Divergence, Estimator};

const SMALL: &str = "(flow: RealNvp(lattice: [2], couplings: 2, hidden: [6], activation: Tanh, mask: Alternating), target: Gmm(dim: 2), \
    training: (steps: 30, batch: 64, optimiser: Adam(rate: 0.01), validation: (every: 10, samples: 200)), \
    data: (train: Draw(100), test: Draw(100)))";

#[test]
fn pairs_differ_in_the_estimator_alone() {
    let problem = Problem { name: "gmm", title: "two <dimensions>".into(), config: Config::parse(SMALL).unwrap() };
    let mut told = vec![];
    let outcomes = compare(&problem, 1..=2, 2, |what| told.push(what.to_owned())).unwrap();
    assert_eq!((outcomes.len(), told.len()), (2, 4));
    let estimators = [Estimator::Reparam, Estimator::MaxLikelihood];
    for (outcome, (divergence, ordinary)) in
        outcomes.iter().zip([Divergence::Reverse, Divergence::Forward].into_iter().zip(estimators))
    {
        assert_eq!(outcome.divergence, divergence);
        for pair in &outcome.pairs {
            assert_eq!((pair.ordinary.estimator, pair.path.estimator), (ordinary, Estimator::PathFast));
            let begin = |run: &compare::Run| run.course[0].tested;
            assert_eq!(begin(&pair.ordinary), begin(&pair.path), "the same weights at the start");
            assert_ne!(pair.ordinary.at_steps.tested, pair.path.at_steps.tested);
            assert_eq!((pair.ordinary.at_steps.step, pair.path.at_steps.step), (30, 30));
            assert_eq!(pair.path.at_seconds, pair.path.at_steps);
            assert!(pair.ordinary.at_seconds.seconds >= pair.path.at_seconds.seconds);
            assert!(pair.ordinary.at_seconds.step >= 30);
        }
    }
    let seeds: Vec<_> = outcomes[0].pairs.iter().map(|pair| pair.path.course[0].tested).collect();
    assert_ne!(seeds[0], seeds[1]);
}

#[test]
fn the_files_hold_every_comparison() {
    let problem = Problem { name: "gmm", title: "two <dimensions>".into(), config: Config::parse(SMALL).unwrap() };
    let outcomes = compare(&problem, 4..=5, 1, |_| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &outcomes, &Provenance::new(1, "f32", Some(4), SMALL.into())).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("figures.json")).unwrap()).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2 * 2 * 3);
    assert_eq!(json["runs"][1]["pairs"][1]["seed"], 5);
    let page = std::fs::read_to_string(folder.path().join("figures.html")).unwrap();
    roxmltree::Document::parse_with_options(&page, roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() })
        .expect("a page is well-formed");
    assert_eq!(page.matches("<figure>").count(), 12, "three metrics by steps and by seconds, for two divergences");
    assert!(page.contains("two &lt;dimensions&gt;"));
    assert!(!page.contains("src=") && !page.contains("href="), "it stands alone");
}
