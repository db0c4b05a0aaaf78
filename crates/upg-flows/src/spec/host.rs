//! Descriptions of flows, lowered to layers on the host.
//!
//! The layers are made by functions that aren't generic: their loops are compiled once, here, and not in every crate that names a precision.

use super::{
    autoregressive::AutoregressiveSpec,
    base::{BaseSpec, given},
    continuous::{ContinuousSpec, FieldSpec},
    coupling::{AngleCouplingSpec, CouplingSpec},
    description::Description,
    flow::FlowSpec,
    gauge::{GaugeCouplingSpec, lattice_of_links},
    householder::HouseholderSpec,
    lattice_net::refuse_angles,
    layer::LayerSpec,
    mlp::MlpSpec,
    net::NetSpec,
    net_description::in_net,
    plaquette::{PlaquetteFlowSpec, lattice_of_any_links},
    transform::{AngleTransformSpec, AnyTransform, TransformSpec},
};
use crate::{
    act_norm::ActNorm,
    additive::Additive,
    affine::Affine,
    autoregressive::{Autoregressive, net::MaskedMlp},
    bases::{DiagonalNormal, FreeField, TwoSigns},
    cnn::{Cnn, Sites, Stripes},
    continuous::Continuous,
    coupling::Coupling,
    elementwise::Elementwise,
    error::FlowError,
    gauge::GaugeCoupling,
    householder::Householder,
    lattice_field::{self, LatticeField},
    lattice_net::LatticeNet,
    logistic_mixture::LogisticMixture,
    lu::LuLinear,
    mlp::Mlp,
    permutation::Permutation,
    plaquette_flow::PlaquetteFlow,
    scaling::GlobalScaling,
    shallow_field::ShallowField,
    spline::{Form, Spline},
    tan_mixture::TanMixture,
};
use std::any::{Any, TypeId};
use upg_core::{Base, Chain, Cpu, Invertible, Real, StandardNormal, UniformTorus};

/// Any invertible layer on the host.
pub type AnyLayer<T> = Box<dyn Invertible<Cpu<T>>>;

/// A chain of invertible layers on the host.
pub type Flow<T> = Chain<AnyLayer<T>>;

/// Any base on the host.
pub type AnyBase<T> = Box<dyn Base<Cpu<T>>>;

impl BaseSpec {
    /// The base on the host, for samples of this shape.
    ///
    /// # Panics
    /// If a number is missing.
    pub fn build<T: Real>(&self, shape: &[usize]) -> AnyBase<T> {
        let base: Box<dyn Any> = match TypeId::of::<T>() == TypeId::of::<f32>() {
            true => Box::new(self.lower_single(shape)),
            false => Box::new(self.lower_double(shape)),
        };
        *base.downcast().expect("T is f32 or f64")
    }

    fn lower_single(&self, shape: &[usize]) -> AnyBase<f32> {
        self.lower_here(shape)
    }

    fn lower_double(&self, shape: &[usize]) -> AnyBase<f64> {
        self.lower_here(shape)
    }

    fn lower_here<T: Real>(&self, shape: &[usize]) -> AnyBase<T> {
        let dof = shape.iter().product();
        match *self {
            Self::StandardNormal => Box::new(StandardNormal::new(dof)),
            Self::UniformTorus => Box::new(UniformTorus::new(dof)),
            Self::DiagonalNormal => Box::new(DiagonalNormal::new(dof)),
            Self::FreeField { m2, kappa } => Box::new(FreeField::<T>::new(shape, given(m2), given(kappa))),
            Self::TwoSigns { m2, kappa, v } => Box::new(TwoSigns::<T>::new(shape, given(m2), given(kappa), given(v))),
        }
    }
}

impl FlowSpec {
    /// The base on the host.
    ///
    /// # Panics
    /// If the flow isn't accepted.
    pub fn build_base<T: Real>(&self) -> AnyBase<T> {
        self.base.build(&self.shape)
    }

    /// The layers on the host.
    ///
    /// # Errors
    /// Names the field that isn't accepted.
    pub fn build<T: Real>(&self) -> Result<Flow<T>, FlowError> {
        self.check()?;
        let layer = |(i, layer): (usize, &LayerSpec)| layer.lower::<T>(&self.shape).map_err(|e| e.in_layer(i));
        Ok(Chain::new::<Cpu<T>>(self.layers.iter().enumerate().map(layer).collect::<Result<_, _>>()?))
    }
}

impl LayerSpec {
    /// The layer on the host, for samples of this shape.
    ///
    /// # Errors
    /// Names the field that isn't accepted.
    pub fn build<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        FlowError::first(self.field_errors())?;
        self.check_shape(shape)?;
        self.lower(shape)
    }

    fn lower<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        let layer: Box<dyn Any> = match TypeId::of::<T>() == TypeId::of::<f32>() {
            true => Box::new(self.lower_single(shape)?),
            false => Box::new(self.lower_double(shape)?),
        };
        Ok(*layer.downcast().expect("T is f32 or f64"))
    }

    fn lower_single(&self, shape: &[usize]) -> Result<AnyLayer<f32>, FlowError> {
        self.lower_here(shape)
    }

    fn lower_double(&self, shape: &[usize]) -> Result<AnyLayer<f64>, FlowError> {
        self.lower_here(shape)
    }

    fn lower_here<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        match self {
            Self::Coupling(coupling) => coupling.lower(shape),
            Self::Autoregressive(layer) => layer.lower(shape),
            Self::Scaling(scaling) => Ok(Box::new(GlobalScaling::new(shape.iter().product(), scaling.scales))),
            Self::ActNorm(norm) => Ok(Box::new(ActNorm::new(shape.iter().product(), norm.start))),
            Self::Linear(linear) => Ok(Box::new(LuLinear::new(&linear.choices(), shape)?)),
            Self::Householder(HouseholderSpec { reflections, bias }) => {
                Ok(Box::new(Householder::new(shape.iter().product(), *reflections, *bias)))
            }
            Self::Permutation(permutation) => Ok(Box::new(Permutation::new(&permutation.order, shape)?)),
            Self::GaugeCoupling(coupling) => coupling.lower(shape),
            Self::Continuous(flow) => flow.lower(shape),
            Self::AngleCoupling(coupling) => coupling.lower(shape),
            Self::PlaquetteFlow(flow) => flow.lower(shape),
            Self::Inverse(layer) => Ok(layer.lower_here::<T>(shape)?.inverse()),
        }
    }
}

