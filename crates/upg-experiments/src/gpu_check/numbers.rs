//! Random numbers of the card against those of the host, MATH (16), and whether runs repeat.

use super::card::Card;
use super::finding::Findings;
use ndarray::Array2;
use upg_core::{Base, BasePass, Batch, Cpu, Memory, Prepared, Real, SampleStream, Workspace};
use upg_flows::BaseSpec;
use upg_gpu::gpu::Gpu;
use upg_gpu::{Cuda, LowerError};

/// Normals to 4 ulp, angles to the bit, twice the same.
///
/// # Errors
/// The device's.
pub(super) fn compare<G: Gpu>(card: &Card<G>, findings: &mut Findings) -> Result<(), LowerError> {
    in_precision::<f32, G>(card, findings)?;
    in_precision::<f64, G>(card, findings)
}

fn in_precision<T: Real, G: Gpu>(card: &Card<G>, findings: &mut Findings) -> Result<(), LowerError> {
    let device = Cuda::<T, G>::new(card.open()?)?;
    let samples = if card.emulated { 300 } else { 100_003 };
    for (spec, name, ulps) in [(BaseSpec::StandardNormal, "normals", 4.0), (BaseSpec::UniformTorus, "angles", 0.0)] {
        let shape = [9];
        let there = device.base(&spec, &shape)?;
        let (here, first) = (spec.build::<T>(&shape), 1_234_567_890_123);
        let mut drawn = Batch::<T>::zeros(9, samples);
        here.draw(&Cpu::here(), stream(), first, &mut drawn);
        let drawn = drawn.to_samples();
        let [once, twice] = [0, 1].map(|_| draw(&device, &*there, first, samples));
        device.status()?;
        let off =
            |(&a, &b): (&T, &T)| (a - b).abs().wide() / (T::epsilon() * b.abs().max(T::min_positive_value())).wide();
        let largest = once.iter().zip(&drawn).map(off).fold(0.0, f64::max);
        findings.deviation(format!("{name} of {}, in ulp of the host's", T::NAME), largest, ulps);
        findings.holds(format!("{name} of {} drawn twice", T::NAME), once == twice, "the same bits");
    }
    Ok(())
}

fn stream() -> SampleStream {
    SampleStream::new(3, 1, 4)
}

fn draw<T: Real, G: Gpu>(device: &Cuda<T, G>, base: &dyn Base<Cuda<T, G>>, first: u64, samples: usize) -> Array2<T> {
    let mut prepared = Prepared::default();
    let (theta, mut scratch, mut z) = (device.zeros(0), Workspace::default(), upg_gpu::Batch::default());
    base.prepare(device, device.params(&theta), &mut prepared);
    device.reshape(&mut z, base.dof(), samples);
    let mut pass = BasePass { device, theta: device.params(&theta), prepared: &prepared, scratch: &mut scratch };
    base.sample(&mut pass, stream(), first, &mut z);
    let mut out = Array2::from_elem((samples, base.dof()), T::zero());
    device.download(&z, out.view_mut());
    out
}
