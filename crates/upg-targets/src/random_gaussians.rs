//! Equally weighted Gaussians with random means in a box: the problem of 40 modes of L. Midgley et al., arXiv:2208.01893.
//!
//! With means m_k, k = 0 … K−1, one deviation σ and d dimensions, MATH (39),
//!
//! ```text
//! S = −log Σ_k e^{−D_k} + log K + (d/2) log 2πσ²,   D_k = |x − m_k|²/2σ²,   −∂S/∂x = Σ_k r_k (m_k − x)/σ²,   r_k = e^{−D_k}/Σ_j e^{−D_j} ,
//! ```
//!
//! so that log Z = 0. In that paper K = 40, d = 2, the means are uniform in [−40, 40]² and σ = log(1 + e): [`RandomGaussians::SCALE`].
//! The means here are our own and decided by a seed: m_ki = `box`·(2u − 1) with u = ⌊w/2¹¹⌋ 2⁻⁵³ and w the output number k d + i of the
//! xoshiro256++ whose four state words are the first outputs of the SplitMix64 that starts at `seed`.
//!
//! Modes are tens of deviations apart and a D_k is a large number, of which only differences matter: distances are formed in f64 in either precision.
//!
//! Observables: `mean_i` and `x2_i` = ⟨x_i²⟩ of the first four dimensions, and `modes_found`. A sample belongs to mode k by the
//! share r_k, which is 1 for the nearest mode wherever modes are apart; ⟨r_k⟩ = 1/K. A mode is found that has at least a tenth of that.
//! Shapes: x and force `[d, samples]`, action `[samples]`.

use crate::{
    error::{TargetError, require},
    exact::{Exact, ExactSampler},
    numbers::numbers_drawn_exactly,
    observables::{Observable, Observables},
    rows::{BLOCK, blocks},
};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use std::ops::Range;
use upg_core::{
    Batch, Cpu, Real, Rng, Target,
    vmath::{self, Kernel, MulAdd, scalar},
};

/// How many dimensions are measured at most.
const MEASURED: usize = 4;

/// How many modes there may be: one number is measured for each.
const MOST_MODES: usize = 1000;

/// How many numbers the means may be.
const MOST_NUMBERS: usize = 1_000_000;

/// The part of its share of samples from which on a mode counts as found.
const FOUND: f64 = 0.1;

/// The mixture target; see the [module documentation](self).
#[derive(Clone, Debug, PartialEq)]
pub struct RandomGaussians {
    dim: usize,
    scale: f64,
    /// m_k, shape `[modes, dim]`.
    means: Vec<f64>,
}

impl RandomGaussians {
    /// σ of the paper: softplus(1) = log(1 + e).
    pub const SCALE: f64 = 1.313_261_687_518_222_8;

    /// `modes` Gaussians of deviation `scale` in `dim` dimensions, their means uniform in [−`half_width`, `half_width`]^dim and decided by `seed`.
    ///
    /// # Errors
    /// `modes` not from 1 to 1000; `dim` = 0, or more than 10⁶ numbers in all means; `half_width` or `scale` not a number from 10⁻⁶ to 10⁶.
    pub fn new(modes: usize, dim: usize, half_width: f64, scale: f64, seed: u64) -> Result<Self, TargetError> {
        if !(1..=MOST_MODES).contains(&modes) {
            return Err(TargetError::new("modes", modes.to_string(), "a whole number from 1 to 1000"));
        }
        if dim == 0 || dim > MOST_NUMBERS / modes {
            return Err(TargetError::new("dim", dim.to_string(), "at least 1, and at most 10^6 numbers in all means"));
        }
        let allowed = 1e-6..=1e6;
        require(allowed.contains(&half_width), "box", half_width, "a number from 1e-6 to 1e6")?;
        require(allowed.contains(&scale), "scale", scale, "a number from 1e-6 to 1e6")?;
        let mut rng = Rng::seed_from_u64(seed);
        let means = (0..modes * dim).map(|_| half_width * (2.0 * rng.random::<f64>() - 1.0)).collect();
        Ok(Self { dim, scale, means })
    }

    /// Number of dimensions: degrees of freedom.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of modes, K.
    pub fn modes(&self) -> usize {
        self.means.len() / self.dim
    }

