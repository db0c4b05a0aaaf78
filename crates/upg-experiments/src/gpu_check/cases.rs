//! Golden cases: gradients from their files against those in their files.

use super::distance::{DOUBLE, distance};
use super::finding::Findings;
use crate::config::{ConfigFile, Model, Place};
use crate::io::samples::read_samples;
use crate::io::weights::read_params;
use safetensors::{Dtype, SafeTensors};
use std::error::Error;
use std::path::{Path, PathBuf};
use upg_core::{EndSamples, Engine, Real, Start};
use upg_train::method::{Divergence, Method};

/// The folders of golden cases, in order.
pub(super) fn all(golden: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut cases = vec![];
    for entry in golden.read_dir()? {
        let path = entry?.path();
        if path.join("config.ron").is_file() {
            cases.push(path);
        }
    }
    cases.sort();
    Ok(cases)
}

/// The gradients of a golden case, from its files to its files.
pub(super) fn compare<D: Place>(device: &D, case: &Path, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let name = format!("case {}", case.file_name().unwrap_or_default().to_string_lossy());
    let file = ConfigFile::read(&case.join("config.ron"))?;
    let model = match file.build_on(device) {
        Ok(model) => model,
        Err(error) => {
            findings.not_run(name, error.to_string());
            return Ok(());
        }
    };
    let layout = model.layout();
    let theta = device.buffer(&read_params::<D::Real>(&case.join("params.safetensors"), &layout)?);
    let shape = model.sample_shape.clone();
    let Model { flow, base, target, cut, .. } = model;
    let mut engine = Engine::new(device.clone(), flow, base, target, cut).with_end_samples(EndSamples::Keep);
    let expected = std::fs::read(case.join("expected.safetensors"))?;
    let expected = SafeTensors::deserialize(&expected)?;
    for method in Method::of(Divergence::Reverse).chain(Method::of(Divergence::Forward)) {
        let samples = case.join(if method.divergence() == Divergence::Reverse { "z.npy" } else { "x_data.npy" });
        if !samples.is_file() {
            continue;
        }
        let samples = read_samples::<D::Real>(&samples, &shape)?;
        let gradient = match method {
            Method::Reverse(how) => engine.reverse_kl(how, &theta, Start::Given(samples.values.view()))?,
            Method::Forward(how) => engine.forward_kl(how, &theta, samples.values.view())?,
        };
        let grad: Vec<f64> = device.to_host(gradient.grad).iter().map(|x| x.wide()).collect();
        let (estimator, divergence) = (method.estimator().name(), method.divergence().name());
        let mut off = None;
        for (tensor, range) in layout.ranges() {
            let of_file = format!("grad.{estimator}.{divergence}.{}", tensor.name);
            let Some(exact) = doubles(&expected, &of_file) else { continue };
            // Both may be zero.
            let this = if grad[range.clone()] == exact { 0.0 } else { distance(&grad[range], &exact) };
            off = Some(off.unwrap_or(0.0_f64).max(this));
        }
        if let Some(off) = off {
            findings.deviation(format!("{name}, {estimator}, {divergence}"), off, DOUBLE);
        }
    }
    Ok(())
}

/// A tensor of doubles, if there is one of that name.
fn doubles(file: &SafeTensors<'_>, name: &str) -> Option<Vec<f64>> {
    let tensor = file.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F64)?;
    let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    Some(tensor.data().chunks_exact(8).map(number).collect())
}
