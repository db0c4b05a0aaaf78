//! A layer and a target of one's own, on `upg-core` alone, and the gradients of all estimators.
//!
//! `cargo run -p upg-core --example own_layer`
//!
//! The layer is autoregressive, so its Jacobian is triangular, not that of a coupling. In two dimensions
//!
//! ```text
//! y_0 = x_0 e^{σ_0} + μ_0
//! y_1 = x_1 e^{λ} + μ_1 + b x_0²,     λ = σ_1 + c tanh x_0
//! J = ( e^{σ_0}                     0    )
//!     ( 2 b x_0 + x_1 e^λ ∂λ/∂x_0   e^λ  ),   ∂λ/∂x_0 = c (1 − tanh² x_0),   ℓ = σ_0 + λ,   ∇ℓ = (∂λ/∂x_0, 0)
//! ```
//!
//! with θ = (σ_0, σ_1, μ_0, μ_1, b, c). The target is a banana, x_0 ~ N(0, 1) and x_1 ~ N(x_0², 1).

use upg_core::ndarray::Array2;
use upg_core::{
    Accum, Batch, Chain, Cpu, Cut, DeviceError, Engine, ForwardKl, GradSink, Init, Inverse, Invertible, Layer,
    ParamLayout, Pass, ReverseKl, SampleStream, Solve, StandardNormal, Start, Streams, Target, Tensor,
};

type Host = Cpu<f64>;

/// The autoregressive layer.
#[derive(Clone, Copy)]
pub struct Bow;

/// y = T(x) at one sample, with all first derivatives of T there: all that the verbs need.
struct Point {
    x: [f64; 2],
    y: [f64; 2],
    /// e^{σ_0}, e^λ: the diagonal of J.
    diagonal: [f64; 2],
    /// ∂y_1/∂x_0.
    lower: f64,
    /// ∂λ/∂x_0.
    slope: f64,
}

impl Point {
    fn from_x(x: [f64; 2], theta: &[f64]) -> Self {
        let &[sigma_0, sigma_1, mu_0, mu_1, b, c] = theta else { panic!("6 parameters, got {}", theta.len()) };
        let t = x[0].tanh();
        let diagonal = [sigma_0.exp(), (sigma_1 + c * t).exp()];
        let slope = c * (1.0 - t * t);
        let y = [x[0] * diagonal[0] + mu_0, x[1] * diagonal[1] + mu_1 + b * x[0] * x[0]];
        Self { x, y, diagonal, lower: 2.0 * b * x[0] + x[1] * diagonal[1] * slope, slope }
    }

    /// Solves T(x) = y: x_0 first, then x_1, of which y_1 is a linear function.
    fn from_y(y: [f64; 2], theta: &[f64]) -> Self {
        let at_zero = Self::from_x([(y[0] - theta[2]) / theta[0].exp(), 0.0], theta);
        Self::from_x([at_zero.x[0], (y[1] - at_zero.y[1]) / at_zero.diagonal[1]], theta)
    }

    fn log_det(&self) -> f64 {
        self.diagonal[0].ln() + self.diagonal[1].ln()
    }

    /// J⁻ᵀ s: a triangular solve.
    fn solve_transposed(&self, s: [f64; 2]) -> [f64; 2] {
        let second = s[1] / self.diagonal[1];
        [(s[0] - self.lower * second) / self.diagonal[0], second]
    }

    /// Jᵀ a.
    fn transpose_times(&self, a: [f64; 2]) -> [f64; 2] {
        [self.diagonal[0] * a[0] + self.lower * a[1], self.diagonal[1] * a[1]]
    }

    /// (∂y/∂θ)ᵀ a + w ∂ℓ/∂θ.
    fn of_parameters(&self, a: [f64; 2], w: f64) -> [f64; 6] {
        let [x_0, x_1] = self.x;
        let of_lambda = a[1] * x_1 * self.diagonal[1] + w;
        [a[0] * x_0 * self.diagonal[0] + w, of_lambda, a[0], a[1], a[1] * x_0 * x_0, of_lambda * x_0.tanh()]
    }
}

impl Layer<Host> for Bow {
    fn dof(&self) -> usize {
        2
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("log_scale", [2], Init::Uniform { bound: 0.3 }));
        layout.push(Tensor::new("shift", [2], Init::Uniform { bound: 0.3 }));
        layout.push(Tensor::new("bow", [2], Init::Uniform { bound: 0.3 }));
        layout
    }

    /// Leaves the points on the tape; the other verbs need nothing else.
    fn forward(&self, pass: &mut Pass<'_, Host>, x: &mut Batch<f64>, log_det: &mut Vec<f64>) {
        let points = pass.tape.get::<Vec<Point>>();
        points.clear();
        for (b, log_det) in log_det.iter_mut().enumerate() {
            let point = Point::from_x(get(x, b), pass.theta);
            put(x, b, point.y);
            *log_det += point.log_det();
            points.push(point);
        }
    }

    /// MATH (17): u = J⁻ᵀ (a − w ∇ℓ), and ∂θ is that of the pull-back with −u, −w.
    fn push(&self, pass: &mut Pass<'_, Host>, a: &mut Batch<f64>, w: f64, grad: Option<GradSink<'_, Host>>) {
        let mut sums = [0.0; 6];
        for (b, point) in pass.tape.get::<Vec<Point>>().iter().enumerate() {
            let old = get(a, b);
            let u = point.solve_transposed([old[0] - w * point.slope, old[1]]);
            put(a, b, u);
            add(&mut sums, point.of_parameters(u.map(|u| -u), -w));
        }
        write(sums, grad);
    }

    /// MATH (2): a ← Jᵀ a + w ∇ℓ.
    fn pull_back(&self, pass: &mut Pass<'_, Host>, a: &mut Batch<f64>, w: f64, grad: Option<GradSink<'_, Host>>) {
        let mut sums = [0.0; 6];
        for (b, point) in pass.tape.get::<Vec<Point>>().iter().enumerate() {
            let old = get(a, b);
            let new = point.transpose_times(old);
            put(a, b, [new[0] + w * point.slope, new[1]]);
            add(&mut sums, point.of_parameters(old, w));
        }
        write(sums, grad);
    }
}

