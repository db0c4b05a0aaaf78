//! Arguments of transforms, drawn at random or at extremes, and what transforms make of them.

use rand::RngExt;
use std::f64::consts::{PI, TAU};
use upg_core::{Real, Rng};
use upg_flows::Elementwise;
use upg_flows::elementwise::{Covector, Partials, PartialsRef, Phi, PhiMut};
use upg_testkit::domain::Domain;
use upg_testkit::draw;

/// Value, λ, g', ∂λ/∂t, then ∂g/∂φ_k, ∂λ/∂φ_k: rows over samples, widened.
pub struct Evaluated {
    pub value: Vec<f64>,
    pub lambda: Vec<f64>,
    pub dg_dt: Vec<f64>,
    pub dlambda_dt: Vec<f64>,
    pub dphi: Vec<[Vec<f64>; 2]>,
}

impl Evaluated {
    /// `transform` at t, shape `[samples]`, and φ, shape `[width, samples]` flat, in the precision T.
    pub fn of<T: Real>(transform: &impl Elementwise<T>, t: &[f64], phi: &[f64]) -> Self {
        let (samples, width) = (t.len(), transform.width());
        assert_eq!(phi.len(), width * samples, "numbers in φ, and parameters of the transform");
        let (mut value, phi) = (draw::cast::<T>(t), draw::cast::<T>(phi));
        let mut block = vec![T::nan(); transform.kept_rows() * samples];
        transform.evaluate(&mut value, Phi::of(&phi, 0, 1, samples), Partials::of(&mut block, samples));
        let (rows, wide) = (PartialsRef::of(&block, samples), |row: &[T]| row.iter().map(|x| x.wide()).collect());
        let (one, zero, ones) = (T::one(), T::zero(), vec![T::one(); samples]);
        let [dg, dlambda] = [(one, zero), (zero, one)].map(|(alpha, beta)| {
            let mut v = vec![T::nan(); width * samples];
            transform.vjp(Covector { a: &ones, alpha, beta }, rows, PhiMut::of(&mut v, 0, 1, samples));
            v
        });
        let row = |v: &[T], k: usize| wide(&v[k * samples..][..samples]);
        Self {
            value: wide(&value),
            lambda: wide(rows.lambda()),
            dg_dt: wide(rows.dg_dt()),
            dlambda_dt: wide(rows.dlambda_dt()),
            dphi: (0..width).map(|k| [row(&dg, k), row(&dlambda, k)]).collect(),
        }
    }

    /// Every row.
    pub fn rows(&self) -> Vec<&[f64]> {
        let fixed = [&self.value, &self.lambda, &self.dg_dt, &self.dlambda_dt];
        fixed.into_iter().chain(self.dphi.iter().flatten()).map(|row| &row[..]).collect()
    }

    /// The partials of (g, λ) of one sample, in the order t, φ_0, φ_1, …
    pub fn partials(&self, sample: usize) -> [Vec<f64>; 2] {
        let row = |first: &[f64], which: usize| {
            [first[sample]].into_iter().chain(self.dphi.iter().map(|pair| pair[which][sample])).collect()
        };
        [row(&self.dg_dt, 0), row(&self.dlambda_dt, 1)]
    }
}

/// Arguments of a transform: t `[samples]`, φ `[width, samples]` flat; exact in f32.
pub struct Arguments {
    pub t: Vec<f64>,
    pub phi: Vec<f64>,
}

impl Arguments {
    /// φ of one sample.
    pub fn phi_of(&self, sample: usize) -> Vec<f64> {
        self.phi.iter().skip(sample).step_by(self.t.len()).copied().collect()
    }

    pub fn replaced(&self, t: Vec<f64>) -> Self {
        Self { t, phi: self.phi.clone() }
    }
}

pub fn uniform(rng: &mut Rng, count: usize, bound: f64) -> impl Iterator<Item = f64> {
    (0..count).map(move |_| draw::single(Domain::Line, rng.random_range(-bound..=bound)))
}

/// Angles of several turns, many of them next to multiples of π; |s| ≤ `bound`, shifts up to ±4.
pub fn tan_arguments(rng: &mut Rng, mixtures: usize, samples: usize, bound: f64) -> Arguments {
    let angles = draw::points(rng, Domain::Circle, 1, samples);
    let turns: Vec<f64> = (0..samples).map(|_| TAU * f64::from(rng.random_range(-2..3_i8))).collect();
    let t = angles.iter().zip(turns).map(|(p, turn)| draw::single(Domain::Line, p + turn)).collect();
    let s: Vec<f64> = uniform(rng, mixtures * samples, bound).collect();
    Arguments { t, phi: s.into_iter().chain(uniform(rng, samples, 4.0)).collect() }
}

/// x normal; a, b up to ±1.5, logits and means up to ±3, |s| ≤ `bound`.
pub fn logistic_arguments(rng: &mut Rng, mixtures: usize, samples: usize, bound: f64) -> Arguments {
    let t = draw::normal(rng, 1, samples, 2.0).into_iter().collect();
    let outer: Vec<f64> = uniform(rng, 2 * samples, 1.5).collect();
    let inner: Vec<f64> = uniform(rng, 2 * mixtures * samples, 3.0).collect();
    Arguments { t, phi: outer.into_iter().chain(inner).chain(uniform(rng, mixtures * samples, bound)).collect() }
}

/// Angles at and next to multiples of π/2, the largest |s| one by one and mixed.
pub fn extreme_tan_arguments<T: Real>(mixtures: usize, bound: f64) -> Arguments {
    let near =
        |angle: f64| (-2..=2).map(move |tick| T::of(angle * (1.0 + f64::from(tick) * T::epsilon().wide())).wide());
    let angles: Vec<f64> = (-4..=4).flat_map(|n| near(f64::from(n) * PI / 2.0)).chain([1e-30, -1e-12, 1e-5]).collect();
    let scales = [[bound, bound], [-bound, -bound], [bound, -bound], [bound, 0.25], [-bound, -1.5], [2.0, -1.25]];
    let t: Vec<f64> = scales.iter().flat_map(|_| angles.clone()).collect();
    let of_row = |k: usize| scales.iter().flat_map(|s| vec![s[k % 2]; angles.len()]).collect::<Vec<f64>>();
    let shift = (0..t.len()).map(|i| 0.5 * (i % 7) as f64 - 1.5);
    Arguments { phi: (0..mixtures).flat_map(of_row).chain(shift).collect(), t }
}
