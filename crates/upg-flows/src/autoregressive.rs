//! Autoregressive layer: y_p = g(x_p; φ_p), φ_p = net_p(x_0 … x_{p−1}), for every position p of an order of the degrees of freedom.
//!
//! J is triangular in that order, with g'_p on its diagonal: ℓ = Σ_p λ_p, λ = log|g'|. One masked net gives the φ of all positions
//! (`autoregressive/net.rs`); φ_p is rows w·p … w·p + w − 1 of its output. Per sample, with F the entries of the net's weights:
//!
//! | verb | | multiply-adds |
//! |---|---|---|
//! | forward | φ = net(x), y = g(x; φ) | F |
//! | solve, MATH (25) | for p = 0, 1, …: φ_p from x_0 … x_{p−1}, then x_p = g⁻¹(y_p; φ_p) | F |
//! | pull back, MATH (5) | v = a ∂g/∂φ + w ∂λ/∂φ with the old a, then a ← a g' + w ∂λ/∂x + netᵀ v | F |
//! | push, MATH (26) | for p = D−1, D−2, …: a_p ← (a_p + \[netᵀ v\]_p − w ∂λ_p/∂x)/g'_p, then v_p = −(a_p ∂g/∂φ + w ∂λ/∂φ) with the new a_p | F |
//! | ∂θ of the last two | ∂θ (+)= net_θᵀ v | F each |
//!
//! \[netᵀ v\]_p needs the v of later positions alone. Both substitutions go by panels of positions and use every weight once. The inverse is
//! the generic one, [`Inverse`].
//!
//! Shapes: x, y, a `[dof, samples]`, φ and v `[w·dof, samples]`. Sources: G. Papamakarios, T. Pavlakou, I. Murray, arXiv:1705.07057 (masked
//! autoregressive flows), D. P. Kingma et al., arXiv:1606.04934 (inverse autoregressive flows).

pub mod net;

use crate::{
    coupling::{add_to, equations::Verb},
    elementwise::{Elementwise, Partials, PartialsRef, Phi, PhiMut},
};
use net::{Cotangents, MaskedMlp, panels};
use std::sync::Arc;
use upg_core::{Batch, Cpu, GradSink, Inverse, Invertible, Layer, ParamLayout, Pass, Prepared, Real, Solve};

/// An autoregressive layer of elementwise transform `E`.
#[derive(Clone, Debug)]
pub struct Autoregressive<E> {
    order: Arc<[usize]>,
    net: MaskedMlp,
    transform: E,
}

impl<E> Autoregressive<E> {
    /// Joins an order of all degrees of freedom, a masked net with as many positions, and a transform.
    ///
    /// # Panics
    /// If the net has another number of positions, or its outputs aren't `width` for each.
    #[track_caller]
    pub fn new<T: Real>(order: Vec<usize>, net: MaskedMlp, transform: E) -> Self
    where
        E: Elementwise<T>,
    {
        assert_eq!(net.inputs(), order.len(), "positions of the net, and degrees of freedom");
        assert_eq!(
            net.outputs(),
            transform.width() * order.len(),
            "outputs of the net, and parameters of the transform"
        );
        Self { order: order.into(), net, transform }
    }
}

/// θ with masked entries zero.
#[derive(Debug, Default)]
struct Clean<T>(Vec<T>);

/// What T leaves at x for the other verbs, position after position.
struct Tape<T: Real> {
    /// `[dof, samples]`.
    x: Batch<T>,
    net: net::Tape<T>,
    /// A block of λ and partials for every position, `[dof · block, samples]`.
    partials: Batch<T>,
}

/// Memory that all autoregressive layers share.
struct Scratch<T: Real> {
    v: Cotangents<T>,
    /// The covector, position after position.
    a: Batch<T>,
    /// For a pass without a tape: x and the net's.
    x: Batch<T>,
    net: net::Tape<T>,
    row: Row<T>,
}

/// Room for one position.
struct Row<T: Real> {
    x: Batch<T>,
    lambda: Batch<T>,
    transform: Batch<T>,
}

impl<T: Real> Default for Tape<T> {
    fn default() -> Self {
        Self { x: Batch::default(), net: net::Tape::default(), partials: Batch::default() }
    }
}

