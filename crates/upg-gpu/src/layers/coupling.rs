//! Coupling layer, of numbers or of angles: see [`upg_flows::coupling`]. Kernels: `coupling.cu` over the functions of a transform, `rows.cu`.
//!
//! Where the rows that the mask keeps, or those that it moves, have a constant distance (alternating masks), products read and write them in
//! place. An additive coupling of such rows has no kernel but for a bias: the net's last product is added to what moves, and a covector's rows
//! are the cotangent of φ.

mod map;
mod places;

pub(crate) use map::{Map, Space};

use super::AnyLayer;
use super::conditioner::{Conditioner, Multiple, On, Output, Rows, Sink, Vjp};
use crate::cuda::Cuda;
use crate::gpu::{Address, Gpu};
use crate::memory::{Batch, Sums};
use map::{Kept, Phi, Verb};
use places::Parts;
use std::sync::Arc;
use upg_core::{DeviceError, GradSink, Invertible, Layer, Memory, ParamLayout, Pass, Real};
use upg_flows::Mask;

/// A coupling of conditioner `C`.
pub(crate) struct Coupling<C, G: Gpu> {
    mask: Arc<Parts<G>>,
    net: C,
    space: Space,
    map: Map<G>,
}

/// The tape of a coupling.
struct Tape<T, G: Gpu, N> {
    /// The net's input: c, `[kept, samples]`, or its cosines and sines.
    input: Batch<T, G>,
    net: N,
    phi: Batch<T, G>,
    /// What the transform keeps, `[transformed · numbers, samples]`.
    kept: Batch<T, G>,
}

impl<T, G: Gpu, N: Default> Default for Tape<T, G, N> {
    fn default() -> Self {
        Self { input: Batch::default(), net: N::default(), phi: Batch::default(), kept: Batch::default() }
    }
}

/// Memory that all couplings share.
struct Scratch<T, G: Gpu, N> {
    net: N,
    /// The net's input or its cotangent.
    input: Batch<T, G>,
    /// φ or its cotangent.
    phi: Batch<T, G>,
}

impl<T, G: Gpu, N: Default> Default for Scratch<T, G, N> {
    fn default() -> Self {
        Self { net: N::default(), input: Batch::default(), phi: Batch::default() }
    }
}

impl<C, G: Gpu> Coupling<C, G> {
    /// Joins a mask, a net from the kept degrees of freedom to φ, and a map.
    ///
    /// # Errors
    /// If a kernel can't be compiled.
    ///
    /// # Panics
    /// If the net's inputs aren't the features of the kept degrees of freedom, or its outputs not `width` per transformed one.
    pub fn new<T: Real>(
        device: &Cuda<T, G>,
        mask: &Mask,
        net: C,
        space: Space,
        map: Map<G>,
    ) -> Result<Self, DeviceError>
    where
        C: Conditioner<T, G>,
    {
        let features = if space == Space::Circle { 2 } else { 1 };
        assert_eq!(net.inputs(), features * mask.kept().len(), "inputs of the net, and of kept degrees of freedom");
        let outputs = map.width() * mask.transformed().len();
        assert_eq!(net.outputs(), outputs, "outputs of the net, and parameters of the transform");
        Ok(Self { mask: Arc::new(Parts::new(device, mask)?), net, space, map })
    }

