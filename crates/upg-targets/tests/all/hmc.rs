//! The Markov chains against exact results, within five standard errors of independent chains, from fixed seeds.

use rand::{RngExt, SeedableRng};
use upg_core::{Base, Batch, Cpu, Real, Rng, SampleStream, StandardNormal, Target, UniformTorus};
use upg_targets::{Exact, ExactSampler, Gaussian, Gmm, Hmc, HmcOptions, Phi4, Proposal, SignFlip, U1, u1::Instanton};

/// The mean over chains of what each chain found on average, compared with `exact`.
struct Average {
    name: String,
    exact: f64,
    sums: Vec<f64>,
    sweeps: f64,
}

impl Average {
    fn new(name: impl Into<String>, exact: f64, chains: usize) -> Self {
        Self { name: name.into(), exact, sums: vec![0.0; chains], sweeps: 0.0 }
    }

    fn add(&mut self, values: impl IntoIterator<Item = f64>) {
        self.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        self.sweeps += 1.0;
    }

    /// Within five standard errors, and the error itself at most `precision` (or the comparison would be worth nothing).
    fn check(&self, precision: f64) {
        let n = self.sums.len() as f64;
        let means: Vec<f64> = self.sums.iter().map(|sum| sum / self.sweeps).collect();
        let mean = means.iter().sum::<f64>() / n;
        let error = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
        println!("{}: {mean:.6} ± {error:.6}, exact {:.6}", self.name, self.exact);
        assert!((mean - self.exact).abs() < 5.0 * error, "{}: {mean} ± {error} for {}", self.name, self.exact);
        assert!(error < precision, "{}: an error of {error}", self.name);
    }
}

fn normal<T: Real>(dof: usize, chains: usize, rng: &mut Rng) -> Batch<T> {
    let mut start = Batch::zeros(dof, chains);
    StandardNormal::new(dof).draw(&Cpu::here(), SampleStream::new(rng.random(), 0, 0), 0, &mut start);
    start
}

fn check_u1<T: Real>(lattice: [usize; 2], beta: f64, chains: usize, sweeps: usize, precision: [f64; 3]) {
    let theory = U1::new(&lattice, beta).expect("a valid theory");
    let rng = Rng::seed_from_u64(51);
    let mut start = Batch::<T>::zeros(2 * theory.volume(), chains);
    UniformTorus::new(start.rows()).draw(&Cpu::here(), SampleStream::new(51, 0, 0), 0, &mut start);
    let mut hmc = Hmc::new(&theory, start, HmcOptions::default(), rng).expect("valid options");
    let instanton = Instanton::new(&theory);
    hmc.warm_up(150, &[&instanton]);

    let (label, exact) = (format!("{lattice:?}, beta {beta}, {}", T::NAME), theory.exact());
    let mut plaquette = Average::new(format!("{label}: plaquette"), exact.plaquette, chains);
    let mut q2 = Average::new(format!("{label}: Q²"), exact.q2, chains);
    let mut square = Average::new(format!("{label}: 2×2 loop"), theory.exact_wilson_loop([2, 2]), chains);
    let mut out = vec![];
    for _ in 0..sweeps {
        hmc.sweep(&[&instanton]);
        theory.plaquette(hmc.x(), &mut out);
        plaquette.add(out.iter().copied());
        theory.topological_charge(hmc.x(), &mut out);
        q2.add(out.iter().map(|q| q * q));
        theory.wilson_loop([2, 2], hmc.x(), &mut out);
        square.add(out.iter().copied());
    }
    for (average, precision) in [plaquette, q2, square].iter().zip(precision) {
        average.check(precision);
    }
}

#[test]
fn u1_on_small_lattices() {
    check_u1::<f64>([4, 4], 1.0, 128, 400, [2e-3, 2e-2, 3e-3]);
    check_u1::<f64>([4, 4], 3.0, 128, 400, [2e-3, 2e-2, 3e-3]);
    check_u1::<f32>([3, 6], 2.0, 128, 400, [2e-3, 2e-2, 3e-3]);
}

#[test]
fn u1_on_larger_lattices() {
    check_u1::<f64>([8, 8], 2.0, 64, 300, [1e-3, 5e-2, 2e-3]);
    check_u1::<f32>([16, 16], 3.0, 64, 300, [5e-4, 1e-1, 1e-3]);
}

