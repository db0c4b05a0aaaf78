//! `upg report`: the files of runs, read for the page that [`report`](crate::report) makes of them.

use crate::Error;
use crate::config::Invalid;
use crate::io::checkpoint::{compare_with_weights, read_origin, read_progress};
use crate::io::output::OutputFile;
use crate::io::results;
use crate::io::run_dir::{DETAILS, RunDir, RunError, named_files};
use crate::io::samples::{read_any_samples, read_numbers, read_samples};
use crate::report::page::{Field, FieldKind, Run, render};
use crate::text::Shown;
use clap::Args;
use ndarray::{Array2, Axis};
use serde_json::Value;
use std::path::{Path, PathBuf};
use upg_flows::FlowSpec;
use upg_train::data::fingerprint;
use upg_train::evaluate::FEW;

/// Options of `upg report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Folders of runs, to be shown side by side.
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    pub run: Vec<PathBuf>,
    /// The results of `evaluate` and `hmc` with --out, if they aren't in the folder of the run; with a single run.
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// Where the page goes; by default `report.html` in the folder of the first run.
    #[arg(long, value_name = "HTML")]
    pub out: Option<PathBuf>,
}

/// Reads, makes the page and writes it; returns one line that says what was done.
///
/// # Errors
/// If a folder holds no run, one of its files can't be read, or the page can't be written.
pub fn run(args: &ReportArgs) -> Result<String, Error> {
    if args.run.is_empty() {
        return Err(Error::Usage("--run: none: accepted is at least one folder of a run".into()));
    }
    let dirs = args.run.iter().map(|path| RunDir::open(path)).collect::<Result<Vec<_>, _>>()?;
    if let (Some(results), 2..) = (&args.results, dirs.len()) {
        let problem = "accepted is one folder of results with one --run";
        return Err(Error::Usage(format!("--results = {}: {problem}", results.shown())));
    }
    if let Some(results) = args.results.as_ref().filter(|results| !results.is_dir()) {
        let accepted = "the folder that `evaluate` or `hmc` was given with --out";
        return Err(Error::Usage(format!("--results = {}: accepted is {accepted}", results.shown())));
    }
    let path = args.out.clone().unwrap_or_else(|| dirs[0].file("report.html"));
    let own: Vec<PathBuf> = dirs.iter().flat_map(RunDir::own_files).collect();
    let out = OutputFile::create_beside(&path, &named_files(&own))?;
    let named = dirs.iter().zip(names_of(&args.run));
    let runs = named.map(|(dir, name)| read(dir, args.results.as_deref(), name)).collect::<Result<Vec<_>, _>>()?;
    out.commit(render(&runs).as_bytes())?;
    Ok(format!(
        "{} of {}; written to {}",
        if runs.len() == 1 { "report" } else { "comparison" },
        names(&runs),
        path.shown()
    ))
}

fn names(runs: &[Run]) -> String {
    runs.iter().map(|run| &run.name[..]).collect::<Vec<_>>().join(", ")
}

/// Reads what there is of a run, whose results may be in another folder.
fn read(dir: &RunDir, results: Option<&Path>, name: String) -> Result<Run, Error> {
    let in_results = |file: &str| results.unwrap_or(dir.path()).join(file);
    let config = dir.config().map_err(RunError::from)?.config;
    compare_with_weights(dir, &config)?;
    let metrics = text(&dir.metrics())?.unwrap_or_default();
    let evaluation = in_results("evaluation");
    let shown = evaluation.join("samples.npy");
    let flow = config.flow_spec().map_err(Invalid::from)?;
    let shape = &flow.shape[..];
    let dof: usize = shape.iter().product();
    let samples = shown.is_file().then(|| read_any_samples::<f64>(&shown, &[dof])).transpose()?;
    let (samples, not_finite) = samples.map(|read| finite_rows(&read.values)).unzip();
    let data = Some(dir.file("test.npy")).filter(|kept| kept.is_file()).unwrap_or_else(|| in_results("test.npy"));
    let data = (dof <= FEW && data.is_file()).then(|| test_data(dir, data, shape)).transpose()?;
    let log_weights = evaluation.join("log_weights.npy");
    let summary = json(&in_results("summary.json"))?;
    check_details(&evaluation, summary.as_ref())?;
    Ok(Run {
        name,
        config: config.to_pretty_ron(),
        provenance: json(&dir.provenance())?,
        metrics: metrics.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
        stale: summary.as_ref().and_then(|summary| stale(dir, summary)),
        hmc: json(&Some(in_results("hmc/hmc.json")).filter(|hmc| hmc.is_file()).unwrap_or_else(|| dir.hmc()))?,
        summary,
        log_weights: log_weights.is_file().then(|| read_numbers(&log_weights)).transpose()?,
        autocorrelation: autocorrelation(json(&evaluation.join("autocorrelation.json"))?),
        not_finite: not_finite.unwrap_or(0),
        field: samples.as_ref().and_then(|samples| field(&flow, samples)),
        marginals: samples.filter(|_| dof <= FEW),
        data_marginals: data,
    })
}

