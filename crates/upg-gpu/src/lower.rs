//! Descriptions of flows, lowered to layers on a device.

mod continuous;

use crate::bases::{AnyBase, DiagonalNormal, FieldBase, Signs, StandardNormal, UniformTorus};
use crate::cuda::Cuda;
use crate::gpu::Gpu;
use crate::layers::transform::{Transform, Way};
use crate::layers::{
    ActNorm, AnyLayer, Conditioner, Coupling, GaugeCoupling, Householder, LatticeNet, LuLinear, Map, Mlp, Permutation,
    Scaling, Space,
};
use std::fmt;
use upg_core::{Chain, DeviceError, ParamLayout, Real};
use upg_flows::cnn::{Links, Sites};
use upg_flows::lu::Places;
use upg_flows::spec::{AngleCouplingSpec, CouplingSpec, NetSpec, TransformSpec};
use upg_flows::{BaseSpec, FlowError, FlowSpec, LayerSpec, Mask};

/// A flow that can't be made on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LowerError {
    /// It isn't accepted, on any device or on this one.
    Flow(FlowError),
    /// The device refused.
    Device(DeviceError),
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(error) => error.fmt(f),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LowerError {}

impl From<FlowError> for LowerError {
    fn from(error: FlowError) -> Self {
        Self::Flow(error)
    }
}

impl From<DeviceError> for LowerError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl<T: Real, G: Gpu> Cuda<T, G> {
    /// The layers of a flow on this device.
    ///
    /// # Errors
    /// Names the field that isn't accepted, or the layer that has no kernels; or the device refuses.
    pub fn flow(&self, spec: &FlowSpec) -> Result<Chain<AnyLayer<T, G>>, LowerError> {
        spec.check()?;
        let layer = |(i, layer): (usize, &LayerSpec)| self.layer(layer, &spec.shape).map_err(|error| error.in_layer(i));
        Ok(Chain::new::<Self>(spec.layers.iter().enumerate().map(layer).collect::<Result<_, _>>()?))
    }

    /// A layer on this device, for samples of this shape.
    ///
    /// # Errors
    /// As [`flow`](Self::flow).
    pub fn layer(&self, spec: &LayerSpec, shape: &[usize]) -> Result<AnyLayer<T, G>, LowerError> {
        let dof = shape.iter().product();
        let params = || spec.params(shape);
        Ok(match spec {
            LayerSpec::Coupling(coupling) => self.coupling(coupling, params(), shape)?,
            LayerSpec::AngleCoupling(coupling) => self.angle_coupling(coupling, params(), shape)?,
            LayerSpec::Scaling(_) => Box::new(Scaling::new(self, dof, params())?),
            LayerSpec::ActNorm(spec) => Box::new(ActNorm::new(self, dof, spec.start, params())?),
            LayerSpec::Linear(spec) => Box::new(LuLinear::new(self, &Places::new(&spec.choices(), shape)?, params())?),
            LayerSpec::Householder(spec) => Box::new(Householder::new(self, dof, spec.reflections, params())?),
            LayerSpec::Permutation(spec) => Box::new(Permutation::new(self, &spec.order.indices(shape)?)?),
            LayerSpec::Continuous(flow) => self.continuous(flow, shape, params())?,
            LayerSpec::PlaquetteFlow(flow) => self.plaquette_flow(flow, shape, params())?,
            LayerSpec::GaugeCoupling(coupling) => {
                Box::new(GaugeCoupling::new(self, coupling, lattice_of_links(shape)?, params())?)
            }
            LayerSpec::Inverse(layer) => self.layer(layer, shape)?.inverse(),
            LayerSpec::Autoregressive(_) => {
                return Err(
                    FlowError::without_kernels(None, "", &kind(spec).0, &self.gpu().facts().device, ACCEPTED).into()
                );
            }
        })
    }

