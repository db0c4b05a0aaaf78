//! Flows in memory, for any number of calls.

use crate::arrays::{Array, array};
use crate::errors::interruptible;
use crate::place::{dtype_of, ode_steps, place, precision, run_args};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use upg_experiments::Error;
use upg_experiments::commands::caller::Caller;
use upg_experiments::commands::held::{Description, Draws, Facts, GradientOf, GradientRequest, Held, Told, Way};
use upg_experiments::config::SoleFlow;
use upg_train::Draw;
use upg_train::method::{Divergence, Estimator, Method};

/// A flow and its weights. One call at a time computes with it; others wait.
#[pyclass(frozen, module = "upg._upg")]
pub struct Flow {
    facts: Facts,
    held: Mutex<Held>,
    /// The thread whose call is under way.
    user: Mutex<Option<ThreadId>>,
    /// The process that has its threads.
    process: u32,
}

/// The call under way, until it ends.
struct Use<'a>(&'a Mutex<Option<ThreadId>>);

impl Drop for Use<'_> {
    fn drop(&mut self) {
        *open(self.0) = None;
    }
}

/// What a lock holds, be it after a panic: buffers are written before they are read.
fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flow {
    fn of(held: Held) -> Self {
        Self {
            facts: held.facts().clone(),
            held: Mutex::new(held),
            user: Mutex::default(),
            process: std::process::id(),
        }
    }

    /// Does `work` with the flow, without the interpreter.
    fn with<O: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Held, Caller<'_>) -> Result<O, Error> + Send,
    ) -> PyResult<O> {
        // The thread that called: a handler of a signal, or a target's function, may come from there again.
        let here = Some(thread::current().id());
        interruptible(py, |caller| {
            if std::process::id() != self.process {
                let problem = "the flow was made before this process was forked";
                return Err(Error::Usage(format!("{problem}: accepted is one that is made here")));
            }
            if *open(&self.user) == here {
                let problem = "the flow is in use by the call that this one comes from";
                return Err(Error::Usage(format!("{problem}: accepted is another flow, flow.copy()")));
            }
            let mut held = open(&self.held);
            *open(&self.user) = here;
            let _until_the_end = Use(&self.user);
            work(&mut held, caller)
        })
    }
}

/// The sections `flow` and `target` from their texts.
fn sole(flow: &str, target: Option<&str>) -> Result<SoleFlow, Error> {
    let target = target.map_or(String::new(), |target| format!("    target: {target},\n"));
    let folder = std::env::current_dir().unwrap_or_default();
    Ok(SoleFlow::parse(&format!("(\n    flow: {flow},\n{target})\n"), &folder)?)
}

/// Samples, what is told of each, and the acceptance of the chain, if it is one.
type Sampled<'py> = (Bound<'py, PyAny>, Bound<'py, PyArray1<f64>>, Option<f64>);
/// Points and the log-dets on their way.
type Carried<'py> = (Bound<'py, PyAny>, Bound<'py, PyArray1<f64>>);
/// Loss, gradients by parameter, and of each sample: where it ends, log-det, log-weight.
type Gradients<'py> =
    (f64, Bound<'py, PyDict>, Bound<'py, PyAny>, Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>);

