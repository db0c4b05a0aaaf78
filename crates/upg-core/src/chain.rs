//! A composition of layers, itself a layer. The loop over layers exists here and nowhere else.
//!
//! Map: x_L = T_{L−1}(… T_0(x_0)), ℓ = Σ ℓ_l. The score is pushed from layer 0 on, a cotangent pulled back from layer L−1.
//! Parameters of layer l are called `layers.{l}.…` and lie one layer behind the other in the flat buffer.

use crate::{
    device::Device,
    layer::{BatchStart, GradSink, Invertible, Layer, Pass, Watch, Whole},
    params::ParamLayout,
    workspace::{Prepared, Workspace},
};
use std::ops::Range;

/// One layer of a chain and the range of its parameters in the chain's flat buffer.
struct Link<L> {
    layer: L,
    range: Range<usize>,
}

/// Layers applied one after the other.
///
/// `L` is the kind of layer: `Box<dyn Layer<D>>` for any, `Box<dyn Invertible<D>>` where the chain shall have an inverse.
pub struct Chain<L> {
    links: Vec<Link<L>>,
    layout: ParamLayout,
    dof: usize,
}

/// The tapes of the layers, in the order of application.
#[derive(Default)]
struct Tapes(Vec<Workspace>);

/// The preparations of the layers, in the order of application.
#[derive(Default)]
struct PreparedLayers(Vec<Prepared>);

impl<L> Chain<L> {
    /// The composition that applies `layers[0]` first.
    ///
    /// # Panics
    /// If there is no layer, or two of them differ in their number of degrees of freedom.
    #[track_caller]
    pub fn new<D: Device>(layers: Vec<L>) -> Self
    where
        L: Layer<D>,
    {
        let dof = layers.first().expect("a chain has at least one layer").dof();
        let mut layout = ParamLayout::default();
        let mut links = Vec::with_capacity(layers.len());
        for (l, layer) in layers.into_iter().enumerate() {
            assert_eq!(layer.dof(), dof, "degrees of freedom of layer {l}, and of layer 0");
            let start = layout.size();
            layout.nest(&format!("layers.{l}."), &layer.params());
            links.push(Link { layer, range: start..layout.size() });
        }
        Self { links, layout, dof }
    }

    /// Number of layers.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is no layer (never true).
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// T⁻¹ as a chain: layer l of it undoes layer L−1−l of this one.
    pub fn inverse_chain<D: Device>(&self) -> Chain<Box<dyn Invertible<D>>>
    where
        L: Invertible<D>,
    {
        let invert = |link: &Link<L>| Link { layer: link.layer.inverse(), range: link.range.clone() };
        let links = self.links.iter().rev().map(invert).collect();
        Chain { links, layout: self.layout.clone(), dof: self.dof }
    }

    /// Every link with the pass it sees, in the order of application.
    fn walk<'a, 'b, D: Device>(
        &'a self,
        pass: &'a mut Pass<'b, D>,
    ) -> (impl DoubleEndedIterator<Item = Stop<'a, L>>, Shared<'a, 'b, D>) {
        let prepared = &pass.prepared.get::<PreparedLayers>().0;
        let tapes = &mut pass.tape.get::<Tapes>().0;
        tapes.resize_with(self.links.len(), Workspace::default);
        let stops = self.links.iter().zip(prepared).zip(tapes);
        let shared = Shared { device: pass.device, theta: pass.theta, scratch: &mut *pass.scratch };
        (stops.map(|((link, prepared), tape)| Stop { link, prepared, tape }), shared)
    }
}

/// A link with what is its own in a pass.
struct Stop<'a, L> {
    link: &'a Link<L>,
    prepared: &'a Prepared,
    tape: &'a mut Workspace,
}

/// The parts of a pass that all layers share.
struct Shared<'a, 'b, D: Device> {
    device: &'b D,
    theta: D::Params<'b>,
    scratch: &'a mut Workspace,
}

impl<D: Device> Shared<'_, '_, D> {
    fn at<'c, L>(&'c mut self, stop: Stop<'c, L>) -> (&'c L, Pass<'c, D>) {
        let Stop { link, prepared, tape } = stop;
        let theta: D::Params<'c> = D::slice(self.theta, link.range.clone());
        (&link.layer, Pass { device: self.device, theta, prepared, tape, scratch: self.scratch })
    }
}

