//! U(1) gauge-equivariant coupling: active links move with the plaquettes they close, conditioned on frozen plaquettes.
//!
//! Links u_μ(x) in [0, 2π), array [μ, x_0, x_1]; plaquette P(x) = u_0(x) + u_1(x+ê_0) − u_0(x+ê_1) − u_1(x). For direction μ the sites
//! form [`Stripes`] along axis μ: at active sites the link u = u_μ(x) moves, by the change of its plaquette p = σu + r(c), where
//! σ = +1 for μ = 0, −1 for μ = 1, and r sums the plaquette's other links:
//!
//! - MATH (10): y = g(p; φ), u ← u + σ (y − p) mod 2π; φ = net(cos P, sin P) of the frozen plaquettes; ℓ = Σ λ = Σ log|∂g/∂p|.
//! - A covector a on the links induces a_p = σ a_u on an active plaquette, because no other moved link enters it. MATH (4) and (5) hold for (a_p, p)
//!   as they stand, and give v. With r as one more, linear, output of the conditioner its cotangent is the change of a_p, up to sign;
//!   so, with P the map from links to plaquettes, all links follow at once, the active ones included:
//!
//!   MATH (11): a ← a + Pᵀ Δ, Δ = a_p,new − a_p,old on active plaquettes, Δ = [∂(cos P, sin P)/∂P]ᵀ netᵀ v on frozen ones.
//!
//! The inverse is the same coupling with g⁻¹. Work goes by tiles of [`lanes`] samples, through the whole layer while they are in cache.
//! Source: G. Kanwar et al., arXiv:2003.06413; M. S. Albergo et al., arXiv:2101.08176.

mod links;
mod memory;

use crate::{
    cnn::{Cnn, Kept, Packed, Stripes, Tile},
    coupling::equations::Verb,
    elementwise::{Elementwise, Partials, PartialsRef, Phi, PhiMut},
    features::{fill_features, pull_back_features, subtract},
    simd::lanes,
};
use links::Links;
use memory::{Covectors, Scratch, Tape, TapeOfTile};
use std::sync::Arc;
use upg_core::{Batch, Cpu, GradSink, Invertible, Layer, ParamLayout, Pass, Prepared, Real};

/// A gauge coupling with elementwise transform `E` on the active plaquettes.
#[derive(Clone, Debug)]
pub struct GaugeCoupling<E> {
    links: Arc<Links>,
    net: Arc<Cnn>,
    transform: E,
}

impl<E> GaugeCoupling<E> {
    /// Joins a net and a transform on the stripes of the net; `stripes` are those the net was made for.
    ///
    /// # Panics
    /// If the net's outputs aren't `width` per active site.
    #[track_caller]
    pub fn new<T: Real>(stripes: Stripes, net: impl Into<Arc<Cnn>>, transform: E) -> Self
    where
        E: Elementwise<T>,
    {
        let net = net.into();
        assert_eq!(net.outputs(), transform.width(), "outputs of the net per site, and parameters of the transform");
        Self { links: Arc::new(Links::new(stripes, net.active_sites(), net.frozen_sites())), net, transform }
    }
}

impl<T: Real, E: Elementwise<T>> Layer<Cpu<T>> for GaugeCoupling<E> {
    fn dof(&self) -> usize {
        self.links.dof
    }

    fn params(&self) -> ParamLayout {
        self.net.params()
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        self.net.pack(theta, prepared.get_mut());
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.links.dof, "rows of x, and links of the lattice");
        let tape = pass.tape.get::<Tape<T>>();
        tape.reshape(&self.net, self.transform.kept_rows(), x.samples().div_ceil(lanes::<T>()));
        let scratch = pass.scratch.get::<Scratch<T>>();
        scratch.plaquettes.reshape(&self.net);
        for tile in Tile::all::<T>(x.samples()) {
            self.forward_tile(tile, x, log_det, pass.prepared.get(), tape.tile_mut(tile), scratch);
        }
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(Verb::Push(T::of(weight)), pass, cotangent, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.carry(Verb::PullBack(T::of(weight)), pass, cotangent, grad);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.links.dof, "rows of x, and links of the lattice");
        let scratch = pass.scratch.get::<Scratch<T>>();
        scratch.plaquettes.reshape(&self.net);
        scratch.untaped.reshape(&self.net);
        for tile in Tile::all::<T>(x.samples()) {
            self.value_tile(tile, x, log_det, pass.prepared.get(), scratch);
        }
    }
}

impl<T: Real, E: Elementwise<T>> Invertible<Cpu<T>> for GaugeCoupling<E> {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        let (links, net) = (self.links.clone(), self.net.clone());
        Box::new(GaugeCoupling { links, net, transform: self.transform.inverse() })
    }
}