#[test]
fn without_instantons_the_charge_freezes_and_the_check_sees_it() {
    let theory = U1::new(&[8, 8], 8.0).expect("a valid theory");
    let start = Batch::<f64>::zeros(2 * theory.volume(), 32);
    let run = |proposals: &[&dyn Proposal<f64>]| {
        let mut hmc = Hmc::new(&theory, start.clone(), HmcOptions::default(), Rng::seed_from_u64(52)).expect("valid");
        hmc.warm_up(60, proposals);
        let (mut charge, mut sum) = (vec![], 0.0);
        for _ in 0..60 {
            hmc.sweep(proposals);
            theory.topological_charge(hmc.x(), &mut charge);
            sum += charge.iter().map(|q| q * q).sum::<f64>() / (60.0 * 32.0);
        }
        sum
    };
    let exact = theory.exact().q2;
    let (frozen, moving) = (run(&[]), run(&[&Instanton::new(&theory)]));
    assert!(frozen < 0.1 * exact && moving > 0.5 * exact, "⟨Q²⟩ {frozen} and {moving}, exact {exact}");
}

#[test]
fn phi4_with_two_modes_needs_the_sign_flip() {
    let theory = Phi4::new(&[8, 2], 0.3, 0.022).expect("valid couplings");
    let exact = theory.exact().expect("a strip");
    let (chains, mut rng) = (128, Rng::seed_from_u64(53));
    let start = normal::<f32>(16, chains, &mut rng);
    let mut hmc = Hmc::new(&theory, start, HmcOptions::default(), rng).expect("valid options");
    hmc.warm_up(150, &[&SignFlip]);
    let (mut phi2, mut magnetisation) =
        (Average::new("φ²", exact.phi2, chains), Average::new("magnetisation", 0.0, chains));
    for _ in 0..600 {
        hmc.sweep(&[&SignFlip]);
        let site_mean = |f: fn(f64) -> f64| {
            let x = hmc.x();
            (0..chains).map(move |b| (0..16).map(|i| f(x.row(i)[b].wide())).sum::<f64>() / 16.0)
        };
        phi2.add(site_mean(|phi| phi * phi));
        magnetisation.add(site_mean(|phi| phi));
    }
    phi2.check(0.03);
    magnetisation.check(0.03);
}

#[test]
fn a_gaussian_has_its_covariance() {
    let covariance = ndarray::arr2(&[[2.0, -0.7, 0.1], [-0.7, 0.6, 0.0], [0.1, 0.0, 0.3]]);
    let target = Gaussian::new(&[1.0, -2.0, 0.5], covariance.view()).expect("a valid Gaussian");
    let (chains, mut rng) = (256, Rng::seed_from_u64(54));
    let mut start = Batch::<f64>::zeros(3, chains);
    target.sample(&mut rng, &mut start);
    let options = HmcOptions { length: 1.7, acceptance: 0.7, jitter: 0.2 };
    let mut hmc = Hmc::new(&target, start, options, rng).expect("valid options");
    hmc.warm_up(200, &[]);
    let mut averages: Vec<_> = (0..3)
        .flat_map(|i| (0..3).map(move |j| (i, j)))
        .map(|(i, j)| ((i, j), Average::new(format!("C({i}, {j})"), covariance[(i, j)], chains)))
        .collect();
    for _ in 0..500 {
        hmc.sweep(&[]);
        for ((i, j), average) in &mut averages {
            let away = |k: usize, b: usize| hmc.x().row(k)[b] - target.mean()[k];
            average.add((0..chains).map(|b| away(*i, b) * away(*j, b)));
        }
    }
    averages.iter().for_each(|(_, average)| average.check(0.03));
}

#[test]
fn the_step_is_tuned_to_the_acceptance_asked_for() {
    for (acceptance, seed) in [(0.6, 55), (0.8, 56), (0.95, 57)] {
        let theory = Phi4::new(&[6, 5], 0.21, 0.4).expect("valid couplings");
        let mut rng = Rng::seed_from_u64(seed);
        let start = normal::<f64>(30, 64, &mut rng);
        let options = HmcOptions { acceptance, length: 1.3, jitter: 0.0 };
        let mut hmc = Hmc::new(&theory, start, options, rng).expect("valid options");
        hmc.warm_up(400, &[]);
        let found = (0..200).map(|_| hmc.trajectory()).sum::<f64>() / 200.0;
        assert!((found - acceptance).abs() < 0.05, "acceptance {found} for {acceptance}, step {}", hmc.step_size());
    }
}