/// With this the inverse costs one line: its verbs are those of the layer, exchanged.
impl Solve<Host> for Bow {
    fn solve(&self, pass: &mut Pass<'_, Host>, y: &mut Batch<f64>, log_det: &mut Vec<f64>) {
        let points = pass.tape.get::<Vec<Point>>();
        points.clear();
        for (b, log_det) in log_det.iter_mut().enumerate() {
            let point = Point::from_y(get(y, b), pass.theta);
            put(y, b, point.x);
            *log_det -= point.log_det();
            points.push(point);
        }
    }
}

impl Invertible<Host> for Bow {
    fn inverse(&self) -> Box<dyn Invertible<Host>> {
        Box::new(Inverse::of(*self))
    }
}

fn add(sums: &mut [f64; 6], terms: [f64; 6]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

fn write(sums: [f64; 6], grad: Option<GradSink<'_, Host>>) {
    let Some(GradSink { into, accum }) = grad else { return };
    for (to, sum) in into.iter_mut().zip(sums) {
        *to = if accum == Accum::Add { *to + sum } else { sum };
    }
}

/// Sample `b` of a batch, which holds one degree of freedom per row.
fn get(batch: &Batch<f64>, b: usize) -> [f64; 2] {
    [batch.row(0)[b], batch.row(1)[b]]
}

fn put(batch: &mut Batch<f64>, b: usize, [first, second]: [f64; 2]) {
    batch.row_mut(0)[b] = first;
    batch.row_mut(1)[b] = second;
}

/// S = ½ x_0² + ½ (x_1 − x_0²)².
pub struct Banana;

impl Target<Host> for Banana {
    fn dof(&self) -> usize {
        2
    }

    fn action_and_force(&self, _: &Host, x: &Batch<f64>, action: &mut Vec<f64>, mut force: Option<&mut Batch<f64>>) {
        action.clear();
        if let Some(force) = &mut force {
            force.reshape(2, x.samples());
        }
        for b in 0..x.samples() {
            let [x_0, x_1] = get(x, b);
            let distance = x_1 - x_0 * x_0;
            action.push(0.5 * (x_0 * x_0 + distance * distance));
            if let Some(force) = &mut force {
                put(force, b, [-x_0 + 2.0 * x_0 * distance, -distance]);
            }
        }
    }
}

/// Exact draws from the banana, shape `[samples, 2]`: the data of the forward KL.
pub fn data(samples: usize, seed: u64) -> Array2<f64> {
    let mut x = Batch::zeros(2, samples);
    SampleStream::new(seed, 1, 0).fill_normals(0, &mut x);
    let mut x = x.to_samples();
    for mut x in x.rows_mut() {
        x[1] += x[0] * x[0];
    }
    x
}

/// Prints the gradients of all estimators: four of the reverse KL over the same base samples, three of the forward KL.
///
/// # Errors
/// If the device fails, which the processor doesn't.
pub fn main() -> Result<(), DeviceError> {
    let flow = Chain::new::<Host>(vec![Bow, Bow]);
    let layout = Layer::<Host>::params(&flow);
    let theta = layout.initialise(&mut Streams::new(1).next_stream());
    let x = data(4000, 1);
    let cut = Cut { micro_batch: 500, lanes: 8 };
    let mut engine = Engine::new(Host::all_cores(), flow, StandardNormal::new(2), Banana, cut);

    let names: Vec<&str> = layout.tensors().iter().map(|tensor| &*tensor.name).collect();
    println!("two elements each: {}", names.join(", "));
    let start = Start::Draw { stream: SampleStream::new(1, 0, 0), first: 0, samples: 4000 };
    for how in [ReverseKl::Reparam, ReverseKl::PathFast, ReverseKl::PathTwoPass, ReverseKl::PathTwoPassLean] {
        let gradient = engine.reverse_kl(how, &theta, start)?;
        println!("reverse KL, {:<16} loss {:.4}  gradient {:+.4?}", format!("{how:?}:"), gradient.loss, gradient.grad);
    }
    for how in [ForwardKl::MaxLikelihood, ForwardKl::PathFast, ForwardKl::Gdreg] {
        let gradient = engine.forward_kl(how, &theta, x.view())?;
        println!("forward KL, {:<16} loss {:.4}  gradient {:+.4?}", format!("{how:?}:"), gradient.loss, gradient.grad);
    }
    Ok(())
}
