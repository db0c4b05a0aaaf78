//! Pairs of a double well and a Gaussian: the *many well* of L. Midgley et al., arXiv:2208.01893; its 16 pairs have 2¹⁶ modes.
//!
//! Pair j are the numbers x = x_{2j} and y = x_{2j+1}, and, MATH (40),
//!
//! ```text
//! S = Σ_pairs [ x⁴ − 6x² − ½x + ½y² ],   −∂S/∂x = −4x³ + 12x + ½,   −∂S/∂y = −y .
//! ```
//!
//! log Z = pairs·(log Z_x + ½ log 2π) with Z_x = ∫ e^{½x + 6x² − x⁴} dx by Gauss–Legendre quadrature, to round-off, as are the moments of x.
//! For 32 dimensions log Z = 164.6956753.
//!
//! Exact samples of x by rejection. Since (|x| − √3)² |x| (|x| + 2√3) = (x² − 3)² − 3(|x| − √3)², a draw of N(±√3 + 1/12, 1/6), with + in e^{√3/2}
//! and − in e^{−√3/2} parts, that has the sign of its mean is accepted with probability e^{−(|x| − √3)² |x| (|x| + 2√3)}: every second one is.
//!
//! Observables: `x` = ⟨x⟩, `x2` = ⟨x²⟩ and `right_fraction`, how many x are above 0, as means over the wells; `y2` = ⟨y²⟩ = 1; and
//! `right_fraction_j` of the first 16 wells each. Shapes: x and force `[2 pairs, samples]`, action `[samples]`.

use crate::{
    error::TargetError,
    exact::{Exact, ExactSampler},
    numbers::numbers_drawn_exactly,
    observables::{Observable, Observables},
    quadrature::gauss_legendre,
    rows::{RowAction, action_and_force},
};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use std::ops::Range;
use upg_core::{Batch, Cpu, Real, Rng, Target, vmath::MulAdd};

/// How many wells are measured one by one at most.
const MEASURED: usize = 16;

const SQRT_3: f64 = 1.732_050_807_568_877_2;

/// The target of many wells; see the [module documentation](self).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ManyWell {
    wells: usize,
    well: Well,
}

/// The distribution of one x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Well {
    /// log ∫ e^{½x + 6x² − x⁴} dx.
    pub log_z: f64,
    /// ⟨x⟩.
    pub x: f64,
    /// ⟨x²⟩.
    pub x2: f64,
    /// The probability of x > 0.
    pub right: f64,
}

impl Well {
    /// By 200 nodes for each sign; beyond |x| = 5 the integrand is below e^{−470}.
    fn new() -> Self {
        let nodes = gauss_legendre(200, 5.0);
        let side = |sign: f64| {
            let weight = |x: f64| (x * x * (6.0 - x * x) + 0.5 * x).exp();
            let sum = |power: i32| nodes.iter().map(|(x, w)| w * (sign * x).powi(power) * weight(sign * x)).sum();
            [0, 1, 2].map(sum)
        };
        let (right, left): ([f64; 3], [f64; 3]) = (side(1.0), side(-1.0));
        let [z, x, x2] = [0, 1, 2].map(|power| right[power] + left[power]);
        Self { log_z: z.ln(), x: x / z, x2: x2 / z, right: right[0] / z }
    }
}

impl ManyWell {
    /// `dim`/2 wells, each with a Gaussian beside it.
    ///
    /// # Errors
    /// `dim` = 0, or an odd number.
    pub fn new(dim: usize) -> Result<Self, TargetError> {
        if dim == 0 || !dim.is_multiple_of(2) {
            return Err(TargetError::new("dim", dim.to_string(), "an even number, at least 2"));
        }
        Ok(Self { wells: dim / 2, well: Well::new() })
    }

    /// Number of dimensions: degrees of freedom.
    pub fn dim(&self) -> usize {
        2 * self.wells
    }

    /// The distribution of every x.
    pub fn well(&self) -> Well {
        self.well
    }

    /// The wells that are measured one by one.
    fn measured(&self) -> Range<usize> {
        0..self.wells.min(MEASURED)
    }

    /// Fills `out` with the mean of `term` over the rows `first`, `first` + 2, ….
    fn mean_over_pairs<T: Real>(&self, x: &Batch<T>, first: usize, out: &mut [f64], term: impl Fn(f64) -> f64) {
        out.fill(0.0);
        for i in (first..self.dim()).step_by(2) {
            out.iter_mut().zip(x.row(i)).for_each(|(sum, x)| *sum += term(x.wide()));
        }
        out.iter_mut().for_each(|sum| *sum /= self.wells as f64);
    }
}

