//! Rational-quadratic splines as their papers write them, one number at a time.

use std::f64::consts::TAU;
use upg_flows::spline::{Form, Spline};

/// The least share of a bin, and the least slope.
pub const LEAST: f64 = 1e-3;

/// Knots x, y and the slopes at them.
pub struct Knots {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub slopes: Vec<f64>,
}

impl Knots {
    pub fn of(spline: Spline, phi: &[f64]) -> Self {
        let k = spline.bins;
        let (low, length) = match spline.form {
            Form::Line { interval } => (-interval, 2.0 * interval),
            Form::Odd { interval } => (0.0, interval),
            Form::Circle => (0.0, TAU),
        };
        let knots = |theta: &[f64]| {
            let most = theta.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let exps: Vec<f64> = theta.iter().map(|t| (t - most).exp()).collect();
            let sum: f64 = exps.iter().sum();
            let mut at = vec![low];
            for e in exps {
                at.push(at.last().unwrap() + length * (LEAST + (1.0 - LEAST * k as f64) * e / sum));
            }
            at
        };
        let slope = |theta: &f64| LEAST + (theta + ((1.0 - LEAST).exp() - 1.0).ln()).exp().ln_1p();
        let free: Vec<f64> = phi[2 * k..].iter().map(slope).collect();
        let slopes = match spline.form {
            Form::Line { .. } => [&[1.0], &free[..k - 1], &[1.0]].concat(),
            Form::Odd { .. } => [&free[..k], &[1.0]].concat(),
            Form::Circle => [&free[..k], &free[..1]].concat(),
        };
        Self { x: knots(&phi[..k]), y: knots(&phi[k..2 * k]), slopes }
    }

    /// g and g' inside.
    fn inside(&self, t: f64) -> (f64, f64) {
        let last = self.x.len() - 2;
        let k = (0..=last).rev().find(|&k| self.x[k] <= t).unwrap_or(0);
        let (w, h) = (self.x[k + 1] - self.x[k], self.y[k + 1] - self.y[k]);
        let (xi, s, left, right) = ((t - self.x[k]) / w, h / w, self.slopes[k], self.slopes[k + 1]);
        let below = s + (right + left - 2.0 * s) * xi * (1.0 - xi);
        let g = self.y[k] + h * (s * xi * xi + left * xi * (1.0 - xi)) / below;
        let above = right * xi * xi + 2.0 * s * xi * (1.0 - xi) + left * (1.0 - xi) * (1.0 - xi);
        (g, s * s * above / (below * below))
    }
}

/// g and g'.
pub fn value(spline: Spline, t: f64, phi: &[f64]) -> (f64, f64) {
    let knots = Knots::of(spline, phi);
    match spline.form {
        Form::Line { interval } if t.abs() >= interval => (t, 1.0),
        Form::Line { .. } => knots.inside(t),
        Form::Odd { interval } => {
            let (g, slope) = if t.abs() >= interval { (t.abs(), 1.0) } else { knots.inside(t.abs()) };
            (t.signum() * g + phi[3 * spline.bins], slope)
        }
        Form::Circle => {
            let (g, slope) = knots.inside(t.rem_euclid(TAU));
            (g + t - t.rem_euclid(TAU) + phi[3 * spline.bins], slope)
        }
    }
}
