//! Global scaling: y = x·e^σ, with one σ for all degrees of freedom, or one each.
//!
//! ℓ = Σ_i σ_i, independent of x. Push: s ← s·e^{−σ}. Pull back: ∂σ_i += Σ_samples (a_i y_i + w), a ← a·e^σ, y the output of `forward`.
//! The inverse multiplies by e^{−σ}: ℓ = −Σ σ_i, ∂σ_i += −Σ_samples (a_i x_i + w). The parameter `log_scale` has shape `[1]` or `[dof]`.

use upg_core::{Accum, Batch, Cpu, GradSink, Init, Invertible, Layer, ParamLayout, Pass, Real, Tensor};

/// How many scales there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scales {
    /// One σ for all degrees of freedom.
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

impl GlobalScaling {
    /// A scaling of `dof` degrees of freedom.
    pub fn new(dof: usize, scales: Scales) -> Self {
        Self { dof, scales, direction: Direction::Multiply }
    }

    /// log of the factor that row `i` is multiplied by: σ_i, or −σ_i for the inverse.
    fn log_factor<T: Real>(&self, theta: &[T], i: usize) -> T {
        self.signed(match self.scales {
            Scales::One => theta[0],
            Scales::PerDof => theta[i],
        })
    }

    /// The value for the forward direction, its negative for the inverse: ∂(log factor)/∂σ = ±1.
    fn signed<T: Real>(&self, value: T) -> T {
        match self.direction {
            Direction::Multiply => value,
            Direction::Divide => -value,
        }
    }
}

impl<T: Real> Layer<Cpu<T>> for GlobalScaling {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        let scales = match self.scales {
            Scales::One => 1,
            Scales::PerDof => self.dof,
        };
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("log_scale", [scales], Init::Constant(0.0)));
        layout
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        assert_eq!(x.rows(), self.dof, "rows of x, and degrees of freedom of the layer");
        let mut sum = 0.0;
        for i in 0..self.dof {
            let log_factor = self.log_factor(pass.theta, i);
            let factor = log_factor.exp();
            x.row_mut(i).iter_mut().for_each(|x| *x *= factor);
            sum += log_factor.wide();
        }
        log_det.iter_mut().for_each(|log_det| *log_det += sum);
        pass.tape.get::<Batch<T>>().copy_from(x);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.multiply(cotangent, |i| -self.log_factor(pass.theta, i));
        self.add_gradient(-T::one(), cotangent, pass.tape.get(), weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        self.add_gradient(T::one(), cotangent, pass.tape.get(), weight, grad);
        self.multiply(cotangent, |i| self.log_factor(pass.theta, i));
    }
}

impl GlobalScaling {
    /// Multiplies row i by the exponential of `log_factor(i)`.
    fn multiply<T: Real>(&self, batch: &mut Batch<T>, log_factor: impl Fn(usize) -> T) {
        for i in 0..self.dof {
            let factor = log_factor(i).exp();
            batch.row_mut(i).iter_mut().for_each(|x| *x *= factor);
        }
    }

    /// ∂σ_i (+)= factor Σ (a_i y_i + w), with the opposite sign for the inverse.
    fn add_gradient<T: Real>(
        &self,
        factor: T,
        a: &Batch<T>,
        y: &Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        for i in 0..self.dof {
            let products = a.row(i).iter().zip(y.row(i)).map(|(&a, &y)| (a * y).wide() + weight);
            let at = i.min(into.len() - 1);
            into[at] += factor * self.signed(T::of(products.sum()));
        }
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
