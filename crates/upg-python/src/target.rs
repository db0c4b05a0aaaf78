//! Targets that functions of Python compute: `upg.Target`, of a program or in a file.
//!
//! Samples cross as one array of float64, `[samples, dof]`, which is the function's own from then on; actions and forces are copied from the arrays that
//! it returns. So each number of x is moved once, turned on the way, and each of the force twice.

use crate::desk::Desk;
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeWarning};
use pyo3::prelude::*;
use std::ffi::CString;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use upg_experiments::config::Invalid;
use upg_experiments::config::foreign::{Compute, Failure};
use upg_experiments::config::python::{Force, PythonConfig, provide};

/// Where what is asked of Python is written in Python.
const MODULE: &str = "upg.target";

/// Has targets in Python computed here.
pub fn set_up() {
    provide(|config| Ok(PythonTarget::of(config)?));
}

/// An object of `upg.Target`, and where it is asked.
struct PythonTarget {
    desk: Arc<Desk>,
    target: Arc<Py<PyAny>>,
    dof: usize,
    config: PythonConfig,
}

/// Those in use.
static IN_USE: Mutex<Vec<Weak<PythonTarget>>> = Mutex::new(vec![]);

impl PythonTarget {
    /// The target of a configuration: the one that is in use, or else found.
    fn of(config: &PythonConfig) -> Result<Arc<Self>, Invalid> {
        let desk = Desk::here();
        let is_this = |target: &Arc<Self>| Arc::ptr_eq(&target.desk, &desk) && target.config == *config;
        let in_use = || IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = in_use().iter().filter_map(Weak::upgrade).find(is_this) {
            return Ok(target);
        }
        let (at, of) = (desk.clone(), config.clone());
        let target = Arc::new(desk.ask(move |py| found(py, &at, &of))?);
        let target = Arc::new(Self { desk, target, dof: config.dof, config: config.clone() });
        in_use().retain(|target| target.strong_count() > 0);
        in_use().push(Arc::downgrade(&target));
        Ok(target)
    }
}

/// The object of a configuration: that of the function in the file, or the one that was handed in.
fn found(py: Python<'_>, desk: &Desk, config: &PythonConfig) -> Result<Py<PyAny>, Invalid> {
    let refused = |field: &str, value: String, accepted: String| Invalid { field: field.into(), value, accepted };
    let target = match (&config.module, &desk.target) {
        (Some(module), _) => {
            let has_differences = config.force == Force::FiniteDifferences;
            let arguments = (module, &config.function, config.dof, has_differences);
            let made = py.import(MODULE).and_then(|python| python.call_method1("_of_module", arguments));
            made.map_err(|raised| {
                let accepted = format!("a file with a function {}: {}", config.function, one_line(py, &raised));
                desk.keep(py, raised);
                refused("target.module", module.display().to_string(), accepted)
            })?
        }
        (None, Some(target)) => target.bind(py).clone(),
        (None, None) => {
            let accepted = "one that is handed in, as in upg.train(flow, target), upg.load(folder, target=target) or \
                            upg.Flow.load(file, target=target); one of a file is Python(module: ...)";
            return Err(refused("target.function", config.function.clone(), accepted.into()));
        }
    };
    let told = |name: &str| target.getattr(name).ok();
    let name = told("name").and_then(|name| name.extract::<String>().ok()).unwrap_or_default();
    let dof = told("dof").and_then(|dof| dof.extract::<usize>().ok());
    match dof {
        _ if config.module.is_none() && name != config.function => {
            let accepted = format!("{name}, the name of the target that was handed in (name= of upg.Target)");
            Err(refused("target.function", config.function.clone(), accepted))
        }
        Some(dof) if dof == config.dof => Ok(target.unbind()),
        _ => {
            let accepted = format!("{}, as the target {name} has", dof.unwrap_or(0));
            Err(refused("target.dof", config.dof.to_string(), accepted))
        }
    }
}

/// An exception in a line, with where it was raised.
fn one_line(py: Python<'_>, raised: &PyErr) -> String {
    let error = raised.clone_ref(py).into_value(py); // with its traceback
    let line = py.import(MODULE).and_then(|python| python.call_method1("_one_line", (error,)));
    line.and_then(|line| line.extract()).unwrap_or_else(|_| raised.to_string())
}

/// What goes to the function, and comes from it.
struct Call {
    x: Vec<f64>,
    action: Vec<f64>,
    /// Empty where it isn't wanted.
    force: Vec<f64>,
    dof: usize,
}

/// What the function returns.
type Answer<'py> = (PyReadonlyArray1<'py, f64>, Option<PyReadonlyArray2<'py, f64>>);

impl Call {
    fn make(&mut self, py: Python<'_>, target: &Py<PyAny>) -> PyResult<()> {
        let shape = (self.action.len(), self.dof);
        let x = Array2::from_shape_vec(shape, take(&mut self.x)).expect("as many numbers").into_pyarray(py);
        let answer = target.bind(py).call_method1("_compute", (x, !self.force.is_empty()))?;
        let (action, force): Answer<'_> = answer.extract()?;
        self.action.copy_from_slice(action.as_slice()?);
        if let Some(force) = force {
            self.force.copy_from_slice(force.as_slice()?);
        }
        Ok(())
    }
}

impl Compute for PythonTarget {
    fn compute(&self, x: &mut Vec<f64>, action: &mut Vec<f64>, force: Option<&mut Vec<f64>>) -> Result<(), Failure> {
        if self.desk.is_closing() {
            return Err(Failure::saying("stopped"));
        }
        let mut nothing = vec![];
        let force = force.unwrap_or(&mut nothing);
        let (target, desk) = (self.target.clone(), self.desk.clone());
        let mut call = Call { x: take(x), action: take(action), force: take(force), dof: self.dof };
        let outcome = self.desk.ask(move |py| {
            let outcome = call.make(py, &target);
            outcome.map_err(|raised| failed(py, &desk, raised))?;
            Ok(call)
        });
        let call = outcome?;
        (*x, *action, *force) = (call.x, call.action, call.force);
        Ok(())
    }

    fn warn(&self, words: &str) {
        let (words, desk) = (CString::new(words).unwrap_or_default(), self.desk.clone());
        self.desk.ask(move |py| {
            let told = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &words, 1);
            told.unwrap_or_else(|raised| desk.keep(py, raised));
        });
    }
}

/// Keeps what a function raised. A call that Ctrl-C has cut off may be made again.
fn failed(py: Python<'_>, desk: &Desk, raised: PyErr) -> Failure {
    let sample = raised.value(py).getattr("sample").ok().and_then(|sample| sample.extract().ok());
    let words = one_line(py, &raised);
    let was_cut_off = match raised.is_instance_of::<PyKeyboardInterrupt>(py) {
        true => desk.keep_interrupt(py, raised),
        false => {
            desk.keep(py, raised);
            false
        }
    };
    Failure { sample, words, was_cut_off }
}