    /// Gathers the net's input.
    fn read<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, input: &mut Batch<T, G>) {
        match self.space {
            Space::Line => self.mask.kept.gather(device, x, input),
            Space::Circle => self.mask.kept.features(device, x, input),
        }
    }

    /// The rows of the kept degrees of freedom where they lie, if a net can use them there.
    fn kept_in_place<T: Real>(&self, x: &Batch<T, G>) -> Option<Rows> {
        if self.space == Space::Line { self.mask.kept.in_place(x) } else { None }
    }

    /// Where the net's output goes: to the rows that a shift moves, or to `phi`.
    fn output<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, phi: &mut Batch<T, G>) -> Output {
        if let (Map::Shift(by), Some(rows)) = (&self.map, self.mask.transformed.in_place(x)) {
            return Output::add(rows, *by);
        }
        device.reshape(phi, self.map.width() * self.mask.transformed.len, x.samples());
        Output::replace(phi)
    }

    /// Where the net reads c in `forward`, and how many rows of it a kernel that comes later copies to `input`; else they are gathered now.
    fn input<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, input: &mut Batch<T, G>) -> (Rows, usize) {
        if let (Map::Transform(_), Some(rows)) = (&self.map, self.kept_in_place(x)) {
            device.reshape(input, self.mask.kept.len, x.samples());
            return (rows, self.mask.kept.len);
        }
        self.read(device, x, input);
        (Rows::of(input), 0)
    }

    /// Moves the transformed degrees of freedom by what the net gave to [`output`](Self::output); a transform fills what is to be kept.
    fn apply<T: Real>(
        &self,
        device: &Cuda<T, G>,
        x: &Batch<T, G>,
        phi: Phi,
        kept: Option<Kept<'_, T, G>>,
        log_det: &Sums<G>,
    ) {
        match &self.map {
            Map::Shift(by) => self.shift(device, x, phi, *by),
            Map::Transform([transform, _]) => transform.apply(device, x, &self.mask, phi, kept, log_det),
        }
    }

    /// What is left to be added where φ shifts.
    fn shift<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, Phi { rows: phi, bias }: Phi, by: f64) {
        let (places, nowhere) = (&self.mask.transformed, Address::default());
        let phi = if places.in_place(x).is_some() { nowhere } else { phi };
        if [phi, bias] != [nowhere; 2] {
            places.add(device, x, [phi, bias], by);
        }
    }

    /// The cotangent v of φ, and the transformed rows of the covector, MATH (4) or (5).
    fn carry_transformed<T: Real>(
        &self,
        verb: Verb,
        device: &Cuda<T, G>,
        a: &Batch<T, G>,
        (phi, kept): (Phi, &Batch<T, G>),
        v: &mut Batch<T, G>,
    ) -> Multiple {
        let places = &self.mask.transformed;
        match &self.map {
            Map::Shift(by) => {
                let rows = places.in_place(a).unwrap_or_else(|| {
                    places.gather(device, a, v);
                    Rows::of(v)
                });
                Multiple { rows, by: verb.sign() * by }
            }
            Map::Transform([transform, _]) => {
                transform.carry(verb, device, a, places, (phi, kept), v);
                Multiple { rows: Rows::of(v), by: 1.0 }
            }
        }
    }

    /// MATH (4) or (5): a_t and v, then a_c ← a_c + netᵀ v and ∂θ (+)= net_θᵀ v.
    fn carry<T: Real>(
        &self,
        verb: Verb,
        pass: &mut Pass<'_, Cuda<T, G>>,
        a: &mut Batch<T, G>,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) where
        C: Conditioner<T, G>,
    {
        let (device, samples) = (pass.device, a.samples());
        let tape = pass.tape.get::<Tape<T, G, C::Tape>>();
        let shape = (self.mask.dof(), tape.input.samples());
        assert_eq!((a.rows(), samples), shape, "shapes of the covector, and of the batch of `forward`");
        let Scratch { net, input, phi } = pass.scratch.get::<Scratch<T, G, C::Scratch>>();
        let of_tape = Phi { rows: tape.phi.at(), bias: self.net.last_bias(pass.theta) };
        let v = self.carry_transformed(verb, device, a, (of_tape, &tape.kept), phi);
        let in_place = self.kept_in_place(a);
        let to = in_place.map_or_else(
            || {
                device.reshape(input, self.net.inputs(), samples);
                Output::replace(input)
            },
            |rows| Output::add(rows, 1.0),
        );
        let on = On { device, theta: pass.theta, samples };
        let grad = grad.map(|GradSink { into, accum }| Sink { into, accum });
        self.net.vjp(&on, Vjp { c: Rows::of(&tape.input), tape: &tape.net, v, grad, to }, net);
        match (self.space, in_place) {
            (_, Some(_)) => {}
            (Space::Line, None) => self.mask.kept.add(device, a, [input.at(), Address::default()], 1.0),
            (Space::Circle, None) => self.mask.kept.pull_features(device, a, [&tape.input, input]),
        }
    }
}

impl<T: Real, G: Gpu, C: Conditioner<T, G>> Layer<Cuda<T, G>> for Coupling<C, G> {
    fn dof(&self) -> usize {
        self.mask.dof()
    }

    fn params(&self) -> ParamLayout {
        self.net.params()
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        assert_eq!(x.rows(), self.mask.dof(), "rows of x, and degrees of freedom of the layer");
        let Tape { input, net, phi, kept } = pass.tape.get::<Tape<T, G, C::Tape>>();
        let Scratch { net: scratch, .. } = pass.scratch.get::<Scratch<T, G, C::Scratch>>();
        let (device, theta) = (pass.device, pass.theta);
        let (c, copied) = self.input(device, x, input);
        let to = self.output(device, x, phi);
        let on = On { device, theta, samples: x.samples() };
        self.net.forward(&on, c, net, to, scratch);
        let kept = Kept { numbers: kept, c: input, copied };
        self.apply(device, x, Phi { rows: phi.at(), bias: self.net.last_bias(theta) }, Some(kept), log_det);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.carry(Verb::Push(weight), pass, cotangent, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        self.carry(Verb::PullBack(weight), pass, cotangent, grad);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        assert_eq!(x.rows(), self.mask.dof(), "rows of x, and degrees of freedom of the layer");
        let Scratch { net, input, phi } = pass.scratch.get::<Scratch<T, G, C::Scratch>>();
        let (device, theta) = (pass.device, pass.theta);
        let c = self.kept_in_place(x).unwrap_or_else(|| {
            self.read(device, x, input);
            Rows::of(input)
        });
        let to = self.output(device, x, phi);
        let on = On { device, theta, samples: x.samples() };
        self.net.value(&on, c, to, net);
        self.apply(device, x, Phi { rows: phi.at(), bias: self.net.last_bias(theta) }, None, log_det);
    }
}

impl<T: Real, G: Gpu, C: Conditioner<T, G>> Invertible<Cuda<T, G>> for Coupling<C, G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        let Self { mask, net, space, map } = self;
        Box::new(Self { mask: mask.clone(), net: net.clone(), space: *space, map: map.inverse() })
    }
}
