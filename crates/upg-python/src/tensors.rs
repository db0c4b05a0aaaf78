//! Flows as data: their layers in JSON, their weights in arrays.

use crate::arrays::Array;
use crate::errors::raise;
use crate::place::chosen;
use numpy::IntoPyArray;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use upg_experiments::Error;
use upg_experiments::commands::arrays::Numbers;
use upg_experiments::commands::tensors::{self, FlowTensors};

/// A flow in JSON, and its tensors by their names.
type Flow<'py> = (String, BTreeMap<String, Bound<'py, PyAny>>);

/// The flow of a run, or of a weights file that says which one it is.
#[pyfunction]
#[pyo3(signature = (path, weights, ode_steps))]
pub fn flow_tensors<'py>(py: Python<'py>, path: PathBuf, weights: &str, ode_steps: Option<u64>) -> PyResult<Flow<'py>> {
    let FlowTensors { flow, tensors } =
        py.detach(|| read(&path, weights, ode_steps)).map_err(|error| raise(py, &error))?;
    let tensors = tensors.into_iter().map(|(name, numbers)| (name, array(py, numbers)));
    Ok((serde_json::to_string(&flow).expect("plain data"), tensors.collect()))
}

fn read(path: &Path, weights: &str, ode_steps: Option<u64>) -> Result<FlowTensors, Error> {
    let (weights, steps) = chosen(weights, ode_steps)?;
    let steps = steps.map(|steps| steps as usize);
    if path.is_dir() { tensors::of_run(path, weights, steps) } else { tensors::of_file(path, steps) }
}

fn array(py: Python<'_>, numbers: Numbers) -> Bound<'_, PyAny> {
    match numbers {
        Numbers::F32(array) => array.into_pyarray(py).into_any(),
        Numbers::F64(array) => array.into_pyarray(py).into_any(),
    }
}

/// The layers, in JSON, of the description of a flow.
#[pyfunction]
pub fn flow_layers(py: Python<'_>, flow: &str) -> PyResult<String> {
    let flow = tensors::described(flow).map_err(|error| raise(py, &error))?;
    Ok(serde_json::to_string(&flow).expect("plain data"))
}

/// Names and shapes of the tensors of a flow, in their order.
#[pyfunction]
pub fn flow_shapes(py: Python<'_>, flow: &str) -> PyResult<Vec<(String, Vec<usize>)>> {
    tensors::described(flow).and_then(|flow| tensors::shapes(&flow)).map_err(|error| raise(py, &error))
}

/// Writes tensors as a weights file of a flow.
#[pyfunction]
pub fn write_weights(py: Python<'_>, path: PathBuf, flow: &str, tensors: BTreeMap<String, Array<'_>>) -> PyResult<()> {
    let owned: Vec<_> = tensors.into_iter().map(|(name, array)| (name, array.into_numbers())).collect();
    let write = || tensors::write(&path, &tensors::described(flow)?, &owned);
    py.detach(write).map_err(|error| raise(py, &error))
}
