//! Transforms without a closed-form inverse: their partials, the solver, and flows of them in the batteries of `upg-testkit`.

use rand::RngExt;
use std::f64::consts::{PI, TAU};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use upg_core::{Chain, Cpu, Invertible, Real, Rng};
use upg_flows::elementwise::{AllRows, Bracket, Partials, PartialsRef, Phi, block_rows};
use upg_flows::implicit::CHUNK;
use upg_flows::{Activation, Bias, Coupling, Elementwise, Implicit, LogisticMixture, Mask, Mlp, StartAt, TanMixture};
use upg_testkit::domain::Domain;
use upg_testkit::tolerance::{Tolerance, assert_close_on_scale, assert_same_bits, largest};
use upg_testkit::{draw, finite, flow::Parts, flow_battery, layer_battery};

// The lift of the tan mixture is a bijection of the line; angles are the matter of the gauge couplings.
layer_battery! {
    tan_mixture(rng) => coupling::<T, _>(TanMixture { mixtures: rng.random_range(1..5) }, rng);
    logistic_mixture(rng) => coupling::<T, _>(LogisticMixture { mixtures: rng.random_range(1..5) }, rng);
    rising_cubic(rng) => coupling::<T, _>(Cubic::Rising, rng);
    falling_cubic(rng) => coupling::<T, _>(Cubic::Falling, rng);
    chain_of_mixtures(rng) => any_chain::<T>(rng);
}

flow_battery! {
    tan_flow(rng) => Parts::on_line(chain::<T, _>(TanMixture { mixtures: rng.random_range(1..5) }, rng), rng);
    logistic_flow(rng) => Parts::on_line(chain::<T, _>(LogisticMixture { mixtures: rng.random_range(1..5) }, rng), rng);
    cubic_flow(rng) => Parts::on_line(chain::<T, _>(Cubic::Falling, rng), rng);
    mixed_flow(rng) => Parts::on_line(any_chain::<T>(rng), rng);
}

fn coupling<T: Real, E: Elementwise<T>>(transform: E, rng: &mut Rng) -> Box<dyn Invertible<Cpu<T>>> {
    let dof = rng.random_range(2..8);
    masked(transform, dof, rng.random_range(0..2), rng)
}

/// A coupling that transforms every second of `dof` degrees of freedom.
fn masked<T: Real, E: Elementwise<T>>(
    transform: E,
    dof: usize,
    odd: usize,
    rng: &mut Rng,
) -> Box<dyn Invertible<Cpu<T>>> {
    let mask = Mask::new(dof, |i| i % 2 == odd);
    let outputs = transform.width() * mask.transformed().len();
    let hidden = [rng.random_range(4..12)];
    let net = Mlp::new(mask.kept().len(), &hidden, outputs, Activation::Tanh, Bias::Yes, StartAt::Random).unwrap();
    Box::new(Coupling::new(mask, net, transform))
}

type Flow<T> = Chain<Box<dyn Invertible<Cpu<T>>>>;

fn chain<T: Real, E: Elementwise<T>>(transform: E, rng: &mut Rng) -> Flow<T> {
    let (dof, layers) = (rng.random_range(2..7), rng.random_range(2..5));
    Chain::new::<Cpu<T>>((0..layers).map(|layer| masked(transform.clone(), dof, layer % 2, rng)).collect())
}

fn any_chain<T: Real>(rng: &mut Rng) -> Flow<T> {
    let (dof, mixtures) = (rng.random_range(2..7), rng.random_range(1..4));
    Chain::new::<Cpu<T>>(vec![
        masked(LogisticMixture { mixtures }, dof, 0, rng),
        masked(TanMixture { mixtures }, dof, 1, rng),
        masked(Cubic::Rising, dof, 0, rng),
    ])
}

/// y = ±e^r (t + t³/3) + m, φ = (r, m): given by its value and partials and nothing else.
#[derive(Clone, Copy, Debug)]
enum Cubic {
    Rising,
    Falling,
}

