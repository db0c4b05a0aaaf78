//! Finite differences: the one place where a derivative is taken numerically.
//!
//! Central differences D(h) = (f(x+h) − f(x−h))/2h with h = h₀, h₀/2, h₀/4, …, extrapolated to h → 0 by Richardson's
//! tableau, A_{k,j} = A_{k,j−1} + (A_{k,j−1} − A_{k−1,j−1})/(4^j − 1), A_{k,0} = D(h₀/2^k). Of all entries the one whose
//! neighbours agree best is taken, component by component, and its distance to them is the error estimate
//! (C. Ridders, Adv. Eng. Softw. 4 (1982) 75). A step that crosses a kink of f spoils only the entries that contain it.
//!
//! For a smooth function that varies on a scale of order one or longer the relative error is about 1e-12; functions that
//! vary on scales down to about 0.01 still give 1e-10. `f` is double precision throughout.
//! At a kink nearer than the smallest step, 1e-6, there is no derivative to find, and the estimated error is large.
//!
//! Shapes: a Jacobian is `[outputs, inputs]`.

use ndarray::Array2;

/// h₀, a power of two. Smaller steps follow, so this need not suit the function well.
const FIRST_STEP: f64 = 0.125;
/// Number of step sizes at most; the smallest step is h₀/2^(LEVELS−1).
const LEVELS: usize = 18;
/// The search stops when every component has an estimated error below this fraction of the largest one.
const GOOD_ENOUGH: f64 = 1e-12;

/// A derivative and an estimate of the absolute error of each of its elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate<V> {
    /// The derivative.
    pub value: V,
    /// Estimated absolute error, same shape.
    pub error: V,
}

/// f'(x) of a function of one number.
pub fn derivative(mut f: impl FnMut(f64) -> f64, x: f64) -> Estimate<f64> {
    let along = velocity(|t| vec![f(t)], x);
    Estimate { value: along.value[0], error: along.error[0] }
}

/// ∇f(x), length of `x`.
pub fn gradient(mut f: impl FnMut(&[f64]) -> f64, x: &[f64]) -> Estimate<Vec<f64>> {
    let rows = columns(|x| vec![f(x)], x);
    let (value, error) = rows.into_iter().map(|column| (column.value[0], column.error[0])).unzip();
    Estimate { value, error }
}

/// ∂f/∂x, shape `[outputs, inputs]`.
///
/// # Panics
/// If `x` is empty, or `f` returns different lengths.
pub fn jacobian(f: impl FnMut(&[f64]) -> Vec<f64>, x: &[f64]) -> Estimate<Array2<f64>> {
    let columns = columns(f, x);
    let shape = (columns.first().expect("a Jacobian has at least one input").value.len(), x.len());
    Estimate {
        value: Array2::from_shape_fn(shape, |(i, j)| columns[j].value[i]),
        error: Array2::from_shape_fn(shape, |(i, j)| columns[j].error[i]),
    }
}

/// ∂f/∂x_j for every j.
fn columns(mut f: impl FnMut(&[f64]) -> Vec<f64>, x: &[f64]) -> Vec<Estimate<Vec<f64>>> {
    let mut at = x.to_vec();
    let mut column = |j: usize| {
        let along = velocity(
            |t| {
                at[j] = t;
                f(&at)
            },
            x[j],
        );
        at[j] = x[j];
        along
    };
    (0..x.len()).map(&mut column).collect()
}

/// df/dt of a curve: the primitive of which all others are made. One call differentiates all components together.
///
/// # Panics
/// If `f` returns different lengths.
pub fn velocity(mut f: impl FnMut(f64) -> Vec<f64>, t: f64) -> Estimate<Vec<f64>> {
    let mut tableau = Tableau::default();
    let mut step = FIRST_STEP;
    for _ in 0..LEVELS {
        let (above, below) = (t + step, t - step);
        tableau.push(&f(above), &f(below), above - below);
        if tableau.is_good_enough() {
            break;
        }
        step /= 2.0;
    }
    tableau.best
}

/// Richardson's tableau of every component: its last row, and the best entry so far.
#[derive(Default)]
struct Tableau {
    last: Vec<Vec<f64>>,
    best: Estimate<Vec<f64>>,
}

