//! y_i = g(x_i; θ_i): a nonlinear map of each degree of freedom alone, inverted numerically.
//!
//! On the line g = x + e^θ tanh x; on the circle g = x + ½ sin(x + θ) mod 2π. With λ = log g', per element:
//! ℓ = Σ λ; push: u = (a − w ∂λ/∂x)/g', ∂θ = −Σ u ∂g/∂θ + w ∂λ/∂θ; pull-back: a ← a g' + w ∂λ/∂x, ∂θ = Σ a ∂g/∂θ + w ∂λ/∂θ.
//! The inverse solves g(x) = y by Newton's method inside a bracket and takes its partials from MATH (6).
//! Parameters: θ of shape [dof].

use upg_core::{Accum, Batch, Cpu, GradSink, Init, Invertible, Layer, ParamLayout, Pass, Real, Tensor};

/// Which g.
#[derive(Clone, Copy, PartialEq)]
pub enum Shape {
    /// x + e^θ tanh x.
    Tanh,
    /// x + ½ sin(x + θ) mod 2π.
    Sine,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    There,
    Back,
}

/// An elementwise layer.
#[derive(Clone)]
pub struct Bend {
    dof: usize,
    shape: Shape,
    way: Way,
}

/// λ and the partials of the map that was applied, at one element.
#[derive(Clone, Copy)]
struct Partials {
    lambda: f64,
    /// ∂g/∂x.
    slope: f64,
    /// ∂λ/∂x.
    lambda_x: f64,
    /// ∂g/∂θ.
    theta: f64,
    /// ∂λ/∂θ.
    lambda_theta: f64,
}

impl Shape {
    /// g before wrapping, and its partials.
    fn at(self, x: f64, theta: f64) -> (f64, Partials) {
        match self {
            Self::Tanh => {
                let (c, t) = (theta.exp(), x.tanh());
                let sech2 = 1.0 / x.cosh().powi(2);
                let slope = 1.0 + c * sech2;
                let (lambda_x, lambda_theta) = (-2.0 * c * t * sech2 / slope, c * sech2 / slope);
                (x + c * t, Partials { lambda: slope.ln(), slope, lambda_x, theta: c * t, lambda_theta })
            }
            Self::Sine => {
                let (sin, cos) = (x + theta).sin_cos();
                let slope = 1.0 + 0.5 * cos;
                let bend = -0.5 * sin / slope;
                let partials =
                    Partials { lambda: slope.ln(), slope, lambda_x: bend, theta: 0.5 * cos, lambda_theta: bend };
                (x + 0.5 * sin, partials)
            }
        }
    }

    /// The solution of g(x) = y, which lies within the largest |g(x) − x| of y.
    fn solve(self, y: f64, theta: f64) -> f64 {
        let reach = if self == Self::Tanh { theta.exp() } else { 0.5 };
        let (mut low, mut high) = (y - reach, y + reach);
        let mut x = y;
        for _ in 0..200 {
            let (value, Partials { slope, .. }) = self.at(x, theta);
            if value > y {
                high = x
            } else {
                low = x
            }
            let newton = x - (value - y) / slope;
            let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            if (next - x).abs() <= 1e-16 * (1.0 + x.abs()) {
                return next;
            }
            x = next;
        }
        x
    }

    /// The point of [0, 2π) in precision `T`, or the number itself on the line.
    fn wrap<T: Real>(self, x: f64) -> T {
        let tau = std::f64::consts::TAU;
        match self {
            Self::Tanh => T::of(x),
            Self::Sine => Some(T::of(x - tau * (x / tau).floor())).filter(|&x| x < T::of(tau)).unwrap_or(T::zero()),
        }
    }
}

impl Partials {
    /// MATH (6): those of g⁻¹ at y from those of g at x = g⁻¹(y).
    fn invert(self) -> Self {
        Self {
            lambda: -self.lambda,
            slope: 1.0 / self.slope,
            lambda_x: -self.lambda_x / self.slope,
            theta: -self.theta / self.slope,
            lambda_theta: -self.lambda_theta + self.lambda_x * self.theta / self.slope,
        }
    }
}

impl Bend {
    pub fn new(dof: usize, shape: Shape) -> Self {
        Self { dof, shape, way: Way::There }
    }

    /// The image of one element, and the partials there.
    fn apply<T: Real>(&self, x: T, theta: T) -> (T, Partials) {
        let (x, theta) = (x.wide(), theta.wide());
        match self.way {
            Way::There => {
                let (y, partials) = self.shape.at(x, theta);
                (self.shape.wrap(y), partials)
            }
            Way::Back => {
                let solution = self.shape.solve(x, theta);
                (self.shape.wrap(solution), self.shape.at(solution, theta).1.invert())
            }
        }
    }
}

/// Partials of every element, row by row.
#[derive(Default)]
struct Kept(Vec<Partials>);

impl<T: Real> Layer<Cpu<T>> for Bend {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("theta", [self.dof], Init::Uniform { bound: 1.0 }));
        layout
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom");
        let kept = &mut pass.tape.get::<Kept>().0;
        kept.clear();
        for i in 0..self.dof {
            for (x, log_det) in x.row_mut(i).iter_mut().zip(&mut *log_det) {
                let (y, partials) = self.apply(*x, pass.theta[i]);
                *x = y;
                *log_det += partials.lambda;
                kept.push(partials);
            }
        }
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let kept = &pass.tape.get::<Kept>().0;
        for (a, p) in cotangent.as_mut_slice().iter_mut().zip(kept) {
            *a = T::of((a.wide() - weight * p.lambda_x) / p.slope);
        }
        add_gradient(-1.0, kept, cotangent, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let kept = &pass.tape.get::<Kept>().0;
        add_gradient(1.0, kept, cotangent, weight, grad);
        for (a, p) in cotangent.as_mut_slice().iter_mut().zip(kept) {
            *a = T::of(a.wide() * p.slope + weight * p.lambda_x);
        }
    }
}

/// ∂θ (+)= factor Σ a ∂g/∂θ + w ∂λ/∂θ.
fn add_gradient<T: Real>(
    factor: f64,
    kept: &[Partials],
    a: &Batch<T>,
    weight: f64,
    grad: Option<GradSink<'_, Cpu<T>>>,
) {
    let Some(GradSink { into, accum }) = grad else { return };
    for (i, to) in into.iter_mut().enumerate() {
        let terms = a.row(i).iter().zip(&kept[i * a.samples()..]);
        let sum: f64 = terms.map(|(a, p)| a.wide() * p.theta + weight * p.lambda_theta).sum();
        let sum = T::of(factor * sum);
        *to = if accum == Accum::Add { *to + sum } else { sum };
    }
}

impl<T: Real> Invertible<Cpu<T>> for Bend {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        let way = if self.way == Way::There { Way::Back } else { Way::There };
        Box::new(Self { way, ..self.clone() })
    }
}
