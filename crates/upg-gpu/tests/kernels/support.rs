//! Devices on the emulator, and flows on both devices.

use upg_core::Real;
use upg_flows::{BaseSpec, LayerSpec};
use upg_gpu::emulator::Emulator;
use upg_gpu::{AnyBase, AnyLayer, Cuda, Precision};
use upg_testkit::on_host::OnHost;

/// A device on the host.
pub type Device<T> = Cuda<T, Emulator>;

pub fn device<T: Real>() -> Device<T> {
    Emulator::new().and_then(Cuda::new).expect("g++ compiles the kernels")
}

/// A device that makes all products of f32 itself, on tensor cores as the emulator has them.
pub fn device_with_own_products<T: Real>() -> Device<T> {
    device().with_precision(Precision::Split).expect("g++ compiles the kernels").with_fewest_tiles(1)
}

/// The layer on the emulated device, as one of the host.
#[track_caller]
pub fn on_device<T: Real>(spec: &LayerSpec, shape: &[usize]) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    on(device(), spec, shape)
}

/// The layer on a device, as one of the host.
#[track_caller]
pub fn on<T: Real>(device: Device<T>, spec: &LayerSpec, shape: &[usize]) -> OnHost<Device<T>, AnyLayer<T, Emulator>> {
    let layer = device.layer(spec, shape).unwrap_or_else(|error| panic!("{error}"));
    OnHost::new(device, layer)
}

/// The base on the emulated device, as one of the host.
#[track_caller]
pub fn base_on_device<T: Real>(spec: &BaseSpec, shape: &[usize]) -> OnHost<Device<T>, AnyBase<T, Emulator>> {
    let device = device();
    let base = device.base(spec, shape).unwrap_or_else(|error| panic!("{error}"));
    OnHost::new(device, base)
}