impl<T: Real> Elementwise<T> for Cubic {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        2
    }

    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        let AllRows { lambda, dg_dt, dlambda_dt, mut dphi } = partials.all_rows(2);
        let [(dg_dr, dlambda_dr), (dg_dm, dlambda_dm)] = dphi.pairs([0, 1]);
        for i in 0..t.len() {
            let (r, square) = (phi.row(0)[i], t[i] * t[i]);
            let scale = if matches!(self, Self::Rising) { r.exp() } else { -r.exp() };
            lambda[i] = r + square.ln_1p();
            dg_dt[i] = scale * (T::one() + square);
            dlambda_dt[i] = T::of(2.0) * t[i] / (T::one() + square);
            (dg_dr[i], dlambda_dr[i]) = (scale * t[i] * (T::one() + square / T::of(3.0)), T::one());
            (dg_dm[i], dlambda_dm[i]) = (T::one(), T::zero());
            t[i] = dg_dr[i] + phi.row(1)[i];
        }
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(*self)
    }
}

/// y = atan t, without parameters: it reaches only |y| < π/2.
#[derive(Clone, Copy, Debug)]
struct Arctangent;

impl<T: Real> Elementwise<T> for Arctangent {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        0
    }

    fn evaluate(&self, t: &mut [T], _: Phi<'_, T>, partials: Partials<'_, T>) {
        let AllRows { lambda, dg_dt, dlambda_dt, .. } = partials.all_rows(0);
        for i in 0..t.len() {
            dg_dt[i] = (T::one() + t[i] * t[i]).recip();
            lambda[i] = dg_dt[i].ln();
            dlambda_dt[i] = -T::of(2.0) * t[i] * dg_dt[i];
            t[i] = t[i].atan();
        }
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(*self)
    }
}

/// A transform that counts how often the solver asks for value and slope.
#[derive(Clone, Debug)]
struct Counted<E> {
    transform: E,
    calls: Arc<AtomicUsize>,
}

impl<T: Real, E: Elementwise<T>> Elementwise<T> for Counted<E> {
    type Inverse = Implicit<Self>;

    fn width(&self) -> usize {
        self.transform.width()
    }

    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        self.transform.evaluate(t, phi, partials);
    }

    fn inverse(&self) -> Implicit<Self> {
        Implicit::of(self.clone())
    }

    fn value_and_slope(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>) {
        self.calls.fetch_add(1, Relaxed);
        self.transform.value_and_slope(t, phi, partials);
    }

    fn bracket(&self, y: &[T], phi: Phi<'_, T>, partials: Partials<'_, T>, bracket: Bracket<'_, T>) {
        self.transform.bracket(y, phi, partials, bracket);
    }
}

/// Value, λ, g', ∂λ/∂t, then ∂g/∂φ_k, ∂λ/∂φ_k: rows over samples, widened.
struct Evaluated {
    value: Vec<f64>,
    lambda: Vec<f64>,
    dg_dt: Vec<f64>,
    dlambda_dt: Vec<f64>,
    dphi: Vec<[Vec<f64>; 2]>,
}

impl Evaluated {
    /// `transform` at t, shape `[samples]`, and φ, shape `[width, samples]` flat, in the precision T.
    fn of<T: Real>(transform: &impl Elementwise<T>, t: &[f64], phi: &[f64]) -> Self {
        let (samples, width) = (t.len(), transform.width());
        assert_eq!(phi.len(), width * samples, "numbers in φ, and parameters of the transform");
        let (mut value, phi) = (draw::cast::<T>(t), draw::cast::<T>(phi));
        let mut block = vec![T::nan(); block_rows(width) * samples];
        transform.evaluate(&mut value, Phi::of(&phi, 0, 1, samples), Partials::of(&mut block, samples));
        let (rows, wide) = (PartialsRef::of(&block, samples), |row: &[T]| row.iter().map(|x| x.wide()).collect());
        Self {
            value: wide(&value),
            lambda: wide(rows.lambda()),
            dg_dt: wide(rows.dg_dt()),
            dlambda_dt: wide(rows.dlambda_dt()),
            dphi: (0..width).map(|k| [wide(rows.dg_dphi(k)), wide(rows.dlambda_dphi(k))]).collect(),
        }
    }

    /// Every row.
    fn rows(&self) -> Vec<&[f64]> {
        let fixed = [&self.value, &self.lambda, &self.dg_dt, &self.dlambda_dt];
        fixed.into_iter().chain(self.dphi.iter().flatten()).map(|row| &row[..]).collect()
    }

