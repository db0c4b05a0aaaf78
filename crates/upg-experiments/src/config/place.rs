//! The devices that a configuration can be run on: what they are called, and how flows and targets come to them.
//!
//! A further device is a further variant of [`DeviceName`], an implementation of [`Place`], and its lines in the one place that opens devices,
//! [`on`](crate::commands::place::on). What isn't done by kernels stays on the host, with threads of its own ([`Place::host`]): data, HMC,
//! observables, statistics.

mod cuda;
mod flat;
#[cfg(test)]
pub(crate) mod mirror;

pub use flat::Flat;

use super::invalid::Invalid;
use super::precision::Products;
use super::target::{AnyTarget, TargetConfig};
use crate::io::output::place_words;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use upg_core::{Base, Batch, Cpu, Cut, Device, Invertible, Real, Target};
use upg_flows::{FlowError, FlowSpec};

/// A device as the command line names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
    /// The kernels of a CUDA device on the processor.
    #[cfg(feature = "emulator")]
    Emulated,
}

impl FromStr for DeviceName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        match (text, text.strip_prefix("cuda:").and_then(number)) {
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            #[cfg(feature = "emulator")]
            ("emulated" | "emulated:0", _) => Ok(Self::Emulated),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => Err("accepted is cpu, cuda, or cuda:N for the card number N"),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(number) => f.pad(&format!("cuda:{number}")),
            #[cfg(feature = "emulator")]
            Self::Emulated => f.pad("emulated"),
        }
    }
}

impl DeviceName {
    /// The device of one of several processes on a machine, the one of this number there: each takes a card of its own, from the one that is named on.
    pub fn of_process(self, number: usize) -> Self {
        match self {
            Self::Cuda(first) => Self::Cuda(first + number),
            other => other,
        }
    }

    /// Whether the device multiplies like that.
    ///
    /// # Errors
    /// That it doesn't, about `precision.products`.
    pub fn check(self, products: Products) -> Result<(), Invalid> {
        match (self, products) {
            (Self::Cpu, Products::Split | Products::Tf32) => Err(Invalid {
                field: "precision.products".into(),
                value: products.to_string(),
                accepted: "Full on cpu, Full, Split or Tf32 on cuda (--set precision.products=Full for a run that goes on here)".into(),
            }),
            _ => Ok(()),
        }
    }
}

/// A device that the flows and targets of a configuration can be brought to.
pub trait Place: Device + Clone {
    /// Its name.
    fn name(&self) -> DeviceName;

    /// The card, in the words of its driver; `None` for the processor.
    fn card(&self) -> Option<String>;

    /// How it multiplies matrices of f32.
    fn products(&self) -> Products;

    /// The processor beside it, with the threads that do what isn't done on the device.
    fn host(&self) -> &Cpu<Self::Real>;

    /// The layers of a flow.
    ///
    /// # Errors
    /// Names the field that isn't accepted, or the layer that the device has no kernels for ([`FlowError::without_kernels`]).
    fn flow(&self, spec: &FlowSpec) -> Result<Box<dyn Invertible<Self>>, FlowError>;

    /// The base of a flow.
    ///
    /// # Errors
    /// Names the base, if the device has no kernels for it.
    fn base(&self, spec: &FlowSpec) -> Result<Box<dyn Base<Self>>, FlowError>;

    /// The target, of which `theory` is the form on the host.
    ///
    /// # Errors
    /// Names the target, if the device has no kernels for it.
    fn target(&self, target: &TargetConfig, theory: &AnyTarget<Self::Real>) -> Result<Arc<dyn Target<Self>>, Invalid>;

    /// Number of samples of a batch.
    fn samples_of(batch: &Self::Batch) -> usize;

    /// How a batch of the flow is to be cut.
    fn cut(&self, spec: &FlowSpec) -> Cut {
        spec.cut()
    }

    /// ` on ` and its words, unless it is the processor, which goes without saying.
    fn aside(&self) -> String {
        match self.name() {
            DeviceName::Cpu => String::new(),
            _ => format!(" on {}", self.words()),
        }
    }

    /// Name, card, and products unless they are full: `cuda:0 (NVIDIA A100), products in Tf32`.
    fn words(&self) -> String {
        let products = self.products();
        let products = (!products.are_full()).then(|| products.to_string());
        place_words(&self.name().to_string(), self.card().as_deref(), products.as_deref())
    }
}

impl<T: Real> Place for Cpu<T> {
    fn name(&self) -> DeviceName {
        DeviceName::Cpu
    }

    fn card(&self) -> Option<String> {
        None
    }

    fn products(&self) -> Products {
        Products::Full
    }

    fn host(&self) -> &Self {
        self
    }

    fn flow(&self, spec: &FlowSpec) -> Result<Box<dyn Invertible<Self>>, FlowError> {
        Ok(Box::new(spec.build()?))
    }

    fn base(&self, spec: &FlowSpec) -> Result<Box<dyn Base<Self>>, FlowError> {
        Ok(spec.build_base())
    }

    fn target(&self, _: &TargetConfig, theory: &AnyTarget<T>) -> Result<Arc<dyn Target<Self>>, Invalid> {
        Ok(theory.clone())
    }

    fn samples_of(batch: &Batch<T>) -> usize {
        batch.samples()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name() {
        for (text, name, shown) in [
            ("cpu", DeviceName::Cpu, "cpu"),
            ("cuda", DeviceName::Cuda(0), "cuda:0"),
            ("cuda:0", DeviceName::Cuda(0), "cuda:0"),
            ("cuda:13", DeviceName::Cuda(13), "cuda:13"),
        ] {
            assert_eq!(text.parse(), Ok(name));
            assert_eq!(name.to_string(), shown);
        }
        for text in ["", "CPU", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:1 ", "cuda0", "cuda:99999999999999999999"] {
            let told = text.parse::<DeviceName>().unwrap_err();
            assert_eq!(told, "accepted is cpu, cuda, or cuda:N for the card number N", "{text:?}");
        }
    }

    #[test]
    fn processes_of_a_machine_have_a_card_each() {
        assert_eq!(DeviceName::Cuda(0).of_process(3), DeviceName::Cuda(3));
        assert_eq!(DeviceName::Cuda(4).of_process(1), DeviceName::Cuda(5));
        assert_eq!(DeviceName::Cpu.of_process(2), DeviceName::Cpu);
    }

    #[test]
    fn products_in_tf32_are_of_cuda() {
        assert_eq!(DeviceName::Cuda(0).check(Products::Tf32), Ok(()));
        assert_eq!(DeviceName::Cpu.check(Products::Full), Ok(()));
        let told = DeviceName::Cpu.check(Products::Tf32).unwrap_err().to_string();
        assert_eq!(
            told,
            "precision.products = Tf32: accepted is Full on cpu, Full, Split or Tf32 on cuda (--set precision.products=Full for a run that goes on here)"
        );
    }
}
