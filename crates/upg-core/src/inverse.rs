//! T⁻¹ in terms of T, for layers that can solve y = T(x): the duality of the verbs, MATH (17).
//!
//! With x = T⁻¹(y), and J, ℓ of T at x:
//!
//! | verb of T⁻¹ at y | is the verb of T at x |
//! |---|---|
//! | `forward`: x, −ℓ | [`Solve::solve`] |
//! | `push(a, w)`: Jᵀ a + w ∇ℓ, ∂θ = (∂T/∂θ)ᵀ a + w ∂ℓ/∂θ | `pull_back(a, w)` |
//! | `pull_back(a, w)`: u = J^{-T} (a − w ∇ℓ), ∂θ = −[(∂T/∂θ)ᵀ u + w ∂ℓ/∂θ] | `push(a, w)` |

use crate::{
    device::Device,
    layer::{GradSink, Invertible, Layer, Pass},
    params::ParamLayout,
    workspace::Prepared,
};

/// The capability of solving y = T(x) for x.
pub trait Solve<D: Device>: Layer<D> {
    /// y ← x = T⁻¹(y), `log_det` −= ℓ(x), and leaves on the tape what [`Layer::forward`] would leave at x.
    fn solve(&self, pass: &mut Pass<'_, D>, y: &mut D::Batch, log_det: &mut D::PerSample);

    /// `solve` when nothing will be asked of the tape afterwards.
    fn solve_without_tape(&self, pass: &mut Pass<'_, D>, y: &mut D::Batch, log_det: &mut D::PerSample) {
        self.solve(pass, y, log_det);
    }
}

/// T⁻¹ of a layer T that can be solved. Parameters, and what is prepared of them, are those of T.
#[derive(Clone, Debug)]
pub struct Inverse<L> {
    layer: L,
}

impl<L> Inverse<L> {
    /// T⁻¹ of `layer`.
    pub fn of(layer: L) -> Self {
        Self { layer }
    }
}

impl<D: Device, L: Solve<D>> Layer<D> for Inverse<L> {
    fn dof(&self) -> usize {
        self.layer.dof()
    }

    fn params(&self) -> ParamLayout {
        self.layer.params()
    }

    fn prepare(&self, device: &D, theta: D::Params<'_>, prepared: &mut Prepared) {
        self.layer.prepare(device, theta, prepared);
    }

    fn forward(&self, pass: &mut Pass<'_, D>, y: &mut D::Batch, log_det: &mut D::PerSample) {
        self.layer.solve(pass, y, log_det);
    }

    fn push(&self, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64, grad: Option<GradSink<'_, D>>) {
        self.layer.pull_back(pass, cotangent, weight, grad);
    }

    fn pull_back(&self, pass: &mut Pass<'_, D>, cotangent: &mut D::Batch, weight: f64, grad: Option<GradSink<'_, D>>) {
        self.layer.push(pass, cotangent, weight, grad);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, D>, y: &mut D::Batch, log_det: &mut D::PerSample) {
        self.layer.solve_without_tape(pass, y, log_det);
    }
}

impl<D: Device, L: Solve<D> + Invertible<D> + Clone + 'static> Invertible<D> for Inverse<L> {
    fn inverse(&self) -> Box<dyn Invertible<D>> {
        Box::new(self.layer.clone())
    }
}