/// 1 above 0, 0 below, and NaN of NaN.
fn right(x: f64) -> f64 {
    0.5 + 0.5 * x.signum()
}

/// x⁴ − 6x² − ½x, and minus its derivative.
#[inline(always)]
fn double_well<T: Real, M: MulAdd>(x: T) -> (T, T) {
    let (six, half, x2) = (T::of(6.0), T::of(0.5), x * x);
    let action = x * M::mul_add(x, x2 - six, -half);
    let force = M::mul_add(T::of(-4.0) * x, x2 - T::of(3.0), half);
    (action, force)
}

/// ½y², and minus its derivative.
#[inline(always)]
fn gaussian<T: Real>(y: T) -> (T, T) {
    (T::of(0.5) * y * y, -y)
}

impl<T: Real> RowAction<T> for ManyWell {
    fn rows(&self) -> usize {
        self.dim()
    }

    #[inline(always)]
    fn row<M: MulAdd>(&self, i: usize, x: &Batch<T>, block: Range<usize>, action: &mut [f64], force: &mut [T]) {
        let is_well = i.is_multiple_of(2);
        for ((force, action), &x) in force.iter_mut().zip(action).zip(&x.row(i)[block]) {
            let term;
            (term, *force) = if is_well { double_well::<T, M>(x) } else { gaussian(x) };
            *action += term.wide();
        }
    }
}

impl<T: Real> Target<Cpu<T>> for ManyWell {
    fn dof(&self) -> usize {
        self.dim()
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        action_and_force(self, 0.0, x, action, force);
    }
}

impl Exact for ManyWell {
    fn log_z(&self) -> Option<f64> {
        Some(self.wells as f64 * (self.well.log_z + 0.5 * TAU.ln()))
    }
}

/// One x by rejection.
fn draw_x(rng: &mut Rng) -> f64 {
    let right = 1.0 / (1.0 + (-SQRT_3).exp());
    loop {
        let sign = if rng.random::<f64>() < right { 1.0 } else { -1.0 };
        let draw: f64 = StandardNormal.sample(rng);
        let x = sign * SQRT_3 + 1.0 / 12.0 + draw / 6.0_f64.sqrt();
        let (size, beyond) = (x * sign, x * sign - SQRT_3);
        if size > 0.0 && rng.random::<f64>() < (-beyond * beyond * size * (size + 2.0 * SQRT_3)).exp() {
            return x;
        }
    }
}

impl<T: Real> ExactSampler<T> for ManyWell {
    fn sample(&self, rng: &mut Rng, x: &mut Batch<T>) {
        assert_eq!(x.rows(), self.dim(), "rows of x, and dimensions of the wells");
        for i in 0..self.dim() {
            for x in x.row_mut(i) {
                *x = T::of(if i.is_multiple_of(2) { draw_x(rng) } else { StandardNormal.sample(rng) });
            }
        }
    }
}

numbers_drawn_exactly!(ManyWell);

impl<T: Real> Observables<T> for ManyWell {
    fn primaries(&self) -> Vec<String> {
        let means = ["x", "x2", "right_fraction", "y2"].map(String::from).into_iter();
        means.chain(self.measured().map(|j| format!("right_fraction_{j}"))).collect()
    }

    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(x.rows(), self.dim(), "rows of x, and dimensions of the wells");
        out.reshape(4 + self.measured().len(), x.samples());
        self.mean_over_pairs(x, 0, out.row_mut(0), |x| x);
        self.mean_over_pairs(x, 0, out.row_mut(1), |x| x * x);
        self.mean_over_pairs(x, 0, out.row_mut(2), right);
        self.mean_over_pairs(x, 1, out.row_mut(3), |y| y * y);
        for j in self.measured() {
            out.row_mut(4 + j).iter_mut().zip(x.row(2 * j)).for_each(|(out, x)| *out = right(x.wide()));
        }
    }

    fn observables(&self) -> Vec<Observable> {
        let Well { x, x2, right, .. } = self.well;
        let exact = [x, x2, right, 1.0].into_iter().chain(std::iter::repeat(right));
        let names = Observables::<T>::primaries(self).into_iter().enumerate();
        names.zip(exact).map(|((i, name), exact)| Observable::mean(name, Some(exact), i)).collect()
    }
}