/// The samples to test on, if they are those that the run began with, as far as its checkpoint can tell.
fn test_data(dir: &RunDir, path: PathBuf, shape: &[usize]) -> Result<Array2<f64>, Error> {
    let values = read_samples::<f64>(&path, shape)?.values;
    let of_run = read_progress(&dir.latest()).ok().flatten().and_then(|progress| progress.data.test);
    match of_run {
        Some(expected) if fingerprint(&values) != expected => Err(RunError::OtherData(path).into()),
        _ => Ok(values),
    }
}

/// What is said of an evaluation of weights that aren't those of the run any more.
fn stale(dir: &RunDir, summary: &Value) -> Option<String> {
    let of = summary.get("weights_of")?.as_str()?;
    let path = if summary.get("weights")? == "best" { dir.best() } else { dir.latest() };
    let now = read_origin(&path).ok()??;
    let told = format!(
        "the evaluation is of the weights of {of}; by now they are those of {now}: `upg evaluate` makes a new one"
    );
    (!of.starts_with(&now)).then_some(told)
}

/// Whether the files beside the summary are those that it was written with.
fn check_details(folder: &Path, summary: Option<&Value>) -> Result<(), RunError> {
    let files = summary.and_then(|summary| summary.get("files")).and_then(Value::as_object);
    for (name, sum) in files.into_iter().flatten().filter(|(name, _)| DETAILS.contains(&&name[..])) {
        let path = folder.join(name);
        let found = std::fs::read(&path).map_err(|source| RunError::System { path: path.clone(), source })?;
        if sum.as_str() != Some(&results::checksum(&found)) {
            let problem =
                "not of the evaluation in summary.json, as after one that was cut short: `upg evaluate` mends it"
                    .into();
            return Err(RunError::Altered { path, problem });
        }
    }
    Ok(())
}

/// Names of runs: those of their folders, with as much of the path before as tells them apart.
fn names_of(paths: &[PathBuf]) -> Vec<String> {
    let full: Vec<PathBuf> = paths.iter().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).collect();
    let end = |path: &Path, parts: usize| {
        let all: Vec<_> = path.iter().collect();
        all[all.len().saturating_sub(parts)..].iter().collect::<PathBuf>()
    };
    let longest = full.iter().map(|path| path.iter().count()).max().unwrap_or(1);
    let name = |path: &PathBuf| {
        let others = full.iter().filter(|other| *other != path);
        let tells = |&parts: &usize| others.clone().all(|other| end(other, parts) != end(path, parts));
        end(path, (1..longest).find(tells).unwrap_or(longest)).shown().to_string()
    };
    full.iter().map(name).collect()
}

/// The samples all of whose numbers are finite, and the number of the others.
fn finite_rows(samples: &Array2<f64>) -> (Array2<f64>, usize) {
    let is_finite = |&row: &usize| samples.row(row).iter().all(|x| x.is_finite());
    let finite: Vec<usize> = (0..samples.nrows()).filter(is_finite).collect();
    (samples.select(Axis(0), &finite), samples.nrows() - finite.len())
}

/// A sample on a two-dimensional lattice.
fn field(flow: &FlowSpec, samples: &Array2<f64>) -> Option<Field> {
    let kind = if flow.acts_on_links() { FieldKind::Links } else { FieldKind::Sites };
    let is_there = flow.lattice().len() == 2 && samples.nrows() > 0;
    is_there.then(|| Field { shape: flow.shape.clone(), values: samples.row(0).to_vec(), kind })
}

fn autocorrelation(object: Option<Value>) -> Vec<(String, Vec<f64>)> {
    let Some(Value::Object(named)) = object else { return vec![] };
    let numbers = |value: Value| serde_json::from_value::<Vec<f64>>(value).unwrap_or_default();
    named.into_iter().map(|(name, rho)| (name, numbers(rho))).collect()
}

/// A text file, if it is there.
fn text(path: &Path) -> Result<Option<String>, RunError> {
    let read = |path: &Path| std::fs::read_to_string(path);
    let system = |source| RunError::System { path: path.to_owned(), source };
    path.is_file().then(|| read(path)).transpose().map_err(system)
}

/// A JSON file, if it is there.
fn json(path: &Path) -> Result<Option<Value>, RunError> {
    let Some(text) = text(path)? else { return Ok(None) };
    results::open(path, &text).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_name_are_told_apart() {
        let names = |paths: &[&str]| names_of(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(names(&["/none/a/run"]), ["run"]);
        assert_eq!(names(&["/none/a/run", "/none/b/run", "/none/b/other"]), ["a/run", "b/run", "other"]);
        assert_eq!(names(&["/none/a/x/run", "/none/b/x/run", "/none/run"]), ["a/x/run", "b/x/run", "none/run"]);
        assert_eq!(names(&["/none/a/run", "/none/a/run"]), ["run", "run"], "one run twice");
    }
}