impl<D: Device, L: Layer<D>> Layer<D> for Chain<L> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &D, theta: D::Params<'_>, prepared: &mut Prepared) {
        let prepared = &mut prepared.get_mut::<PreparedLayers>().0;
        prepared.resize_with(self.links.len(), Prepared::default);
        for (link, prepared) in self.links.iter().zip(prepared) {
            link.layer.prepare(device, D::slice(theta, link.range.clone()), prepared);
        }
    }

    fn forward(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample) {
        let (stops, mut shared) = self.walk(pass);
        for stop in stops {
            let (layer, mut pass) = shared.at(stop);
            layer.forward(&mut pass, x, log_det);
        }
    }

    fn push(&self, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64, mut grad: Option<GradSink<'_, D>>) {
        let (stops, mut shared) = self.walk(pass);
        for stop in stops {
            let sink = grad.as_mut().map(|grad| grad.slice(stop.link.range.clone()));
            let (layer, mut pass) = shared.at(stop);
            layer.push(&mut pass, cotangent, weight, sink);
        }
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, D>,
        cotangent: &mut D::Batch,
        weight: f64,
        mut grad: Option<GradSink<'_, D>>,
    ) {
        let (stops, mut shared) = self.walk(pass);
        for stop in stops.rev() {
            let sink = grad.as_mut().map(|grad| grad.slice(stop.link.range.clone()));
            let (layer, mut pass) = shared.at(stop);
            layer.pull_back(&mut pass, cotangent, weight, sink);
        }
    }

    fn pull_back_each(
        &self,
        pass: &mut Pass<'_, D>,
        cotangent: &mut D::Batch,
        weight: f64,
        mut grad: GradSink<'_, D>,
        whole: &mut Whole<'_, D>,
    ) {
        let (stops, mut shared) = self.walk(pass);
        for stop in stops.rev() {
            let range = stop.link.range.clone();
            let (layer, mut pass) = shared.at(stop);
            layer.pull_back(&mut pass, cotangent, weight, Some(grad.slice(range.clone())));
            if !range.is_empty() {
                whole(range.clone(), grad.slice(range).into);
            }
        }
    }

    fn push_score(&self, pass: &mut Pass<'_, D>, score: &mut D::Batch) {
        let (stops, mut shared) = self.walk(pass);
        for stop in stops {
            let (layer, mut pass) = shared.at(stop);
            layer.push_score(&mut pass, score);
        }
    }

    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        score: &mut D::Batch,
    ) {
        let (stops, mut shared) = self.walk(pass);
        for stop in stops {
            let (layer, mut pass) = shared.at(stop);
            layer.forward_with_score(&mut pass, x, log_det, score);
        }
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample) {
        self.forward_each(pass, x, log_det, &mut |_, _, _| {});
    }

    fn forward_each(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        after: &mut Watch<'_, D>,
    ) {
        let prepared = &pass.prepared.get::<PreparedLayers>().0;
        for (l, (link, prepared)) in self.links.iter().zip(prepared).enumerate() {
            let theta = D::slice(pass.theta, link.range.clone());
            let (tape, scratch) = (&mut *pass.tape, &mut *pass.scratch);
            let mut inner = Pass { device: pass.device, theta, prepared, tape, scratch };
            link.layer.forward_without_tape(&mut inner, x, log_det);
            after(l, x, log_det);
        }
    }

    fn batch_start(&self) -> Option<&dyn BatchStart<D>> {
        self.links.iter().any(|link| link.layer.batch_start().is_some()).then_some(self)
    }
}

impl<D: Device, L: Layer<D>> BatchStart<D> for Chain<L> {
    /// Layer by layer, each for what comes out of those before it with their first parameters; up to the last one that asks for it.
    fn start(&self, device: &D, x: &D::Batch, samples: usize, theta: &mut [D::Real]) {
        let (mut at, mut log_det) = (D::Batch::default(), D::PerSample::default());
        device.copy(x, &mut at);
        device.clear(&mut log_det, samples);
        let asks = |link: &Link<L>| link.layer.batch_start().is_some();
        let asked = self.links.iter().rposition(asks).map_or(0, |last| last + 1);
        for (l, link) in self.links[..asked].iter().enumerate() {
            let theta = &mut theta[link.range.clone()];
            if let Some(layer) = link.layer.batch_start() {
                layer.start(device, &at, samples, theta);
            }
            if l + 1 < asked {
                apply(device, &link.layer, theta, &mut at, &mut log_det);
            }
        }
    }
}

/// x ← T(x), with workspaces of its own.
fn apply<D: Device>(
    device: &D,
    layer: &impl Layer<D>,
    theta: &[D::Real],
    x: &mut D::Batch,
    log_det: &mut D::PerSample,
) {
    let buffer = device.buffer(theta);
    let (theta, mut prepared) = (device.params(&buffer), Prepared::default());
    let (mut tape, mut scratch) = (Workspace::default(), Workspace::default());
    layer.prepare(device, theta, &mut prepared);
    let mut pass = Pass { device, theta, prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
    layer.forward_without_tape(&mut pass, x, log_det);
}

impl<D: Device, L: Invertible<D>> Invertible<D> for Chain<L> {
    /// T⁻¹ = T_0⁻¹ ∘ … ∘ T_{L−1}⁻¹: the inverses in reverse order, each with the parameters of its layer.
    fn inverse(&self) -> Box<dyn Invertible<D>> {
        Box::new(self.inverse_chain())
    }
}