#[pymethods]
impl Flow {
    /// The flow of a description, with initial weights, or with those of a file.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn describe(
        py: Python<'_>,
        flow: &str,
        target: Option<&str>,
        weights: Option<PathBuf>,
        dtype: &str,
        seed: u64,
        device: &str,
        threads: Option<usize>,
        steps: Option<u64>,
    ) -> PyResult<Self> {
        let description = || {
            let precision = precision(Some(dtype))?.expect("one is given");
            let (place, ode_steps) = (place(device, threads)?, ode_steps(steps)?);
            Ok(Description { sole: sole(flow, target)?, precision, seed, weights, place, ode_steps })
        };
        made(py, description)
    }

    /// The flow of a file with weights.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        flow: Option<&str>,
        target: Option<&str>,
        dtype: Option<&str>,
        device: &str,
        threads: Option<usize>,
        steps: Option<u64>,
    ) -> PyResult<Self> {
        let description = || {
            let given = flow.map(|flow| sole(flow, target)).transpose()?;
            let (place, steps) = (place(device, threads)?, ode_steps(steps)?);
            let mut found = Description::of_file(&path, given, precision(dtype)?, place, steps)?;
            if let (None, Some(target)) = (flow, target) {
                let folder = std::env::current_dir().unwrap_or_default();
                found.sole.target = Some(found.sole.parse_target(target, &folder)?);
            }
            Ok(found)
        };
        made(py, description)
    }

    /// The flow of a run.
    #[staticmethod]
    fn of_run(
        py: Python<'_>,
        run: PathBuf,
        weights: &str,
        dtype: Option<&str>,
        device: &str,
        threads: Option<usize>,
        steps: Option<u64>,
    ) -> PyResult<Self> {
        interruptible(py, |_| {
            let run = run_args(run, weights, device, threads, steps)?;
            Ok(Self::of(Held::of_run(&run, precision(dtype)?)?))
        })
    }

    /// Shape of a sample.
    #[getter]
    fn shape(&self) -> Vec<usize> {
        self.facts.spec.shape.clone()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        dtype_of(self.facts.precision)
    }

    #[getter]
    fn seed(&self) -> u64 {
        self.facts.seed
    }

    /// Steps of the integrator, if not those of the description.
    #[getter]
    fn ode_steps(&self) -> Option<usize> {
        self.facts.ode_steps
    }

    /// Whether numbers are angles.
    #[getter]
    fn has_angles(&self) -> bool {
        self.facts.spec.domain() == upg_core::Domain::Circle
    }

    /// The text of the description.
    #[getter]
    fn description(&self) -> String {
        self.facts.sole.flow_text()
    }

    /// The same as a list of layers.
    #[getter]
    fn layers(&self) -> String {
        format!("Layers{}", SoleFlow::text_of(&self.facts.spec))
    }

    /// The text of the target.
    #[getter]
    fn target(&self) -> Option<String> {
        self.facts.sole.target_text()
    }

    #[pyo3(signature = (n, seed, first, metropolis, weighted))]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        seed: Option<u64>,
        first: u64,
        metropolis: bool,
        weighted: bool,
    ) -> PyResult<Sampled<'py>> {
        let draw = if metropolis { Draw::Metropolis } else { Draw::Independent };
        let told = if metropolis || weighted { Told::LogWeight } else { Told::LogProb };
        let draws = Draws { seed, first, samples: n, draw, told };
        let drawn = self.with(py, |flow, caller| flow.sample(&draws, caller))?;
        Ok((array(py, drawn.x), drawn.told.into_pyarray(py), drawn.acceptance))
    }

    /// log q, and how many points the inverse misses.
    fn log_prob<'py>(&self, py: Python<'py>, x: Array<'py>) -> PyResult<(Bound<'py, PyArray1<f64>>, u64)> {
        let x = x.view();
        let densities = self.with(py, |flow, caller| flow.log_prob(x.points(), caller))?;
        Ok((densities.log_prob.into_pyarray(py), densities.missed))
    }

    fn forward<'py>(&self, py: Python<'py>, z: Array<'py>) -> PyResult<Carried<'py>> {
        self.carry(py, Way::Forward, &z)
    }

    fn inverse<'py>(&self, py: Python<'py>, x: Array<'py>) -> PyResult<Carried<'py>> {
        self.carry(py, Way::Inverse, &x)
    }

    fn score<'py>(&self, py: Python<'py>, x: Array<'py>) -> PyResult<Bound<'py, PyAny>> {
        let x = x.view();
        Ok(array(py, self.with(py, |flow, caller| flow.scores(x.points(), caller))?))
    }

    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        target: Option<&str>,
        estimator: &str,
        divergence: &str,
        points: Option<Array<'py>>,
        batch: usize,
        seed: Option<u64>,
        first: u64,
    ) -> PyResult<Gradients<'py>> {
        let view = points.as_ref().map(Array::view);
        let gradient = self.with(py, |flow, _| {
            let method = method(estimator, divergence)?;
            let of = match (&view, method) {
                (Some(view), _) => GradientOf::Given(view.points()),
                (None, Method::Reverse(_)) => GradientOf::Draw { seed, first, samples: batch },
                (None, Method::Forward(_)) => {
                    return Err(Error::Usage(
                        "x: missing: accepted are samples of the target, for the forward KL".into(),
                    ));
                }
            };
            flow.gradient(&GradientRequest { target, method, of })
        })?;
        let grad = PyDict::new(py);
        for (name, numbers) in gradient.grad {
            grad.set_item(name, array(py, numbers))?;
        }
        let (log_det, log_weights) = (gradient.log_det.into_pyarray(py), gradient.log_weights.into_pyarray(py));
        Ok((gradient.loss, grad, array(py, gradient.end), log_det, log_weights))
    }

    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parameters = PyDict::new(py);
        for (name, numbers) in self.with(py, |flow, _| flow.parameters())? {
            parameters.set_item(name, array(py, numbers))?;
        }
        Ok(parameters)
    }

    fn set_parameters(&self, py: Python<'_>, given: Vec<(String, Array<'_>)>) -> PyResult<()> {
        let views: Vec<_> = given.iter().map(|(name, array)| (name.clone(), array.view())).collect();
        self.with(py, |flow, _| {
            let points: Vec<_> = views.iter().map(|(name, view)| (name.clone(), view.points())).collect();
            flow.set_parameters(&points)
        })
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, |flow, _| flow.save(Path::new(&path)))
    }
}