    /// The partials of (g, λ) of one sample, in the order t, φ_0, φ_1, …
    fn partials(&self, sample: usize) -> [Vec<f64>; 2] {
        let row = |first: &[f64], which: usize| {
            [first[sample]].into_iter().chain(self.dphi.iter().map(|pair| pair[which][sample])).collect()
        };
        [row(&self.dg_dt, 0), row(&self.dlambda_dt, 1)]
    }
}

/// Arguments of a transform: t `[samples]`, φ `[width, samples]` flat; exact in f32.
struct Arguments {
    t: Vec<f64>,
    phi: Vec<f64>,
}

impl Arguments {
    /// φ of one sample.
    fn phi_of(&self, sample: usize) -> Vec<f64> {
        self.phi.iter().skip(sample).step_by(self.t.len()).copied().collect()
    }

    fn replaced(&self, t: Vec<f64>) -> Self {
        Self { t, phi: self.phi.clone() }
    }
}

fn uniform(rng: &mut Rng, count: usize, bound: f64) -> impl Iterator<Item = f64> {
    (0..count).map(move |_| draw::single(Domain::Line, rng.random_range(-bound..=bound)))
}

/// Angles of several turns, many of them next to multiples of π; |s| ≤ `bound`, shifts up to ±4.
fn tan_arguments(rng: &mut Rng, mixtures: usize, samples: usize, bound: f64) -> Arguments {
    let angles = draw::points(rng, Domain::Circle, 1, samples);
    let turns: Vec<f64> = (0..samples).map(|_| TAU * f64::from(rng.random_range(-2..3_i8))).collect();
    let t = angles.iter().zip(turns).map(|(p, turn)| draw::single(Domain::Line, p + turn)).collect();
    let s: Vec<f64> = uniform(rng, mixtures * samples, bound).collect();
    Arguments { t, phi: s.into_iter().chain(uniform(rng, samples, 4.0)).collect() }
}

/// x normal; a, b up to ±1.5, logits and means up to ±3, |s| ≤ `bound`.
fn logistic_arguments(rng: &mut Rng, mixtures: usize, samples: usize, bound: f64) -> Arguments {
    let t = draw::normal(rng, 1, samples, 2.0).into_iter().collect();
    let outer: Vec<f64> = uniform(rng, 2 * samples, 1.5).collect();
    let inner: Vec<f64> = uniform(rng, 2 * mixtures * samples, 3.0).collect();
    Arguments { t, phi: outer.into_iter().chain(inner).chain(uniform(rng, mixtures * samples, bound)).collect() }
}

/// The partials of `transform` against finite differences of its value and its λ, and λ = log|∂g/∂t|.
fn assert_partials(what: &str, transform: &impl Elementwise<f64>, at: &Arguments) {
    let all = Evaluated::of::<f64>(transform, &at.t, &at.phi);
    for sample in 0..at.t.len() {
        let arguments: Vec<f64> = [at.t[sample]].into_iter().chain(at.phi_of(sample)).collect();
        let at_arguments = |x: &[f64]| {
            let here = Evaluated::of::<f64>(transform, &x[..1], &x[1..]);
            vec![here.value[0], here.lambda[0]]
        };
        let numeric = finite::jacobian(at_arguments, &arguments).value;
        let what = format!("{what} at t, φ = {arguments:?}");
        for ((row, analytic), name) in numeric.rows().into_iter().zip(all.partials(sample)).zip(["∂g", "∂λ"]) {
            let scale = largest(&analytic).max(1.0);
            assert_close_on_scale(
                &format!("{what}: {name}"),
                &analytic,
                &row.to_vec(),
                scale,
                Tolerance::differences(),
            );
        }
        let lambda = numeric[[0, 0]].abs().ln();
        assert_close_on_scale(&format!("{what}: λ"), &[all.lambda[sample]], &[lambda], 1.0, Tolerance::differences());
    }
}

/// The partials of a transform, and those of its inverse against finite differences of the solved inverse.
fn assert_partials_both_ways<E: Elementwise<f64>>(what: &str, transform: &E, at: &Arguments) {
    assert_partials(what, transform, at);
    let y = Evaluated::of::<f64>(transform, &at.t, &at.phi).value;
    assert_partials(&format!("inverse of {what}"), &transform.inverse(), &at.replaced(y));
}

