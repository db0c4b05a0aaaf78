//! Global scaling: y = x·e^σ, with one σ for all degrees of freedom, or one each.
//!
//! ℓ = Σ_i σ_i, independent of x. With y the output of `forward`:
//!
//! - push: a ← u = a·e^{−σ}, ∂σ_i (+)= −Σ_samples (u_i y_i + w);
//! - pull back: ∂σ_i (+)= Σ_samples (a_i y_i + w) with the old a, a ← a·e^σ.
//!
//! The inverse multiplies by e^{−σ}: the same with −σ. The parameter `log_scale` has shape `[1]` or `[dof]`.

use upg_core::{Accum, Batch, Cpu, GradSink, Init, Invertible, Layer, ParamLayout, Pass, Prepared, Real, Tensor};

/// The number of scales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename = "scales"))]
pub enum Scales {
    /// One σ for all degrees of freedom.
    #[default]
    One,
    /// One σ for each.
    PerDof,
}

/// y = x·e^σ, starting at σ = 0.
#[derive(Clone, Copy, Debug)]
pub struct GlobalScaling {
    dof: usize,
    scales: Scales,
    direction: Direction,
}

/// Whether the layer multiplies by e^σ or divides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Multiply,
    Divide,
}

/// The factors of the rows of x: e^σ, or e^{−σ} for the inverse.
#[derive(Debug, Default)]
struct Factors<T> {
    /// One or one each.
    factor: Vec<T>,
    /// 1/factor.
    reciprocal: Vec<T>,
    log_det: f64,
}

impl GlobalScaling {
    /// A scaling of `dof` degrees of freedom.
    pub fn new(dof: usize, scales: Scales) -> Self {
        Self { dof, scales, direction: Direction::Multiply }
    }

    fn parameters(&self) -> usize {
        match self.scales {
            Scales::One => 1,
            Scales::PerDof => self.dof,
        }
    }

    /// ∂(log of the factor)/∂σ: 1, or −1 for the inverse.
    fn slope<T: Real>(&self) -> T {
        match self.direction {
            Direction::Multiply => T::one(),
            Direction::Divide => -T::one(),
        }
    }
}

impl<T: Real> Layer<Cpu<T>> for GlobalScaling {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("log_scale", [self.parameters()], Init::Constant(0.0)));
        layout
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        assert_eq!(theta.len(), self.parameters(), "parameters given, and scales");
        let Factors { factor, reciprocal, log_det } = prepared.get_mut::<Factors<T>>();
        let of = |slope: T| theta.iter().map(move |&sigma| (slope * sigma).exp());
        factor.clear();
        factor.extend(of(self.slope()));
        reciprocal.clear();
        reciprocal.extend(of(-self.slope::<T>()));
        let repeated = (self.dof / theta.len()) as f64;
        *log_det = repeated * theta.iter().map(|&sigma| (self.slope::<T>() * sigma).wide()).sum::<f64>();
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        self.forward_without_tape(pass, x, log_det);
        pass.tape.get::<Batch<T>>().copy_from(x);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        multiply(cotangent, &pass.prepared.get::<Factors<T>>().reciprocal);
        add_gradient(-self.slope::<T>(), cotangent, pass.tape.get(), weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        add_gradient(self.slope::<T>(), cotangent, pass.tape.get(), weight, grad);
        multiply(cotangent, &pass.prepared.get::<Factors<T>>().factor);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom of the layer");
        let factors = pass.prepared.get::<Factors<T>>();
        multiply(x, &factors.factor);
        log_det.iter_mut().for_each(|log_det| *log_det += factors.log_det);
    }
}

impl<T: Real> Invertible<Cpu<T>> for GlobalScaling {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        let direction = match self.direction {
            Direction::Multiply => Direction::Divide,
            Direction::Divide => Direction::Multiply,
        };
        Box::new(Self { direction, ..*self })
    }
}

/// Multiplies the rows by their factors, or all by the only one.
fn multiply<T: Real>(batch: &mut Batch<T>, factors: &[T]) {
    for i in 0..batch.rows() {
        let factor = factors[i.min(factors.len() - 1)];
        batch.row_mut(i).iter_mut().for_each(|x| *x *= factor);
    }
}

/// ∂σ_i (+)= `factor` Σ_samples (a_i y_i + w), if there is a sink.
fn add_gradient<T: Real>(factor: T, a: &Batch<T>, y: &Batch<T>, w: f64, grad: Option<GradSink<'_, Cpu<T>>>) {
    let Some(GradSink { into, accum }) = grad else { return };
    if accum == Accum::Replace {
        into.fill(T::zero());
    }
    for i in 0..a.rows() {
        let terms = a.row(i).iter().zip(y.row(i)).map(|(&a, &y)| (a * y).wide() + w);
        let at = i.min(into.len() - 1);
        into[at] += factor * T::of(terms.sum());
    }
}
