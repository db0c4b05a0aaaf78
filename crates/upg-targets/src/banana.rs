//! A Gaussian bent along a parabola, the *banana*: the twisted Gaussian of H. Haario, E. Saksman, J. Tamminen, Comput. Statist. 14 (1999) 375.
//!
//! x_0 ~ N(0, s²), x_1 ~ N(b (x_0² − s²), 1), all further x_i ~ N(0, 1). With r = x_1 − b (x_0² − s²), MATH (42),
//!
//! ```text
//! S = x_0²/2s² + ½r² + ½Σ_{i≥2} x_i² + log s + (d/2) log 2π,   −∂S/∂x_0 = −x_0/s² + 2b x_0 r,   −∂S/∂x_1 = −r,   −∂S/∂x_i = −x_i ,
//! ```
//!
//! so that log Z = 0. Haario et al. have s = 10, b = −0.03 (mild) and b = −0.1 (strong) in this notation: theirs is bent the other way.
//!
//! Observables: `mean_0` = 0, `variance_0` = s², `mean_1` = 0, `variance_1` = 1 + 2b²s⁴, and
//! `curvature` = ⟨(x_0² − s²) x_1⟩/2s⁴ = b. Shapes: x and force `[d, samples]`, action `[samples]`.

use crate::{
    error::{TargetError, require},
    exact::{Exact, ExactSampler},
    numbers::numbers_drawn_exactly,
    observables::{Observable, Observables},
    rows::{RowAction, action_and_force},
};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use std::ops::Range;
use upg_core::{Batch, Cpu, Real, Rng, Target, vmath::MulAdd};

/// The bent Gaussian; see the [module documentation](self).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Banana {
    dim: usize,
    curvature: f64,
    scale: f64,
}

impl Banana {
    /// The banana in `dim` dimensions with b = `curvature` and s = `scale`.
    ///
    /// # Errors
    /// `dim` below 2; `curvature` not a number from −1000 to 1000; `scale` not one from 0.001 to 1000.
    pub fn new(dim: usize, curvature: f64, scale: f64) -> Result<Self, TargetError> {
        if dim < 2 {
            return Err(TargetError::new("dim", dim.to_string(), "at least 2"));
        }
        require((-1e3..=1e3).contains(&curvature), "curvature", curvature, "a number from -1000 to 1000")?;
        require((1e-3..=1e3).contains(&scale), "scale", scale, "a number from 0.001 to 1000")?;
        Ok(Self { dim, curvature, scale })
    }

    /// Number of dimensions: degrees of freedom.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// b (x_0² − s²), as a product: nothing cancels where x_0 is close to ±s.
    #[inline(always)]
    fn bend<T: Real>(&self, x0: T) -> T {
        let scale = T::of(self.scale);
        T::of(self.curvature) * ((x0 - scale) * (x0 + scale))
    }

    /// log s + (d/2) log 2π.
    fn constant(&self) -> f64 {
        self.scale.ln() + 0.5 * self.dim as f64 * TAU.ln()
    }
}

impl<T: Real> RowAction<T> for Banana {
    fn rows(&self) -> usize {
        self.dim
    }

    #[inline(always)]
    fn row<M: MulAdd>(&self, i: usize, x: &Batch<T>, block: Range<usize>, action: &mut [f64], force: &mut [T]) {
        let (half, precision) = (T::of(0.5), T::of(1.0 / (self.scale * self.scale)));
        let along = x.row(0)[block.clone()].iter().zip(&x.row(1)[block.clone()]);
        let terms = force.iter_mut().zip(action);
        match i {
            0 => terms.zip(along).for_each(|((force, action), (&x0, &x1))| {
                let (r, twice) = (x1 - self.bend(x0), T::of(2.0 * self.curvature));
                *force = x0 * M::mul_add(twice, r, -precision);
                *action += (half * precision * x0 * x0).wide();
            }),
            1 => terms.zip(along).for_each(|((force, action), (&x0, &x1))| {
                *force = self.bend(x0) - x1;
                *action += (half * *force * *force).wide();
            }),
            _ => terms.zip(&x.row(i)[block]).for_each(|((force, action), &x)| {
                *force = -x;
                *action += (half * x * x).wide();
            }),
        }
    }
}

impl<T: Real> Target<Cpu<T>> for Banana {
    fn dof(&self) -> usize {
        self.dim
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        action_and_force(self, self.constant(), x, action, force);
    }
}

impl Exact for Banana {
    fn log_z(&self) -> Option<f64> {
        Some(0.0)
    }
}

impl<T: Real> ExactSampler<T> for Banana {
    fn sample(&self, rng: &mut Rng, x: &mut Batch<T>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the banana");
        for b in 0..x.samples() {
            let draw: f64 = StandardNormal.sample(rng);
            let x0 = self.scale * draw;
            x.row_mut(0)[b] = T::of(x0);
            for i in 1..self.dim {
                let draw: f64 = StandardNormal.sample(rng);
                x.row_mut(i)[b] = T::of(if i == 1 { draw + self.bend(x0) } else { draw });
            }
        }
    }
}

numbers_drawn_exactly!(Banana);

impl<T: Real> Observables<T> for Banana {
    fn primaries(&self) -> Vec<String> {
        ["x_0", "x_0^2", "x_1", "x_1^2", "curvature"].map(String::from).into()
    }

    fn measure(&self, x: &Batch<T>, out: &mut Batch<f64>) {
        assert_eq!(x.rows(), self.dim, "rows of x, and dimensions of the banana");
        out.reshape(5, x.samples());
        let s2 = self.scale * self.scale;
        for (b, (x0, x1)) in x.row(0).iter().zip(x.row(1)).enumerate() {
            let (x0, x1) = (x0.wide(), x1.wide());
            let primaries = [x0, x0 * x0, x1, x1 * x1, (x0 * x0 - s2) * x1 / (2.0 * s2 * s2)];
            primaries.into_iter().enumerate().for_each(|(i, value)| out.row_mut(i)[b] = value);
        }
    }

    fn observables(&self) -> Vec<Observable> {
        let s2 = self.scale * self.scale;
        let bent = 1.0 + 2.0 * (self.curvature * s2).powi(2);
        vec![
            Observable::mean("mean_0", Some(0.0), 0),
            Observable::new("variance_0", Some(s2), |a| a[1] - a[0] * a[0]),
            Observable::mean("mean_1", Some(0.0), 2),
            Observable::new("variance_1", Some(bent), |a| a[3] - a[2] * a[2]),
            Observable::mean("curvature", Some(self.curvature), 4),
        ]
    }
}
