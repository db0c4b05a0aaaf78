//! A Gaussian of any mean m and covariance C = L Lᵀ.
//!
//! S(x) = ½ (x−m)ᵀ C⁻¹ (x−m), not normalised: log Z = (d/2) log 2π + Σ_i log L_ii. Force −C⁻¹ (x−m).
//! C⁻¹ is dense, shape `[d, d]`: O(d²) per sample. Observables of the first four dimensions: `mean_i` = m_i, `variance_i` = C_ii. Shapes: x and force `[d, samples]`, action `[samples]`.

use crate::{
    error::TargetError,
    exact::{Exact, ExactSampler},
    numbers::numbers_drawn_exactly,
    observables::{Observable, Observables},
    rows::{RowAction, action_and_force},
};
use nalgebra::{Cholesky, DMatrix};
use ndarray::ArrayView2;
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use std::ops::Range;
use upg_core::{Batch, Cpu, Real, Rng, Target, vmath::MulAdd};

/// Two elements C_ij and C_ji may differ by this fraction of the largest element.
const ASYMMETRY: f64 = 1e-12;

/// How many dimensions are measured at most.
const MEASURED: usize = 4;

/// The Gaussian target; see the [module documentation](self).
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: Vec<f64>,
    /// L, shape `[d, d]`, zero above the diagonal.
    factor: DMatrix<f64>,
    /// C⁻¹, shape `[d, d]`.
    precision: DMatrix<f64>,
}

impl Gaussian {
    /// The Gaussian with `mean`, length d, and `covariance`, shape `[d, d]`.
    ///
    /// # Errors
    /// An empty `mean`; a `covariance` that is not `[d, d]`, not symmetric to 1e-12 of its largest element, or not
    /// positive definite; an element of either that is not finite.
    pub fn new(mean: &[f64], covariance: ArrayView2<'_, f64>) -> Result<Self, TargetError> {
        check_mean(mean)?;
        check_covariance(mean.len(), &covariance)?;
        let symmetric = |i, j| 0.5 * (covariance[(i, j)] + covariance[(j, i)]);
        let cholesky = Cholesky::new(DMatrix::from_fn(mean.len(), mean.len(), symmetric))
            .filter(|cholesky| cholesky.l_dirty().diagonal().iter().all(|l| l.is_normal()))
            .ok_or_else(|| TargetError::new("covariance", "not positive definite", "a positive definite matrix"))?;
        Ok(Self { mean: mean.to_vec(), factor: cholesky.l(), precision: cholesky.inverse() })
    }

    /// m, length d.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Element i, j of C⁻¹.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn precision(&self, i: usize, j: usize) -> f64 {
        self.precision[(i, j)]
    }

    /// C_ii = Σ_j L_ij².
    fn variance(&self, i: usize) -> f64 {
        self.factor.row(i).norm_squared()
    }

    /// The dimensions that are measured.
    fn measured(&self) -> Range<usize> {
        0..self.mean.len().min(MEASURED)
    }

    /// log Z = (d/2) log 2π + ½ log det C.
    fn normalisation(&self) -> f64 {
        let half_log_det: f64 = self.factor.diagonal().iter().map(|l| l.ln()).sum();
        0.5 * self.mean.len() as f64 * TAU.ln() + half_log_det
    }
}

fn check_mean(mean: &[f64]) -> Result<(), TargetError> {
    if mean.is_empty() {
        return Err(TargetError::new("mean", "[]", "at least one element"));
    }
    match mean.iter().position(|m| !m.is_finite()) {
        Some(i) => Err(TargetError::new("mean", format!("{} at {i}", mean[i]), "a finite number each")),
        None => Ok(()),
    }
}

fn check_covariance(dim: usize, covariance: &ArrayView2<'_, f64>) -> Result<(), TargetError> {
    let refuse = |value: String, accepted| Err(TargetError::new("covariance", value, accepted));
    if covariance.dim() != (dim, dim) {
        let value = format!("an array of shape {:?} for a mean of length {dim}", covariance.shape());
        return refuse(value, "a square matrix with one row per element of the mean");
    }
    if let Some(((i, j), c)) = covariance.indexed_iter().find(|(_, c)| !c.is_finite()) {
        return refuse(format!("{c} at ({i}, {j})"), "a finite number each");
    }
    let largest = covariance.fold(0.0, |largest: f64, c| largest.max(c.abs()));
    let differs = |&((i, j), &c): &((usize, usize), &f64)| (c - covariance[(j, i)]).abs() > ASYMMETRY * largest;
    if let Some(((i, j), c)) = covariance.indexed_iter().find(differs) {
        return refuse(format!("{c} at ({i}, {j}) and {} at ({j}, {i})", covariance[(j, i)]), "a symmetric matrix");
    }
    Ok(())
}

