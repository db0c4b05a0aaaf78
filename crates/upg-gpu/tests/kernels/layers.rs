//! Every layer passes the battery of the host's layers, one line each.

use crate::support::{Device, device_with_own_products, on, on_device};
use rand::RngExt;
use upg_core::{Real, Rng};
use upg_flows::spec::{CouplingSpec, MlpSpec, NetSpec, ScalingSpec, TransformSpec};
use upg_flows::{Activation, Bias, LayerSpec, MaskSpec, Parity, Scales, StartAt};
use upg_gpu::AnyLayer;
use upg_gpu::emulator::Emulator;
use upg_testkit::layer_battery;
use upg_testkit::on_host::OnHost;

layer_battery! {
    scaling(rng) threads 1 => on_device::<T>(&LayerSpec::Scaling(ScalingSpec { scales: Scales::One }), &[rng.random_range(1..20)]);
    scaling_of_each(rng) threads 1 => on_device::<T>(&LayerSpec::Scaling(ScalingSpec { scales: Scales::PerDof }), &[rng.random_range(1..20)]);
    additive(rng) threads 1 => coupling::<T>(TransformSpec::Additive, any_activation(rng), rng);
    affine(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: None }, any_activation(rng), rng);
    affine_clamped(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, any_activation(rng), rng);
    tanh(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Tanh, rng);
    silu(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Silu, rng);
    gelu(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Gelu, rng);
    softplus(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Softplus, rng);
    relu(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Relu, rng);
    leaky_relu(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::LeakyRelu(rng.random_range(0.01..0.9)), rng);
    elu(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Elu, rng);
    linear_net(rng) threads 1 => coupling::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Identity, rng);
    additive_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Additive, any_activation(rng), rng);
    tanh_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Tanh, rng);
    silu_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Silu, rng);
    gelu_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Gelu, rng);
    softplus_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Softplus, rng);
    relu_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Relu, rng);
    leaky_relu_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::LeakyRelu(rng.random_range(0.01..0.9)), rng);
    elu_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Elu, rng);
    linear_net_by_own_products(rng) threads 1 => by_own_products::<T>(TransformSpec::Affine { clamp: Some(1.3) }, Activation::Identity, rng);
}

pub fn any_activation(rng: &mut Rng) -> Activation {
    let smooth = [Activation::Tanh, Activation::Silu, Activation::Softplus, Activation::Gelu];
    smooth[rng.random_range(0..smooth.len())]
}

/// A net of any depth and widths.
pub fn any_net(activation: Activation, rng: &mut Rng) -> NetSpec {
    let hidden = (0..rng.random_range(0..4)).map(|_| rng.random_range(1..20)).collect();
    let bias = if rng.random() { Bias::Yes } else { Bias::No };
    let start = if rng.random() { StartAt::Random } else { StartAt::Identity };
    NetSpec::Mlp(MlpSpec { hidden, activation, bias, start })
}

/// A mask of any kind on a lattice, and its shape.
pub fn any_mask(rng: &mut Rng) -> (MaskSpec, Vec<usize>) {
    let parity = if rng.random() { Parity::Even } else { Parity::Odd };
    match rng.random_range(0..3) {
        0 => (MaskSpec::Alternating(parity), vec![rng.random_range(2..10)]),
        1 => (MaskSpec::Checkerboard(parity), vec![rng.random_range(1..4), 4]),
        _ => {
            let dof = rng.random_range(2..10);
            let first = rng.random_range(0..dof);
            let moves = |&i: &usize| i == first || i != (first + 1) % dof && (i * i + first) % 3 == 0;
            (MaskSpec::Custom((0..dof).filter(moves).collect()), vec![dof])
        }
    }
}

/// A coupling with any mask and any net of this activation, and the shape of its samples.
pub fn any_coupling(transform: TransformSpec, activation: Activation, rng: &mut Rng) -> (LayerSpec, Vec<usize>) {
    let (mask, shape) = any_mask(rng);
    (LayerSpec::Coupling(CouplingSpec { mask, net: any_net(activation, rng), transform }), shape)
}

fn coupling<T: Real>(
    transform: TransformSpec,
    activation: Activation,
    rng: &mut Rng,
) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let (spec, shape) = any_coupling(transform, activation, rng);
    on_device::<T>(&spec, &shape)
}

fn by_own_products<T: Real>(
    transform: TransformSpec,
    activation: Activation,
    rng: &mut Rng,
) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let (spec, shape) = any_coupling(transform, activation, rng);
    on(device_with_own_products::<T>(), &spec, &shape)
}
