//! Drawn data: every sample once, fair to cut, the same for any number of threads, and distributed as it should be.

use crate::simple::StartAt;
use ndarray::{Array2, s};
use rand::{Rng as _, SeedableRng};
use std::f64::consts::TAU;
use std::iter::successors;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
use upg_core::{Batch, Cpu, Execution, Real, Rng, StandardNormal, Streams, Target};
use upg_targets::{
    ChainPlan, ChainReport, DataSampler, Gaussian, Gmm, HmcOptions, Observables, Part, Phi4, Proposal, TargetError, U1,
    equilibrium_samples,
};

fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

fn draw<T: Real>(target: &impl DataSampler<T>, plan: &ChainPlan, seed: u64) -> (Array2<T>, ChainReport) {
    target.draw_data(plan, rng(seed)).expect("a good plan")
}

/// Few sweeps, for checks of anything but the distribution.
fn short(samples: usize, chains: usize) -> ChainPlan {
    ChainPlan { samples, chains, warm_up: 3, thin: 2, ..ChainPlan::default() }
}

#[test]
fn the_plan_decides_the_shape_and_the_seed_the_samples() {
    let theory = Phi4::new(&[3, 2], 0.2, 0.1).expect("valid couplings");
    for (samples, chains) in [(1, 1), (1, 100), (7, 3), (130, 65), (200, 1000)] {
        let plan = short(samples, chains);
        let (data, report) = draw::<f32>(&theory, &plan, 1);
        assert_eq!(data.dim(), (samples, 6));
        assert!(report.step_size.is_some_and(|step| step > 0.0) && (0.0..=1.0).contains(&report.acceptance));
        assert_eq!((&data, report), (&draw(&theory, &plan, 1).0, draw::<f32>(&theory, &plan, 1).1));
        assert_ne!(data, draw::<f32>(&theory, &plan, 2).0);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let theory = U1::new(&[3, 4], 2.0).expect("a valid theory");
    let plan = short(500, 201);
    let with = |threads| Cpu::<f64>::new(threads).install(|| draw::<f64>(&theory, &plan, 3));
    let one = with(1);
    for threads in [2, 3, 8] {
        assert_eq!(one, with(threads), "{threads} threads");
    }
}

/// Whoever runs which chains, they are the same, and every sample is somebody's.
#[test]
fn parts_of_the_chains_add_up_to_all_of_them() {
    let theory = Phi4::new(&[3, 2], 0.2, 0.1).expect("valid couplings");
    for (samples, chains, warm_up) in [(500, 201, 13), (500, 201, 0), (130, 1000, 3), (40, 8, 25)] {
        let plan = ChainPlan { samples, chains, warm_up, thin: 2, ..ChainPlan::default() };
        let (whole, report) = draw::<f64>(&theory, &plan, 5);
        for of in [1, 2, 3, 7] {
            let parts = (0..of).map(|number| Part { number, of });
            let drawn: Vec<_> =
                parts.clone().map(|part| draw::<f64>(&theory, &ChainPlan { part, ..plan }, 5)).collect();
            let sum = drawn.iter().fold(Array2::<f64>::zeros(whole.dim()), |sum, (part, _)| sum + part);
            assert_eq!(sum, whole, "{of} parts");
            let is_whole = |place: usize| drawn.iter().filter(|(part, _)| part.row(place)[0] != 0.0).count() == 1;
            assert!((0..samples).all(is_whole), "a sample is of one part");
            let together = ChainReport::of_parts(&drawn.iter().map(|(_, report)| *report).collect::<Vec<_>>());
            let means = |report: &ChainReport| [report.acceptance, report.step_size.expect("chains have one")];
            for (a, b) in means(&together).into_iter().zip(means(&report)) {
                assert!((a - b).abs() < 1e-12, "{a} for {b}");
            }
            let rounded = ChainReport { acceptance: report.acceptance, step_size: report.step_size, ..together };
            assert_eq!(rounded, report);
            let ranges: Vec<_> = parts.map(|part| plan.chains_of(part)).collect();
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{ranges:?}");
            assert_eq!((ranges[0].start, ranges[of - 1].end), (0, plan.running()));
        }
    }
    let wrong = ChainPlan { part: Part { number: 2, of: 2 }, ..ChainPlan::default() };
    let refused = DataSampler::<f64>::draw_data(&theory, &wrong, rng(1)).expect_err("there are two").to_string();
    assert!(refused.starts_with("part = 2 of 2: "), "{refused}");
}

/// An action nobody can move in: chains stay where they start.
struct Stuck;

impl Target<Cpu<f64>> for Stuck {
    fn dof(&self) -> usize {
        1
    }

    fn action_and_force(&self, _: &Cpu<f64>, x: &Batch<f64>, action: &mut Vec<f64>, force: Option<&mut Batch<f64>>) {
        *action = vec![f64::NAN; x.samples()];
        force.into_iter().for_each(|force| force.copy_from(x));
    }
}

#[test]
fn every_chain_is_heard_equally_often() {
    for (samples, chains) in [(10, 4), (700, 130), (64, 64), (65, 64), (5, 9)] {
        let (data, report) = equilibrium_samples(&Stuck, &StandardNormal::new(1), &[], &short(samples, chains), rng(4))
            .expect("a good plan");
        assert_eq!(report.acceptance, 0.0);
        let mut sorted = data.into_raw_vec_and_offset().0;
        let in_order = sorted.clone();
        sorted.sort_by(f64::total_cmp);
        assert_ne!(in_order, sorted, "samples are shuffled");
        let times: Vec<usize> = sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
        assert_eq!(times.len(), chains.min(samples), "chains with different starts");
        let (least, most) = (samples / times.len(), samples.div_ceil(times.len()));
        assert!(times.iter().all(|n| (least..=most).contains(n)), "{samples} of {chains}: {times:?}");
    }
}

/// A move that changes nothing and counts how often it is proposed to how many chains.
#[derive(Default)]
struct Count(AtomicUsize);

impl Proposal<f64> for Count {
    fn propose(&self, _: &mut Rng, x: &mut Batch<f64>) {
        self.0.fetch_add(x.samples(), Ordering::Relaxed);
    }
}

#[test]
fn every_chain_makes_the_sweeps_of_the_plan() {
    let (target, count) = (Gmm::new(1).expect("one dimension"), Count::default());
    let plan = ChainPlan { samples: 300, chains: 130, warm_up: 7, thin: 5, ..ChainPlan::default() };
    equilibrium_samples(&target, &StandardNormal::new(1), &[&count], &plan, rng(10)).expect("a good plan");
    assert_eq!(count.0.into_inner(), 130 * (7 + 3 * 5));
}

/// A move that changes nothing and remembers the streams of its first calls.
#[derive(Default)]
struct Remember(Mutex<Vec<Rng>>);

impl Proposal<f64> for Remember {
    fn propose(&self, rng: &mut Rng, _: &mut Batch<f64>) {
        self.0.lock().expect("no panic").push(rng.clone());
    }
}

/// The stream one number further on.
fn after(stream: &Rng) -> Rng {
    let mut next = stream.clone();
    next.next_u64();
    next
}

#[test]
fn groups_draw_from_streams_that_nobody_else_has() {
    let (target, proposal, mut streams) = (Gmm::new(1).expect("one dimension"), Remember::default(), Streams::new(11));
    let (start, plan) = (StandardNormal::new(1), ChainPlan { warm_up: 0, thin: 1, ..short(500, 500) });
    equilibrium_samples(&target, &start, &[&proposal], &plan, streams.next_stream()).expect("a good plan");
    let used = proposal.0.into_inner().expect("no panic");
    assert_eq!(used.len(), 8);
    let others: Vec<Rng> = (0..20).map(|_| streams.next_stream()).collect();
    for (i, stream) in used.iter().enumerate() {
        let within = |other: &Rng| successors(Some(other.clone()), |s| Some(after(s))).take(2000).any(|s| s == *stream);
        assert!(!others.iter().chain(&used[..i]).any(within), "group {i}");
    }
}

/// Two numbers that start there.
fn far(x: f64) -> StartAt<impl Fn(&mut Batch<f64>) + Send + Sync> {
    StartAt(2, move |z: &mut Batch<f64>| z.fill(x))
}

/// Chains on their way from far out: any half of the data must have seen all of the way.
#[test]
fn both_halves_of_the_data_represent_all_times() {
    let target = Gmm::new(2).expect("two dimensions");
    let hmc = HmcOptions { length: 0.02, ..HmcOptions::default() };
    let plan = ChainPlan { samples: 2000, chains: 4, warm_up: 0, thin: 8, hmc, ..ChainPlan::default() };
    let (data, _) = equilibrium_samples(&target, &far(30.0), &[], &plan, rng(5)).expect("a good plan");
    let (half, mean) = (plan.samples / 2, |part: ndarray::ArrayView2<f64>| part.mean().expect("not empty"));
    let (first, second) = (mean(data.slice(s![..half, ..])), mean(data.slice(s![half.., ..])));
    let spread = data.std(0.0);
    assert!(spread > 3.0, "the chains move a long way: {spread}");
    assert!((first - second).abs() < 5.0 * spread * (2.0 / half as f64).sqrt(), "{first} and {second}");
}

#[test]
fn a_start_that_is_not_finite_is_refused() {
    let target = Gmm::new(2).expect("two dimensions");
    let error = equilibrium_samples(&target, &far(f64::NAN), &[], &short(5, 5), rng(6)).expect_err("must be refused");
    assert_eq!(error.field, "start");
}

/// Means over the data of independent runs against the exact values: honest errors, though samples of one chain are correlated.
#[test]
fn many_samples_per_chain_have_the_exact_means() {
    fn check<T: Real>(target: &(impl DataSampler<T> + Observables<T>), names: &[&str], precision: f64) {
        const RUNS: usize = 12;
        let observables = target.observables();
        let mut found = vec![vec![]; observables.len()];
        for seed in 0..RUNS as u64 {
            let plan = ChainPlan { samples: 450, chains: 64, warm_up: 50, thin: 2, ..ChainPlan::default() };
            let mut measured = Batch::default();
            target.measure(&Batch::from_samples(draw(target, &plan, 60 + seed).0.view()), &mut measured);
            let means: Vec<f64> = measured.as_array().rows().into_iter().map(|row| row.sum() / 450.0).collect();
            found.iter_mut().zip(&observables).for_each(|(found, observable)| found.push(observable.value(&means)));
        }
        for name in names {
            let i = observables.iter().position(|o| o.name == *name).expect("such an observable");
            let (exact, n) = (observables[i].exact.expect("an exact value"), RUNS as f64);
            let mean = found[i].iter().sum::<f64>() / n;
            let error = (found[i].iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
            println!("{name}: {mean:.5} ± {error:.5}, exact {exact:.5}");
            assert!((mean - exact).abs() < 5.0 * error, "{name}: {mean} ± {error} for {exact}");
            assert!(error < precision, "{name}: an error of {error}");
        }
    }
    let phi4 = |lattice: &[usize], kappa, lambda| Phi4::new(lattice, kappa, lambda).expect("valid couplings");
    check::<f64>(&phi4(&[4, 3], 0.2, 0.0), &["phi2", "susceptibility", "magnetization"], 0.03);
    check::<f32>(&phi4(&[8, 2], 0.3, 0.022), &["phi2", "magnetization"], 0.08);
    let theory = U1::new(&[4, 4], 2.0).expect("a valid theory");
    check::<f32>(&theory, &["plaquette", "q", "q2", "wilson_2x2"], 0.02);
    // Here HMC alone stays in the sector it falls into.
    let frozen = U1::new(&[6, 6], 6.0).expect("a valid theory");
    check::<f32>(&frozen, &["plaquette", "q", "q2"], 0.03);
}

#[test]
fn the_known_value_of_the_bimodal_strip_is_the_one_compared_with() {
    let theory = Phi4::new(&[8, 2], 0.3, 0.022).expect("valid couplings");
    let observables = Observables::<f32>::observables(&theory);
    let phi2 = observables.iter().find(|o| o.name == "phi2").and_then(|o| o.exact).expect("an exact value");
    assert!((phi2 - 4.56402899565).abs() < 1e-10);
}

/// Both modes, and the step is tuned.
#[test]
fn the_theory_of_the_paper_has_both_modes() {
    let theory = Phi4::new(&[16, 8], 0.3, 0.022).expect("valid couplings");
    let plan = ChainPlan { samples: 200, chains: 200, warm_up: 100, thin: 1, ..ChainPlan::default() };
    let (data, report) = draw::<f32>(&theory, &plan, 7);
    let positive = data.rows().into_iter().filter(|phi| phi.sum() > 0.0).count();
    assert!((60..=140).contains(&positive), "{positive} of 200 samples are positive");
    assert!((report.acceptance - plan.hmc.acceptance).abs() < 0.1, "{report:?}");
}

#[test]
fn links_come_wrapped_in_both_precisions() {
    fn check<T: Real>() {
        let theory = U1::new(&[4, 3], 0.5).expect("a valid theory");
        let (data, _) = draw::<T>(&theory, &ChainPlan { samples: 300, ..short(300, 100) }, 8);
        assert!(data.iter().all(|u| (T::zero()..T::of(TAU)).contains(u)));
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn exact_samplers_need_no_chains() {
    let covariance = ndarray::arr2(&[[1.0, 0.5], [0.5, 2.0]]);
    let gaussian = Gaussian::new(&[1.0, 2.0], covariance.view()).expect("a valid Gaussian");
    let plan = ChainPlan { samples: 77, ..ChainPlan::default() };
    let exact = ChainReport::EXACT;
    let (x, report) = draw::<f64>(&gaussian, &plan, 9);
    assert_eq!((x.dim(), report), ((77, 2), exact));
    let (x, report) = draw::<f32>(&Gmm::new(4).expect("four dimensions"), &plan, 9);
    assert_eq!((x.dim(), report), ((77, 4), exact));
    let other = ChainPlan { chains: 3, thin: 1, ..plan };
    assert_eq!(x, draw::<f32>(&Gmm::new(4).expect("four dimensions"), &other, 9).0);
}

#[test]
fn a_plan_that_makes_nothing_is_refused_by_name() {
    let phi4 = Phi4::new(&[2, 2], 0.1, 0.1).expect("valid couplings");
    let gmm = Gmm::new(2).expect("two dimensions");
    let good = ChainPlan::default();
    let bad_length = HmcOptions { length: -1.0, ..good.hmc };
    let outcome = |target: &dyn DataSampler<f64>, plan| target.draw_data(&plan, rng(1)).err();
    let named = |error: Option<TargetError>| error.map(|error| error.to_string());
    for target in [&phi4 as &dyn DataSampler<f64>, &gmm] {
        let refused = |plan| named(outcome(target, plan)).expect("must be refused");
        assert_eq!(refused(ChainPlan { samples: 0, ..good }), "samples = 0: accepted is at least 1");
        assert_eq!(refused(ChainPlan { chains: 0, ..good }), "chains = 0: accepted is at least 1");
        assert_eq!(refused(ChainPlan { thin: 0, ..good }), "thin = 0: accepted is at least 1");
    }
    let bad = named(outcome(&phi4, ChainPlan { hmc: bad_length, ..good }));
    assert_eq!(bad.as_deref(), Some("length = -1: accepted is a finite number, above 0"));
    assert!(outcome(&phi4, ChainPlan { warm_up: 0, samples: 3, ..good }).is_none());
}

#[test]
#[should_panic(expected = "degrees of freedom of the start, and of the target")]
fn a_start_of_the_wrong_width_is_a_panic() {
    let target = Gmm::new(3).expect("three dimensions");
    _ = equilibrium_samples::<f64>(&target, &StandardNormal::new(2), &[], &short(5, 5), rng(1));
}

/// Where every step is accepted the step doesn't grow until nothing is.
#[test]
fn chains_of_a_flat_target_move() {
    let flat = U1::new(&[4, 4], 1e-100).unwrap();
    let plan = ChainPlan { samples: 50, chains: 50, warm_up: 200, ..ChainPlan::default() };
    let (data, report) = DataSampler::<f32>::draw_data(&flat, &plan, rng(1)).unwrap();
    assert_eq!((report.never_moved, data.iter().all(|x| x.is_finite())), (0, true), "{report:?}");
}

/// In the ordered phase of a large lattice domains outlive any warm-up, so no chain may start with some: of 36 disordered starts ten kept them.
#[test]
fn data_of_the_ordered_phase_have_no_domains() -> Result<(), TargetError> {
    let plan = ChainPlan { samples: 72, chains: 36, warm_up: 40, ..ChainPlan::default() };
    let (data, _) = DataSampler::<f32>::draw_data(&Phi4::new(&[32, 32], 0.3, 0.022)?, &plan, rng(4))?;
    let means: Vec<f32> = data.rows().into_iter().map(|x| x.mean().unwrap()).collect();
    assert!(means.iter().all(|mean| (1.7..2.6).contains(&mean.abs())), "{means:?}");
    let positive = means.iter().filter(|&&mean| mean > 0.0).count();
    assert!((20..52).contains(&positive), "{positive} of 72 are positive");
    Ok(())
}
