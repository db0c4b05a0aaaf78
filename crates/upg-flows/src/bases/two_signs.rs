//! Two free fields, one about each of two constant fields: the base for a target with two phases, MATH (20).
//!
//! z = s v (1, …, 1) + y with a sign s = ±1 and y a [`FreeField`](super::FreeField) of covariance C: q₀ = ½ N(v·1, C) + ½ N(−v·1, C). The
//! constant field is mode 0, so only the density of its amplitude has two peaks, at ±m, m = v √V on V sites; `modes.rs` has the formulas.
//! s doesn't follow from z, but its mean does: ⟨s⟩ = tanh(m w_0/C_0) = tanh(v 1ᵀC⁻¹z), and this is what the pull-back (18) takes for it.
//! ∂v is √V ∂m.
//!
//! The sign is the highest bit of the word behind those of the normals, MATH (16): set for s = −1.
//! Parameters: `log_scale` σ, shape `[orbits]`, and `v`, shape `[1]`.

use super::{
    free_field::{self, put},
    modes::{Field, Scratch, Spectrum},
};
use crate::orbits::Orbits;
use upg_core::{
    Base, BasePass, Batch, Cpu, GradSink, Init, ParamLayout, Prepared, Real, SampleStream, Tensor,
    random::words_of_normals,
};

/// ½ N(v·1, C) + ½ N(−v·1, C).
#[derive(Clone, Debug)]
pub struct TwoSigns<T> {
    field: Field<T>,
    layout: ParamLayout,
}

impl<T: Real> TwoSigns<T> {
    /// Fields on a lattice of these extents that start at ±`v` with the propagator 1/(m² + 2κ p̂²).
    pub fn new(lattice: &[usize], m2: f64, kappa: f64, v: f64) -> Self {
        let field = Field::new(lattice);
        let layout = layout(&field.orbits, m2, kappa, v);
        Self { field, layout }
    }
}

/// The parameters on a lattice with these orbits.
pub(crate) fn layout(orbits: &Orbits, m2: f64, kappa: f64, v: f64) -> ParamLayout {
    let mut layout = free_field::layout(orbits, m2, kappa);
    layout.push(Tensor::new("v", [1], Init::Constant(v)));
    layout
}

impl<T: Real> TwoSigns<T> {
    /// m/v.
    fn root(&self) -> f64 {
        (self.field.volume() as f64).sqrt()
    }
}

impl<T: Real> Base<Cpu<T>> for TwoSigns<T> {
    fn dof(&self) -> usize {
        self.field.volume()
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        let (v, log_scale) = theta.split_last().expect("v is a parameter");
        self.field.prepare(log_scale, self.root() * v.wide(), prepared.get_mut());
    }

    fn sample(&self, pass: &mut BasePass<'_, Cpu<T>>, stream: SampleStream, first: u64, z: &mut Batch<T>) {
        self.field.check_rows(z);
        stream.fill_normals(first, z);
        let scratch: &mut Scratch<T> = pass.scratch.get();
        let mut words = std::mem::take(&mut scratch.words);
        words.resize(z.samples(), 0);
        let word = words_of_normals(z.rows());
        stream.fill_words(first, word..word + 1, &mut words);
        self.field.draw(pass.prepared.get(), scratch, z, |b| if words[b] >> 63 == 1 { -1.0 } else { 1.0 });
        scratch.words = words;
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
        let (scratch, spectrum): (&mut Scratch<T>, &Spectrum<T>) = (pass.scratch.get(), pass.prepared.get());
        let of_shift = self.field.pull_back(spectrum, scratch, z, cotangent, weight);
        let (of_v, of_scales) = grad.into.split_last_mut().expect("v is a parameter");
        put(&scratch.of_orbits, of_scales, grad.accum);
        put(&[self.root() * of_shift], std::slice::from_mut(of_v), grad.accum);
    }
}
