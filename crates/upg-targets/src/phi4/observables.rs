//! Measurements on φ⁴ fields.
//!
//! Axis 0, of extent L, counts as time; V sites in V/L per slice. With the means over a slice and over the lattice
//!
//! ```text
//! s(τ) = (L/V) Σ_{x: x_0=τ} φ(x) ,   m = (1/L) Σ_τ s(τ) = (1/V) Σ_x φ(x) ,   c(t) = (1/L) Σ_τ s(τ) s(τ+t) = c(L−t)
//! ```
//!
//! the primaries are m, |m|, m², m⁴, (1/V) Σ_x φ², and c(t) for t = 0 … ⌊L/2⌋. The observables:
//!
//! | name | definition |
//! |---|---|
//! | `magnetization` | ⟨m⟩, 0 by symmetry |
//! | `magnetization_abs` | ⟨\|m\|⟩ |
//! | `phi2` | ⟨φ²⟩ per site |
//! | `susceptibility` | χ = V (⟨m²⟩ − ⟨\|m\|⟩²) |
//! | `binder` | 1 − ⟨m⁴⟩/(3⟨m²⟩²): 0 for a normal distribution, ⅔ for ±m₀ |
//! | `two_point_t` | C(t) = (V/L) [⟨c(t)⟩ − ⟨\|m\|⟩²], connected, at zero spatial momentum; Σ_{t=0}^{L−1} C(t) = χ |
//! | `correlation_length` | ξ = √(χ/F − 1)/(2 sin(π/L)), F = Σ_{t=0}^{L−1} C(t) cos(2πt/L): second moment, in units of the lattice spacing |
//!
//! F is the structure factor ⟨\|Σ_x φ(x) e^{2πi x_0/L}\|²⟩/V at the smallest momentum along axis 0. ξ is NaN where it is
//! undefined: L = 1, χ < F, F = 0. Everything is exact for a free field, ⟨φ²⟩ where [`Phi4::exact`] has it.

use super::Phi4;
use crate::observables::{Observable, Observables};
use std::f64::consts::{PI, TAU};
use upg_core::{Batch, Real};

/// The places of the primaries.
const M: usize = 0;
const ABS_M: usize = 1;
const M2: usize = 2;
const M4: usize = 3;
const PHI2: usize = 4;
/// c(0), c(1), … from here on.
const SLICES: usize = 5;

impl<T: Real> Observables<T> for Phi4 {
    fn primaries(&self) -> Vec<String> {
        let fixed = ["m", "|m|", "m2", "m4", "phi2"].map(String::from);
        fixed.into_iter().chain(self.distances().map(|t| format!("slices_{t}"))).collect()
    }

    fn measure(&self, phi: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(phi.rows(), self.sites(), "rows of the field, and sites of the lattice");
        out.reshape(SLICES + self.distances().count(), phi.samples());
        out.fill(0.0);
        let slices = self.slices(phi, out.row_mut(PHI2));
        let (time, share) = (self.time(), 1.0 / self.time() as f64);
        for tau in 0..time {
            add(out.row_mut(M), slices.row(tau), |s| share * s);
            for t in self.distances() {
                add_product(out.row_mut(SLICES + t), slices.row(tau), slices.row((tau + t) % time), share);
            }
        }
        let m = out.row(M).to_vec();
        add(out.row_mut(ABS_M), &m, f64::abs);
        add(out.row_mut(M2), &m, |m| m * m);
        add(out.row_mut(M4), &m, |m| (m * m) * (m * m));
    }

    /// Takes the time of [`Phi4::exact`].
    fn observables(&self) -> Vec<Observable> {
        let (sites, time) = (self.sites() as f64, self.time());
        let free = (self.lambda == 0.0).then(|| self.free_field_means());
        let free = free.as_deref();
        let mut all = vec![
            Observable::mean("magnetization", Some(0.0), M),
            of_means("magnetization_abs", free, |a| a[ABS_M]),
            Observable::mean("phi2", self.exact().map(|exact| exact.phi2), PHI2),
            of_means("susceptibility", free, move |a| susceptibility(sites, a)),
            of_means("binder", free, |a| 1.0 - a[M4] / (3.0 * a[M2] * a[M2])),
            of_means("correlation_length", free, move |a| correlation_length(sites, time, a)),
        ];
        all.extend(self.distances().map(|t| {
            let value = move |a: &[f64]| sites / time as f64 * connected(a, t);
            of_means(format!("two_point_{t}"), free, value)
        }));
        all
    }
}