/// A trajectory of one period of a harmonic mode ends where it began, unless its length varies.
#[test]
fn jitter_takes_chains_out_of_resonance() {
    let target = Gaussian::new(&[0.0], ndarray::arr2(&[[1.0]]).view()).expect("a valid Gaussian");
    let square_after = |jitter: f64| {
        let mut start = Batch::<f64>::zeros(1, 200);
        start.fill(4.0);
        let options = HmcOptions { length: std::f64::consts::TAU, acceptance: 0.99, jitter };
        let mut hmc = Hmc::new(&target, start, options, Rng::seed_from_u64(60)).expect("valid options");
        (0..20).for_each(|_| _ = hmc.trajectory());
        hmc.x().as_slice().iter().map(|x| x * x).sum::<f64>() / 200.0
    };
    // The first step, a tenth of the length, is 2π/10: a slow drift remains from the error of the leapfrog.
    let (resonant, jittered) = (square_after(0.0), square_after(0.3));
    assert!(resonant > 4.0 && jittered < 2.0, "⟨x²⟩ {resonant} without jitter, {jittered} with");
}

#[test]
fn the_same_seed_gives_the_same_chains() {
    let target = Gmm::new(5).expect("five dimensions");
    let run = |seed| {
        let mut rng = Rng::seed_from_u64(seed);
        let start = normal::<f32>(5, 7, &mut rng);
        let mut hmc = Hmc::new(&target, start, HmcOptions::default(), rng).expect("valid options");
        hmc.warm_up(20, &[&SignFlip]);
        hmc.sweep(&[&SignFlip]);
        hmc.x().to_samples()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// Chains cannot leave the region where S is finite.
#[test]
fn a_proposal_that_is_not_finite_is_refused() {
    struct Nowhere;
    impl Proposal<f64> for Nowhere {
        fn propose(&self, _: &mut Rng, x: &mut Batch<f64>) {
            x.fill(f64::NAN);
        }
    }
    let target = Gmm::new(2).expect("two dimensions");
    let mut rng = Rng::seed_from_u64(58);
    let start = normal::<f64>(2, 9, &mut rng);
    let mut hmc = Hmc::new(&target, start.clone(), HmcOptions::default(), rng).expect("valid options");
    assert_eq!(hmc.metropolis(&Nowhere), 0.0);
    assert_eq!(hmc.x().to_samples(), start.to_samples());
}

#[test]
fn wrong_options_are_refused_by_name() {
    let target = Gmm::new(2).expect("two dimensions");
    let refuse = |start: Batch<f64>, options: HmcOptions, field: &str| {
        let error = Hmc::new(&target, start, options, Rng::seed_from_u64(59)).err().expect("must be refused");
        assert_eq!(error.field, field, "{error}");
    };
    let (good, start) = (HmcOptions::default(), || Batch::zeros(2, 3));
    refuse(Batch::zeros(2, 0), good, "start");
    let mut bad = start();
    bad.fill(f64::NAN);
    refuse(bad, good, "start");
    for length in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refuse(start(), HmcOptions { length, ..good }, "length");
    }
    for acceptance in [0.0, 1.0, f64::NAN] {
        refuse(start(), HmcOptions { acceptance, ..good }, "acceptance");
    }
    for jitter in [-0.1, 1.0, f64::NAN] {
        refuse(start(), HmcOptions { jitter, ..good }, "jitter");
    }
}

#[test]
fn targets_of_any_kind_can_be_sampled() {
    fn dof(target: &dyn Target<Cpu<f32>>) -> usize {
        Hmc::new(target, Batch::zeros(target.dof(), 1), HmcOptions::default(), Rng::seed_from_u64(1))
            .expect("valid options")
            .x()
            .rows()
    }
    let theory = U1::new(&[2, 3], 1.0).expect("a valid theory");
    assert!(theory.log_z().is_some());
    assert_eq!(dof(&theory), 12);
}
