//! U(1) gauge-equivariant coupling: active links move with the plaquettes they close, conditioned on frozen plaquettes.
//!
//! Links u_μ(x) in [0, 2π), array [μ, x_0, x_1]; plaquette P(x) = u_0(x) + u_1(x+ê_0) − u_0(x+ê_1) − u_1(x). For direction μ the sites
//! form [`Stripes`] along axis μ: at active sites the link u = u_μ(x) moves, by the change of its plaquette p = σu + r(c), where
//! σ = +1 for μ = 0, −1 for μ = 1, and r sums the plaquette's other links:
//!
//! - MATH (10): y = g(p; φ), u ← u + σ (y − p) mod 2π; φ = net(cos P, sin P) of the frozen plaquettes; ℓ = Σ λ = Σ log|∂g/∂p|.
//! - A covector s on the links induces s_p = σ s_u on an active plaquette, because no other moved link enters it. MATH (4) and (5) hold for (s_p, p)
//!   as they stand. With r as one more, linear, output of the conditioner its cotangent is s_p ∂(y−p)/∂p + ∂λ/∂p, that is the change of
//!   s_p, up to sign: so the covector on *all* links of the plaquette, the active one included, grows by ±(s_p,new − s_p,old):
//!
//! | verb | active plaquettes | frozen plaquettes |
//! |---|---|---|
//! | push score, MATH (11) | Δ = s_p,new − s_p,old by (4) | Δ = −∂(cos P, sin P)ᵀ netᵀ v |
//! | pull back, MATH (11) | Δ = a_p,new − a_p,old by (5) | Δ = +∂(cos P, sin P)ᵀ netᵀ v |
//!
//!   and then s ← s + Pᵀ Δ, Pᵀ the transpose of the plaquette map.
//!
//! The inverse is the same coupling with g⁻¹. Work goes by tiles of [`lanes`] samples, through the whole layer while they are in cache.
//! Source: G. Kanwar et al., arXiv:2003.06413; M. S. Albergo et al., arXiv:2101.08176.

mod links;

use crate::{
    cnn::{Cnn, CnnScratch, GradAcc, Packed, Stripes, lanes},
    coupling::{PhiRows, Pull, Push},
    elementwise::{Elementwise, Partials, PartialsRef, Phi, block_rows},
};
use links::{Links, Tile};
use upg_core::vmath::{Kernel, MulAdd, dispatch, scalar};
use upg_core::{Batch, Cpu, GradSink, Invertible, Layer, ParamLayout, Pass, Real};

/// A gauge coupling with elementwise transform `E` on the active plaquettes.
#[derive(Clone, Debug)]
pub struct GaugeCoupling<E> {
    links: Links,
    net: Cnn,
    transform: E,
}

impl<E> GaugeCoupling<E> {
    /// Joins a net and a transform on the stripes of the net; `stripes` are those the net was made for.
    ///
    /// # Panics
    /// If the net's outputs aren't `width` per active site.
    #[track_caller]
    pub fn new<T: Real>(stripes: Stripes, net: Cnn, transform: E) -> Self
    where
        E: Elementwise<T>,
    {
        assert_eq!(net.outputs(), transform.width(), "outputs of the net per site, and parameters of the transform");
        Self { links: Links::new(stripes, net.active_sites(), net.frozen_sites()), net, transform }
    }

    fn active(&self) -> usize {
        self.links.active.len()
    }

    /// Numbers on the tape of one tile.
    fn tape_sizes<T: Real>(&self) -> [usize; 3]
    where
        E: Elementwise<T>,
    {
        let partials = block_rows(self.transform.width()) * self.active() * lanes::<T>();
        [self.net.features_len::<T>(), self.net.tape_len::<T>(), partials]
    }
}

/// What `forward` leaves, tile after tile.
#[derive(Default)]
struct Tape<T: Real> {
    /// cos P and sin P of the frozen plaquettes, `[tile][2][frozen][lane]`.
    features: Batch<T>,
    /// Hidden values of the net.
    hidden: Batch<T>,
    /// λ and partials, `[tile][row][active][lane]`.
    partials: Batch<T>,
}

/// Memory that all gauge couplings share.
struct Scratch<T: Real> {
    packed: Packed<T>,
    net: CnnScratch<T>,
    sums: GradAcc<T>,
    /// φ, or its cotangent v, `[width][active][lane]`.
    phi: Batch<T>,
    /// Plaquettes, or covectors on them, `[active][lane]`, before and after.
    before: Batch<T>,
    after: Batch<T>,
    /// The same for frozen plaquettes, `[frozen][lane]`, and cotangents of the features, `[2][frozen][lane]`.
    frozen: Batch<T>,
    features: Batch<T>,
}

