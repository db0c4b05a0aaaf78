//! CUDA devices as places.

use super::{DeviceName, Place};
use crate::config::invalid::Invalid;
use crate::config::precision::Products;
use crate::config::target::{AnyTarget, TargetConfig, matrix};
use crate::io::console::say;
use std::sync::{Arc, Once};
use upg_core::device::Memory;
use upg_core::{Base, Cpu, Cut, Invertible, Real, Target};
use upg_flows::{FlowError, FlowSpec};
use upg_gpu::gpu::Gpu;
use upg_gpu::{Cuda, LowerError, Precision};
use upg_targets::{Gaussian, Gmm, U1};

/// Samples of a micro-batch, at most, and bytes that their tapes may take: from shapes alone, so that results don't depend on the card.
const MOST_SAMPLES: u64 = 8192;
const MOST_BYTES: u64 = 8 << 30;
const FEWEST_SAMPLES: u64 = 64;

impl<T: Real, G: Gpu> Place for Cuda<T, G> {
    fn name(&self) -> DeviceName {
        self.gpu().facts().device.parse().unwrap_or_default()
    }

    fn card(&self) -> Option<String> {
        Some(self.gpu().facts().name.clone())
    }

    fn products(&self) -> Products {
        match self.precision() {
            _ if size_of::<T>() == size_of::<f64>() => Products::Full,
            Precision::Full => Products::Full,
            Precision::Split => Products::Split,
            Precision::Tf32 => Products::Tf32,
        }
    }

    fn host(&self) -> &Cpu<T> {
        Cuda::host(self)
    }

    fn flow(&self, spec: &FlowSpec) -> Result<Box<dyn Invertible<Self>>, FlowError> {
        check_memory(spec, self.cut(spec), size_of::<T>(), self.gpu().facts().memory as u64)?;
        match Cuda::flow(self, spec) {
            Ok(flow) => Ok(Box::new(flow)),
            Err(error) => Err(refused(self, error)),
        }
    }

    fn base(&self, spec: &FlowSpec) -> Result<Box<dyn Base<Self>>, FlowError> {
        Cuda::base(self, &spec.base, &spec.shape).map_err(|error| refused(self, error))
    }

    fn target(&self, target: &TargetConfig, theory: &AnyTarget<T>) -> Result<Arc<dyn Target<Self>>, Invalid> {
        let made = match target {
            TargetConfig::Phi4(theory) => self.phi4(&theory.build()?),
            TargetConfig::U1 { lattice, beta } => self.u1(&U1::new(lattice, *beta)?),
            TargetConfig::Gmm { dim } => self.gmm(&Gmm::new(*dim)?),
            TargetConfig::Gaussian { mean, covariance } => {
                self.gaussian(&Gaussian::new(mean, matrix(covariance)?.view())?)
            }
            _ => {
                tell_of_host(self.name());
                Ok(self.host_target(Cuda::host(self).clone(), theory.clone()))
            }
        };
        match made {
            Ok(target) => Ok(Arc::new(target)),
            Err(error) => Err(refused(self, error.into()).into()),
        }
    }

    fn samples_of(batch: &<Self as Memory>::Batch) -> usize {
        batch.samples()
    }

    fn cut(&self, spec: &FlowSpec) -> Cut {
        let bytes = kept(spec).saturating_mul(size_of::<T>() as u64).max(1);
        let samples = (MOST_BYTES / bytes).clamp(FEWEST_SAMPLES, MOST_SAMPLES);
        // A power of two: rows of batches begin at addresses that are read at once.
        Cut { micro_batch: 1 << samples.ilog2(), lanes: 1 }
    }
}

/// Says once that the action isn't computed on the device.
fn tell_of_host(device: DeviceName) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        say(format_args!("note: {device} has no kernels for this target: its action is computed on the host"))
    });
}

/// An error of the flow. One of the device is kept there, where commands look for it, and this one isn't shown.
fn refused<T: Real, G: Gpu>(device: &Cuda<T, G>, error: LowerError) -> FlowError {
    match error {
        LowerError::Flow(error) => error,
        LowerError::Device(error) => {
            let told = error.to_string();
            device.fail(error);
            FlowError { field: "layers", layer: None, value: told, accepted: "a device that works" }
        }
    }
}

/// Numbers that the tapes of all layers keep of one sample.
fn kept(spec: &FlowSpec) -> u64 {
    let Cut { micro_batch, lanes } = spec.cut();
    spec.size().map_or(0, |size| size.kept / (micro_batch * lanes).max(1) as u64)
}

/// Refuses a flow whose tapes don't fit into so many bytes of memory, beside four buffers of the length of the parameters.
fn check_memory(spec: &FlowSpec, cut: Cut, number: usize, memory: u64) -> Result<(), FlowError> {
    let parameters = spec.size().map_or(0, |size| size.parameters);
    let numbers = kept(spec).saturating_mul(cut.micro_batch as u64).saturating_add(4 * parameters);
    let bytes = numbers.saturating_mul(number as u64);
    if bytes <= memory {
        return Ok(());
    }
    let samples = cut.micro_batch;
    let value = format!(
        "{:?} ({} of a device's memory for a micro-batch of {samples} samples, which has {})",
        spec.shape,
        in_words(bytes),
        in_words(memory)
    );
    Err(FlowError {
        field: "shape",
        layer: None,
        value,
        accepted: "what fits into the memory of the device: fewer or narrower layers; or the cpu",
    })
}

/// Bytes in GB, or in MB where that would be less than one.
fn in_words(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{:.1} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use upg_flows::{RealNvp, U1Flow};

    #[test]
    fn a_flow_that_does_not_fit_is_refused() {
        let flow = RealNvp { lattice: vec![4], couplings: 2, hidden: vec![100], ..RealNvp::default() };
        let (spec, cut) = (flow.spec().unwrap(), Cut { micro_batch: 1000, lanes: 1 });
        assert!(check_memory(&spec, cut, 4, 1 << 30).is_ok());
        let told = check_memory(&spec, cut, 4, 1000).unwrap_err().to_string();
        assert!(
            told.starts_with("shape = [4] (1.0 MB of a device's memory for a micro-batch of 1000 samples"),
            "{told}"
        );
    }

    #[test]
    fn what_is_kept_is_that_of_a_sample() {
        let flow = U1Flow { lattice: vec![16, 16], layers: 24, mixtures: 6, hidden: vec![8, 8], ..U1Flow::default() };
        let bytes = 4 * kept(&flow.spec().unwrap());
        assert!((300_000..700_000).contains(&bytes), "{bytes} bytes a sample of the paper's flow");
    }
}
