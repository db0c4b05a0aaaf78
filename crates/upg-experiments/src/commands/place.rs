//! Where the work of a command is done: device and precision, chosen in one place for all commands.
//!
//! A command is a [`Work`], written over any [`Place`]; [`on`] opens the device that was asked for, and has the work done there.

#[cfg(test)]
mod tests;

use super::arguments::{device_parser, processor, threads_parser};
use crate::Error;
use crate::config::{DeviceName, Place, Precision, Products};
use crate::io::output::Provenance;
use clap::Args;
use upg_core::Real;

/// The arguments of every command that computes with a flow.
#[derive(Clone, Debug, Default, Args)]
pub struct PlaceArgs {
    /// Where to compute: cpu, cuda, or cuda:N for the card number N.
    #[arg(long, default_value = "cpu", value_parser = device_parser())]
    pub device: DeviceName,
    /// Threads of the processor; by default one per core. The result does not depend on it.
    #[arg(long, value_parser = threads_parser())]
    pub threads: Option<usize>,
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
        (DeviceName::Cuda(_), _) => {
            let device = place.device;
            Err(Error::Usage(format!("--device = {device}: this program has no kernels for it: accepted is cpu")))
        }
    }
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