impl<T: Real> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            packed: Packed::default(),
            net: CnnScratch::default(),
            sums: GradAcc::default(),
            phi: Batch::default(),
            before: Batch::default(),
            after: Batch::default(),
            frozen: Batch::default(),
            features: Batch::default(),
        }
    }
}

impl<T: Real> Scratch<T> {
    fn reshape(&mut self, net: &Cnn, active: usize) {
        self.phi.reshape(net.outputs() * active, lanes::<T>());
        self.before.reshape(active, lanes::<T>());
        self.after.reshape(active, lanes::<T>());
        self.frozen.reshape(net.frozen_sites().len(), lanes::<T>());
        self.features.reshape(2 * net.frozen_sites().len(), lanes::<T>());
    }
}

impl<T: Real, E: Elementwise<T>> Layer<Cpu<T>> for GaugeCoupling<E> {
    fn dof(&self) -> usize {
        self.links.dof
    }

    fn params(&self) -> ParamLayout {
        self.net.params()
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.links.dof, "rows of x, and links of the lattice");
        let tape = pass.tape.get::<Tape<T>>();
        let scratch = pass.scratch.get::<Scratch<T>>();
        scratch.reshape(&self.net, self.active());
        self.net.pack(pass.theta, &mut scratch.packed);
        let tiles = x.samples().div_ceil(lanes::<T>());
        for (buffer, size) in
            [&mut tape.features, &mut tape.hidden, &mut tape.partials].into_iter().zip(self.tape_sizes::<T>())
        {
            buffer.reshape(tiles, size);
        }
        for t in 0..tiles {
            self.forward_tile(Tile::new::<T>(t, x.samples()), x, log_det, tape, scratch);
        }
    }

    fn push_score(&self, pass: &mut Pass<'_, Cpu<T>>, score: &mut Batch<T>) {
        self.each_tile(
            pass,
            score,
            None,
            |s_t, partials, phi_rows| dispatch(Push { s_t, partials, phi_rows }),
            -T::one(),
        );
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let w = T::of(weight);
        let step = |a_t: &mut [T], partials: PartialsRef<'_, T>, phi_rows: PhiRows<'_, T>| {
            dispatch(Pull { a_t, w, partials, phi_rows })
        };
        self.each_tile(pass, cotangent, grad, step, T::one());
    }
}

impl<T: Real, E: Elementwise<T>> Invertible<Cpu<T>> for GaugeCoupling<E> {
    fn inverse(&self) -> Box<dyn Layer<Cpu<T>>> {
        Box::new(GaugeCoupling {
            links: self.links.clone(),
            net: self.net.clone(),
            transform: self.transform.inverse(),
        })
    }
}

impl<E> GaugeCoupling<E> {
    /// `forward` for the samples of one tile.
    fn forward_tile<T: Real>(
        &self,
        tile: Tile,
        x: &mut Batch<T>,
        log_det: &mut [f64],
        tape: &mut Tape<T>,
        scratch: &mut Scratch<T>,
    ) where
        E: Elementwise<T>,
    {
        let Scratch { packed, phi, before, after, frozen, .. } = scratch;
        let (features, hidden) = (tape.features.row_mut(tile.index), tape.hidden.row_mut(tile.index));
        let partials = tape.partials.row_mut(tile.index);
        self.links.plaquettes(&self.links.frozen, x, tile, frozen.as_mut_slice());
        dispatch(Features { angles: frozen.as_slice(), features });
        self.net.forward(packed, features, hidden, phi.as_mut_slice());

        self.links.plaquettes(&self.links.active, x, tile, before.as_mut_slice());
        after.copy_from(before);
        let elements = before.as_slice().len();
        self.transform.evaluate(
            after.as_mut_slice(),
            Phi::of(phi.as_slice(), 0, 1, elements),
            Partials::of(partials, elements),
        );
        self.links.turn(x, tile, before.as_slice(), after.as_slice());
        for lambda in PartialsRef::of(partials, elements).lambda().chunks_exact(lanes::<T>()) {
            for (sum, lambda) in log_det[tile.range()].iter_mut().zip(lambda) {
                *sum += lambda.wide();
            }
        }
    }

