use super::*;
use crate::peers::tests::together;
use crate::problem::Problem;
use std::sync::Arc;
use upg_core::{Cpu, StandardNormal, Streams};
use upg_flows::RealNvp;
use upg_targets::{Gmm, Phi4};

/// The problem of a small flow and `target`, of which all is known.
fn problem<P>(target: P, dof: usize) -> Problem<Cpu<f64>>
where
    P: upg_core::Target<Cpu<f64>>
        + upg_targets::Observables<f64>
        + upg_targets::DataSampler<f64>
        + upg_targets::Exact
        + 'static,
{
    let flow = RealNvp { lattice: vec![dof], couplings: 2, hidden: vec![4], ..RealNvp::default() };
    let target = Arc::new(target);
    Problem::new(flow.build().unwrap(), StandardNormal::new(dof), target.clone())
        .with_observables(target.clone())
        .with_exact(target.clone())
        .with_sampler(target)
}

/// The summary, and the samples in the order they came.
fn run(problem: &Problem<Cpu<f64>>, plan: &ChainPlan, seed: u64) -> (ChainSummary, Vec<Vec<f64>>) {
    let mut rows = vec![];
    let summary = problem.measure_chains(
        &Peers::alone(),
        plan,
        rng(seed),
        |piece| {
            rows.extend(piece.rows().into_iter().map(|row| row.to_vec()));
            Ok::<(), Ended>(())
        },
        &mut || Ok(()),
    );
    (summary.unwrap().unwrap(), rows)
}

#[track_caller]
fn assert_exact(summary: &ChainSummary, names: &[&str]) {
    for name in names {
        let Number { value, error, exact, .. } = summary.observables[*name].number;
        let (value, error, exact) = (value.unwrap(), error.unwrap(), exact.unwrap());
        assert!((value - exact).abs() < 5.0 * error && error > 0.0, "{name}: {value} ± {error} for {exact}");
    }
}

#[test]
fn chains_have_exact_values_within_errors_of_the_right_size() {
    // Of one length in sweeps, thinned more or less: the measurements are the same, the samples are not.
    let problem = problem(Phi4::new(&[4, 2], 0.2, 0.1).unwrap(), 8);
    let plan = ChainPlan { samples: 2000, chains: 50, warm_up: 30, thin: 5, ..ChainPlan::default() };
    let (summary, rows) = run(&problem, &plan, 1);
    assert_exact(&summary, &["phi2", "magnetization"]);
    let chains = summary.chains.unwrap();
    assert_eq!(
        (summary.samples, summary.measured, chains.number, chains.sweeps, chains.thin),
        (2000, 10_000, 50, 200, 5)
    );
    assert!((chains.acceptance - 0.8).abs() < 0.1 && chains.smallest_acceptance > 0.5 && chains.never_moved == 0);
    assert_eq!((rows.len(), &summary.warnings), (2000, &vec![]));
    let often = run(&problem, &ChainPlan { samples: 10_000, thin: 1, ..plan }, 1);
    assert_eq!((&often.0.observables, &often.0.tau_int), (&summary.observables, &summary.tau_int));
    // Sample 50 k + c of the one is sweep 5 k + 4 of chain c.
    for (k, c) in [(0, 0), (3, 17), (39, 49)] {
        assert_eq!(rows[50 * k + c], often.1[50 * (5 * k + 4) + c]);
    }
    // The error is that of independent samples, more often than not, by 2τ_int.
    let (phi2, tau) = (summary.observables["phi2"], summary.tau_int["phi2"].unwrap());
    let values: Vec<f64> = often.1.iter().map(|row| row.iter().map(|x| x * x).sum::<f64>() / 8.0).collect();
    let mean = values.iter().sum::<f64>() / 1e4;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1e4;
    let expected = (2.0 * tau.value * variance / 1e4).sqrt();
    let ratio = phi2.number.error.unwrap() / expected;
    assert!((0.6..1.5).contains(&ratio), "{ratio}: {tau:?}");
    assert_eq!(phi2.tau_int, Some(tau.value));
}

#[test]
fn few_chains_are_cut_into_pieces() {
    let problem = problem(Phi4::new(&[4, 2], 0.2, 0.1).unwrap(), 8);
    for chains in [1, 3] {
        let plan = ChainPlan { samples: 3000, chains, warm_up: 100, thin: 2, ..ChainPlan::default() };
        let (summary, _) = run(&problem, &plan, 2);
        assert_exact(&summary, &["phi2", "magnetization"]);
        assert_eq!(summary.chains.unwrap().number, chains);
    }
}