#[test]
fn partials_are_finite_differences_of_value_and_of_lambda() {
    let rng = &mut draw::rng(1);
    for mixtures in 1..7 {
        let at = tan_arguments(rng, mixtures, 12, 2.0);
        assert_partials_both_ways(&format!("{mixtures} tan"), &TanMixture { mixtures }, &at);
        let at = logistic_arguments(rng, mixtures, 12, 1.0);
        assert_partials_both_ways(&format!("{mixtures} logistic"), &LogisticMixture { mixtures }, &at);
    }
    for cubic in [Cubic::Rising, Cubic::Falling] {
        let at = Arguments { t: uniform(rng, 12, 3.0).collect(), phi: uniform(rng, 24, 1.5).collect() };
        assert_partials_both_ways(&format!("{cubic:?}"), &cubic, &at);
    }
}

/// g as DESIGN writes it, modulo 2π, away from its edge cases.
#[test]
fn tan_mixture_is_the_mean_of_tan_transforms() {
    let rng = &mut draw::rng(2);
    for mixtures in 1..7 {
        let at = tan_arguments(rng, mixtures, 200, 3.0);
        let got = Evaluated::of::<f64>(&TanMixture { mixtures }, &at.t, &at.phi).value;
        for (sample, (&p, &got)) in at.t.iter().zip(&got).enumerate() {
            let (phi, half) = (at.phi_of(sample), Domain::Circle.wrap(p) / 2.0);
            let tangents = phi[..mixtures].iter().map(|s| Domain::Circle.wrap(2.0 * (s.exp() * half.tan()).atan()));
            let expected = tangents.sum::<f64>() / mixtures as f64 + phi[mixtures];
            let got = Domain::Circle.near(got, expected);
            assert!(
                (got - expected).abs() < 1e-13,
                "{mixtures} transforms, p = {p}, φ = {phi:?}: {got} and {expected}"
            );
        }
    }
}