    /// MATH (11) for every tile: `step` is (4) or (5), `direction` the sign of the frozen plaquettes' Δ.
    fn each_tile<T: Real>(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        covector: &mut Batch<T>,
        grad: Option<GradSink<'_, Cpu<T>>>,
        step: impl Fn(&mut [T], PartialsRef<'_, T>, PhiRows<'_, T>),
        direction: T,
    ) where
        E: Elementwise<T>,
    {
        assert_eq!(covector.rows(), self.links.dof, "rows of the vector, and links of the lattice");
        let tape = pass.tape.get::<Tape<T>>();
        let scratch = pass.scratch.get::<Scratch<T>>();
        scratch.reshape(&self.net, self.active());
        self.net.pack(pass.theta, &mut scratch.packed);
        if grad.is_some() {
            self.net.clear(&mut scratch.sums);
        }
        assert_eq!(
            tape.features.rows(),
            covector.samples().div_ceil(lanes::<T>()),
            "tiles of `forward`, and of the vector"
        );
        for t in 0..tape.features.rows() {
            let tile = Tile::new::<T>(t, covector.samples());
            self.step_active(tile, covector, tape, scratch, &step);
            let Scratch { packed, net, sums, phi, before, after, frozen, features, .. } = scratch;
            let stored = tape.features.row(t);
            let with_grad = grad.is_some().then_some((stored, sums));
            self.net.vjp(packed, tape.hidden.row(t), phi.as_slice(), features.as_mut_slice(), net, with_grad);
            dispatch(ThroughFeatures {
                stored,
                cotangents: features.as_slice(),
                direction,
                angles: frozen.as_mut_slice(),
            });
            dispatch(Subtract { from: after.as_mut_slice(), what: before.as_slice() });
            self.links.add_transposed(&self.links.frozen, covector, tile, frozen.as_slice());
            self.links.add_transposed(&self.links.active, covector, tile, after.as_slice());
        }
        if let Some(GradSink { into, accum }) = grad {
            self.net.write_gradient(&mut scratch.sums, into, accum);
        }
    }

    /// The covector on the active plaquettes before and after the step, and v in `scratch.phi`, zero in lanes without a sample.
    fn step_active<T: Real>(
        &self,
        tile: Tile,
        covector: &Batch<T>,
        tape: &Tape<T>,
        scratch: &mut Scratch<T>,
        step: impl Fn(&mut [T], PartialsRef<'_, T>, PhiRows<'_, T>),
    ) {
        let Scratch { phi, before, after, .. } = scratch;
        self.links.of_active(covector, tile, before.as_mut_slice());
        after.copy_from(before);
        let elements = before.as_slice().len();
        let width = phi.rows() / self.active();
        let v = PhiRows { v: phi.as_mut_slice(), stride: elements, width };
        step(after.as_mut_slice(), PartialsRef::of(tape.partials.row(tile.index), elements), v);
        if tile.samples < lanes::<T>() {
            for lanes in phi.as_mut_slice().chunks_exact_mut(lanes::<T>()) {
                lanes[tile.samples..].fill(T::zero());
            }
        }
    }
}

/// (cos P, sin P) of a row of plaquettes.
struct Features<'a, T> {
    angles: &'a [T],
    features: &'a mut [T],
}

impl<T: Real> Kernel for Features<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let (cosines, sines) = self.features.split_at_mut(self.angles.len());
        for ((c, s), &angle) in cosines.iter_mut().zip(sines).zip(self.angles) {
            (*s, *c) = scalar::sin_cos::<T, M>(angle);
        }
    }
}

/// Cotangents of angles from those of their cosines and sines: ±(−c̄ sin P + s̄ cos P).
struct ThroughFeatures<'a, T> {
    stored: &'a [T],
    cotangents: &'a [T],
    direction: T,
    angles: &'a mut [T],
}

impl<T: Real> Kernel for ThroughFeatures<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let n = self.angles.len();
        let ((cos, sin), (of_cos, of_sin)) = (self.stored.split_at(n), self.cotangents.split_at(n));
        for (i, angle) in self.angles.iter_mut().enumerate() {
            *angle = self.direction * (of_sin[i] * cos[i] - of_cos[i] * sin[i]);
        }
    }
}

/// from ← from − what.
struct Subtract<'a, T> {
    from: &'a mut [T],
    what: &'a [T],
}

impl<T: Real> Kernel for Subtract<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        self.from.iter_mut().zip(self.what).for_each(|(from, &what)| *from -= what);
    }
}