impl<T: Real> Default for Scratch<T> {
    fn default() -> Self {
        let row = Row { x: Batch::default(), lambda: Batch::default(), transform: Batch::default() };
        Self { v: Cotangents::default(), a: Batch::default(), x: Batch::default(), net: net::Tape::default(), row }
    }
}

impl<T: Real, E: Elementwise<T>> Layer<Cpu<T>> for Autoregressive<E> {
    fn dof(&self) -> usize {
        self.order.len()
    }

    fn params(&self) -> ParamLayout {
        self.net.params().clone()
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        self.net.clean(theta, &mut prepared.get_mut::<Clean<T>>().0);
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.order.len(), "rows of x, and degrees of freedom of the layer");
        let tape = pass.tape.get::<Tape<T>>();
        tape.x.gather(x, &self.order);
        self.net.forward(&pass.prepared.get::<Clean<T>>().0, &tape.x, &mut tape.net);
        tape.partials.reshape(self.transform.kept_rows() * x.rows(), x.samples());
        for (position, &dof) in self.order.iter().enumerate() {
            add_to(log_det, self.evaluate(position, x.row_mut(dof), &tape.net.output, &mut tape.partials));
        }
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let theta = &pass.prepared.get::<Clean<T>>().0;
        let (tape, scratch) = (pass.tape.get::<Tape<T>>(), pass.scratch.get::<Scratch<T>>());
        self.take(cotangent, tape, scratch);
        let Scratch { v, a, .. } = &mut *scratch;
        let verb = Verb::Push(T::of(weight));
        for panel in panels(self.order.len()).rev() {
            self.net.begin_back(theta, v, a, panel.clone());
            for position in panel.clone().rev() {
                self.net.input_back(theta, v, a, panel.end, position);
                self.carry(verb, position, &tape.partials, a, &mut v.output);
                self.net.units_back(theta, &tape.net, v, a, panel.end, position);
            }
        }
        self.give(cotangent, tape, scratch, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let theta = &pass.prepared.get::<Clean<T>>().0;
        let (tape, scratch) = (pass.tape.get::<Tape<T>>(), pass.scratch.get::<Scratch<T>>());
        self.take(cotangent, tape, scratch);
        let Scratch { v, a, .. } = &mut *scratch;
        let verb = Verb::PullBack(T::of(weight));
        for position in 0..self.order.len() {
            self.carry(verb, position, &tape.partials, a, &mut v.output);
        }
        self.net.vjp(theta, &tape.net, v, a);
        self.give(cotangent, tape, scratch, grad);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.order.len(), "rows of x, and degrees of freedom of the layer");
        let Scratch { x: given, net, row, .. } = pass.scratch.get::<Scratch<T>>();
        given.gather(x, &self.order);
        self.net.forward(&pass.prepared.get::<Clean<T>>().0, given, net);
        for (position, &dof) in self.order.iter().enumerate() {
            let phi = self.phi(&net.output, position);
            add_to(log_det, row.value(&self.transform, x.row_mut(dof), phi));
        }
    }
}

impl<T: Real, E: Elementwise<T>> Solve<Cpu<T>> for Autoregressive<E> {
    fn solve(&self, pass: &mut Pass<'_, Cpu<T>>, y: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let theta = &pass.prepared.get::<Clean<T>>().0;
        let Tape { x, net, partials } = pass.tape.get::<Tape<T>>();
        let row = &mut pass.scratch.get::<Scratch<T>>().row;
        self.substitute(theta, y, log_det, x, net, row);
        row.x.reshape(1, x.samples());
        partials.reshape(self.transform.kept_rows() * x.rows(), x.samples());
        for position in 0..x.rows() {
            row.x.as_mut_slice().copy_from_slice(x.row(position));
            self.evaluate(position, row.x.as_mut_slice(), &net.output, partials);
        }
    }

    fn solve_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, y: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let theta = &pass.prepared.get::<Clean<T>>().0;
        let Scratch { x, net, row, .. } = pass.scratch.get::<Scratch<T>>();
        self.substitute(theta, y, log_det, x, net, row);
    }
}