impl Default for Estimate<Vec<f64>> {
    fn default() -> Self {
        Self { value: vec![], error: vec![] }
    }
}

impl Tableau {
    /// Adds the row that starts with the difference over `width` = 2h.
    fn push(&mut self, above: &[f64], below: &[f64], width: f64) {
        assert_eq!(above.len(), below.len(), "lengths of f(x + h) and f(x − h)");
        if self.last.is_empty() {
            self.last = vec![vec![]; above.len()];
            self.best = Estimate { value: vec![f64::NAN; above.len()], error: vec![f64::INFINITY; above.len()] };
        }
        assert_eq!(above.len(), self.last.len(), "lengths of f at this step, and at the first");
        for (c, last) in self.last.iter_mut().enumerate() {
            // What round-off in f does to the difference: agreement closer than this is luck.
            let floor = f64::EPSILON * (above[c].abs() + below[c].abs()) / width;
            let row = extrapolate(last, (above[c] - below[c]) / width);
            for j in 1..row.len() {
                let error = (row[j] - row[j - 1]).abs().max((row[j] - last[j - 1]).abs()) + floor;
                if error < self.best.error[c] {
                    (self.best.value[c], self.best.error[c]) = (row[j], error);
                }
            }
            *last = row;
        }
    }

    fn is_good_enough(&self) -> bool {
        let largest = self.best.value.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        self.best.error.iter().all(|&e| e <= GOOD_ENOUGH * largest)
    }
}

/// The row of the tableau that follows `last` and starts with `first`.
fn extrapolate(last: &[f64], first: f64) -> Vec<f64> {
    let mut row = vec![first];
    let mut power = 1.0;
    for previous in last {
        power *= 4.0;
        let value = row[row.len() - 1];
        row.push(value + (value - previous) / (power - 1.0));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, f: impl FnMut(f64) -> f64, x: f64, expected: f64, relative: f64) {
        let got = derivative(f, x);
        let error = (got.value - expected).abs();
        assert!(error <= relative * expected.abs(), "{name} at {x}: {} for {expected}, off by {error:e}", got.value);
        assert!(error <= 100.0 * got.error, "{name} at {x}: off by {error:e}, but claims {:e}", got.error);
    }

    #[test]
    fn derivatives_of_elementary_functions() {
        for x in [-3.7, -0.6, 0.01, 0.9, 2.3, 11.0] {
            check("exp", f64::exp, x, x.exp(), 1e-11);
            check("sin", f64::sin, x, x.cos(), 1e-11);
            check("atan", f64::atan, x, 1.0 / (1.0 + x * x), 1e-11);
            check("cube", |x| x * x * x, x, 3.0 * x * x, 1e-10);
            check("fast", |x| (40.0 * x).sin() + 0.3 * x, x, 40.0 * (40.0 * x).cos() + 0.3, 1e-9);
        }
    }

    #[test]
    fn a_kink_nearby_does_no_harm() {
        for distance in [0.1, 0.03, 0.004, 0.0007] {
            check("kink", |x| if x > 0.0 { x.sin() } else { 0.01 * x }, distance, distance.cos(), 1e-9);
        }
    }

    #[test]
    fn a_jacobian_has_outputs_as_rows() {
        let jacobian = jacobian(|x| vec![x[0] * x[1], x[2].exp()], &[2.0, 3.0, -1.0]);
        let expected = ndarray::array![[3.0, 2.0, 0.0], [0.0, 0.0, (-1.0_f64).exp()]];
        assert!((jacobian.value - &expected).iter().all(|d| d.abs() < 1e-12));
        let gradient = gradient(|x| x[0] * x[1], &[2.0, 3.0]);
        assert!((gradient.value[0] - 3.0).abs() < 1e-12 && (gradient.value[1] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_jump_is_reported_as_a_large_error() {
        assert!(derivative(|x| if x > 0.3 { 1.0 } else { 0.0 }, 0.3).error > 0.1);
        assert!(derivative(|_| f64::NAN, 0.3).error.is_infinite());
    }
}
