//! The battery every base passes.
//!
//! At random parameters, hyper-parameters and points, with u = ∂z/∂θ as the pull-back has it:
//!
//! | check | statement |
//! |---|---|
//! | score | ∇log q₀ by finite differences |
//! | norm | ∫ q₀ dz = 1 by quadrature, in one and two dimensions |
//! | draws | a sample depends on its stream and its number alone, to the bit; ⟨s_i⟩ = 0 and ⟨z_i s_j⟩ = −δ_ij, which only draws from q₀ fulfil with its score s |
//! | density, MATH (18) | the term of w is ∂θ log q₀ by finite differences |
//! | samples, MATH (18) | the term of a is ∂θ ⟨a, z(ε; θ)⟩ at fixed random numbers, unless there are choices among these |
//! | continuity | ∂θ q₀ + ∇·(u q₀) = 0 at every point: samples that move with u stay distributed as q₀, choices or not |
//! | calls | replace, add, no cotangent, sums over samples; memory reused; samples independent of each other |
//! | precision | f32 agrees with f64 |
//!
//! A base joins by one line of [`base_battery!`](crate::base_battery).

mod derivatives;
mod draws;

use crate::{
    domain::Domain,
    draw::{self, cast},
    runner::BaseRunner,
    tolerance::{Tolerance, assert_close, assert_close_on_scale, assert_same_bits, largest},
};
use ndarray::{Array2, Axis};
use rand::RngExt;
use upg_core::{Accum, Base, Cpu, ParamLayout, Real, Rng};

/// Any base of the processor.
pub type AnyBase<T> = Box<dyn Base<Cpu<T>>>;

/// A base to be tested: how to make it, and what is known of it.
pub struct BaseCase {
    /// The base, its hyper-parameters drawn from the generator.
    pub double: fn(&mut Rng) -> AnyBase<f64>,
    /// The same in f32, for the same state of the generator.
    pub single: fn(&mut Rng) -> AnyBase<f32>,
    /// Where its samples live.
    pub domain: Domain,
    /// What its random numbers are.
    pub noise: Noise,
}

impl BaseCase {
    /// A base of numbers without choices.
    pub fn new(double: fn(&mut Rng) -> AnyBase<f64>, single: fn(&mut Rng) -> AnyBase<f32>) -> Self {
        Self { double, single, domain: Domain::Line, noise: Noise::Smooth }
    }
}

/// What the random numbers of a base are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// z(ε; θ) has the derivatives in θ that the base pulls back.
    Smooth,
    /// There are choices among them, which the base averages over when it pulls back.
    Choices,
}

/// A test for every line `name(rng) => base`: [`check_base`](crate::base::check_base).
///
/// The expression may draw hyper-parameters from `rng` (an [`upg_core::Rng`]) and may use the precision `T`. Between `(rng)` and `=>` may
/// stand, in this order: `on Domain`, where its samples live; `with Noise`, what its random numbers are.
///
/// ```
/// use rand::RngExt;
/// use upg_core::{StandardNormal, UniformTorus};
/// use upg_testkit::{base_battery, domain::Domain};
///
/// base_battery! {
///     standard_normal(rng) => StandardNormal::new(rng.random_range(1..6));
///     uniform_torus(rng) on Domain::Circle => UniformTorus::new(rng.random_range(1..6));
/// }
/// ```
#[macro_export]
macro_rules! base_battery {
    ($($(#[$attribute:meta])* $name:ident ( $rng:ident ) $(on $($domain:ident)::+)? $(with $($noise:ident)::+)? => $base:expr;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            #[allow(unused_variables)]
            fn make<T: ::upg_core::Real>($rng: &mut ::upg_core::Rng) -> $crate::base::AnyBase<T> {
                ::std::boxed::Box::new($base)
            }
            $crate::base::check_base(&$crate::base::BaseCase {
                $(domain: $($domain)::+,)?
                $(noise: $($noise)::+,)?
                ..$crate::base::BaseCase::new(make, make)
            });
        }
    )*};
}

/// How many bases are drawn of one case.
const ROUNDS: u64 = 4;

/// Runs all checks of the [battery](self) on bases drawn from `case`.
///
/// # Panics
/// If a check fails; the message names it and the round.
pub fn check_base(case: &BaseCase) {
    for round in 0..ROUNDS {
        let mut trial = Trial::draw(case, round);
        for batch in [1, 3, 21] {
            derivatives::check_score(&mut trial, batch);
            check_calls(&mut trial, batch);
            check_precision(&mut trial, batch);
        }
        derivatives::check_norm(&trial);
        draws::check(&mut trial);
        if !trial.theta.is_empty() {
            for batch in [1, 3, 21] {
                derivatives::check_density(&mut trial, batch);
                derivatives::check_samples(&mut trial, batch);
                check_pull_backs(&mut trial, batch);
            }
            derivatives::check_continuity(&mut trial);
        }
    }
}

/// One drawn base in both precisions, with its parameters.
struct Trial {
    round: u64,
    domain: Domain,
    noise: Noise,
    double: AnyBase<f64>,
    single: AnyBase<f32>,
    layout: ParamLayout,
    theta: Vec<f64>,
    rng: Rng,
    here: Cpu<f64>,
    here_single: Cpu<f32>,
}