impl ContinuousSpec {
    fn lower<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        Ok(match self.field {
            FieldSpec::Lattice { frequencies, times, scale } => {
                let field = LatticeField::<T>::new(shape, frequencies, times);
                let field = field.with_scale(scale.unwrap_or(lattice_field::SCALE));
                Box::new(Continuous::new(field, self.steps))
            }
            FieldSpec::Shallow { width, times } => {
                Box::new(Continuous::new(ShallowField::new(shape.iter().product(), width, times), self.steps))
            }
        })
    }
}

impl PlaquetteFlowSpec {
    fn lower<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        let Self { sines, products, times, steps } = *self;
        Ok(Box::new(PlaquetteFlow::new(lattice_of_any_links(shape)?, sines, products, times, steps)))
    }
}

impl CouplingSpec {
    fn lower<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        match self.transform {
            TransformSpec::Affine { clamp } => self.with(Affine { clamp }, shape),
            TransformSpec::Additive => self.with(Additive, shape),
            TransformSpec::LogisticMixture { mixtures } => self.with(LogisticMixture { mixtures }, shape),
            TransformSpec::Spline { bins, interval } => {
                self.with(Spline { form: Form::Line { interval }, bins }, shape)
            }
            TransformSpec::OddSpline { bins, interval } => {
                self.with(Spline { form: Form::Odd { interval }, bins }, shape)
            }
        }
    }

    fn with<T: Real, E: Elementwise<T>>(&self, transform: E, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        let mask = self.mask.mask(shape)?;
        match &self.net {
            NetSpec::Mlp(net) => {
                let net = net.lower(mask.kept().len(), transform.width() * mask.transformed().len())?;
                Ok(Box::new(Coupling::new(mask, net, transform)))
            }
            NetSpec::Cnn(net) => {
                let architecture = net.architecture(AnyTransform::OfNumbers(&self.transform));
                let net = Cnn::new(&Sites::of_mask(shape, &mask)?, &architecture).map_err(in_net)?;
                Ok(Box::new(Coupling::new(mask, LatticeNet::new(net), transform)))
            }
        }
    }
}

impl AutoregressiveSpec {
    fn lower<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        match self.transform {
            TransformSpec::Affine { clamp } => self.with(Affine { clamp }, shape),
            TransformSpec::Additive => self.with(Additive, shape),
            TransformSpec::LogisticMixture { mixtures } => self.with(LogisticMixture { mixtures }, shape),
            TransformSpec::Spline { bins, interval } => {
                self.with(Spline { form: Form::Line { interval }, bins }, shape)
            }
            TransformSpec::OddSpline { bins, interval } => {
                self.with(Spline { form: Form::Odd { interval }, bins }, shape)
            }
        }
    }

    fn with<T: Real, E: Elementwise<T>>(&self, transform: E, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        let order = self.order.indices(shape)?;
        let MlpSpec { hidden, activation, bias, start } = &self.net;
        let net = MaskedMlp::new(order.len(), hidden, transform.width(), *activation, *bias, *start).map_err(in_net)?;
        Ok(Box::new(Autoregressive::new(order, net, transform)))
    }
}

impl AngleCouplingSpec {
    fn lower<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        match self.transform {
            AngleTransformSpec::TanMixture { mixtures } => self.with(TanMixture { mixtures }, shape),
            AngleTransformSpec::CircularSpline { bins } => self.with(Spline { form: Form::Circle, bins }, shape),
        }
    }

    fn with<T: Real, E: Elementwise<T>>(&self, transform: E, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        let mask = self.mask.mask(shape)?;
        let NetSpec::Mlp(net) = &self.net else { return Err(refuse_angles()) };
        let net = net.lower(2 * mask.kept().len(), transform.width() * mask.transformed().len())?;
        Ok(Box::new(Coupling::on_circle(mask, net, transform)))
    }
}

impl MlpSpec {
    fn lower(&self, inputs: usize, outputs: usize) -> Result<Mlp, FlowError> {
        let Self { hidden, activation, bias, start } = self;
        Mlp::new(inputs, hidden, outputs, *activation, *bias, *start).map_err(in_net)
    }
}

impl GaugeCouplingSpec {
    fn lower<T: Real>(&self, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        match self.transform {
            AngleTransformSpec::TanMixture { mixtures } => self.with(TanMixture { mixtures }, shape),
            AngleTransformSpec::CircularSpline { bins } => self.with(Spline { form: Form::Circle, bins }, shape),
        }
    }

    fn with<T: Real, E: Elementwise<T>>(&self, transform: E, shape: &[usize]) -> Result<AnyLayer<T>, FlowError> {
        let stripes = Stripes { lattice: lattice_of_links(shape)?, cross: 1 - self.direction, offset: self.offset };
        let net = Cnn::new(&Sites::striped(stripes)?, &self.net.architecture(transform.width())).map_err(in_net)?;
        Ok(Box::new(GaugeCoupling::new::<T>(stripes, net, transform)))
    }
}
