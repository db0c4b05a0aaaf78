//! Statistics of log-weights and series.

use crate::errors::raise;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use upg_experiments::Error;
use upg_train::Purpose;
use upg_train::evaluate::LogZ;
use upg_train::stats::{WeightSums, autocorrelation_of_replicas, independence_chain};

/// A series of numbers, which Python has made contiguous.
type Series<'py> = PyReadonlyArray1<'py, f64>;

/// Log-weights with a smoothed tail, and k̂; themselves and nothing where there is no tail.
#[pyfunction]
pub fn psis<'py>(py: Python<'py>, log_weights: Series<'py>) -> PyResult<(Bound<'py, PyArray1<f64>>, Option<f64>)> {
    let log_weights = log_weights.as_slice()?;
    let smoothed = py.detach(|| upg_train::stats::smoothed(log_weights));
    let (smoothed, index) = smoothed.map_or_else(|| (log_weights.to_vec(), None), |(all, index)| (all, Some(index)));
    Ok((smoothed.into_pyarray(py), index))
}

/// mean(w)²/mean(w²).
#[pyfunction]
pub fn ess(log_weights: Series<'_>) -> PyResult<Option<f64>> {
    let mut sums = WeightSums::default();
    sums.extend(log_weights.as_slice()?);
    Ok(sums.ess())
}

/// log mean w, its standard error, and what speaks against it.
#[pyfunction]
pub fn log_z(py: Python<'_>, log_weights: Series<'_>) -> PyResult<(Option<f64>, Option<f64>, Vec<String>)> {
    let log_weights = log_weights.as_slice()?;
    let LogZ { number, warnings, .. } = py.detach(|| LogZ::of(log_weights));
    Ok((number.value, number.error, warnings))
}

/// The states of a chain with these proposals, by their index, and its acceptance.
#[pyfunction]
pub fn metropolis<'py>(
    py: Python<'py>,
    log_weights: Series<'py>,
    seed: u64,
) -> PyResult<(Bound<'py, PyArray1<i64>>, Option<f64>)> {
    let log_weights = log_weights.as_slice()?;
    let (states, acceptance) =
        py.detach(|| independence_chain(log_weights, &mut Purpose::Metropolis.streams(seed).next_stream()));
    let states: Vec<i64> = states.into_iter().map(|state| state as i64).collect();
    Ok((states.into_pyarray(py), acceptance))
}

/// τ_int with its error, mean with its error, variance, window and ρ.
type Times<'py> = (f64, f64, f64, f64, f64, usize, Bound<'py, PyArray1<f64>>);

/// The Γ method, of independent series of one length; nothing where it has no answer.
#[pyfunction]
pub fn autocorrelation<'py>(py: Python<'py>, series: PyReadonlyArray2<'py, f64>) -> PyResult<Option<Times<'py>>> {
    let view = series.as_array();
    let replicas: Option<Vec<&[f64]>> = view.rows().into_iter().map(|row| row.to_slice()).collect();
    let wanted = || raise(py, &Error::Usage("series: accepted are contiguous numbers".into()));
    let replicas = replicas.ok_or_else(wanted)?;
    let found = py.detach(|| autocorrelation_of_replicas(&replicas));
    Ok(found.map(|of| (of.tau, of.tau_error, of.mean, of.mean_error, of.variance, of.window, of.rho.into_pyarray(py))))
}
