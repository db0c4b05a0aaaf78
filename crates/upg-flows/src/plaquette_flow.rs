//! The continuous flow of the links of a two-dimensional U(1) theory by the vector field of its plaquettes.
//!
//! Links u_μ(x), `[2, L_0, L_1]`; plaquettes P = Du, P(x) = u_0(x) + u_1(x+ê_0) − u_0(x+ê_1) − u_1(x); Φ the flow of the V plaquettes along
//! v(P, t) (see [`plaquette_field`](crate::plaquette_field)) by [`continuous`](crate::continuous). With (D Dᵀ)⁺ the division of the modes by Σ_μ (2 − 2 cos k_μ),
//! mode 0 set to 0, MATH (38):
//!
//! - u ← u + Dᵀ (D Dᵀ)⁺ (Φ(Du) − Du) mod 2π, ℓ = log|det ∂Φ/∂P| of the flow of plaquettes: the integral of tr ∂v/∂P.
//! - A covector c on links induces c_P = (D Dᵀ)⁺ D c on plaquettes; push and pull-back are those of Φ on c_P, and c ← c + Dᵀ (c_P,new − c_P): what belongs to no
//!   plaquette stays.
//!
//! Angles aren't wrapped on the way, and only sines and cosines of P enter, so that any branch of it does at the start. The inverse integrates backwards.

mod links;

use crate::{continuous::Continuous, plaquette_field::PlaquetteField};
use links::{Line, Links};
use std::sync::Arc;
use upg_core::{Batch, Cpu, GradSink, Invertible, Layer, ParamLayout, Pass, Prepared, Real};

/// The flow of links on one lattice.
#[derive(Debug)]
pub struct PlaquetteFlow<T> {
    plaquettes: Continuous<PlaquetteField<T>>,
    links: Arc<Links<T>>,
}

/// A field on plaquettes before and after it is moved, `[V, samples]`: memory that all layers of this kind share.
struct Moved<T: Real> {
    before: Batch<T>,
    after: Batch<T>,
    line: Line<T>,
}

/// That of angles.
#[derive(Default)]
struct Angles<T: Real>(Moved<T>);

/// That of covectors, which move alongside.
#[derive(Default)]
struct Covectors<T: Real>(Moved<T>);

impl<T: Real> Default for Moved<T> {
    fn default() -> Self {
        Self { before: Batch::default(), after: Batch::default(), line: Line::default() }
    }
}

impl<T: Real> PlaquetteFlow<T> {
    /// The flow by a field with N = `sines`, M = `products` and K = `times`, in `steps` steps.
    ///
    /// # Panics
    /// If one of them is 0, or an extent below 2.
    #[track_caller]
    pub fn new(lattice: [usize; 2], sines: usize, products: usize, times: usize, steps: usize) -> Self {
        assert!(lattice.iter().all(|&extent| extent >= 2), "lattice = {lattice:?}: two extents, each at least 2");
        let plaquettes = Continuous::new(PlaquetteField::new(lattice, sines, products, times), steps);
        Self { plaquettes, links: Arc::new(Links::new(lattice)) }
    }

    /// x ← x + Dᵀ (D Dᵀ)⁺ (Φ(Dx) − Dx) mod 2π for `flow` = Φ.
    fn move_links(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        x: &mut Batch<T>,
        flow: impl FnOnce(&mut Pass<'_, Cpu<T>>, &mut Batch<T>),
    ) {
        let mut angles = std::mem::take(pass.scratch.get::<Angles<T>>());
        let Moved { before, after, line } = &mut angles.0;
        self.links.plaquettes(x, before);
        after.copy_from(before);
        flow(pass, after);
        Links::subtract(before, after);
        self.links.divide(after, line);
        self.links.add_transposed(after, x);
        Links::wrap(x);
        *pass.scratch.get() = angles;
    }

    /// c ← c + Dᵀ (verb(c_P) − c_P) for c_P = (D Dᵀ)⁺ D c.
    fn carry(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        c: &mut Batch<T>,
        verb: impl FnOnce(&mut Pass<'_, Cpu<T>>, &mut Batch<T>),
    ) {
        let mut covectors = std::mem::take(pass.scratch.get::<Covectors<T>>());
        let Moved { before, after, line } = &mut covectors.0;
        self.links.plaquettes(c, before);
        self.links.divide(before, line);
        after.copy_from(before);
        verb(pass, after);
        Links::subtract(before, after);
        self.links.add_transposed(after, c);
        *pass.scratch.get() = covectors;
    }
}

impl<T: Real> Layer<Cpu<T>> for PlaquetteFlow<T> {
    fn dof(&self) -> usize {
        self.links.dof()
    }

    fn params(&self) -> ParamLayout {
        self.plaquettes.params()
    }

    fn prepare(&self, device: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        self.plaquettes.prepare(device, theta, prepared);
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        self.move_links(pass, x, |pass, plaquettes| self.plaquettes.forward(pass, plaquettes, log_det));
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(pass, cotangent, |pass, covector| self.plaquettes.push(pass, covector, weight, grad));
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(pass, cotangent, |pass, covector| self.plaquettes.pull_back(pass, covector, weight, grad));
    }

    /// The field shares what it computes at a stage between its value and the score.
    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        x: &mut Batch<T>,
        log_det: &mut Vec<f64>,
        score: &mut Batch<T>,
    ) {
        self.carry(pass, score, |pass, score| {
            self.move_links(pass, x, |pass, plaquettes| {
                self.plaquettes.forward_with_score(pass, plaquettes, log_det, score);
            });
        });
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        self.move_links(pass, x, |pass, plaquettes| self.plaquettes.forward_without_tape(pass, plaquettes, log_det));
    }
}

impl<T: Real> Invertible<Cpu<T>> for PlaquetteFlow<T> {
    /// The same field, integrated backwards: T⁻¹ up to O(h⁴).
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        Box::new(Self { plaquettes: self.plaquettes.reversed(), links: self.links.clone() })
    }
}
