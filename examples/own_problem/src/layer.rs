//! The layer y₀ = x₀, y₁ = x₁ eˢ + b x₀², with parameters s and b.
//!
//! J = [[1, 0], [2 b x₀, eˢ]], ℓ = s, ∇ℓ = 0, ∂y₁/∂s = x₁ eˢ, ∂y₁/∂b = x₀².

use upg_core::{Accum, Batch, Cpu, GradSink, Init, Inverse, Invertible, Layer, ParamLayout, Pass, Solve, Tensor};

type Device = Cpu<f64>;

#[derive(Clone, Debug)]
pub struct Bend;

impl Layer<Device> for Bend {
    fn dof(&self) -> usize {
        2
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("log_scale", [1], Init::Uniform { bound: 0.5 }));
        layout.push(Tensor::new("bend", [1], Init::Uniform { bound: 0.5 }));
        layout
    }

    fn forward(&self, pass: &mut Pass<'_, Device>, x: &mut Batch<f64>, log_det: &mut Vec<f64>) {
        pass.tape.get::<Batch<f64>>().copy_from(x);
        let (s, b) = (pass.theta[0], pass.theta[1]);
        for i in 0..x.samples() {
            x.row_mut(1)[i] = x.row(1)[i] * s.exp() + b * x.row(0)[i].powi(2);
        }
        log_det.iter_mut().for_each(|l| *l += s);
    }

    /// u = J^{-T} a: u₁ = a₁ e⁻ˢ, u₀ = a₀ − 2 b x₀ u₁.
    fn push(&self, pass: &mut Pass<'_, Device>, a: &mut Batch<f64>, w: f64, grad: Option<GradSink<'_, Device>>) {
        let (s, b, x) = (pass.theta[0], pass.theta[1], pass.tape.get::<Batch<f64>>());
        for i in 0..a.samples() {
            a.row_mut(1)[i] *= (-s).exp();
            a.row_mut(0)[i] -= 2.0 * b * x.row(0)[i] * a.row(1)[i];
        }
        add_gradient(-1.0, s, x, a, w, grad);
    }

    /// Jᵀ a: a₀ ← a₀ + 2 b x₀ a₁, a₁ ← a₁ eˢ.
    fn pull_back(&self, pass: &mut Pass<'_, Device>, a: &mut Batch<f64>, w: f64, grad: Option<GradSink<'_, Device>>) {
        let (s, b, x) = (pass.theta[0], pass.theta[1], pass.tape.get::<Batch<f64>>());
        add_gradient(1.0, s, x, a, w, grad);
        for i in 0..a.samples() {
            a.row_mut(0)[i] += 2.0 * b * x.row(0)[i] * a.row(1)[i];
            a.row_mut(1)[i] *= s.exp();
        }
    }
}

/// ∂θ (+)= factor [(∂T/∂θ)ᵀ a + w ∂ℓ/∂θ] at x, for a cotangent a of y.
fn add_gradient(factor: f64, s: f64, x: &Batch<f64>, a: &Batch<f64>, w: f64, grad: Option<GradSink<'_, Device>>) {
    let Some(GradSink { into, accum }) = grad else { return };
    let mut sums = [0.0; 2];
    for i in 0..x.samples() {
        sums[0] += a.row(1)[i] * x.row(1)[i] * s.exp() + w;
        sums[1] += a.row(1)[i] * x.row(0)[i].powi(2);
    }
    for (d, sum) in into.iter_mut().zip(sums) {
        *d = factor * sum + if accum == Accum::Add { *d } else { 0.0 };
    }
}

impl Solve<Device> for Bend {
    fn solve(&self, pass: &mut Pass<'_, Device>, y: &mut Batch<f64>, log_det: &mut Vec<f64>) {
        let (s, b) = (pass.theta[0], pass.theta[1]);
        for i in 0..y.samples() {
            y.row_mut(1)[i] = (y.row(1)[i] - b * y.row(0)[i].powi(2)) * (-s).exp();
        }
        log_det.iter_mut().for_each(|l| *l -= s);
        pass.tape.get::<Batch<f64>>().copy_from(y);
    }
}

impl Invertible<Device> for Bend {
    fn inverse(&self) -> Box<dyn Invertible<Device>> {
        Box::new(Inverse::of(self.clone()))
    }
}

// Every verb against finite differences, the inverse against the layer.
#[cfg(test)]
upg_testkit::layer_battery! {
    bend(rng) in f64 => Bend;
}