    /// The base on this device, for samples of this shape.
    ///
    /// # Errors
    /// If the device refuses.
    ///
    /// # Panics
    /// If a number is missing.
    pub fn base(&self, spec: &BaseSpec, shape: &[usize]) -> Result<AnyBase<T, G>, LowerError> {
        let (dof, params) = (shape.iter().product(), spec.params(shape));
        Ok(match spec {
            BaseSpec::StandardNormal => Box::new(StandardNormal::new(self, dof)?),
            BaseSpec::UniformTorus => Box::new(UniformTorus::new(self, dof)?),
            BaseSpec::DiagonalNormal => Box::new(DiagonalNormal::new(self, dof, params)?),
            BaseSpec::FreeField { .. } => Box::new(FieldBase::new(self, shape, Signs::None, params)?),
            BaseSpec::TwoSigns { .. } => Box::new(FieldBase::new(self, shape, Signs::Both, params)?),
        })
    }
}

impl<T: Real, G: Gpu> Cuda<T, G> {
    fn coupling(
        &self,
        spec: &CouplingSpec,
        params: ParamLayout,
        shape: &[usize],
    ) -> Result<AnyLayer<T, G>, LowerError> {
        let CouplingSpec { mask, net, transform } = spec;
        let map = match transform {
            TransformSpec::Additive => Map::additive(),
            transform => self.map(Space::Line, |way| Transform::of_numbers(transform, way))?,
        };
        let mask = mask.mask(shape)?;
        match net {
            NetSpec::Mlp(net) => self.with_net(&mask, Mlp::new(self, net.activation, params)?, Space::Line, map),
            NetSpec::Cnn(net) => {
                let links = Links::new(&Sites::of_mask(shape, &mask)?, net.kernel, net.hidden.len());
                let net = LatticeNet::new(self, net.activation, &links, &net.blocks(transform), params)?;
                self.with_net(&mask, net, Space::Line, map)
            }
        }
    }

    fn angle_coupling(
        &self,
        spec: &AngleCouplingSpec,
        params: ParamLayout,
        shape: &[usize],
    ) -> Result<AnyLayer<T, G>, LowerError> {
        let AngleCouplingSpec { mask, net, transform } = spec;
        let map = self.map(Space::Circle, |way| Ok(Transform::of_angles(transform, way)))?;
        let NetSpec::Mlp(net) = net else {
            return Err(FlowError::new("net", Kind("Cnn".into()), "Mlp in a coupling of angles").into());
        };
        self.with_net(&mask.mask(shape)?, Mlp::new(self, net.activation, params)?, Space::Circle, map)
    }

    fn map(&self, space: Space, transform: impl Fn(Way) -> Result<Transform, FlowError>) -> Result<Map<G>, LowerError> {
        Ok(Map::of_transform(self, space, [transform(Way::There)?, transform(Way::Back)?])?)
    }

    fn with_net<C: Conditioner<T, G>>(
        &self,
        mask: &Mask,
        net: C,
        space: Space,
        map: Map<G>,
    ) -> Result<AnyLayer<T, G>, LowerError> {
        Ok(Box::new(Coupling::new(self, mask, net, space, map)?))
    }
}

/// Whether a layer can be made on a card, if it is large enough.
pub fn has_kernels(spec: &LayerSpec) -> bool {
    match spec {
        LayerSpec::Autoregressive(_) => false,
        LayerSpec::Inverse(layer) => has_kernels(layer),
        _ => true,
    }
}

/// The layers that have kernels.
const ACCEPTED: &str = "ActNorm, AngleCoupling, Continuous, Coupling, GaugeCoupling, Householder, Linear, Permutation, PlaquetteFlow, Scaling, and inverses of these; the cpu has all";

/// The extents of the lattice whose links have this shape.
fn lattice_of_links(shape: &[usize]) -> Result<[usize; 2], FlowError> {
    let striped = |extent: usize| extent > 0 && extent.is_multiple_of(4);
    match *shape {
        [2, rows, columns] if striped(rows) && striped(columns) => Ok([rows, columns]),
        _ => Err(FlowError::new("shape", shape, "[2, L_0, L_1], two extents that are positive multiples of 4")),
    }
}

/// Name of a kind of layer, as configurations have it.
fn kind(layer: &LayerSpec) -> Kind {
    let text = format!("{layer:?}");
    Kind(text.split(['(', ' ']).next().unwrap_or_default().to_owned())
}

/// A name that is shown as it is.
struct Kind(String);

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl LowerError {
    fn in_layer(self, layer: usize) -> Self {
        match self {
            Self::Flow(error) => Self::Flow(error.in_layer(layer)),
            device @ Self::Device(_) => device,
        }
    }
}
