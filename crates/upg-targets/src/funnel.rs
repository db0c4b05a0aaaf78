//! Neal's funnel: the width of all other numbers is e^{x_0/2}, over many orders of magnitude. R. Neal, Ann. Statist. 31 (2003) 705, section 8.
//!
//! x_0 ~ N(0, σ²) and x_i ~ N(0, e^{x_0}) for i = 1 … d−1. With y_i = x_i e^{−x_0/2} and Y = Σ_i y_i², MATH (41),
//!
//! ```text
//! S = x_0²/2σ² + log σ + ½(d−1) x_0 + ½Y + (d/2) log 2π,   −∂S/∂x_0 = −x_0/σ² + ½(Y − d + 1),   −∂S/∂x_i = −y_i e^{−x_0/2} ,
//! ```
//!
//! so that log Z = 0. With squares of y_i, not of x_i, everything is finite in f32 for |x_0| up to 80, where x_i is of the order of its width.
//!
//! Observables: `x_0` = 0, `x_0^2` = σ², `neck_fraction`, how many x_0 are below −σ: Φ(−1), unless the neck is missing, and `width`, the
//! mean of y_i² over i: 1. Shapes: x and force `[d, samples]`, action `[samples]`.

use crate::{
    error::{TargetError, require},
    exact::{Exact, ExactSampler},
    numbers::numbers_drawn_exactly,
    observables::{Observable, Observables},
    rows::{BLOCK, blocks},
};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use upg_core::{
    Batch, Cpu, Real, Rng, Target,
    vmath::{self, Kernel, MulAdd, scalar},
};

/// Φ(−1) = ½ erfc(1/√2).
const BELOW_ONE_DEVIATION: f64 = 0.158_655_253_931_457_05;

/// The funnel; see the [module documentation](self).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Funnel {
    dim: usize,
    sigma: f64,
}

impl Funnel {
    /// The funnel in `dim` dimensions, with deviation `sigma` of x_0. Neal's has 10 and 3.
    ///
    /// # Errors
    /// `dim` below 2; `sigma` not a number from 0.001 to 10.
    pub fn new(dim: usize, sigma: f64) -> Result<Self, TargetError> {
        if dim < 2 {
            return Err(TargetError::new("dim", dim.to_string(), "at least 2"));
        }
        require((1e-3..=10.0).contains(&sigma), "sigma", sigma, "a number from 0.001 to 10")?;
        Ok(Self { dim, sigma })
    }

    /// Number of dimensions: degrees of freedom.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// σ.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// d−1.
    fn others(&self) -> f64 {
        (self.dim - 1) as f64
    }

    /// log σ + (d/2) log 2π.
    fn constant(&self) -> f64 {
        self.sigma.ln() + 0.5 * self.dim as f64 * TAU.ln()
    }
}

struct FunnelLoop<'a, T> {
    target: &'a Funnel,
    x: &'a Batch<T>,
    action: &'a mut [f64],
    force: Option<&'a mut Batch<T>>,
}

impl<T: Real> Kernel for FunnelLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(mut self) {
        let Funnel { dim, sigma } = *self.target;
        let (precision, half) = (T::of(1.0 / (sigma * sigma)), T::of(0.5));
        let (others, constant) = (self.target.others(), self.target.constant());
        for block in blocks(self.x.samples()) {
            let x0 = &self.x.row(0)[block.clone()];
            let (mut narrow, mut squares) = ([T::zero(); BLOCK], [T::zero(); BLOCK]); // e^{−x_0/2} and Y
            for (narrow, &x0) in narrow.iter_mut().zip(x0) {
                *narrow = scalar::exp::<T, M>(-half * x0);
            }
            for i in 1..dim {
                for ((sum, &narrow), &x) in squares.iter_mut().zip(&narrow).zip(&self.x.row(i)[block.clone()]) {
                    let y = x * narrow;
                    *sum = M::mul_add(y, y, *sum);
                }
            }
            for ((action, &x0), &sum) in self.action[block.clone()].iter_mut().zip(x0).zip(&squares) {
                *action = 0.5 * ((precision * x0 * x0).wide() + others * x0.wide() + sum.wide()) + constant;
            }
            let Some(force) = self.force.as_mut() else { continue };
            for ((force, &x0), &sum) in force.row_mut(0)[block.clone()].iter_mut().zip(x0).zip(&squares) {
                *force = M::mul_add(-precision, x0, half * (sum - T::of(others)));
            }
            for i in 1..dim {
                let x = &self.x.row(i)[block.clone()];
                for ((force, &x), &narrow) in force.row_mut(i)[block.clone()].iter_mut().zip(x).zip(&narrow) {
                    *force = -(x * narrow) * narrow;
                }
            }
        }
    }
}

impl<T: Real> Target<Cpu<T>> for Funnel {
    fn dof(&self) -> usize {
        self.dim
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, mut force: Option<&mut Batch<T>>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the funnel");
        action.clear();
        action.resize(x.samples(), 0.0);
        if let Some(force) = &mut force {
            force.reshape(x.rows(), x.samples());
        }
        vmath::dispatch(FunnelLoop { target: self, x, action, force });
    }
}

impl Exact for Funnel {
    fn log_z(&self) -> Option<f64> {
        Some(0.0)
    }
}

impl<T: Real> ExactSampler<T> for Funnel {
    fn sample(&self, rng: &mut Rng, x: &mut Batch<T>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the funnel");
        for b in 0..x.samples() {
            let draw: f64 = StandardNormal.sample(rng);
            let (x0, width) = (self.sigma * draw, (0.5 * self.sigma * draw).exp());
            x.row_mut(0)[b] = T::of(x0);
            for i in 1..self.dim {
                let draw: f64 = StandardNormal.sample(rng);
                x.row_mut(i)[b] = T::of(width * draw);
            }
        }
    }
}

numbers_drawn_exactly!(Funnel);

impl<T: Real> Observables<T> for Funnel {
    fn primaries(&self) -> Vec<String> {
        ["x_0", "x_0^2", "neck_fraction", "width"].map(String::from).into()
    }

    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the funnel");
        out.reshape(4, x.samples());
        for (b, x0) in x.row(0).iter().map(|x0| x0.wide()).enumerate() {
            out.row_mut(0)[b] = x0;
            out.row_mut(1)[b] = x0 * x0;
            out.row_mut(2)[b] = 0.5 - 0.5 * (x0 + self.sigma).signum();
            let narrow = (-0.5 * x0).exp();
            let squares: f64 = (1..self.dim).map(|i| (x.row(i)[b].wide() * narrow).powi(2)).sum();
            out.row_mut(3)[b] = squares / self.others();
        }
    }

    fn observables(&self) -> Vec<Observable> {
        let names = Observables::<T>::primaries(self).into_iter().enumerate();
        let exact = [0.0, self.sigma * self.sigma, BELOW_ONE_DEVIATION, 1.0];
        names.zip(exact).map(|((i, name), exact)| Observable::mean(name, Some(exact), i)).collect()
    }
}
