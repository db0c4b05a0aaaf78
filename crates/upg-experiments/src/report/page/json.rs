//! Numbers out of JSON that may lack them.

use super::run::Run;
use serde_json::Value;

/// The number at `path`, e.g. `/log_z/value`.
pub(super) fn number(object: &Value, path: &str) -> Option<f64> {
    object.pointer(path)?.as_f64()
}

/// The metrics at path `y` against those at `x`. A line without one of them gives no point, one whose `y` is null a NaN:
/// that is how a number that isn't finite is written.
pub(super) fn curve(run: &Run, x: &str, y: &str) -> Vec<(f64, f64)> {
    let point = |line: &Value| Some((number(line, x)?, line.pointer(y)?.as_f64().unwrap_or(f64::NAN)));
    run.metrics.iter().filter_map(point).collect()
}

/// The finite values at `path` of all lines.
pub(super) fn values<'a>(run: &'a Run, path: &'a str) -> impl Iterator<Item = f64> + 'a {
    run.metrics.iter().filter_map(move |line| number(line, path))
}

/// The median of the finite values at `path`.
pub(super) fn median(run: &Run, path: &str) -> Option<f64> {
    let mut values: Vec<f64> = values(run, path).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