impl Trial {
    fn draw(case: &BaseCase, round: u64) -> Self {
        let mut rng = draw::rng(round);
        let single = (case.single)(&mut rng.clone());
        let double = (case.double)(&mut rng);
        let layout = double.params();
        assert_eq!(layout, single.params(), "parameters in f64, and in f32");
        let theta = draw::parameters(&mut rng, &layout);
        let (domain, noise) = (case.domain, case.noise);
        let (here, here_single) = (Cpu::here(), Cpu::here());
        Self { round, domain, noise, double, single, layout, theta, rng, here, here_single }
    }

    fn label(&self, what: &str, batch: usize) -> String {
        format!("{what} (round {}, {} degrees of freedom, batch {batch})", self.round, self.double.dof())
    }

    fn runner(&self) -> BaseRunner<'_, f64> {
        BaseRunner::new(&self.here, &*self.double, &self.theta)
    }

    fn single_runner(&self) -> BaseRunner<'_, f32> {
        BaseRunner::new(&self.here_single, &*self.single, &cast(&self.theta))
    }

    /// Points of the domain, shape `[batch, dof]`, exact in f32.
    fn points(&mut self, batch: usize) -> Array2<f64> {
        draw::points(&mut self.rng, self.domain, batch, self.double.dof())
    }

    /// Cotangents, shape `[batch, dof]`, exact in f32.
    fn covector(&mut self, batch: usize) -> Array2<f64> {
        draw::normal(&mut self.rng, batch, self.double.dof(), 1.0)
    }

    /// w of order one.
    fn weight(&mut self) -> f64 {
        self.rng.random_range(-2.0..2.0)
    }
}

/// The density without a score, and those of single samples, are the same to the bit, in memory used before too.
fn check_calls(trial: &mut Trial, batch: usize) {
    let z = trial.points(batch);
    let (label, mut used) = (trial.label("densities and scores", batch), trial.runner());
    let (log_density, score) = used.log_density_and_score(&z);
    assert_same_bits(&label, &used.log_density(&z), &log_density);
    for (b, sample) in z.axis_iter(Axis(0)).enumerate() {
        let sample = sample.insert_axis(Axis(0)).to_owned();
        let (alone, score_alone) = used.log_density_and_score(&sample);
        assert_same_bits(&format!("{label} of one sample"), &alone, &log_density[b..=b]);
        assert_same_bits(&format!("{label} of one sample"), flat(&score_alone), &score.row(b).to_vec());
    }
}

/// MATH (18) is linear in (a, w), replaces or adds, and sums over samples.
fn check_pull_backs(trial: &mut Trial, batch: usize) {
    let (z, a, weight) = (trial.points(batch), trial.covector(batch), trial.weight());
    let (label, mut runner) = (trial.label("gradients", batch), trial.runner());
    let whole = runner.pull_back(&z, Some(&a), weight);
    let [of_cotangent, of_weight] = [runner.pull_back(&z, Some(&a), 0.0), runner.pull_back(&z, None, weight)];
    let scale = largest(&of_cotangent) + largest(&of_weight);
    let close = |what: &str, got: &[f64], expected: &[f64]| {
        assert_close_on_scale(&format!("{label}: {what}"), got, expected, scale, Tolerance::theorem::<f64>());
    };
    let sum = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
    close("both terms, and their sum", &whole, &sum(&of_cotangent, &of_weight));
    let zero = runner.pull_back(&z, Some(&(0.0 * &a)), weight);
    close("no cotangent, and a cotangent of 0", &zero, &of_weight);
    let mut added = of_weight.clone();
    runner.pull_back_into(&z, Some(&a), weight, Accum::Add, &mut added);
    close("added", &added, &sum(&of_weight, &whole));
    let mut of_samples = vec![0.0; whole.len()];
    for (z, a) in z.axis_chunks_iter(Axis(0), 1).zip(a.axis_chunks_iter(Axis(0), 1)) {
        runner.pull_back_into(&z.to_owned(), Some(&a.to_owned()), weight, Accum::Add, &mut of_samples);
    }
    close("a batch, and its samples", &whole, &of_samples);
    assert_same_bits(&label, &trial.runner().pull_back(&z, Some(&a), weight), &whole);
}

/// f32 agrees with f64.
fn check_precision(trial: &mut Trial, batch: usize) {
    let (z, a, weight) = (trial.points(batch), trial.covector(batch), trial.weight());
    let (mut double, mut single) = (trial.runner(), trial.single_runner());
    let [narrow_z, narrow_a] = [&z, &a].map(|all| all.mapv(f32::of));
    let (log_density, score) = double.log_density_and_score(&z);
    let (narrow_log_density, narrow_score) = single.log_density_and_score(&narrow_z);
    let tolerance = Tolerance::round_off::<f32>();
    let what = |name: &str| trial.label(&format!("{name} in f32 and f64"), batch);
    let scale = largest(&log_density).max(z.ncols() as f64);
    assert_close_on_scale(&what("log-densities"), &narrow_log_density, &log_density, scale, tolerance);
    assert_close(&what("scores"), flat(&narrow_score), flat(&score), tolerance);
    if !trial.theta.is_empty() {
        let grad = double.pull_back(&z, Some(&a), weight);
        let narrow = single.pull_back(&narrow_z, Some(&narrow_a), weight);
        assert_close(&what("gradients"), &narrow, &grad, Tolerance::theorem::<f32>());
    }
}

fn flat<T: Real>(a: &Array2<T>) -> &[T] {
    a.as_slice().expect("in standard layout")
}
