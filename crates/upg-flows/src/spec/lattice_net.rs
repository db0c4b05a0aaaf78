//! Description of a convolutional net on a lattice of scalars.

#[cfg(feature = "serde")]
use super::cnn::CnnSpec;
use super::{
    description::{Needs, Work},
    net_description::{NetDescription, Place, check_activation, check_hidden, net_params},
    transform::{AnyTransform, TransformSpec},
};
#[cfg(feature = "serde")]
use crate::numbers;
use crate::{
    activation::Activation,
    cnn::{self, Architecture, Outputs, Reads, Sites},
    error::{FlowError, require},
    lattice_net::Symmetry,
    mask::MaskSpec,
    mlp::{Bias, StartAt},
    size,
};
use upg_core::ParamLayout;

/// A periodic convolutional net of a coupling of scalars (see [`lattice_net`](crate::lattice_net)): the shape of the samples is that of
/// the lattice, of one to four dimensions. The kept sites go in, those that move as 0.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "Cnn", deny_unknown_fields))]
pub struct LatticeNetSpec {
    /// Channels of the hidden layers.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "numbers::wholes"))]
    pub hidden: Vec<usize>,
    /// Extent of the windows along every axis, odd.
    #[cfg_attr(feature = "serde", serde(default = "CnnSpec::default_kernel", deserialize_with = "numbers::whole"))]
    pub kernel: usize,
    /// Activation of the hidden layers.
    #[cfg_attr(feature = "serde", serde(default))]
    pub activation: Activation,
    /// What the coupling commutes with, beside the translations that keep the mask.
    #[cfg_attr(feature = "serde", serde(default))]
    pub symmetry: Symmetry,
    /// Initial parameters.
    #[cfg_attr(feature = "serde", serde(default, rename = "init"))]
    pub start: StartAt,
}

impl LatticeNetSpec {
    /// The blocks of outputs, for the parameters of this transform.
    pub fn blocks(&self, transform: &TransformSpec) -> Vec<Outputs> {
        self.outputs(AnyTransform::OfNumbers(transform))
    }

    /// The net on the host, for the parameters of a transform.
    pub(super) fn architecture(&self, transform: AnyTransform<'_>) -> Architecture {
        Architecture {
            elsewhere: vec![0.0],
            hidden: self.hidden.clone(),
            kernel: self.kernel,
            activation: self.activation,
            bias: self.bias(),
            outputs: self.outputs(transform),
            start: self.start,
        }
    }

    /// That of the hidden layers.
    fn bias(&self) -> Bias {
        match self.symmetry {
            Symmetry::None => Bias::Yes,
            Symmetry::Z2 => Bias::No,
        }
    }

    /// With Z₂ the odd parameters of a transform come from an odd net; the even ones are linear in the squares of its last hidden layer.
    fn outputs(&self, transform: AnyTransform<'_>) -> Vec<Outputs> {
        let odd = match self.symmetry {
            Symmetry::None => return vec![Outputs::of_values(transform.width())],
            Symmetry::Z2 => transform.odd().unwrap_or(0..0),
        };
        let even = |channels| Outputs { channels, reads: Reads::Squares, bias: Bias::Yes };
        let blocks = [
            even(odd.start),
            Outputs { channels: odd.len(), reads: Reads::Values, bias: Bias::No },
            even(transform.width() - odd.end),
        ];
        blocks.into_iter().filter(|block| block.channels > 0).collect()
    }

    /// Biases of the outputs.
    fn output_biases(&self, transform: AnyTransform<'_>) -> usize {
        let odd = if self.symmetry == Symmetry::Z2 { transform.odd().unwrap_or(0..0).len() } else { 0 };
        transform.width() - odd
    }

    /// Numbers in a window of so many dimensions.
    fn window(&self, shape: &[usize]) -> u64 {
        (self.kernel as u64).saturating_pow(shape.len() as u32)
    }

    /// Numbers of one sample in each hidden layer, an even number of channels padded by one, where they live on all sites.
    fn hidden_values(&self, sites: u64) -> impl Iterator<Item = u64> {
        self.hidden.iter().map(move |&channels| (channels as u64 | 1).saturating_mul(sites))
    }

    fn check_size(&self, sites: u64, width: usize) -> Result<(), FlowError> {
        let outputs = (width as u64 | 1).saturating_mul(sites);
        if self.hidden_values(sites).fold(outputs, u64::max) > cnn::MOST_VECTORS as u64 {
            let accepted = "channels of a layer times its sites at most 67108863";
            return Err(FlowError::new("net.hidden", &self.hidden, accepted));
        }
        Ok(())
    }
}