impl Flow {
    fn carry<'py>(&self, py: Python<'py>, way: Way, points: &Array<'py>) -> PyResult<Carried<'py>> {
        let points = points.view();
        let mapped = self.with(py, |flow, caller| flow.map(way, points.points(), caller))?;
        Ok((array(py, mapped.end), mapped.log_det.into_pyarray(py)))
    }
}

fn made(py: Python<'_>, description: impl FnOnce() -> Result<Description, Error> + Send) -> PyResult<Flow> {
    interruptible(py, |_| Ok(Flow::of(Held::new(&description()?)?)))
}

/// Estimator and divergence by their names, as they are on the command line or in configurations: `path-fast`, `PathFast` or `Forward(PathFast)`.
fn method(estimator: &str, divergence: &str) -> Result<Method, Error> {
    let both = estimator.strip_suffix(')').and_then(|both| both.split_once('('));
    let (estimator, divergence) = match both {
        Some((of_objective, estimator))
            if ["reverse".into(), of_objective.to_lowercase()].contains(&divergence.to_lowercase()) =>
        {
            (estimator, of_objective)
        }
        _ => (estimator, divergence),
    };
    let plain = |name: &str| name.replace('-', "").to_lowercase();
    let refuse = |what: &str, name: &str, accepted: Vec<String>| {
        Error::Usage(format!("{what} = {name}: accepted are {}", accepted.join(", ")))
    };
    let of_estimator = Estimator::ALL.into_iter().find(|one| plain(one.name()) == plain(estimator));
    let of_divergence = Divergence::ALL.into_iter().find(|one| one.name() == plain(divergence));
    let of_estimator = of_estimator
        .ok_or_else(|| refuse("estimator", estimator, Estimator::ALL.map(|one| one.name().to_owned()).to_vec()))?;
    let of_divergence = of_divergence
        .ok_or_else(|| refuse("divergence", divergence, Divergence::ALL.map(|one| one.name().to_owned()).to_vec()))?;
    Ok(Method::new(of_estimator, of_divergence)?)
}