impl<T: Real, E: Elementwise<T>> Invertible<Cpu<T>> for Autoregressive<E> {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        Box::new(Inverse::of(self.clone()))
    }
}

impl<E> Autoregressive<E> {
    /// MATH (25): y ← x = T⁻¹(y), `log_det` −= ℓ; fills x, position after position, and what the net has computed.
    fn substitute<T: Real>(
        &self,
        theta: &[T],
        y: &mut Batch<T>,
        log_det: &mut [f64],
        x: &mut Batch<T>,
        net: &mut net::Tape<T>,
        row: &mut Row<T>,
    ) where
        E: Elementwise<T>,
    {
        assert_eq!(y.rows(), self.order.len(), "rows of y, and degrees of freedom of the layer");
        let inverse = self.transform.inverse();
        x.gather(y, &self.order);
        for panel in panels(self.order.len()) {
            self.net.begin(theta, x, net, panel.clone());
            for position in panel.clone() {
                self.net.units(theta, x, net, panel.start, position);
                let phi = self.phi(&net.output, position);
                add_to(log_det, row.value(&inverse, x.row_mut(position), phi));
            }
        }
        x.scatter(y, &self.order);
    }

    /// For one position and its x: x ← g(x; φ), and fills its block of `partials`, of which λ is returned.
    fn evaluate<'p, T: Real>(
        &self,
        position: usize,
        x: &mut [T],
        output: &Batch<T>,
        partials: &'p mut Batch<T>,
    ) -> &'p [T]
    where
        E: Elementwise<T>,
    {
        let size = self.transform.kept_rows() * x.len();
        let block = &mut partials.as_mut_slice()[position * size..][..size];
        self.transform.evaluate(x, self.phi(output, position), Partials::of(block, x.len()));
        PartialsRef::of(block, x.len()).lambda()
    }

    /// The first two lines of MATH (4) or (5) for one position.
    fn carry<T: Real>(&self, verb: Verb<T>, position: usize, partials: &Batch<T>, a: &mut Batch<T>, v: &mut Batch<T>)
    where
        E: Elementwise<T>,
    {
        let (width, samples) = (self.transform.width(), a.samples());
        let size = self.transform.kept_rows() * samples;
        let partials = PartialsRef::of(&partials.as_slice()[position * size..][..size], samples);
        let v = PhiMut::of(&mut v.as_mut_slice()[position * width * samples..], 0, 1, samples);
        verb.carry(&self.transform, a.row_mut(position), partials, v);
    }

    /// φ of one position.
    fn phi<'t, T: Real>(&self, output: &'t Batch<T>, position: usize) -> Phi<'t, T>
    where
        E: Elementwise<T>,
    {
        let samples = output.samples();
        Phi::of(&output.as_slice()[position * self.transform.width() * samples..], 0, 1, samples)
    }

    /// Takes the covector in, position after position.
    fn take<T: Real>(&self, covector: &Batch<T>, tape: &Tape<T>, Scratch { a, v, .. }: &mut Scratch<T>) {
        assert_eq!(
            (covector.rows(), covector.samples()),
            (self.order.len(), tape.x.samples()),
            "shapes of the covector, and of the batch of `forward`"
        );
        a.gather(covector, &self.order);
        v.output.reshape(self.net.outputs(), a.samples());
    }

    /// Gives the covector back, and ∂θ if there is a sink.
    fn give<T: Real>(
        &self,
        covector: &mut Batch<T>,
        tape: &Tape<T>,
        Scratch { a, v, .. }: &mut Scratch<T>,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        a.scatter(covector, &self.order);
        if let Some(GradSink { into, accum }) = grad {
            self.net.gradient(&tape.x, &tape.net, v, into, accum);
        }
    }
}

impl<T: Real> Row<T> {
    /// t ← g(t; φ); returns λ.
    fn value<E: Elementwise<T>>(&mut self, transform: &E, t: &mut [T], phi: Phi<'_, T>) -> &[T] {
        self.lambda.reshape(1, t.len());
        transform.value(t, phi, self.lambda.as_mut_slice(), &mut self.transform);
        self.lambda.as_slice()
    }
}
