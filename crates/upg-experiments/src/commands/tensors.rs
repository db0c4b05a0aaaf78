//! Flows and their weights, between files and memory: for callers that compute with code of their own.

use super::arrays::Numbers;
use super::run_weights::{Chosen, Weights};
use crate::Error;
use crate::config::{FlowConfig, Invalid, Precision, notation};
use crate::io::output::{OutputFile, Provenance};
use crate::io::read::read_file;
use crate::io::run_dir::{RunDir, RunError};
use crate::io::weights::{self, OutTensor, WeightsError, WeightsProblem, write_tensors};
use crate::text::{Shown, one_line, shape_text};
use ndarray::ArrayD;
use std::path::Path;
use upg_core::{ParamLayout, Real};
use upg_flows::{FlowError, FlowSpec};

/// A flow with its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowTensors {
    /// The flow as a list of layers.
    pub flow: FlowSpec,
    /// Its tensors by their names, in the precision they were trained in.
    pub tensors: Vec<(String, Numbers)>,
}

/// The flow of a run with these weights; continuous flows with `ode_steps`, or as they are evaluated.
///
/// # Errors
/// If the folder holds no run, or the weights asked for are missing or damaged.
pub fn of_run(run: &Path, weights: Weights, ode_steps: Option<usize>) -> Result<FlowTensors, Error> {
    let dir = RunDir::open(run)?;
    let config = dir.config().map_err(RunError::from)?.config;
    let flow = config.flow_spec().map_err(invalid)?;
    let layout = flow.params().map_err(invalid)?;
    let tensors = match config.training.precision {
        Precision::F32 => named(&layout, &Chosen::<f32>::of(&dir, &config, weights, &layout)?.theta),
        Precision::F64 => named(&layout, &Chosen::<f64>::of(&dir, &config, weights, &layout)?.theta),
    };
    Ok(FlowTensors { flow: in_steps(flow, ode_steps.or(config.evaluation.ode_steps)), tensors })
}

/// The flow of a weights file that says which one it is, as those of `upg` do; continuous flows with `ode_steps`, or their own.
///
/// # Errors
/// If the file can't be read, doesn't say what its flow is, or holds other tensors.
pub fn of_file(path: &Path, ode_steps: Option<usize>) -> Result<FlowTensors, Error> {
    let wrong = |problem| WeightsError { file: path.to_owned(), problem };
    let bytes = read_file(path).map_err(|error| wrong(WeightsProblem::Unreadable(error)))?;
    let record = weights::provenance_of(&bytes);
    let entry = |name: &str| Some(record.as_ref()?.get(name)?.as_str()?.to_owned());
    let Some(flow) = entry("flow") else {
        let accepted = "accepted are files of upg, whose metadata say what their flow is";
        return Err(Error::Usage(format!("weights {}: no flow in the metadata: {accepted}", path.shown())));
    };
    let flow: FlowSpec = notation::options().from_str(&flow).map_err(|error| {
        Error::Usage(format!("weights {}: flow in the metadata: {}", path.shown(), one_line(&error.to_string(), 300)))
    })?;
    let layout = flow.params().map_err(invalid)?;
    let tensors = match entry("precision").as_deref() {
        Some("f64") => named(&layout, &weights::decode_params::<f64>(&bytes, &layout).map_err(wrong)?),
        _ => named(&layout, &weights::decode_params::<f32>(&bytes, &layout).map_err(wrong)?),
    };
    Ok(FlowTensors { flow: in_steps(flow, ode_steps), tensors })
}

/// The flow of a description, as the field `flow` of a configuration has it.
///
/// # Errors
/// If the text is none, or a field isn't accepted.
pub fn described(text: &str) -> Result<FlowSpec, Error> {
    let flow: FlowConfig = notation::options()
        .from_str(text)
        .map_err(|error| Error::Usage(format!("flow: {}", one_line(&error.to_string(), 300))))?;
    flow.spec().map_err(invalid)
}

/// Names and shapes of the tensors of a flow.
///
/// # Errors
/// If a field isn't accepted.
pub fn shapes(flow: &FlowSpec) -> Result<Vec<(String, Vec<usize>)>, Error> {
    let layout = flow.params().map_err(invalid)?;
    Ok(layout.tensors().iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect())
}

/// Writes tensors as a weights file of this flow.
///
/// # Errors
/// If they aren't those of the flow, or the file can't be written.
pub fn write(path: &Path, flow: &FlowSpec, tensors: &[(String, Numbers)]) -> Result<(), Error> {
    let layout = flow.params().map_err(invalid)?;
    let ordered = layout.tensors().iter().map(|tensor| {
        let found = tensors.iter().find(|(name, _)| *name == tensor.name);
        let (name, numbers) = found.ok_or_else(|| missing(&tensor.name, &tensor.shape))?;
        match numbers.shape() == tensor.shape {
            true => Ok(numbers.tensor(name)),
            false => Err(misshapen(name, numbers.shape(), &tensor.shape)),
        }
    });
    let ordered: Vec<_> = ordered.collect::<Result<_, Error>>()?;
    if let Some((name, _)) = tensors.iter().find(|(name, _)| layout.range(name).is_none()) {
        return Err(Error::Usage(format!("tensor {}: it is not a parameter of the flow", one_line(name, 100))));
    }
    if let Some((name, index, value)) = ordered.iter().find_map(OutTensor::first_not_finite) {
        return Err(Error::Usage(format!(
            "tensor {name} has the value {value} at {index:?}: accepted are finite numbers"
        )));
    }
    let double = tensors.iter().any(|(_, numbers)| matches!(numbers, Numbers::F64(_)));
    let mut provenance = Provenance::new(1, if double { f64::NAME } else { f32::NAME }, None, String::new());
    provenance.flow = Some(notation::options().to_string(flow).expect("a flow has a text"));
    Ok(write_tensors(OutputFile::create(path)?, &ordered, &provenance)?)
}

/// The flow with so many steps in the continuous layer that has the fewest, in the others in proportion.
fn in_steps(flow: FlowSpec, steps: Option<usize>) -> FlowSpec {
    match (steps, flow.steps()) {
        (Some(steps), Some(trained)) => flow.map_steps(|own| steps * own / trained),
        _ => flow,
    }
}

fn missing(name: &str, shape: &[usize]) -> Error {
    Error::Usage(format!("tensor {name} is missing: accepted is one of shape {}", shape_text(shape)))
}

fn misshapen(name: &str, found: &[usize], accepted: &[usize]) -> Error {
    Error::Usage(format!("tensor {name} of shape {}: accepted is {}", shape_text(found), shape_text(accepted)))
}

fn invalid(error: FlowError) -> Error {
    Invalid::from(error).into()
}

fn named<T: Real>(layout: &ParamLayout, theta: &[T]) -> Vec<(String, Numbers)> {
    let array =
        |shape: &[usize], numbers: &[T]| ArrayD::from_shape_vec(shape, numbers.to_vec()).expect("as many numbers");
    layout
        .ranges()
        .map(|(tensor, range)| (tensor.name.clone(), Numbers::of(array(&tensor.shape, &theta[range]))))
        .collect()
}
