//! Where the work of a command is done: device and precision, chosen in one place for all commands.
//!
//! A command is a [`Work`], written over any [`Place`]; [`on`] opens the device that was asked for, and has the work done there.

#[cfg(test)]
mod tests;

use super::arguments::{device_parser, processor, threads_parser};
use crate::Error;
use crate::config::{ConfigError, DeviceName, Place, Precision, Products};
use crate::io::output::Provenance;
use clap::Args;
use upg_core::{DeviceError, Real};
use upg_gpu::Cuda;
use upg_gpu::driver::Driver;
use upg_gpu::gpu::Gpu;
use upg_train::Peers;

/// The arguments of every command that computes with a flow.
#[derive(Clone, Debug, Default, Args)]
pub struct PlaceArgs {
    /// Where to compute: cpu, cuda, or cuda:N for the card number N. Several processes on a machine take a card each, from that one on.
    #[arg(long, default_value = "cpu", value_parser = device_parser())]
    pub device: DeviceName,
    /// Threads of the processor; by default one per core. The result does not depend on it.
    #[arg(long, value_parser = threads_parser())]
    pub threads: Option<usize>,
}

impl PlaceArgs {
    /// The place of one of several processes.
    pub(super) fn of_process(&self, peers: &Peers) -> Self {
        Self { device: self.device.of_process(peers.local_rank()), ..self.clone() }
    }
}

/// Work that can be done on any device, in any precision.
pub trait Work {
    /// What comes of it.
    type Outcome;

    /// Does it.
    fn on<D: Place>(self, device: D) -> Self::Outcome;
}

/// Opens the device that `place` names, for numbers of `precision` and such products, and has `work` done there.
///
/// # Errors
/// If the device can't be had.
pub fn on<W: Work>(place: &PlaceArgs, products: Products, precision: Precision, work: W) -> Result<W::Outcome, Error> {
    place.device.check(products)?;
    match (place.device, precision) {
        (DeviceName::Cpu, Precision::F32) => Ok(work.on(processor::<f32>(place.threads)?)),
        (DeviceName::Cpu, Precision::F64) => Ok(work.on(processor::<f64>(place.threads)?)),
        #[cfg(test)]
        (DeviceName::Cuda(7), Precision::F64) => Ok(work.on(crate::config::Mirror::<f64>::new(products))),
        (DeviceName::Cuda(number), Precision::F32) => {
            Ok(work.on(cuda::<f32, _>(opened(Driver::new(number))?, products, place.threads)?))
        }
        (DeviceName::Cuda(number), Precision::F64) => {
            Ok(work.on(cuda::<f64, _>(opened(Driver::new(number))?, products, place.threads)?))
        }
        #[cfg(feature = "emulator")]
        (DeviceName::Emulated, Precision::F32) => {
            Ok(work.on(cuda::<f32, _>(opened(upg_gpu::emulator::Emulator::new())?, products, place.threads)?))
        }
        #[cfg(feature = "emulator")]
        (DeviceName::Emulated, Precision::F64) => {
            Ok(work.on(cuda::<f64, _>(opened(upg_gpu::emulator::Emulator::new())?, products, place.threads)?))
        }
    }
}

/// The card that was asked for; that there is none is a mistake in the arguments.
fn opened<G: Gpu>(card: Result<G, DeviceError>) -> Result<G, Error> {
    card.map_err(|error| match error {
        DeviceError::Unavailable { .. } => Error::Usage(format!("--device = {error}")),
        error => Error::Device(error),
    })
}

/// A CUDA device with such products, and so many threads of the host.
fn cuda<T: Real, G: Gpu>(gpu: G, products: Products, threads: Option<usize>) -> Result<Cuda<T, G>, Error> {
    let precision = match products {
        Products::Full => upg_gpu::Precision::Full,
        Products::Split => upg_gpu::Precision::Split,
        Products::Tf32 => upg_gpu::Precision::Tf32,
    };
    Ok(Cuda::new(gpu)?.with_precision(precision)?.with_host(processor(threads)?))
}

/// What a configuration was made into on a device, or why it wasn't: a failure of the device comes first.
///
/// # Errors
/// That failure, or what is wrong with the configuration.
pub fn made<D: Place, R>(device: &D, outcome: Result<R, ConfigError>) -> Result<R, Error> {
    settle(device)?;
    Ok(outcome?)
}

/// Waits until the device has done all that it was asked for.
///
/// # Errors
/// The device's first failure.
pub fn settle<D: Place>(device: &D) -> Result<(), Error> {
    device.to_host(&device.zeros(1));
    Ok(device.status()?)
}

/// The record of what is computed on a device.
pub fn provenance<D: Place>(device: &D, seed: Option<u64>, config: String) -> Provenance {
    let products = device.products();
    Provenance {
        device: device.name().to_string(),
        card: device.card(),
        products: (!products.are_full()).then(|| products.to_string()),
        ..Provenance::new(device.host().threads(), D::Real::NAME, seed, config)
    }
}