/// The observable f, with its exact value where the exact means of the primaries are known and f is defined at them.
fn of_means(
    name: impl Into<String>,
    exact: Option<&[f64]>,
    f: impl Fn(&[f64]) -> f64 + Send + Sync + 'static,
) -> Observable {
    let exact = exact.map(&f).filter(|value| value.is_finite());
    Observable::new(name, exact, f)
}

impl Phi4 {
    /// L, the extent of axis 0.
    fn time(&self) -> usize {
        self.lattice[0]
    }

    /// 0 … ⌊L/2⌋: the distances between slices on a circle of L.
    fn distances(&self) -> std::ops::RangeInclusive<usize> {
        0..=self.time() / 2
    }

    /// s(τ), shape `[L, samples]`; adds the mean of φ² to `phi2`.
    fn slices<T: Real>(&self, phi: &Batch<T>, phi2: &mut [f64]) -> Batch<f64> {
        let spatial = self.sites() / self.time();
        let (of_slice, of_all) = (1.0 / spatial as f64, 1.0 / self.sites() as f64);
        let mut slices = Batch::zeros(self.time(), phi.samples());
        for x in 0..self.sites() {
            add(slices.row_mut(x / spatial), phi.row(x), |phi| of_slice * phi.wide());
            add(phi2, phi.row(x), |phi| of_all * phi.wide() * phi.wide());
        }
        slices
    }

    /// The means of the primaries without a quartic term: m is normal, and K(p) as in [`Phi4::exact`] gives
    /// ⟨c(t)⟩ = (1/2V) Σ_{p_0} cos(p_0 t)/K(p_0, 0, …), ⟨m²⟩ = 1/(2V K(0)).
    fn free_field_means(&self) -> Vec<f64> {
        let (time, spatial_axes) = (self.time(), self.lattice.len() as f64 - 1.0);
        let momentum = |k: usize| TAU * k as f64 / time as f64;
        let twice = 2.0 * self.sites() as f64;
        let kernel = |k: usize| self.quadratic() - 2.0 * self.kappa * (momentum(k).cos() + spatial_axes);
        let slices = |t: usize| (0..time).map(|k| (momentum(k) * t as f64).cos() / kernel(k)).sum::<f64>() / twice;
        let m2 = 1.0 / (twice * kernel(0));
        let fixed = [0.0, (2.0 * m2 / PI).sqrt(), m2, 3.0 * m2 * m2, self.free_field().phi2];
        fixed.into_iter().chain(self.distances().map(slices)).collect()
    }
}

/// sums += f(values).
fn add<T: Copy>(sums: &mut [f64], values: &[T], f: impl Fn(T) -> f64) {
    sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f(value));
}

/// sums += weight · a b.
fn add_product(sums: &mut [f64], a: &[f64], b: &[f64], weight: f64) {
    sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += weight * a * b);
}

/// ⟨c(t)⟩ − ⟨|m|⟩².
fn connected(means: &[f64], t: usize) -> f64 {
    means[SLICES + t] - means[ABS_M] * means[ABS_M]
}

fn susceptibility(sites: f64, means: &[f64]) -> f64 {
    sites * (means[M2] - means[ABS_M] * means[ABS_M])
}

/// ξ on a time axis of `time` sites; NaN where it is undefined.
fn correlation_length(sites: f64, time: usize, means: &[f64]) -> f64 {
    // F is a sum that cancels: below this fraction of χ nothing but round-off is left.
    const ROUND_OFF: f64 = 1e-12;
    let wave = |t: usize| (TAU * t as f64 / time as f64).cos() * connected(means, t.min(time - t));
    let structure = sites / time as f64 * (0..time).map(wave).sum::<f64>();
    let chi = susceptibility(sites, means);
    if time == 1 || structure <= ROUND_OFF * chi.abs() {
        return f64::NAN;
    }
    (chi / structure - 1.0).sqrt() / (2.0 * (PI / time as f64).sin())
}