#[test]
fn short_chains_are_told() {
    let problem = problem(Phi4::new(&[4, 2], 0.2, 0.1).unwrap(), 8);
    let hmc = upg_targets::HmcOptions { length: 0.05, ..Default::default() };
    let plan = ChainPlan { samples: 4000, chains: 100, warm_up: 50, thin: 1, hmc, ..ChainPlan::default() };
    let (summary, _) = run(&problem, &plan, 3);
    assert!(summary.warnings.iter().any(|w| w.starts_with("chains of 40 sweeps, fewer than 20")), "{summary:?}");
}

#[test]
fn exact_samples_have_no_chains() {
    let problem = problem(Gmm::new(3).unwrap(), 3);
    let plan = ChainPlan { samples: 5010, chains: 100, thin: 7, ..ChainPlan::default() };
    let (summary, rows) = run(&problem, &plan, 4);
    assert_exact(&summary, &["x2", "mean", "right_fraction"]);
    assert_eq!((summary.chains, summary.measured, rows.len()), (None, 5100, 5010));
    assert!(summary.tau_int.values().all(Option::is_none));
    // As independent samples have it: of x², 3 a sample.
    let variance = rows.iter().flatten().map(|x| (x * x - 1.5).powi(2)).sum::<f64>() / rows.len() as f64 / 3.0;
    let ratio = summary.observables["x2"].number.error.unwrap() / (variance / 3.0 / 5100.0).sqrt();
    assert!((0.7..1.4).contains(&ratio), "{ratio}");
}

#[test]
fn whoever_cannot_take_the_samples_ends_the_chains() {
    let problem = problem(Phi4::new(&[4, 2], 0.2, 0.1).unwrap(), 8);
    let plan = ChainPlan { samples: 1_000_000, chains: 10, warm_up: 1, ..ChainPlan::default() };
    let refuse = Gmm::new(0).unwrap_err();
    let mut pieces = 0;
    let take = |_: ArrayView2<'_, f64>| {
        pieces += 1;
        Err::<(), _>(Ended::Refused(refuse.clone()))
    };
    let outcome = problem.measure_chains(&Peers::alone(), &plan, rng(5), take, &mut || Ok(()));
    assert_eq!((outcome.unwrap(), pieces), (Err(Ended::Refused(refuse)), 1));
}

#[test]
fn chains_that_hardly_move_are_told() {
    let good =
        ChainReport { acceptance: 0.8, smallest_acceptance: 0.5, chains: 9, trajectories: 50, ..ChainReport::EXACT };
    let low = ChainReport { smallest_acceptance: 0.01, ..good };
    let frozen = ChainReport { smallest_acceptance: 0.0, never_moved: 2, ..good };
    assert_eq!(warnings_of(&ChainReport::EXACT), [""; 0]);
    assert_eq!(warnings_of(&good), [""; 0]);
    assert_eq!(warnings_of(&ChainReport { trajectories: 2, ..frozen }), [""; 0], "too early to say");
    assert_eq!(warnings_of(&low), ["the acceptance of a chain is 0.010, that of all 0.800"]);
    assert_eq!(warnings_of(&frozen)[0], "2 of 9 chains never moved in 50 trajectories");
}

/// What every chain started with is no measurement, and how long it lasts isn't known.
#[test]
fn chains_that_never_move_have_no_time() {
    let problem = problem(Phi4::new(&[4, 2], 0.2, 1e300).unwrap(), 8);
    let plan = ChainPlan { samples: 400, chains: 20, warm_up: 5, thin: 1, ..ChainPlan::default() };
    let (summary, _) = run(&problem, &plan, 6);
    assert_eq!(summary.chains.unwrap().never_moved, 20);
    assert!(summary.tau_int.values().all(Option::is_none));
    assert_eq!(summary.warnings[0], "20 of 20 chains never moved in 20 trajectories");
}

#[test]
fn no_more_chains_run_than_there_are_samples() {
    let problem = problem(Phi4::new(&[4, 2], 0.2, 0.1).unwrap(), 8);
    let plan = ChainPlan { samples: 7, chains: 50, warm_up: 5, thin: 3, ..ChainPlan::default() };
    let (summary, rows) = run(&problem, &plan, 7);
    let chains = summary.chains.unwrap();
    assert_eq!((chains.number, chains.sweeps, summary.measured, rows.len()), (7, 3, 21, 7));
    for (bad, field) in [
        (ChainPlan { samples: 0, ..plan }, "samples"),
        (ChainPlan { chains: 0, ..plan }, "chains"),
        (ChainPlan { thin: 0, ..plan }, "thin"),
    ] {
        let take = |_: ArrayView2<'_, f64>| Ok::<(), Ended>(());
        let outcome = problem.measure_chains(&Peers::alone(), &bad, rng(8), take, &mut || Ok(()));
        let Err(Ended::Refused(error)) = outcome.unwrap() else { panic!("{field}") };
        assert_eq!(error.field, field);
    }
}

