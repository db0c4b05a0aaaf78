//! The free field on a periodic lattice: a normal density that commutes with all symmetries of the lattice, MATH (19).
//!
//! z = Fᵀ e^σ ε with ε ~ N(0, 1), one number a mode; F is the transform to the modes ([`modes`](crate::modes)), which is orthonormal, and
//! σ is one number for each orbit o of modes ([`orbits`](crate::orbits)). With w = F z, α = F a for a cotangent a, and C_r = e^{2σ_o(r)}
//!
//! - log q₀ = −½ Σ_r [ w_r²/C_r + log 2πC_r ], score −Fᵀ(w/C);
//! - pull back, MATH (18): ∂σ_o (+)= Σ_samples Σ_{r in o} [ α_r w_r + w (w_r²/C_r − 1) ].
//!
//! It starts as the free theory S = ½ Σ_p |z_p|² (m² + 2κ p̂²), p̂² = Σ_μ (2 − 2 cos p_μ): C_o = 1/(m² + 2κ p̂_o²).
//! Parameter: `log_scale` σ, shape `[orbits]`.

use super::modes::Field;
use crate::orbits::Orbits;
use upg_core::{Accum, Base, BasePass, Batch, Cpu, GradSink, Init, ParamLayout, Prepared, Real, SampleStream, Tensor};

/// A Gaussian field with one variance for each orbit of modes.
#[derive(Clone, Debug)]
pub struct FreeField<T> {
    field: Field<T>,
    layout: ParamLayout,
}

impl<T: Real> FreeField<T> {
    /// A field on a lattice of these extents that starts with the propagator 1/(m² + 2κ p̂²).
    pub fn new(lattice: &[usize], m2: f64, kappa: f64) -> Self {
        let field = Field::new(lattice);
        let layout = layout(&field.orbits, m2, kappa);
        Self { field, layout }
    }
}

/// The parameters on a lattice with these orbits.
pub(crate) fn layout(orbits: &Orbits, m2: f64, kappa: f64) -> ParamLayout {
    let start = orbits.p_hat_squared().iter().map(|p2| -0.5 * (m2 + 2.0 * kappa * p2).ln()).collect();
    let mut layout = ParamLayout::default();
    layout.push(Tensor::new("log_scale", [orbits.count()], Init::Each(start)));
    layout
}

impl<T: Real> Base<Cpu<T>> for FreeField<T> {
    fn dof(&self) -> usize {
        self.field.volume()
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        self.field.prepare(theta, 0.0, prepared.get_mut());
    }

    fn sample(&self, pass: &mut BasePass<'_, Cpu<T>>, stream: SampleStream, first: u64, z: &mut Batch<T>) {
        self.field.check_rows(z);
        stream.fill_normals(first, z);
        self.field.draw(pass.prepared.get(), pass.scratch.get(), z, |_| 0.0);
    }

    fn log_density_and_score(
        &self,
        pass: &mut BasePass<'_, Cpu<T>>,
        z: &Batch<T>,
        log_density: &mut Vec<f64>,
        score: Option<&mut Batch<T>>,
    ) {
        self.field.check_rows(z);
        self.field.density(pass.prepared.get(), pass.scratch.get(), z, log_density, score);
    }

    fn pull_back(
        &self,
        pass: &mut BasePass<'_, Cpu<T>>,
        z: &Batch<T>,
        cotangent: Option<&Batch<T>>,
        weight: f64,
        grad: GradSink<'_, Cpu<T>>,
    ) {
        self.field.check_rows(z);
        let scratch = pass.scratch.get();
        self.field.pull_back(pass.prepared.get(), scratch, z, cotangent, weight);
        put(&scratch.of_orbits, grad.into, grad.accum);
    }
}

/// to (+)= from.
pub(super) fn put<T: Real>(from: &[f64], to: &mut [T], accum: Accum) {
    assert_eq!(from.len(), to.len(), "derivatives, and places for them");
    for (to, &from) in to.iter_mut().zip(from) {
        let before = if accum == Accum::Replace { T::zero() } else { *to };
        *to = before + T::of(from);
    }
}
