//! A composition of layers, itself a layer. The loop over layers exists here and nowhere else.
//!
//! Map: x_L = T_{L−1}(… T_0(x_0)), ℓ = Σ ℓ_l. The score is pushed from layer 0 on, a cotangent pulled back from layer L−1.
//! Parameters of layer l are called `layers.{l}.…` and lie one layer behind the other in the flat buffer.

use crate::{
    device::Device,
    layer::{GradSink, Invertible, Layer, Pass},
    params::ParamLayout,
    workspace::Workspace,
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

    /// `forward` without a tape; after each layer, `after` gets its number in the order of application and what came out of it.
    ///
    /// For whoever wants to look inside, e.g. for the first layer whose result is not finite.
    pub fn forward_each<D: Device>(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        mut after: impl FnMut(usize, &D::Batch, &D::PerSample),
    ) where
        L: Layer<D>,
    {
        for (l, link) in self.links.iter().enumerate() {
            let theta = D::slice(pass.theta, link.range.clone());
            let mut inner = Pass { device: pass.device, theta, tape: &mut *pass.tape, scratch: &mut *pass.scratch };
            link.layer.forward_without_tape(&mut inner, x, log_det);
            after(l, x, log_det);
        }
    }

    /// T⁻¹ as a chain: layer l of it undoes layer L−1−l of this one.
    pub fn inverse_chain<D: Device>(&self) -> Chain<Box<dyn Layer<D>>>
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
    ) -> (impl DoubleEndedIterator<Item = (&'a Link<L>, &'a mut Workspace)>, Shared<'a, 'b, D>) {
        let tapes = &mut pass.tape.get::<Tapes>().0;
        tapes.resize_with(self.links.len(), Workspace::default);
        let shared = Shared { device: pass.device, theta: pass.theta, scratch: &mut *pass.scratch };
        (self.links.iter().zip(tapes), shared)
    }
}

/// The parts of a pass that all layers share.
struct Shared<'a, 'b, D: Device> {
    device: &'b D,
    theta: D::Params<'b>,
    scratch: &'a mut Workspace,
}

impl<D: Device> Shared<'_, '_, D> {
    fn of_link<'c, L>(&'c mut self, link: &Link<L>, tape: &'c mut Workspace) -> Pass<'c, D> {
        let theta: D::Params<'c> = D::slice(self.theta, link.range.clone());
        Pass { device: self.device, theta, tape, scratch: self.scratch }
    }
}

impl<D: Device, L: Layer<D>> Layer<D> for Chain<L> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn forward(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample) {
        let (links, mut shared) = self.walk(pass);
        for (link, tape) in links {
            link.layer.forward(&mut shared.of_link(link, tape), x, log_det);
        }
    }

    fn push_score(&self, pass: &mut Pass<'_, D>, score: &mut D::Batch) {
        let (links, mut shared) = self.walk(pass);
        for (link, tape) in links {
            link.layer.push_score(&mut shared.of_link(link, tape), score);
        }
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, D>,
        cotangent: &mut D::Batch,
        weight: f64,
        mut grad: Option<GradSink<'_, D>>,
    ) {
        let (links, mut shared) = self.walk(pass);
        for (link, tape) in links.rev() {
            let sink = grad.as_mut().map(|grad| grad.slice(link.range.clone()));
            link.layer.pull_back(&mut shared.of_link(link, tape), cotangent, weight, sink);
        }
    }

    fn forward_with_score(
        &self,
        pass: &mut Pass<'_, D>,
        x: &mut D::Batch,
        log_det: &mut D::PerSample,
        score: &mut D::Batch,
    ) {
        let (links, mut shared) = self.walk(pass);
        for (link, tape) in links {
            link.layer.forward_with_score(&mut shared.of_link(link, tape), x, log_det, score);
        }
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, D>, x: &mut D::Batch, log_det: &mut D::PerSample) {
        self.forward_each(pass, x, log_det, |_, _, _| {});
    }
}

impl<D: Device, L: Invertible<D>> Invertible<D> for Chain<L> {
    /// T⁻¹ = T_0⁻¹ ∘ … ∘ T_{L−1}⁻¹: the inverses in reverse order, each with the parameters of its layer.
    fn inverse(&self) -> Box<dyn Layer<D>> {
        Box::new(self.inverse_chain())
    }
}