impl<E> GaugeCoupling<E> {
    /// MATH (10) for one tile, with its tape.
    fn forward_tile<T: Real>(
        &self,
        tile: Tile,
        x: &mut Batch<T>,
        log_det: &mut [f64],
        packed: &Packed<T>,
        tape: TapeOfTile<&mut [T]>,
        scratch: &mut Scratch<T>,
    ) where
        E: Elementwise<T>,
    {
        let Scratch { net, plaquettes: at, .. } = scratch;
        self.links.plaquettes(&self.links.frozen, x, tile, at.frozen.as_mut_slice());
        fill_features(at.frozen.as_slice(), tape.features);
        self.net.forward(packed, tape.features, tape.hidden, net, at.phi.as_mut_slice());
        self.links.plaquettes(&self.links.active, x, tile, at.p.as_mut_slice());
        at.y.copy_from(&at.p);
        let (y, n) = (at.y.as_mut_slice(), at.p.as_slice().len());
        self.transform.evaluate(y, Phi::of(at.phi.as_slice(), 0, 1, n), Partials::of(tape.partials, n));
        self.links.turn(x, tile, at.p.as_slice(), y);
        tile.add_rows(PartialsRef::of(tape.partials, n).lambda(), log_det);
    }

    /// MATH (10) for one tile, without a tape.
    fn value_tile<T: Real>(
        &self,
        tile: Tile,
        x: &mut Batch<T>,
        log_det: &mut [f64],
        packed: &Packed<T>,
        scratch: &mut Scratch<T>,
    ) where
        E: Elementwise<T>,
    {
        let Scratch { net, plaquettes: at, untaped, .. } = scratch;
        self.links.plaquettes(&self.links.frozen, x, tile, at.frozen.as_mut_slice());
        fill_features(at.frozen.as_slice(), untaped.features.as_mut_slice());
        self.net.value(packed, untaped.features.as_slice(), net, at.phi.as_mut_slice());
        self.links.plaquettes(&self.links.active, x, tile, at.p.as_mut_slice());
        at.y.copy_from(&at.p);
        let (y, n) = (at.y.as_mut_slice(), at.p.as_slice().len());
        let phi = Phi::of(at.phi.as_slice(), 0, 1, n);
        self.transform.value(y, phi, untaped.lambda.as_mut_slice(), &mut untaped.transform);
        self.links.turn(x, tile, at.p.as_slice(), y);
        tile.add_rows(untaped.lambda.as_slice(), log_det);
    }

    /// MATH (4) or (5), then (11), tile by tile.
    fn carry<T: Real>(
        &self,
        verb: Verb<T>,
        pass: &mut Pass<'_, Cpu<T>>,
        covector: &mut Batch<T>,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) where
        E: Elementwise<T>,
    {
        assert_eq!(covector.rows(), self.links.dof, "rows of the covector, and links of the lattice");
        let tape = pass.tape.get::<Tape<T>>();
        let tiles = covector.samples().div_ceil(lanes::<T>());
        assert_eq!(tape.tiles(), tiles, "tiles of `forward`, and of the covector");
        let Scratch { net, sums, covectors: at, .. } = pass.scratch.get::<Scratch<T>>();
        let packed = pass.prepared.get::<Packed<T>>();
        at.reshape(&self.net);
        if grad.is_some() {
            self.net.clear(sums);
        }
        for tile in Tile::all::<T>(covector.samples()) {
            let TapeOfTile { features, hidden, partials } = tape.tile(tile);
            self.carry_active(verb, tile, covector, partials, at);
            let kept = Kept { features, tape: hidden };
            let with_grad = grad.is_some().then_some(&mut *sums);
            self.net.vjp(packed, kept, at.v.as_slice(), at.features.as_mut_slice(), net, with_grad);
            pull_back_features(features, at.features.as_slice(), at.frozen.as_mut_slice());
            self.links.add_transposed(&self.links.frozen, covector, tile, at.frozen.as_slice());
            self.links.add_transposed(&self.links.active, covector, tile, at.change.as_slice());
        }
        if let Some(GradSink { into, accum }) = grad {
            self.net.write_gradient(sums, into, accum);
        }
    }

    /// The change of a_p by (4) or (5), and v, zero in lanes without a sample.
    fn carry_active<T: Real>(
        &self,
        verb: Verb<T>,
        tile: Tile,
        covector: &Batch<T>,
        partials: &[T],
        at: &mut Covectors<T>,
    ) where
        E: Elementwise<T>,
    {
        self.links.covectors(covector, tile, at.a_p.as_mut_slice());
        at.change.copy_from(&at.a_p);
        let n = at.a_p.as_slice().len();
        let v = PhiMut::of(at.v.as_mut_slice(), 0, 1, n);
        verb.carry(&self.transform, at.a_p.as_mut_slice(), PartialsRef::of(partials, n), v);
        subtract(at.a_p.as_slice(), at.change.as_mut_slice());
        tile.clear_rest(at.v.as_mut_slice());
    }
}
