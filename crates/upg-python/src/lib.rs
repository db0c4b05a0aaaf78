//! The Python module `upg._upg`: the crates of upg for the Python package `upg`, whose files are in `python/upg`.
//!
//! | file | what is there |
//! |---|---|
//! | `run.rs` | training, evaluation and reports of runs, by the very code of the commands |
//! | `flow.rs` | flows in memory: samples, densities, maps, gradients |
//! | `tools.rs` | the other commands: samplers of targets, noise of estimators, tables |
//! | `stats.rs` | statistics of log-weights and series |
//! | `arrays.rs` | arrays of NumPy as points, numbers as arrays |
//! | `errors.rs` | errors as exceptions; Ctrl-C |
//! | `tensors.rs` | flows as data: layers in JSON, weights in arrays |
//! | `place.rs` | arguments that several functions have |
//! | `desk.rs` | computations without the interpreter, and what they need of it meanwhile |
//! | `target.rs` | targets that functions of Python compute |
//! | `trainer.rs` | trainings that a program makes step by step |
//! | `check_target.rs` | their force against their action |
//!
//! Python describes what it wants in the notation of configurations, and everything is checked by their reader. Computations let go of
//! the interpreter; it is asked again after every step, or every piece of samples, whether a signal came.

mod arrays;
mod check_target;
mod desk;
mod errors;
mod flow;
mod place;
mod run;
mod stats;
mod target;
mod tensors;
mod tools;
mod trainer;

use desk::Desk;
use pyo3::prelude::*;
use std::ffi::OsString;
use upg_experiments::io::memory::OrEnd;
use upg_experiments::io::program::tell_call;

#[global_allocator]
static ALLOCATOR: OrEnd = OrEnd;

/// The command line `upg` with its arguments, the name of the program first; returns the exit status.
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let python: Option<OsString> = py.import("sys")?.getattr("executable")?.extract()?;
    if let Some(python) = python {
        tell_call(vec![python, "-m".into(), "upg".into()]);
    }
    Desk::new(py).serve(py, |_| upg::run(arguments))
}

/// Checks the text of a configuration, and the files that it names; returns it with every default spelled out.
#[pyfunction]
fn check(py: Python<'_>, text: String) -> PyResult<String> {
    errors::interruptible(py, |_| {
        let file = run::read_text(text)?;
        upg_experiments::commands::config::check(&file)?;
        Ok(file.config.to_pretty_ron())
    })
}

#[pymodule]
fn _upg(module: &Bound<'_, PyModule>) -> PyResult<()> {
    upg::name_commit();
    target::set_up();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(desk::enter_target, module)?)?;
    module.add_function(wrap_pyfunction!(desk::leave_target, module)?)?;
    module.add_function(wrap_pyfunction!(desk::end_all, module)?)?;
    module.add_function(wrap_pyfunction!(check_target::check_target, module)?)?;
    module.add_class::<trainer::Steps>()?;
    module.add_function(wrap_pyfunction!(run::train, module)?)?;
    module.add_function(wrap_pyfunction!(run::config, module)?)?;
    module.add_function(wrap_pyfunction!(run::evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(run::report, module)?)?;
    module.add_function(wrap_pyfunction!(tensors::flow_tensors, module)?)?;
    module.add_function(wrap_pyfunction!(tensors::flow_layers, module)?)?;
    module.add_function(wrap_pyfunction!(tensors::flow_shapes, module)?)?;
    module.add_function(wrap_pyfunction!(tensors::write_weights, module)?)?;
    module.add_class::<flow::Flow>()?;
    module.add_function(wrap_pyfunction!(stats::psis, module)?)?;
    module.add_function(wrap_pyfunction!(stats::ess, module)?)?;
    module.add_function(wrap_pyfunction!(stats::log_z, module)?)?;
    module.add_function(wrap_pyfunction!(stats::metropolis, module)?)?;
    module.add_function(wrap_pyfunction!(stats::autocorrelation, module)?)?;
    module.add_function(wrap_pyfunction!(tools::hmc_of_run, module)?)?;
    module.add_function(wrap_pyfunction!(tools::hmc_of_target, module)?)?;
    module.add_function(wrap_pyfunction!(tools::variance_of_run, module)?)?;
    module.add_function(wrap_pyfunction!(tools::calibrate_run, module)?)?;
    module.add_function(wrap_pyfunction!(tools::flow_table, module)?)?;
    module.add_function(wrap_pyfunction!(tools::schema, module)?)
}
