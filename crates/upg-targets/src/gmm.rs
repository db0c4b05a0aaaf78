//! The Gaussian mixture of the paper: in every dimension ½ N(−1, ½) + ½ N(+1, ½), where ½ is the variance; 2^d modes at O(d) cost.
//!
//! p(x) = Π_i π^{−1/2} e^{−x_i² − 1} cosh 2x_i is normalised (log Z = 0), and with e = e^{−4|x|}
//!
//! ```text
//! S = Σ_i [ (|x_i| − 1)² − log(1 + e_i) + log 2 + ½ log π ],   −∂S/∂x_i = 2 (tanh 2x_i − x_i),   tanh 2|x| = (1 − e)/(1 + e) .
//! ```
//!
//! ⟨x_i²⟩ = 3/2. Observables, all of them means over the dimensions: `x2` = ⟨x_i²⟩, `mean` = ⟨x_i⟩ = 0, and
//! `right_fraction`, how many of the x_i are above 0: ½, unless modes are missing. Shapes: x and force `[dim, samples]`, action `[samples]`.

use crate::{
    error::TargetError,
    exact::{Exact, ExactSampler},
    numbers::numbers_drawn_exactly,
    observables::{Observable, Observables},
    rows::{RowAction, action_and_force},
};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};
use std::ops::Range;
use upg_core::{
    Batch, Cpu, Real, Rng, Target,
    vmath::{MulAdd, Separate, scalar},
};

/// The mixture target; see the [module documentation](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gmm {
    dim: usize,
}

impl Gmm {
    /// The mixture in `dim` dimensions.
    ///
    /// # Errors
    /// `dim` = 0.
    pub fn new(dim: usize) -> Result<Self, TargetError> {
        if dim == 0 { Err(TargetError::new("dim", "0", "at least 1")) } else { Ok(Self { dim }) }
    }

    /// Number of dimensions: degrees of freedom.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The part of S that doesn't depend on x.
    pub fn constant(&self) -> f64 {
        self.dim as f64 * constant()
    }

    /// ⟨x_i²⟩ = 1 + ½, exact.
    pub fn x2(&self) -> f64 {
        1.5
    }

    /// The entropy −∫ p log p, by a trapezoidal sum in one dimension, exact to round-off.
    pub fn entropy(&self) -> f64 {
        const STEP: f64 = 1.0 / 32.0;
        let per_dimension: f64 = (-320..=320)
            .map(|k| {
                let action = varying::<f64, Separate>(STEP * f64::from(k)).0 + constant();
                STEP * action * (-action).exp()
            })
            .sum();
        self.dim as f64 * per_dimension
    }
}

impl Gmm {
    /// Fills `out` with (1/d) Σ_i `term`(x_i).
    fn mean_over_dimensions<T: Real>(&self, x: &Batch<T>, out: &mut [f64], term: impl Fn(f64) -> f64) {
        out.fill(0.0);
        for i in 0..self.dim {
            out.iter_mut().zip(x.row(i)).for_each(|(sum, x)| *sum += term(x.wide()));
        }
        out.iter_mut().for_each(|sum| *sum /= self.dim as f64);
    }
}

/// The part of S that doesn't depend on x, per dimension.
fn constant() -> f64 {
    LN_2 + 0.5 * PI.ln()
}

/// The rest of S, and −∂S/∂x, in one dimension.
#[inline(always)]
fn varying<T: Real, M: MulAdd>(x: T) -> (T, T) {
    let size = x.abs();
    let e = scalar::exp::<T, M>(T::of(-4.0) * size);
    let beyond = size - T::one();
    let action = M::mul_add(beyond, beyond, -scalar::ln_1p_unit::<T, M>(e));
    let tanh = (T::one() - e) / (T::one() + e);
    let force = (tanh - size) * T::of(2.0);
    (action, if x < T::zero() { -force } else { force })
}

impl<T: Real> RowAction<T> for Gmm {
    fn rows(&self) -> usize {
        self.dim
    }

    #[inline(always)]
    fn row<M: MulAdd>(&self, i: usize, x: &Batch<T>, block: Range<usize>, action: &mut [f64], force: &mut [T]) {
        for ((force, action), &x) in force.iter_mut().zip(action).zip(&x.row(i)[block]) {
            let term;
            (term, *force) = varying::<T, M>(x);
            *action += term.wide();
        }
    }
}

impl<T: Real> Target<Cpu<T>> for Gmm {
    fn dof(&self) -> usize {
        self.dim
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        action_and_force(self, self.constant(), x, action, force);
    }
}

impl Exact for Gmm {
    fn log_z(&self) -> Option<f64> {
        Some(0.0)
    }
}

impl<T: Real> ExactSampler<T> for Gmm {
    fn sample(&self, rng: &mut Rng, x: &mut Batch<T>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the mixture");
        for x in x.as_mut_slice() {
            let centre = if rng.random::<bool>() { 1.0 } else { -1.0 };
            let draw: f64 = StandardNormal.sample(rng);
            *x = T::of(centre + FRAC_1_SQRT_2 * draw);
        }
    }
}

numbers_drawn_exactly!(Gmm);

impl<T: Real> Observables<T> for Gmm {
    fn primaries(&self) -> Vec<String> {
        ["x2", "mean", "right_fraction"].map(String::from).into()
    }

    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the mixture");
        out.reshape(3, x.samples());
        self.mean_over_dimensions(x, out.row_mut(0), |x| x * x);
        self.mean_over_dimensions(x, out.row_mut(1), |x| x);
        self.mean_over_dimensions(x, out.row_mut(2), |x| 0.5 + 0.5 * x.signum());
    }

    fn observables(&self) -> Vec<Observable> {
        let names = Observables::<T>::primaries(self).into_iter().enumerate();
        names.zip([self.x2(), 0.0, 0.5]).map(|((i, name), exact)| Observable::mean(name, Some(exact), i)).collect()
    }
}
