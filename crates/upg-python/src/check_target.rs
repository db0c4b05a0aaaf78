//! The force of a target against its action, at points of one's choice.

use crate::errors::interruptible;
use numpy::{IntoPyArray, PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;
use upg_core::{Base, Batch, Cpu, Domain, StandardNormal, UniformTorus};
use upg_experiments::Error;
use upg_experiments::commands::held::check_memory;
use upg_experiments::config::foreign::check::{Compared, base_samples, compare, compare_turned};
use upg_experiments::config::{Config, Invalid, TargetConfig};
use upg_train::Purpose;

/// Compares them; returns how many derivatives there were, how many of them weren't finite, and the largest difference as a part of what is tolerated;
/// and the points, shape `[points, dof]`.
///
/// At `points`, shape `[points, dof]`; else at samples of the base of a flow, in a configuration with the target, or of a standard normal distribution.
#[pyfunction]
#[pyo3(signature = (target, config, points, samples, seed))]
pub fn check_target<'py>(
    py: Python<'py>,
    target: String,
    config: Option<String>,
    points: Option<PyReadonlyArray2<'py, f64>>,
    samples: usize,
    seed: u64,
) -> PyResult<(usize, usize, f64, Bound<'py, PyArray2<f64>>)> {
    let points = points.map(|points| points.as_array().to_owned());
    let text = target;
    let compared = interruptible(py, |_| {
        let folder = std::env::current_dir().unwrap_or_default();
        let target = TargetConfig::of_text(&text, &folder)?;
        let theory = target.theory::<f64>()?;
        let dof = upg_core::Target::<Cpu<f64>>::dof(&*theory);
        if points.is_none() {
            check_memory("samples", samples, dof * size_of::<f64>())?;
        }
        let (x, of) = match (&points, &config) {
            (Some(points), _) if points.ncols() != dof || points.nrows() == 0 => {
                let shape = points.shape();
                return Err(Error::Usage(format!("points of shape {shape:?}: accepted is [points, {dof}]")));
            }
            (Some(points), _) => (Batch::from_samples(points.view()), ""),
            (None, Some(config)) => (of_flow(config, samples, seed, dof)?, " of the base"),
            (None, None) => (of_domain(theory.domain(0), dof, samples, seed), ""),
        };
        let compared = compare(&*theory, &x, of).and_then(|compared| match theory.domain(0) {
            Domain::Line => Ok(compared),
            Domain::Circle => {
                let turned = compare_turned(&*theory, &x, of)?;
                Ok(Compared { largest: compared.largest.max(turned), ..compared })
            }
        });
        let compared = compared.map_err(|accepted| {
            let value = match &target {
                TargetConfig::Python(python) => python.name(),
                _ => text.clone(),
            };
            Error::from(Invalid { field: "target".into(), value, accepted: format!("one {accepted}") })
        });
        Ok((compared?, x.to_samples()))
    })?;
    let (Compared { derivatives, not_finite, largest }, x) = compared;
    Ok((derivatives, not_finite, largest, x.into_pyarray(py)))
}

/// Samples of the base of the flow in a configuration.
fn of_flow(config: &str, samples: usize, seed: u64, dof: usize) -> Result<Batch<f64>, Error> {
    let spec = Config::parse(config)?.flow_spec().map_err(Invalid::from)?;
    match spec.dof() == dof {
        true => Ok(base_samples(&spec, samples, seed)),
        false => Err(Error::Usage(format!("flow with {} degrees of freedom: accepted is one with {dof}", spec.dof()))),
    }
}

/// Standard normal numbers, or uniform angles.
fn of_domain(domain: Domain, dof: usize, samples: usize, seed: u64) -> Batch<f64> {
    let base: Box<dyn Base<Cpu<f64>>> = match domain {
        Domain::Line => Box::new(StandardNormal::new(dof)),
        Domain::Circle => Box::new(UniformTorus::new(dof)),
    };
    let mut x = Batch::zeros(dof, samples);
    base.draw(&Cpu::here(), Purpose::Samples.samples(seed), 0, &mut x);
    x
}
