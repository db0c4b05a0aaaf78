//! Activations of hidden layers on a device: see [`upg_flows::activation`]. Functions: `activation.cu`.

use crate::cuda::Cuda;
use crate::gpu::{Argument, Gpu};
use upg_core::Real;
use upg_flows::Activation;

/// The activation's number in activation.cu, and its slope.
pub(crate) fn arguments<T: Real, G: Gpu>(activation: Activation, device: &Cuda<T, G>) -> [Argument; 2] {
    let (number, slope) = match activation {
        Activation::Tanh => (0, 0.0),
        Activation::Relu => (1, 0.0),
        Activation::LeakyRelu(slope) => (2, slope),
        Activation::Silu => (3, 0.0),
        Activation::Softplus => (4, 0.0),
        Activation::Elu => (5, 0.0),
        Activation::Gelu => (6, 0.0),
        Activation::Identity => (7, 0.0),
    };
    [Argument::Int(number), device.real(slope)]
}

/// Whether the derivative of the activation is stored, because it doesn't follow from the value.
pub(crate) fn stores_derivative(activation: Activation) -> bool {
    matches!(activation, Activation::Silu | Activation::Gelu)
}
