//! Coupling layer, of numbers or of angles: see [`upg_flows::coupling`]. Kernels: `coupling.cu` over the functions of a transform, `rows.cu`.
//!
//! Where the rows that the mask keeps, or those that it moves, have a constant distance (alternating masks), products read and write them in
//! place. An additive coupling of such rows has no kernel but for a bias: the net's last product is added to what moves, and a covector's rows
//! are the cotangent of φ.

mod places;

use super::AnyLayer;
use super::conditioner::{Conditioner, Multiple, On, Output, Rows, Sink, Vjp};
use super::transform::Transform;
use crate::cuda::{Cuda, Kernels};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Sums};
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

/// Where the degrees of freedom live: what the net reads of those that are kept, and where those that move end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Numbers; the net reads them.
    Line,
    /// Angles in [0, 2π); the net reads the cosines of all, then the sines.
    Circle,
}

/// How those that move do.
pub(crate) enum Map<G: Gpu> {
    /// By a multiple of φ.
    Shift(f64),
    /// By a transform, and the inverse map.
    Transform([Compiled<G>; 2]),
}

/// The kernels of a transform, numbers φ of an element, and numbers kept of it.
pub(crate) struct Compiled<G: Gpu> {
    kernels: Arc<Kernels<G>>,
    width: usize,
    kept: usize,
}

impl<G: Gpu> Clone for Compiled<G> {
    fn clone(&self) -> Self {
        Self { kernels: self.kernels.clone(), ..*self }
    }
}

impl<G: Gpu> Map<G> {
    /// The additive map.
    pub fn additive() -> Self {
        Self::Shift(1.0)
    }

    /// Compiles a transform and its inverse.
    ///
    /// # Errors
    /// If a kernel can't be compiled.
    pub fn of_transform<T: Real>(device: &Cuda<T, G>, space: Space, both: [Transform; 2]) -> Result<Self, DeviceError> {
        let circle = (space == Space::Circle).then(|| ("CIRCLE", "1".to_owned()));
        let [there, back] = both.map(|transform| {
            let kernels = transform.kernels(device, kernels::COUPLING, circle.iter().cloned().collect())?;
            Ok(Compiled { kernels, width: transform.width, kept: transform.kept })
        });
        Ok(Self::Transform([there?, back?]))
    }

    fn inverse(&self) -> Self {
        match self {
            Self::Shift(by) => Self::Shift(-by),
            Self::Transform([there, back]) => Self::Transform([back.clone(), there.clone()]),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Shift(_) => 1,
            Self::Transform([there, _]) => there.width,
        }
    }
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

/// What a transform keeps, and c, of which it copies so many rows.
struct Kept<'a, T, G: Gpu> {
    numbers: &'a mut Batch<T, G>,
    c: &'a Batch<T, G>,
    copied: usize,
}

/// Which way a covector goes, and its weight w.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verb {
    /// With the map, by J^{-T}.
    Push(f64),
    /// Against the map, by Jᵀ.
    PullBack(f64),
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
        [phi, bias]: [Address; 2],
        kept: Option<Kept<'_, T, G>>,
        log_det: &Sums<G>,
    ) {
        let (places, samples) = (&self.mask.transformed, x.samples());
        let (n, rows) = (places.len, places.table());
        match (&self.map, kept) {
            (Map::Shift(by), _) => self.shift(device, x, [phi, bias], *by),
            (Map::Transform([transform, _]), Some(Kept { numbers, c, copied })) => {
                device.reshape(numbers, transform.kept * n, samples);
                let (kept, of_c) = (numbers.at(), self.mask.kept.table());
                let arguments =
                    arguments![x.at(), rows, phi, bias, kept, log_det.at(), of_c, c.at(), n, copied, samples];
                device.launch(&transform.kernels, "coupling_evaluate", Spread::rows(samples), arguments);
            }
            (Map::Transform([transform, _]), None) => {
                let arguments = arguments![x.at(), rows, phi, bias, log_det.at(), n, samples];
                device.launch(&transform.kernels, "coupling_value", Spread::rows(samples), arguments);
            }
        }
    }

    /// What is left to be added where φ shifts.
    fn shift<T: Real>(&self, device: &Cuda<T, G>, x: &Batch<T, G>, [phi, bias]: [Address; 2], by: f64) {
        let (places, nowhere) = (&self.mask.transformed, Address::default());
        let phi = if places.in_place(x).is_some() { nowhere } else { phi };
        if [phi, bias] != [nowhere; 2] {
            places.add(device, x, [phi, bias], by);
        }
    }

    /// The cotangent v of φ, and the transformed rows of the covector, MATH (4) or (5).
    fn carry_transformed<T: Real, N>(
        &self,
        verb: Verb,
        device: &Cuda<T, G>,
        a: &Batch<T, G>,
        bias: Address,
        Tape { phi, kept, .. }: &Tape<T, G, N>,
        v: &mut Batch<T, G>,
    ) -> Multiple {
        let (places, samples) = (&self.mask.transformed, a.samples());
        let (kernel, w, slope) = match verb {
            Verb::Push(w) => ("coupling_push", w, -1.0),
            Verb::PullBack(w) => ("coupling_pull", w, 1.0),
        };
        match &self.map {
            Map::Shift(by) => {
                let rows = places.in_place(a).unwrap_or_else(|| {
                    places.gather(device, a, v);
                    Rows::of(v)
                });
                Multiple { rows, by: slope * by }
            }
            Map::Transform([transform, _]) => {
                device.reshape(v, transform.width * places.len, samples);
                let (rows, w) = (places.table(), device.real(w));
                let arguments = arguments![a.at(), rows, phi.at(), bias, kept.at(), v.at(), w, places.len, samples];
                device.launch(&transform.kernels, kernel, Spread::elements(places.len * samples), arguments);
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
        let bias = self.net.last_bias(pass.theta);
        let v = self.carry_transformed(verb, device, a, bias, tape, phi);
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
        self.apply(device, x, [phi.at(), self.net.last_bias(theta)], Some(kept), log_det);
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
        self.apply(device, x, [phi.at(), self.net.last_bias(theta)], None, log_det);
    }
}

impl<T: Real, G: Gpu, C: Conditioner<T, G>> Invertible<Cuda<T, G>> for Coupling<C, G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        let Self { mask, net, space, map } = self;
        Box::new(Self { mask: mask.clone(), net: net.clone(), space: *space, map: map.inverse() })
    }
}