    /// m_k, length d.
    pub fn mean(&self, k: usize) -> &[f64] {
        &self.means[k * self.dim..][..self.dim]
    }

    /// (1/K) Σ_k f(m_ki).
    fn over_modes(&self, i: usize, f: impl Fn(f64) -> f64) -> f64 {
        (0..self.modes()).map(|k| f(self.mean(k)[i])).sum::<f64>() / self.modes() as f64
    }

    /// The dimensions that are measured.
    fn measured(&self) -> Range<usize> {
        0..self.dim.min(MEASURED)
    }

    /// log K + (d/2) log 2πσ².
    fn constant(&self) -> f64 {
        (self.modes() as f64).ln() + 0.5 * self.dim as f64 * (TAU * self.scale * self.scale).ln()
    }

    /// 1/2σ².
    fn half_precision(&self) -> f64 {
        0.5 / (self.scale * self.scale)
    }

    /// Fills `out` with D_k of the samples `block`.
    #[inline(always)]
    fn distances<T: Real, M: MulAdd>(&self, k: usize, x: &Batch<T>, block: &Range<usize>, out: &mut [f64]) {
        out.fill(0.0);
        for (i, &mean) in self.mean(k).iter().enumerate() {
            for (sum, &x) in out.iter_mut().zip(&x.row(i)[block.clone()]) {
                let away = x.wide() - mean;
                *sum = M::mul_add(away, away, *sum);
            }
        }
        let half_precision = self.half_precision();
        out.iter_mut().for_each(|sum| *sum *= half_precision);
    }
}

/// `least` ← the smaller one, for every sample; a NaN is not smaller.
#[inline(always)]
fn keep_least(least: &mut [f64], distances: &[f64]) {
    for (least, &distance) in least.iter_mut().zip(distances) {
        *least = if distance < *least { distance } else { *least };
    }
}

struct ActionLoop<'a, T> {
    target: &'a RandomGaussians,
    x: &'a Batch<T>,
    action: &'a mut [f64],
    force: Option<&'a mut Batch<T>>,
}

impl<T: Real> ActionLoop<'_, T> {
    /// `force` += e^{min − D_k} (m_k − x).
    #[inline(always)]
    fn pull(&mut self, k: usize, block: &Range<usize>, weights: &[f64]) {
        let Some(force) = self.force.as_mut() else { return };
        for (i, &mean) in self.target.mean(k).iter().enumerate() {
            let row = &mut force.row_mut(i)[block.clone()];
            for ((force, &x), &weight) in row.iter_mut().zip(&self.x.row(i)[block.clone()]).zip(weights) {
                *force += T::of(weight * (mean - x.wide()));
            }
        }
    }

    /// `force` /= σ² Σ_k e^{min − D_k}.
    #[inline(always)]
    fn normalise(&mut self, block: &Range<usize>, sums: &[f64]) {
        let Some(force) = self.force.as_mut() else { return };
        let precision = 2.0 * self.target.half_precision();
        for i in 0..self.target.dim {
            for (force, &sum) in force.row_mut(i)[block.clone()].iter_mut().zip(sums) {
                *force = T::of(force.wide() * (precision / sum));
            }
        }
    }
}

impl<T: Real> Kernel for ActionLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(mut self) {
        let (target, x, constant) = (self.target, self.x, self.target.constant());
        for block in blocks(x.samples()) {
            let n = block.len();
            let (mut least, mut sums, mut weights) = ([f64::INFINITY; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
            let (least, sums, weights) = (&mut least[..n], &mut sums[..n], &mut weights[..n]);
            for k in 0..target.modes() {
                target.distances::<T, M>(k, x, &block, weights);
                keep_least(least, weights);
            }
            for k in 0..target.modes() {
                target.distances::<T, M>(k, x, &block, weights);
                for ((weight, sum), &least) in weights.iter_mut().zip(sums.iter_mut()).zip(&*least) {
                    *weight = scalar::exp::<f64, M>(least - *weight);
                    *sum += *weight;
                }
                self.pull(k, &block, weights);
            }
            self.normalise(&block, sums);
            for ((action, &least), &sum) in self.action[block.clone()].iter_mut().zip(&*least).zip(&*sums) {
                *action = least - scalar::ln::<f64, M>(sum) + constant;
            }
        }
    }
}

/// Fills the rows of `out` from `first` on with the shares r_k.
struct Shares<'a, T> {
    target: &'a RandomGaussians,
    x: &'a Batch<T>,
    out: &'a mut Batch<f64>,
    first: usize,
}

