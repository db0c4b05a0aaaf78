//! The normal density with a mean and a log-scale for every degree of freedom.
//!
//! z_i = μ_i + e^{σ_i} ε_i with ε ~ N(0, 1); with e_i = (z_i − μ_i) e^{−σ_i}
//!
//! - log q₀ = −Σ_i (½ e_i² + σ_i) − (d/2) log 2π, score −e_i e^{−σ_i};
//! - pull back, MATH (18): ∂σ_i (+)= Σ_samples [ a_i (z_i − μ_i) + w (e_i² − 1) ], ∂μ_i (+)= Σ_samples [ a_i + w e_i e^{−σ_i} ].
//!
//! Parameters: `log_scale` σ and `mean` μ, shape `[dof]` each, both 0 at the start: the standard normal.

use std::f64::consts::TAU;
use upg_core::{
    Accum, Base, BasePass, Batch, Cpu, GradSink, Init, ParamLayout, Prepared, Real, SampleStream, Tensor,
    vmath::{Kernel, MulAdd, dispatch},
};

/// N(μ_i, e^{2σ_i}) in degree of freedom i.
#[derive(Clone, Copy, Debug)]
pub struct DiagonalNormal {
    dof: usize,
}

/// What is prepared of the parameters.
#[derive(Debug, Default)]
struct Scales<T> {
    /// e^{σ_i}.
    scale: Vec<T>,
    /// e^{−σ_i}.
    reciprocal: Vec<T>,
    /// log q₀ at the mean.
    at_mean: f64,
}

impl DiagonalNormal {
    /// The density of `dof` degrees of freedom.
    pub fn new(dof: usize) -> Self {
        Self { dof }
    }

    /// The parameters of the density of `dof` degrees of freedom.
    pub(crate) fn layout(dof: usize) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("log_scale", [dof], Init::Constant(0.0)));
        layout.push(Tensor::new("mean", [dof], Init::Constant(0.0)));
        layout
    }

    fn check_rows<T: Real>(&self, z: &Batch<T>) {
        assert_eq!(z.rows(), self.dof, "rows of z, and degrees of freedom of the base");
    }
}

impl<T: Real> Base<Cpu<T>> for DiagonalNormal {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        Self::layout(self.dof)
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        assert_eq!(theta.len(), 2 * self.dof, "parameters given, and parameters of the base");
        let Scales { scale, reciprocal, at_mean } = prepared.get_mut();
        let log_scale = &theta[..self.dof];
        scale.clear();
        scale.extend(log_scale.iter().map(|s| s.exp()));
        reciprocal.clear();
        reciprocal.extend(log_scale.iter().map(|&s| (-s).exp()));
        *at_mean = -0.5 * self.dof as f64 * TAU.ln() - log_scale.iter().map(|s| s.wide()).sum::<f64>();
    }

    fn sample(&self, pass: &mut BasePass<'_, Cpu<T>>, stream: SampleStream, first: u64, z: &mut Batch<T>) {
        self.check_rows(z);
        stream.fill_normals(first, z);
        let (scale, mean) = (&pass.prepared.get::<Scales<T>>().scale, &pass.theta[self.dof..]);
        dispatch(Moved { scale, mean, z });
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cpu<T>>,
        z: &Batch<T>,
        log_density: &mut Vec<f64>,
        mut score: Option<&mut Batch<T>>,
    ) {
        self.check_rows(z);
        let Scales { reciprocal, at_mean, .. } = pass.prepared.get::<Scales<T>>();
        log_density.clear();
        log_density.resize(z.samples(), *at_mean);
        if let Some(score) = &mut score {
            score.reshape(z.rows(), z.samples());
        }
        dispatch(Density { reciprocal, mean: &pass.theta[self.dof..], z, log_density, score });
    }

    fn pull_back(
        &self,
        pass: &mut BasePass<'_, Cpu<T>>,
        z: &Batch<T>,
        cotangent: Option<&Batch<T>>,
        weight: f64,
        grad: GradSink<'_, Cpu<T>>,
    ) {
        self.check_rows(z);
        let GradSink { into, accum } = grad;
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        let (of_scale, of_mean) = into.split_at_mut(self.dof);
        let reciprocal = &pass.prepared.get::<Scales<T>>().reciprocal;
        for i in 0..self.dof {
            let (mean, reciprocal) = (pass.theta[self.dof + i], reciprocal[i]);
            let sums = dispatch(Sums { z: z.row(i), cotangent: cotangent.map(|a| a.row(i)), weight, mean, reciprocal });
            of_scale[i] += T::of(sums[0]);
            of_mean[i] += T::of(sums[1]);
        }
    }
}

/// z_i ← μ_i + e^{σ_i} z_i.
struct Moved<'a, T> {
    scale: &'a [T],
    mean: &'a [T],
    z: &'a mut Batch<T>,
}

impl<T: Real> Kernel for Moved<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { scale, mean, z } = self;
        for (i, (&scale, &mean)) in scale.iter().zip(mean).enumerate() {
            for z in z.row_mut(i) {
                *z = M::mul_add(scale, *z, mean);
            }
        }
    }
}

/// log q₀ −= Σ_i ½ e_i², and the score.
struct Density<'a, T> {
    reciprocal: &'a [T],
    mean: &'a [T],
    z: &'a Batch<T>,
    log_density: &'a mut [f64],
    score: Option<&'a mut Batch<T>>,
}

impl<T: Real> Kernel for Density<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { reciprocal, mean, z, log_density, mut score } = self;
        for (i, (&reciprocal, &mean)) in reciprocal.iter().zip(mean).enumerate() {
            for (log_density, &z) in log_density.iter_mut().zip(z.row(i)) {
                let e = ((z - mean) * reciprocal).wide();
                *log_density = M::mul_add(-0.5 * e, e, *log_density);
            }
            let Some(score) = &mut score else { continue };
            for (score, &z) in score.row_mut(i).iter_mut().zip(z.row(i)) {
                *score = -(z - mean) * reciprocal * reciprocal;
            }
        }
    }
}

/// Σ_samples of the terms of ∂σ_i and of ∂μ_i.
struct Sums<'a, T> {
    z: &'a [T],
    cotangent: Option<&'a [T]>,
    weight: f64,
    mean: T,
    reciprocal: T,
}

impl<T: Real> Kernel for Sums<'_, T> {
    type Output = [f64; 2];

    #[inline(always)]
    fn run<M: MulAdd>(self) -> [f64; 2] {
        let Self { z, cotangent, weight, mean, reciprocal } = self;
        let mut sums = [0.0; 2];
        for &z in z {
            let e = ((z - mean) * reciprocal).wide();
            sums[0] += weight * (e * e - 1.0);
            sums[1] += weight * e * reciprocal.wide();
        }
        for (&z, &a) in z.iter().zip(cotangent.unwrap_or_default()) {
            sums[0] += a.wide() * (z - mean).wide();
            sums[1] += a.wide();
        }
        sums
    }
}
