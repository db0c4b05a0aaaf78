//! Targets in which chains of raw draws stay where they start: every chain moves, and samples are distributed as they should be.

use crate::simple::{OneNumber, StartAt};
use rand::SeedableRng;
use std::ops::ControlFlow;
use upg_core::{Batch, Real, Rng, StandardNormal};
use upg_targets::{
    ChainPlan, ChainReport, DataSampler, HmcOptions, Observables, Phi4, Sampling, equilibrium_chains,
    equilibrium_samples,
};

const KAPPA: f64 = 0.2;

/// Deep in the Ising limit: |φ| = 1 up to 1/4λ, with a barrier of λ between both signs.
fn nearly_ising() -> Phi4 {
    Phi4::new(&[4, 2], KAPPA, 5000.0).expect("valid couplings")
}

fn plan() -> ChainPlan {
    ChainPlan { samples: 3200, chains: 160, warm_up: 60, thin: 2, ..ChainPlan::default() }
}

/// ⟨m²⟩ of the Ising model on [4, 2] with S = −2κ Σ s s, the sum over all 256 configurations.
fn ising_m2() -> f64 {
    let spin =
        |configuration: u32, t: usize, x: usize| 1.0 - 2.0 * f64::from(configuration >> (2 * (t % 4) + x % 2) & 1);
    let (mut z, mut m2) = (0.0, 0.0);
    for c in 0..256 {
        let sites = || (0..4).flat_map(|t| [(t, 0), (t, 1)]);
        let bonds: f64 = sites().map(|(t, x)| spin(c, t, x) * (spin(c, t + 1, x) + spin(c, t, x + 1))).sum();
        let m = sites().map(|(t, x)| spin(c, t, x)).sum::<f64>() / 8.0;
        let weight = (2.0 * KAPPA * bonds).exp();
        (z, m2) = (z + weight, m2 + weight * m * m);
    }
    m2 / z
}