impl<T: Real> Kernel for Shares<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let rows = self.first..self.first + self.target.modes();
        for block in blocks(self.x.samples()) {
            let n = block.len();
            let (mut least, mut sums) = ([f64::INFINITY; BLOCK], [0.0; BLOCK]);
            for (k, row) in rows.clone().enumerate() {
                let distances = &mut self.out.row_mut(row)[block.clone()];
                self.target.distances::<T, M>(k, self.x, &block, distances);
                keep_least(&mut least[..n], distances);
            }
            for row in rows.clone() {
                let shares = self.out.row_mut(row)[block.clone()].iter_mut();
                for ((share, sum), least) in shares.zip(&mut sums).zip(&least) {
                    *share = scalar::exp::<f64, M>(least - *share);
                    *sum += *share;
                }
            }
            for row in rows.clone() {
                self.out.row_mut(row)[block.clone()].iter_mut().zip(&sums).for_each(|(share, sum)| *share /= sum);
            }
        }
    }
}

impl<T: Real> Target<Cpu<T>> for RandomGaussians {
    fn dof(&self) -> usize {
        self.dim
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, mut force: Option<&mut Batch<T>>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the mixture");
        action.clear();
        action.resize(x.samples(), 0.0);
        if let Some(force) = &mut force {
            force.reshape(x.rows(), x.samples());
            force.fill(T::zero());
        }
        vmath::dispatch(ActionLoop { target: self, x, action, force });
    }
}

impl Exact for RandomGaussians {
    fn log_z(&self) -> Option<f64> {
        Some(0.0)
    }
}

impl<T: Real> ExactSampler<T> for RandomGaussians {
    fn sample(&self, rng: &mut Rng, x: &mut Batch<T>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the mixture");
        for b in 0..x.samples() {
            let k = rng.random_range(0..self.modes());
            for (i, &mean) in self.mean(k).iter().enumerate() {
                let draw: f64 = StandardNormal.sample(rng);
                x.row_mut(i)[b] = T::of(mean + self.scale * draw);
            }
        }
    }
}

numbers_drawn_exactly!(RandomGaussians);

impl<T: Real> Observables<T> for RandomGaussians {
    fn primaries(&self) -> Vec<String> {
        let moments = self.measured().flat_map(|i| [format!("x_{i}"), format!("x_{i}^2")]);
        moments.chain((0..self.modes()).map(|k| format!("share_{k}"))).collect()
    }

    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the mixture");
        let moments = 2 * self.measured().len();
        out.reshape(moments + self.modes(), x.samples());
        for i in self.measured() {
            out.row_mut(2 * i).iter_mut().zip(x.row(i)).for_each(|(out, x)| *out = x.wide());
            out.row_mut(2 * i + 1).iter_mut().zip(x.row(i)).for_each(|(out, x)| *out = x.wide() * x.wide());
        }
        vmath::dispatch(Shares { target: self, x, out, first: moments });
    }

    fn observables(&self) -> Vec<Observable> {
        let (modes, first) = (self.modes(), 2 * self.measured().len());
        let variance = self.scale * self.scale;
        let moments = self.measured().flat_map(|i| {
            [
                Observable::mean(format!("mean_{i}"), Some(self.over_modes(i, |m| m)), 2 * i),
                Observable::mean(format!("x2_{i}"), Some(self.over_modes(i, |m| m * m) + variance), 2 * i + 1),
            ]
        });
        let found = Observable::new("modes_found", Some(1.0), move |a| found(&a[first..first + modes]));
        moments.chain([found]).collect()
    }
}

/// The fraction of modes with at least a tenth of their part of the samples; NaN if a share is.
fn found(shares: &[f64]) -> f64 {
    let modes = shares.len() as f64;
    let counted = shares.iter().map(|&s| if s.is_nan() { s } else { f64::from(s * modes >= FOUND) });
    counted.sum::<f64>() / modes
}
