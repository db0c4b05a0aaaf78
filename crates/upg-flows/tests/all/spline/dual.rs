//! Flows of couplings of angles by circular splines as their papers write them, in dual numbers: derivatives without differences.

use super::naive::LEAST;
use std::f64::consts::TAU;
use std::ops::{Add, Div, Mul, Neg, Sub};
use upg_flows::TorusSpline;

/// A number and its derivative along one direction.
#[derive(Clone, Copy, Default)]
pub struct Dual {
    pub value: f64,
    pub slope: f64,
}

fn dual(value: f64, slope: f64) -> Dual {
    Dual { value, slope }
}

impl From<f64> for Dual {
    fn from(value: f64) -> Self {
        dual(value, 0.0)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        dual(self.value + b.value, self.slope + b.slope)
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        dual(-self.value, -self.slope)
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        self + -b
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        dual(self.value * b.value, self.slope * b.value + self.value * b.slope)
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        let ratio = self.value / b.value;
        dual(ratio, (self.slope - ratio * b.slope) / b.value)
    }
}

impl Dual {
    /// f of it, for f' at its value.
    fn map(self, f: f64, derivative: f64) -> Self {
        dual(f, derivative * self.slope)
    }

    fn exp(self) -> Self {
        self.map(self.value.exp(), self.value.exp())
    }

    fn ln(self) -> Self {
        self.map(self.value.ln(), self.value.recip())
    }

    fn tanh(self) -> Self {
        let tanh = self.value.tanh();
        self.map(tanh, 1.0 - tanh * tanh)
    }
}

fn sum(terms: impl Iterator<Item = Dual>) -> Dual {
    terms.fold(Dual::default(), Add::add)
}

/// T or T⁻¹.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    There,
    Back,
}

/// What is between a left knot and the next: (x, y), width, height, slopes.
struct Bin {
    x: Dual,
    y: Dual,
    w: Dual,
    h: Dual,
    left: Dual,
    right: Dual,
}

impl Bin {
    /// Those of φ without the shift.
    fn all(phi: &[Dual]) -> Vec<Self> {
        let k = phi.len() / 3;
        let sizes = |theta: &[Dual]| {
            let whole = sum(theta.iter().map(|t| t.exp()));
            let size =
                |t: &Dual| Dual::from(TAU) * (Dual::from(LEAST) + Dual::from(1.0 - LEAST * k as f64) * t.exp() / whole);
            theta.iter().map(size).collect::<Vec<_>>()
        };
        let unit = Dual::from(((1.0 - LEAST).exp() - 1.0).ln());
        let slope = |i: usize| Dual::from(LEAST) + (Dual::from(1.0) + (phi[2 * k + i % k] + unit).exp()).ln();
        let (w, h) = (sizes(&phi[..k]), sizes(&phi[k..2 * k]));
        let before = |sizes: &[Dual], i: usize| sum(sizes[..i].iter().copied());
        let bin =
            |i| Self { x: before(&w, i), y: before(&h, i), w: w[i], h: h[i], left: slope(i), right: slope(i + 1) };
        (0..k).map(bin).collect()
    }

    /// g and log g'.
    fn at(&self, t: Dual) -> (Dual, Dual) {
        let (one, two) = (Dual::from(1.0), Dual::from(2.0));
        let (xi, s) = ((t - self.x) / self.w, self.h / self.w);
        let rest = one - xi;
        let below = s + (self.left + self.right - two * s) * xi * rest;
        let above = self.right * xi * xi + two * s * xi * rest + self.left * rest * rest;
        let g = self.y + self.h * (s * xi * xi + self.left * xi * rest) / below;
        (g, two * s.ln() + above.ln() - two * below.ln())
    }

    /// The solution of g(t) = y by bisection, its derivative by a step of Newton's method, and log|dt/dy|.
    fn solve(&self, y: Dual) -> (Dual, Dual) {
        let (mut low, mut high) = (self.x.value, (self.x + self.w).value);
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            let below = self.at(middle.into()).0.value < y.value;
            (low, high) = if below { (middle, high) } else { (low, middle) };
        }
        let (g, lambda) = self.at(low.into());
        let t = Dual::from(low) - (g - y) / Dual::from(lambda.value.exp());
        (t, -self.at(t).1)
    }
}

/// g or g⁻¹ of an angle, and its λ; φ with the shift.
fn circular(phi: &[Dual], t: Dual, way: Way) -> (Dual, Dual) {
    let (&shift, phi) = phi.split_last().expect("a shift");
    let bins = Bin::all(phi);
    let wrapped = |t: Dual| dual(t.value.rem_euclid(TAU), t.slope);
    let last =
        |t: Dual, knot: fn(&Bin) -> Dual| bins.iter().rfind(|bin| knot(bin).value <= t.value).unwrap_or(&bins[0]);
    match way {
        Way::There => {
            let (g, lambda) = last(wrapped(t), |bin| bin.x).at(wrapped(t));
            (g + shift, lambda)
        }
        Way::Back => {
            let y = wrapped(t - shift);
            last(y, |bin| bin.y).solve(y)
        }
    }
}

/// A fully connected net with tanh, the input twice as long as `angles`; takes its parameters off `theta`.
fn net(theta: &mut &[Dual], angles: &[Dual], hidden: &[usize], outputs: usize) -> Vec<Dual> {
    let cosines = angles.iter().map(|a| a.map(a.value.cos(), -a.value.sin()));
    let sines = angles.iter().map(|a| a.map(a.value.sin(), a.value.cos()));
    let mut now: Vec<Dual> = cosines.chain(sines).collect();
    for (k, &width) in hidden.iter().chain([&outputs]).enumerate() {
        let (weight, rest) = theta.split_at(width * now.len());
        let (bias, rest) = rest.split_at(width);
        *theta = rest;
        let rows = weight.chunks(now.len()).zip(bias);
        let next = rows.map(|(row, &bias)| bias + sum(row.iter().zip(&now).map(|(&w, &x)| w * x)));
        now = next.map(|z| if k < hidden.len() { z.tanh() } else { z }).collect();
    }
    now
}

/// What T or T⁻¹ makes of `x`, and log|det|.
pub fn flow(spec: &TorusSpline, theta: &[Dual], x: &[Dual], way: Way) -> (Vec<Dual>, Dual) {
    let (mut x, mut log_det, width) = (x.to_vec(), Dual::default(), 3 * spec.bins + 1);
    let size = |layer: usize| {
        let moved = (0..x.len()).filter(|i| i % 2 == layer % 2).count();
        let widths = [&[2 * (x.len() - moved)], &spec.hidden[..], &[width * moved]].concat();
        widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum::<usize>()
    };
    let starts: Vec<usize> = (0..spec.couplings).map(|layer| (0..layer).map(size).sum()).collect();
    for step in 0..spec.couplings {
        let layer = if way == Way::There { step } else { spec.couplings - 1 - step };
        let (moved, kept): (Vec<usize>, Vec<usize>) = (0..x.len()).partition(|i| i % 2 == layer % 2);
        let kept: Vec<Dual> = kept.iter().map(|&i| x[i]).collect();
        let phi = net(&mut &theta[starts[layer]..], &kept, &spec.hidden, width * moved.len());
        for (row, &i) in moved.iter().enumerate() {
            let phi: Vec<Dual> = phi.iter().skip(row).step_by(moved.len()).copied().collect();
            let (y, lambda) = circular(&phi, x[i], way);
            (x[i], log_det) = (y, log_det + lambda);
        }
    }
    (x, log_det)
}