impl NetDescription for LatticeNetSpec {
    fn checks(&self, transform: AnyTransform<'_>) -> Vec<Result<(), FlowError>> {
        let AnyTransform::OfNumbers(of_numbers) = transform else { return vec![Err(refuse_angles())] };
        let kernel = (3..=63).contains(&self.kernel) && !self.kernel.is_multiple_of(2);
        let odd_net = self.symmetry != Symmetry::Z2 || self.activation.is_odd();
        let odd_map = self.symmetry != Symmetry::Z2 || transform.odd().is_some();
        vec![
            check_hidden(&self.hidden),
            require(kernel, "net.kernel", self.kernel, "an odd number, 3 to 63"),
            check_activation(self.activation),
            require(odd_net, "net.activation", self.activation, "an odd function beside symmetry Z2: Tanh or Identity"),
            require(odd_map, "transform", of_numbers, "Additive, Affine or OddSpline beside symmetry Z2"),
        ]
    }

    fn check_shape(&self, shape: &[usize], mask: &MaskSpec, transform: AnyTransform<'_>) -> Result<(), FlowError> {
        cnn::check_dimensions(shape)?;
        let even = shape.iter().all(|extent| extent.is_multiple_of(2));
        let checkerboard = matches!(mask, MaskSpec::Checkerboard(_));
        require(even || !checkerboard, "shape", shape, "even extents, for a checkerboard with a convolutional net")?;
        if shape.iter().any(|&extent| extent < self.kernel) {
            let accepted = "at most the smallest extent of the lattice";
            return Err(FlowError::new("net.kernel", self.kernel, accepted));
        }
        self.check_size(shape.iter().product::<usize>() as u64, transform.width())?;
        Sites::of_mask(shape, &mask.mask(shape)?).map(drop)
    }

    /// On the tape: hidden values, and derivatives where the activation needs them stored. Tables there and back, and for the gradient
    /// of each block of outputs.
    fn needs(&self, place: &Place<'_>) -> Needs {
        let Place { shape, transform, .. } = *place;
        let (sites, outputs) = (place.sites(), transform.width() as u64);
        let hidden_biases = if self.bias() == Bias::Yes { size::sum(&self.hidden) } else { 0 };
        let biases = hidden_biases.saturating_add(self.output_biases(transform) as u64);
        let weights = size::net_parameters(1, &self.hidden, outputs, self.window(shape), 0);
        let stencils = 2 * self.hidden.len() as u64 + 3 * self.outputs(transform).len() as u64;
        let rows = if self.activation.stores_derivative() { 2 } else { 1 };
        let hidden = self.hidden_values(sites).fold(0, u64::saturating_add);
        Needs {
            parameters: weights.saturating_add(biases),
            indices: sites.saturating_mul(self.window(shape)).saturating_mul(stencils),
            kept: hidden.saturating_mul(rows),
        }
    }

    /// The weights at all the sites where the layers above read the values; those of the last layer where something moves.
    fn multiply_adds(&self, place: &Place<'_>) -> u64 {
        let Place { shape, transformed, transform, .. } = *place;
        let channels = self.hidden.iter().map(|&channels| channels as u64);
        let inputs = [1].into_iter().chain(channels.clone());
        let outputs = channels.map(|channels| channels.saturating_mul(place.sites()));
        let last = (transform.width() as u64).saturating_mul(transformed);
        let products = inputs.zip(outputs.chain([last])).map(|(inputs, outputs)| inputs.saturating_mul(outputs));
        products.fold(0, u64::saturating_add).saturating_mul(self.window(shape))
    }

    fn work(&self) -> Work {
        Work::Tiles
    }

    fn hidden(&self) -> &[usize] {
        &self.hidden
    }

    fn params(&self, place: &Place<'_>) -> ParamLayout {
        let Place { shape, transform, .. } = *place;
        let (depth, last) = (self.hidden.len(), self.output_biases(transform));
        let biases = |k: usize, outputs: usize| match self.bias() {
            _ if k == depth => last,
            Bias::Yes => outputs,
            Bias::No => 0,
        };
        let window = vec![self.kernel; shape.len()];
        net_params([1, transform.width()], &self.hidden, &window, biases, self.start)
    }
}

/// What is said of such a net in a coupling of angles.
pub(super) fn refuse_angles() -> FlowError {
    FlowError::new("net", (), "Mlp(...) in a coupling of angles").with_value("Cnn(...)")
}