/// Samples and numbers of chains that several run, of chains and of an exact sampler.
#[test]
fn processes_share_chains_and_find_what_one_does() {
    let plan = ChainPlan { samples: 700, chains: 150, warm_up: 13, thin: 3, ..ChainPlan::default() };
    type Made = fn() -> Problem<Cpu<f64>>;
    let problems: [Made; 2] =
        [|| problem(Phi4::new(&[4, 2], 0.2, 0.1).unwrap(), 8), || problem(Gmm::new(2).unwrap(), 2)];
    for made in problems {
        let (summary, rows) = run(&made(), &plan, 4);
        let alone = draw_together::<f64, Ended>(&*sampler_of(&made()), &Peers::alone(), &plan, rng(9), &mut || true);
        let (data, report) = alone.unwrap().unwrap();
        for size in [2, 3, 5] {
            let found = together(size, |peers| {
                let (problem, mut rows) = (made(), vec![]);
                let take = |piece: ArrayView2<'_, f64>| {
                    rows.extend(piece.rows().into_iter().map(|row| row.to_vec()));
                    Ok::<(), Ended>(())
                };
                let summary = problem.measure_chains(&peers, &plan, rng(4), take, &mut || Ok(())).unwrap().unwrap();
                let sampler = sampler_of(&problem);
                let drawn = draw_together::<f64, Ended>(&*sampler, &peers, &plan, rng(9), &mut || true);
                (summary, rows, drawn.unwrap().unwrap())
            });
            let first = &found[0];
            assert!(first.1 == rows, "{size} processes");
            assert_eq!((&first.0.observables, &first.0.tau_int), (&summary.observables, &summary.tau_int));
            assert_eq!((first.0.measured, &first.0.warnings), (summary.measured, &summary.warnings));
            assert_eq!(first.0.chains.map(|chains| chains.number), summary.chains.map(|chains| chains.number));
            assert!(found[1..].iter().all(|other| other.1.is_empty()), "the first process alone gets samples");
            for (_, _, (drawn, told)) in &found {
                assert!(*drawn == data, "{size} processes");
                assert!((told.acceptance - report.acceptance).abs() < 1e-12 && told.chains == report.chains);
            }
        }
    }
}

/// Long before the chains of the others have warmed up.
#[test]
fn a_process_that_is_gone_ends_the_chains_of_the_others() {
    let plan = ChainPlan { samples: 700, chains: 150, warm_up: 1_000_000_000, thin: 3, ..ChainPlan::default() };
    for draws in [false, true] {
        let found = together(3, |peers| {
            if peers.rank() == 1 {
                return None;
            }
            let problem = problem(Phi4::new(&[4, 2], 0.2, 0.1).unwrap(), 8);
            if draws {
                return draw_together::<f64, Ended>(&*sampler_of(&problem), &peers, &plan, rng(9), &mut || true).err();
            }
            let take = |_: ArrayView2<'_, f64>| Ok::<(), Ended>(());
            problem.measure_chains(&peers, &plan, rng(4), take, &mut || Ok(())).unwrap().err()
        });
        for told in [&found[0], &found[2]] {
            let Some(Ended::Parted(error)) = told else { panic!("{found:?}") };
            assert!(error.to_string().contains(" is lost"), "{error}");
        }
    }
}

/// Why chains end.
#[derive(Debug, PartialEq)]
enum Ended {
    Refused(TargetError),
    Parted(DeviceError),
}

impl From<TargetError> for Ended {
    fn from(error: TargetError) -> Self {
        Self::Refused(error)
    }
}

impl From<DeviceError> for Ended {
    fn from(error: DeviceError) -> Self {
        Self::Parted(error)
    }
}

fn rng(seed: u64) -> Rng {
    Streams::new(seed).next_stream()
}

fn sampler_of(problem: &Problem<Cpu<f64>>) -> Arc<dyn DataSampler<f64>> {
    problem.known.sampler.clone().unwrap()
}