impl<T: Real> RowAction<T> for Gaussian {
    fn rows(&self) -> usize {
        self.mean.len()
    }

    #[inline(always)]
    fn row<M: MulAdd>(&self, i: usize, x: &Batch<T>, block: Range<usize>, action: &mut [f64], force: &mut [T]) {
        for (j, &mean) in self.mean.iter().enumerate() {
            // C⁻¹ is symmetric; a column is contiguous.
            let (weight, mean) = (T::of(-self.precision[(j, i)]), T::of(mean));
            for (force, &x) in force.iter_mut().zip(&x.row(j)[block.clone()]) {
                *force = M::mul_add(weight, x - mean, *force);
            }
        }
        let mean = T::of(self.mean[i]);
        for ((&mut force, action), &x) in force.iter_mut().zip(action).zip(&x.row(i)[block]) {
            *action -= 0.5 * ((x - mean) * force).wide();
        }
    }
}

impl<T: Real> Target<Cpu<T>> for Gaussian {
    fn dof(&self) -> usize {
        self.mean.len()
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        action_and_force(self, 0.0, x, action, force);
    }
}

impl Exact for Gaussian {
    fn log_z(&self) -> Option<f64> {
        Some(self.normalisation())
    }
}

impl<T: Real> ExactSampler<T> for Gaussian {
    /// x = m + L ξ with ξ ~ N(0, 1), in place: row i needs ξ_j of the rows j ≤ i only, so the last row comes first.
    fn sample(&self, rng: &mut Rng, x: &mut Batch<T>) {
        assert_eq!(x.rows(), self.mean.len(), "rows of x, and dimensions of the Gaussian");
        for x in x.as_mut_slice() {
            let draw: f64 = StandardNormal.sample(rng);
            *x = T::of(draw);
        }
        let samples = x.samples();
        for i in (0..self.mean.len()).rev() {
            let (before, from) = x.as_mut_slice().split_at_mut(i * samples);
            let (mean, diagonal) = (T::of(self.mean[i]), T::of(self.factor[(i, i)]));
            let row = &mut from[..samples];
            row.iter_mut().for_each(|x| *x = mean + diagonal * *x);
            for j in 0..i {
                let weight = T::of(self.factor[(i, j)]);
                for (x, &xi) in row.iter_mut().zip(&before[j * samples..][..samples]) {
                    *x += weight * xi;
                }
            }
        }
    }
}

numbers_drawn_exactly!(Gaussian);

/// The primaries are y_i = x_i − m_i and their squares, small numbers for whatever m.
impl<T: Real> Observables<T> for Gaussian {
    fn primaries(&self) -> Vec<String> {
        self.measured().flat_map(|i| [format!("y_{i}"), format!("y_{i}^2")]).collect()
    }

    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(x.rows(), self.mean.len(), "rows of x, and dimensions of the Gaussian");
        out.reshape(2 * self.measured().len(), x.samples());
        for (i, &mean) in self.mean[self.measured()].iter().enumerate() {
            for (b, x) in x.row(i).iter().enumerate() {
                let y = x.wide() - mean;
                out.row_mut(2 * i)[b] = y;
                out.row_mut(2 * i + 1)[b] = y * y;
            }
        }
    }

    fn observables(&self) -> Vec<Observable> {
        let of_dimension = |i: usize| {
            let (mean, y, y2) = (self.mean[i], 2 * i, 2 * i + 1);
            [
                Observable::new(format!("mean_{i}"), Some(mean), move |a| mean + a[y]),
                Observable::new(format!("variance_{i}"), Some(self.variance(i)), move |a| a[y2] - a[y] * a[y]),
            ]
        };
        self.measured().flat_map(of_dimension).collect()
    }
}