/// g(p + 2π) = g(p) + 2π with the same partials; no jump at 0, ±π, 2π; increasing. The rounding of 2π itself is the tolerance.
#[test]
fn tan_mixture_is_a_lift() {
    let rng = &mut draw::rng(3);
    for mixtures in 1..5 {
        let transform = TanMixture { mixtures };
        let at = tan_arguments(rng, mixtures, 100, 2.0);
        let here = Evaluated::of::<f64>(&transform, &at.t, &at.phi);
        let next = Evaluated::of::<f64>(&transform, &at.t.iter().map(|p| p + TAU).collect::<Vec<_>>(), &at.phi);
        let moved: Vec<f64> = here.value.iter().map(|y| y + TAU).collect();
        assert_close_on_scale("value a turn later", &next.value, &moved, TAU, Tolerance::round_off::<f64>().times(8.0));
        for (next, here) in next.rows().into_iter().zip(here.rows()).skip(1) {
            assert_close_on_scale(
                "partial a turn later",
                next,
                here,
                largest(here).max(1.0),
                Tolerance::theorem::<f64>(),
            );
        }

        let step = 1e-4;
        let p: Vec<f64> = (-80_000..80_000).map(|i| step * f64::from(i)).chain([PI, -PI, TAU, 0.0, 3.0 * PI]).collect();
        let phi: Vec<f64> = at.phi_of(0).iter().flat_map(|&phi| vec![phi; p.len()]).collect();
        let y = Evaluated::of::<f64>(&transform, &p, &phi).value;
        let mut pairs: Vec<(f64, f64)> = p.into_iter().zip(y).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let steepest = 2.0_f64.exp();
        for pair in pairs.windows(2).filter(|pair| pair[1].0 > pair[0].0) {
            let (dp, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            assert!(dy > 0.0 || dp < 1e-10, "not increasing: {pair:?}");
            assert!(dy < 1.01 * steepest * dp + 1e-13, "a jump: {pair:?}");
        }
    }
}

/// y as the definition writes it, where 1 − F has digits; and the tails, where it has none.
#[test]
fn logistic_mixture_is_the_logit_of_a_mixture() {
    let rng = &mut draw::rng(4);
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    for mixtures in 1..7 {
        let at = logistic_arguments(rng, mixtures, 200, 1.0);
        let got = Evaluated::of::<f64>(&LogisticMixture { mixtures }, &at.t, &at.phi).value;
        for (sample, (&x, &got)) in at.t.iter().zip(&got).enumerate() {
            let phi = at.phi_of(sample);
            let (outer, inner) = phi.split_at(2);
            let (logits, inner) = inner.split_at(mixtures);
            let (mu, s) = inner.split_at(mixtures);
            let total: f64 = logits.iter().map(|l| l.exp()).sum();
            let cdf = |k: usize| logits[k].exp() / total * sigmoid((x - mu[k]) * (-s[k]).exp());
            let f: f64 = (0..mixtures).map(cdf).sum();
            let expected = outer[0].exp() * (f / (1.0 - f)).ln() + outer[1];
            let lost = outer[0].exp() * f64::EPSILON * (1.0 + 1.0 / (1.0 - f) + 1.0 / f);
            assert!(
                (got - expected).abs() < 16.0 * lost + 1e-13 * expected.abs(),
                "x = {x}, φ = {phi:?}: {got} and {expected}"
            );
        }
    }
    logistic_tails::<f64>(1e4);
    logistic_tails::<f32>(60.0);
}

/// Far out the widest component is alone: u → (x − μ)/e^s ± log π; a single component is affine everywhere.
fn logistic_tails<T: Real>(far: f64) {
    let bound = 16.0 * T::epsilon().wide();
    for x in [far, -far, 0.7 * far, 1e-3] {
        let alone = Evaluated::of::<T>(&LogisticMixture { mixtures: 1 }, &[x], &[0.25, -3.0, 7.0, 1.5, 0.5]);
        let expected = 0.25_f64.exp() * (x - 1.5) * (-0.5_f64).exp() - 3.0;
        assert!(
            (alone.value[0] - expected).abs() < bound * (3.0 + expected.abs()),
            "{x}: {} {expected}",
            alone.value[0]
        );
        assert!((alone.lambda[0] + 0.25).abs() < bound, "{x}: λ = {}", alone.lambda[0]);
    }
    for x in [far, -far] {
        // e^s = 2 beside 1/4 and weight 1/4 beside 3/4; in the narrow one's tail the wide one is what is left.
        let narrow = (0.25_f64.ln(), 3.0_f64.ln());
        let two = Evaluated::of::<T>(
            &LogisticMixture { mixtures: 2 },
            &[x],
            &[0.0, 0.0, 0.0, narrow.1, -1.0, 1.0, 2.0_f64.ln(), narrow.0],
        );
        let expected = (x + 1.0) / 2.0 - x.signum() * 0.25_f64.ln();
        assert!((two.value[0] - expected).abs() < bound * expected.abs(), "{x}: {} and {expected}", two.value[0]);
        assert!((two.dg_dt[0] - 0.5).abs() < bound, "{x}: slope {}", two.dg_dt[0]);
        assert!(two.dlambda_dt[0].abs() < bound, "{x}: ∂λ/∂x = {}", two.dlambda_dt[0]);
    }
}

/// Angles at and next to multiples of π/2, the largest |s| one by one and mixed.
fn extreme_tan_arguments<T: Real>(mixtures: usize, bound: f64) -> Arguments {
    let near = |angle: f64| (-2..=2).map(move |tick| T::of(angle * (1.0 + f64::from(tick) * T::epsilon().wide())).wide());
    let angles: Vec<f64> = (-4..=4).flat_map(|n| near(f64::from(n) * PI / 2.0)).chain([1e-30, -1e-12, 1e-5]).collect();
    let scales = [[bound, bound], [-bound, -bound], [bound, -bound], [bound, 0.25], [-bound, -1.5], [2.0, -1.25]];
    let t: Vec<f64> = scales.iter().flat_map(|_| angles.clone()).collect();
    let of_row = |k: usize| scales.iter().flat_map(|s| vec![s[k % 2]; angles.len()]).collect::<Vec<f64>>();
    let shift = (0..t.len()).map(|i| 0.5 * (i % 7) as f64 - 1.5);
    Arguments { phi: (0..mixtures).flat_map(of_row).chain(shift).collect(), t }
}

/// Up to |s| = 30, and next to 0, ±π and 2π, f32 agrees with f64 to a few ε, relative in g' and absolute in λ.
#[test]
fn tan_mixture_in_f32_agrees_with_f64_at_extremes() {
    let rng = &mut draw::rng(5);
    let epsilon = f32::EPSILON.wide();
    for (mixtures, bound) in [(1, 30.0), (2, 30.0), (5, 30.0), (2, 3.0), (3, 12.0)] {
        let drawn = tan_arguments(rng, mixtures, 500, bound);
        for at in [extreme_tan_arguments::<f32>(mixtures, bound), drawn] {
            let transform = TanMixture { mixtures };
            let single = Evaluated::of::<f32>(&transform, &at.t, &at.phi);
            let double = Evaluated::of::<f64>(&transform, &at.t, &at.phi);
            for i in 0..at.t.len() {
                let phi = at.phi_of(i);
                let close = |name: &str, single: f64, double: f64, scale: f64| {
                    let error = (single - double).abs() / scale / epsilon;
                    assert!(error <= 16.0, "{name} at p, φ = {}, {phi:?}: {single:e} {double:e}, off by {error} ε", at.t[i]);
                };
                close("g", single.value[i], double.value[i], TAU + at.t[i].abs() + phi[mixtures].abs());
                close("g'", single.dg_dt[i], double.dg_dt[i], double.dg_dt[i]);
                close("λ", single.lambda[i], double.lambda[i], 1.0 + double.lambda[i].abs());
                close("∂λ/∂p", single.dlambda_dt[i], double.dlambda_dt[i], steepness(&phi[..mixtures], at.t[i]));
                for (single, double) in single.dphi.iter().zip(&double.dphi) {
                    close("∂g/∂φ", single[0][i], double[0][i], 1.0);
                    close("∂λ/∂φ", single[1][i], double[1][i], 1.0);
                }
            }
        }
    }
}

/// Σ d² |sinh s sin p| / Σ d: the size of the terms of ∂λ/∂p; 1 where it is smaller.
fn steepness(s: &[f64], p: f64) -> f64 {
    let (sin, cos) = (0.5 * p).sin_cos();
    let d = |s: f64| 1.0 / ((-s).exp() * cos * cos + s.exp() * sin * sin);
    let bend: f64 = s.iter().map(|&s| d(s) * d(s) * (s.sinh() * p.sin()).abs()).sum();
    (bend / s.iter().map(|&s| d(s)).sum::<f64>()).max(1.0)
}

/// Size of the largest term that g sums up, from t and φ.
type Terms = fn(f64, &[f64]) -> f64;

/// How far t = g⁻¹(y) misses, in ε: |g(t) − y| against the change of g when y, t and φ change by one part in 1/ε, and
/// the terms of g; zero if g − y changes sign within 4ε |t|, where t can't be said better. g in f64.
fn misses<T: Real, E: Elementwise<T> + Elementwise<f64>>(transform: &E, at: &Arguments, terms: Terms) -> Vec<f64> {
    let (y, epsilon) = (&at.t, T::epsilon().wide());
    let t = Evaluated::of::<T>(&Implicit::of(transform.clone()), y, &at.phi).value;
    let here = Evaluated::of::<f64>(transform, &t, &at.phi);
    let moved = |by: f64| {
        let t: Vec<f64> = t.iter().map(|t| t * (1.0 + by * epsilon)).collect();
        Evaluated::of::<f64>(transform, &t, &at.phi).value
    };
    let (less, more) = (moved(-4.0), moved(4.0));
    let miss = |i: usize| {
        let phi = at.phi_of(i);
        let parameters = phi.iter().zip(&here.dphi).map(|(phi, pair)| (pair[0][i] * phi).abs());
        let scale = y[i].abs() + (here.dg_dt[i] * t[i]).abs() + parameters.sum::<f64>() + terms(t[i], &phi);
        let exact = (less[i] - y[i]) * (more[i] - y[i]) <= 0.0;
        if exact { 0.0 } else { (here.value[i] - y[i]).abs() / scale / epsilon }
    };
    (0..y.len()).map(miss).collect()
}

/// Asserts that all y = g(t), as T rounds them, are solved to 8 ε.
fn assert_solved<T: Real, E: Elementwise<T> + Elementwise<f64>>(what: &str, transform: &E, at: &Arguments, terms: Terms) {
    let y = at.replaced(Evaluated::of::<T>(transform, &at.t, &at.phi).value);
    for (i, miss) in misses::<T, E>(transform, &y, terms).into_iter().enumerate() {
        let (t, phi, y) = (at.t[i], at.phi_of(i), y.t[i]);
        assert!(miss <= 8.0, "{what} in {}, t, φ = {t}, {phi:?}, y = {y}: off by {miss} ε", T::NAME);
    }
}

#[test]
fn solutions_solve_the_equation() {
    let rng = &mut draw::rng(6);
    let of_tan: Terms = |p, _| p.abs();
    let of_logistic: Terms = |_, phi| phi[0].exp() * phi[2..].iter().fold(1.0, |m: f64, l| m.max(l.abs()));
    for mixtures in [1, 2, 3, 6] {
        for bound in [0.0, 1.0, 3.0, 10.0, 30.0] {
            let what = format!("{mixtures}, |s| ≤ {bound}");
            let (tan, logistic) = (TanMixture { mixtures }, LogisticMixture { mixtures });
            let at = tan_arguments(rng, mixtures, 700, bound);
            assert_solved::<f64, _>(&what, &tan, &at, of_tan);
            assert_solved::<f32, _>(&what, &tan, &at, of_tan);
            assert_solved::<f64, _>(&what, &tan, &extreme_tan_arguments::<f64>(mixtures, bound), of_tan);
            assert_solved::<f32, _>(&what, &tan, &extreme_tan_arguments::<f32>(mixtures, bound), of_tan);
            let at = logistic_arguments(rng, mixtures, 700, bound / 4.0);
            assert_solved::<f64, _>(&what, &logistic, &at, of_logistic);
            assert_solved::<f32, _>(&what, &logistic, &at, of_logistic);
        }
    }
    for (cubic, bound) in [Cubic::Rising, Cubic::Falling].into_iter().flat_map(|c| [1e-6, 1.0, 100.0, 1e6].map(|b| (c, b))) {
        let at = Arguments { t: uniform(rng, 300, bound).collect(), phi: uniform(rng, 600, 4.0).collect() };
        assert_solved::<f64, _>(&format!("{cubic:?}"), &cubic, &at, |_, _| 0.0);
        assert_solved::<f32, _>(&format!("{cubic:?}"), &cubic, &at, |_, _| 0.0);
    }
}

/// The most calls of value and slope that a chunk needs.
fn calls<T: Real, E: Elementwise<T>>(transform: &E, at: &Arguments) -> usize {
    let y = Evaluated::of::<T>(transform, &at.t, &at.phi).value;
    let count = |range: std::ops::Range<usize>| {
        let counted = Counted { transform: transform.clone(), calls: Arc::default() };
        let phi: Vec<f64> = at.phi.chunks(y.len()).flat_map(|row| row[range.clone()].to_vec()).collect();
        Evaluated::of::<T>(&Implicit::of(counted.clone()), &y[range], &phi);
        counted.calls.load(Relaxed)
    };
    (0..y.len()).step_by(CHUNK).map(|first| count(first..y.len().min(first + CHUNK))).max().unwrap_or(0)
}

/// The documented numbers of steps: a handful; some dozens at extremes, where only bisection is left.
#[test]
fn few_steps_suffice() {
    let rng = &mut draw::rng(7);
    for mixtures in [1, 2, 6] {
        let (tan, logistic) = (TanMixture { mixtures }, LogisticMixture { mixtures });
        for (bound, most) in [(1.0, 7), (3.0, 12), (30.0, 64)] {
            let at = tan_arguments(rng, mixtures, 1500, bound);
            let [double, single] = [calls::<f64, _>(&tan, &at), calls::<f32, _>(&tan, &at)];
            println!("{mixtures} tan, |s| ≤ {bound}: {double} and {single} steps");
            assert!(double <= most && single <= most, "{mixtures} tan, |s| ≤ {bound}: {double} and {single} steps");
        }
        let at = logistic_arguments(rng, mixtures, 1500, 1.0);
        let [double, single] = [calls::<f64, _>(&logistic, &at), calls::<f32, _>(&logistic, &at)];
        println!("{mixtures} logistic: {double} and {single} steps");
        assert!(double <= 32 && single <= 32, "{mixtures} logistic: {double} and {single} steps");
    }
}

/// An element's solution and partials don't depend, by a bit, on the elements it is solved with.
fn assert_alone_as_in_a_row<T: Real>(transform: &impl Elementwise<T>, y: &[f64], at: &Arguments) {
    let together = Evaluated::of::<T>(transform, y, &at.phi);
    for (i, &y) in y.iter().enumerate() {
        let alone = Evaluated::of::<T>(transform, &[y], &at.phi_of(i));
        for (alone, together) in alone.rows().into_iter().zip(together.rows()) {
            assert_same_bits("an element alone and in a row", alone, &together[i..=i]);
        }
    }
}

#[test]
fn elements_are_solved_on_their_own() {
    let rng = &mut draw::rng(8);
    let (samples, mixtures) = (CHUNK + 37, 3);
    let (tan, logistic) = (TanMixture { mixtures }, LogisticMixture { mixtures });
    let at = tan_arguments(rng, mixtures, samples, 6.0);
    assert_alone_as_in_a_row::<f64>(&tan, &at.t, &at);
    assert_alone_as_in_a_row::<f64>(&Implicit::of(tan), &at.t, &at);
    assert_alone_as_in_a_row::<f32>(&Implicit::of(tan), &at.t, &at);
    let at = logistic_arguments(rng, mixtures, samples, 1.0);
    assert_alone_as_in_a_row::<f64>(&logistic, &at.t, &at);
    assert_alone_as_in_a_row::<f64>(&Implicit::of(logistic), &at.t, &at);
    assert_alone_as_in_a_row::<f32>(&Implicit::of(logistic), &at.t, &at);
    let at = Arguments { t: uniform(rng, samples, 9.0).collect(), phi: uniform(rng, 2 * samples, 2.0).collect() };
    assert_alone_as_in_a_row::<f64>(&Implicit::of(Cubic::Falling), &at.t, &at);
}

/// NaN and ∞ in y or φ, and values that g doesn't reach, give NaN there and leave the neighbours as they are.
#[test]
fn what_has_no_solution_is_nan_and_harms_nobody() {
    fn check<T: Real>(transform: &impl Elementwise<T>, at: &Arguments, wrong: &[(usize, usize, f64)]) {
        let good = Evaluated::of::<T>(transform, &at.t, &at.phi);
        let mut bad = at.replaced(at.t.clone());
        for &(sample, row, value) in wrong {
            let place = if row == 0 { &mut bad.t[sample] } else { &mut bad.phi[(row - 1) * at.t.len() + sample] };
            *place = value;
        }
        let got = Evaluated::of::<T>(transform, &bad.t, &bad.phi);
        for i in 0..at.t.len() {
            if wrong.iter().any(|&(sample, ..)| sample == i) {
                assert!(got.value[i].is_nan(), "{} instead of NaN", got.value[i]);
            } else {
                got.rows().iter().zip(good.rows()).for_each(|(got, good)| assert_same_bits("neighbour", &got[i..=i], &good[i..=i]));
            }
        }
    }
    let rng = &mut draw::rng(9);
    let (nan, infinity) = (f64::NAN, f64::INFINITY);
    let wrong = [(3, 0, nan), (4, 0, infinity), (17, 0, -infinity), (30, 1, nan), (31, 2, nan), (40, 2, infinity)];
    let at = tan_arguments(rng, 1, 50, 2.0);
    check::<f64>(&Implicit::of(TanMixture { mixtures: 1 }), &at, &wrong);
    check::<f32>(&Implicit::of(TanMixture { mixtures: 1 }), &at, &wrong);
    let at = logistic_arguments(rng, 1, 50, 1.0);
    check::<f64>(&Implicit::of(LogisticMixture { mixtures: 1 }), &at, &wrong);
    let at = Arguments { t: uniform(rng, 50, 9.0).collect(), phi: uniform(rng, 100, 2.0).collect() };
    check::<f64>(&Implicit::of(Cubic::Rising), &at, &wrong);
    check::<f32>(&Implicit::of(Cubic::Falling), &at, &wrong);
    let reached = Arguments { t: uniform(rng, 50, 1.4).collect(), phi: vec![] };
    check::<f64>(&Implicit::of(Arctangent), &reached, &[(0, 0, 2.0), (7, 0, -1.6), (49, 0, infinity)]);
    check::<f32>(&Implicit::of(Arctangent), &reached, &[(0, 0, 2.0), (7, 0, -1.6), (49, 0, infinity)]);
}