/// Means of `primaries` over whole chains, each with its error from chain to chain.
fn means_of_chains<T: Real>(theory: &Phi4, seed: u64, names: &[&str]) -> (Vec<(f64, f64)>, ChainReport) {
    let plan = plan();
    let all = Observables::<T>::primaries(theory);
    let places: Vec<usize> = names.iter().map(|name| all.iter().position(|n| n == name).expect("a primary")).collect();
    let (mut sums, mut measured) = (vec![vec![0.0; plan.chains]; names.len()], Batch::default());
    let report = theory
        .run_chains(&plan, Rng::seed_from_u64(seed), &mut |x: &mut Batch<T>| {
            theory.measure(x, &mut measured);
            for (sums, &i) in sums.iter_mut().zip(&places) {
                sums.iter_mut().zip(measured.row(i)).for_each(|(sum, value)| *sum += value / plan.rounds() as f64);
            }
            ControlFlow::Continue(())
        })
        .expect("a good plan");
    let estimate = |chains: &Vec<f64>| {
        let n = chains.len() as f64;
        let mean = chains.iter().sum::<f64>() / n;
        (mean, (chains.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt())
    };
    (sums.iter().map(estimate).collect(), report)
}

#[test]
fn chains_deep_in_the_ising_limit_move_and_have_the_exact_means() {
    fn check<T: Real>(seed: u64) {
        let theory = nearly_ising();
        let (means, report) = means_of_chains::<T>(&theory, seed, &["phi2", "m2"]);
        assert_eq!((report.never_moved, report.chains, report.trajectories), (0, 160, 40), "{report:?}");
        assert!(report.smallest_acceptance > 0.4 && (report.acceptance - 0.8).abs() < 0.15, "{report:?}");
        let exact = [theory.exact().expect("a strip").phi2, ising_m2()];
        for (((mean, error), exact), precision) in means.into_iter().zip(exact).zip([1e-4, 0.02]) {
            println!("{}: {mean:.7} ± {error:.7}, exact {exact:.7}", T::NAME);
            // The Ising model is the limit, and off by some 1/4λ.
            assert!((mean - exact).abs() < 5.0 * error + if precision > 1e-3 { 2e-4 } else { 0.0 }, "{mean} ± {error}");
            assert!(error < precision, "an error of {error}");
        }
    }
    check::<f64>(70);
    check::<f32>(71);
}

/// Chains that start at 0, but for chain 3.
fn one_at(far: f64) -> StartAt<impl Fn(&mut Batch<f64>) + Send + Sync> {
    StartAt(1, move |z: &mut Batch<f64>| {
        z.fill(0.0);
        z.row_mut(0)[3] = far;
    })
}

/// Without the approach the one chain stays at 1000, and the mean acceptance hides it.
#[test]
fn one_hopeless_start_among_good_ones_reaches_the_bulk() {
    let plan = ChainPlan { samples: 64, chains: 64, warm_up: 30, thin: 10, ..ChainPlan::default() };
    let quartic = OneNumber(|x| x.powi(4), |x| -4.0 * x.powi(3));
    let run =
        |plan| equilibrium_samples(&quartic, &one_at(1000.0), &[], plan, Rng::seed_from_u64(72)).expect("a good plan");
    let (data, report) = run(&plan);
    let largest = data.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    assert!(report.never_moved == 0 && largest < 3.0, "{report:?}, {largest}");
    let cold = ChainPlan { warm_up: 0, ..plan };
    let (data, report) = run(&cold);
    assert!(data.iter().any(|&x| x == 1000.0) && report.never_moved == 1, "{report:?}");
    assert_eq!(report.smallest_acceptance, 0.0);
}

/// Chain 3 starts in a well so narrow that only tiny steps are accepted, all others in a wide one.
#[test]
fn the_step_is_one_that_every_chain_can_bear() {
    let plan = ChainPlan { samples: 64, chains: 64, warm_up: 100, thin: 10, ..ChainPlan::default() };
    let wells = OneNumber(
        |x| if x > 50.0 { 0.5e4 * (x - 100.0).powi(2) } else { 0.5 * x * x },
        |x| if x > 50.0 { -1e4 * (x - 100.0) } else { -x },
    );
    let (_, report) =
        equilibrium_samples(&wells, &one_at(100.0), &[], &plan, Rng::seed_from_u64(73)).expect("a good plan");
    assert!(report.never_moved == 0 && report.smallest_acceptance > 0.1, "{report:?}");
}

/// A proposal that is always accepted is no move of the chain's.
#[test]
fn chains_that_only_flip_have_never_moved() {
    let ridge = OneNumber(|_| 0.0, |_| f64::NAN);
    let hmc = HmcOptions::default();
    let plan = ChainPlan { samples: 70, chains: 70, warm_up: 5, thin: 4, hmc, ..ChainPlan::default() };
    let mut seen = 0;
    let report = equilibrium_chains(
        &ridge,
        &StandardNormal::new(1),
        &[&upg_targets::SignFlip],
        &plan,
        Rng::seed_from_u64(74),
        &mut |x| {
            seen += x.samples();
            ControlFlow::Continue(())
        },
    )
    .expect("a good plan");
    assert_eq!((report.never_moved, report.chains, report.trajectories, seen), (70, 70, 4, 70));
}

/// Chains end in their warm-up, too, when the visitor says so: it is shown no states then.
#[test]
fn a_warm_up_ends_when_asked_to() {
    let theory = Phi4::new(&[3, 2], 0.2, 0.1).expect("valid couplings");
    let plan = ChainPlan { samples: 25, chains: 10, warm_up: 1_000_000_000, thin: 2, ..ChainPlan::default() };
    let mut asked = 0;
    let mut visit = |x: &mut Batch<f64>| {
        assert_eq!((x.rows(), x.samples()), (6, 0));
        asked += 1;
        if asked == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    theory.run_chains(&plan, Rng::seed_from_u64(76), &mut visit).expect("a good plan");
    assert_eq!(asked, 3);
}

/// Drawing asks whether to go on during the warm-up and after every round but the last; asking changes nothing.
#[test]
fn drawing_ends_when_it_is_told_to() {
    let theory = Phi4::new(&[3, 2], 0.2, 0.1).expect("valid couplings");
    let plan = ChainPlan { samples: 25, chains: 10, warm_up: 30, thin: 2, ..ChainPlan::default() };
    let rng = || Rng::seed_from_u64(75);
    let draw = |asks: usize| {
        let mut asked = 0;
        let mut goes_on = || {
            asked += 1;
            asked < asks
        };
        let drawn = DataSampler::<f64>::draw_data_while(&theory, &plan, rng(), &mut goes_on).expect("a good plan");
        (drawn, asked)
    };
    let (all, asked) = draw(usize::MAX);
    assert_eq!(all.expect("all of it"), DataSampler::<f64>::draw_data(&theory, &plan, rng()).expect("a good plan"));
    assert_eq!(asked, 30 / 10 + 2);
    for asks in [1, 3, 5] {
        assert_eq!(draw(asks), (None, asks));
    }
}

/// The rounds are what `draw_data` shuffles, and a visitor that has seen enough ends them.
#[test]
fn rounds_are_the_samples_in_the_order_of_time() {
    let theory = Phi4::new(&[3, 2], 0.2, 0.1).expect("valid couplings");
    let plan = ChainPlan { samples: 25, chains: 10, warm_up: 3, thin: 2, ..ChainPlan::default() };
    let (data, _) = DataSampler::<f64>::draw_data(&theory, &plan, Rng::seed_from_u64(75)).expect("a good plan");
    let run = |enough: usize| {
        let mut rows: Vec<Vec<f64>> = vec![];
        let mut visit = |x: &mut Batch<f64>| {
            rows.extend(x.as_array().columns().into_iter().map(|sample| sample.to_vec()));
            if rows.len() >= enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut rng = Rng::seed_from_u64(75);
        let mut places: Vec<usize> = (0..25).collect();
        rand::seq::SliceRandom::shuffle(&mut places[..], &mut rng);
        theory.run_chains(&plan, rng, &mut visit).expect("a good plan");
        (rows, places)
    };
    let (rows, places) = run(usize::MAX);
    assert_eq!(rows.len(), 30, "the last round is shown as a whole");
    for (row, &place) in rows.iter().zip(&places) {
        assert_eq!(row, &data.row(place).to_vec());
    }
    assert_eq!(run(15).0, rows[..20]);
    assert_eq!(DataSampler::<f64>::sampling(&theory), Sampling::Chains);
}
