//! Derivatives of layers and of functions of parameters by finite differences, in the shapes the verbs use.

use crate::{
    domain::Domain,
    finite::{self, Estimate},
    runner::Runner,
    tolerance::{Tolerance, assert_close_on_scale, largest},
};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::RngExt;
use upg_core::{ParamLayout, Rng};

/// The first derivatives of a layer at the samples of one batch.
pub struct Derivatives {
    /// The samples, shape `[batch, dof]`.
    pub x: Array2<f64>,
    /// J = ∂T/∂x of every sample, shape `[dof, dof]`, rows are outputs.
    pub jacobian: Vec<Array2<f64>>,
    /// ∇ℓ, shape `[batch, dof]`.
    pub grad_log_det: Array2<f64>,
}

impl Derivatives {
    /// By central differences of `forward` alone, at the first `batch` of `candidates` (shape `[any, dof]`) that allow them: well if possible.
    ///
    /// A sample closer than the smallest step to a kink (of a leaky ReLU, say) has no derivative to compare with, and one just a little
    /// farther has one along few directions. (The best samples are no choice: where a net is dead, differences are exact.)
    ///
    /// # Panics
    /// If fewer than `batch` candidates remain.
    #[track_caller]
    pub fn of(runner: &mut Runner<'_, f64>, domain: Domain, candidates: &Array2<f64>, batch: usize) -> Self {
        Self::chosen(runner, domain, candidates, batch, |_| 1.0)
    }

    /// Those to solve with: an error grows with the condition of J on the way through J⁻¹, so that is what a candidate is chosen by.
    ///
    /// # Panics
    /// If fewer than `batch` candidates remain.
    #[track_caller]
    pub fn to_solve_with(runner: &mut Runner<'_, f64>, domain: Domain, candidates: &Array2<f64>, batch: usize) -> Self {
        Self::chosen(runner, domain, candidates, batch, |jacobian| crate::dense::condition(jacobian.view()))
    }

    /// Chosen by the estimated errors, which what is done with J makes `larger`.
    #[track_caller]
    fn chosen(
        runner: &mut Runner<'_, f64>,
        domain: Domain,
        candidates: &Array2<f64>,
        batch: usize,
        larger: impl Fn(&Array2<f64>) -> f64,
    ) -> Self {
        let (count, dof) = candidates.dim();
        let mut jacobian = vec![Array2::zeros((dof, dof)); count];
        let mut grad_log_det = Array2::zeros((count, dof));
        let mut worst = vec![0.0_f64; count];
        for j in 0..dof {
            let mut unit = Array2::zeros((count, dof));
            unit.column_mut(j).fill(1.0);
            let along = Along::of(runner, domain, candidates, &unit);
            for (b, jacobian) in jacobian.iter_mut().enumerate() {
                jacobian.column_mut(j).assign(&along.y.row(b));
                worst[b] = worst[b].max(along.error[b]);
            }
            grad_log_det.column_mut(j).assign(&along.log_det);
        }
        for (worst, jacobian) in worst.iter_mut().zip(&jacobian) {
            *worst *= larger(jacobian) / jacobian.fold(0.0, |largest, element| element.abs().max(largest));
        }
        let bound = Tolerance::differences().bound();
        let mut kept: Vec<usize> = (0..count).filter(|&b| worst[b] <= bound).collect();
        kept.sort_by_key(|&b| worst[b] > 0.1 * bound); // stable
        kept.truncate(batch);
        assert_eq!(kept.len(), batch, "samples with derivatives, of {count}; estimated relative errors {worst:?}");
        Self {
            x: candidates.select(Axis(0), &kept),
            jacobian: kept.iter().map(|&b| jacobian[b].clone()).collect(),
            grad_log_det: grad_log_det.select(Axis(0), &kept),
        }
    }

    /// Jᵀ a of every sample, shape `[batch, dof]`.
    pub fn transpose_times(&self, a: &Array2<f64>) -> Array2<f64> {
        self.for_every_sample(a, |jacobian, a| jacobian.t().dot(&a))
    }

    /// |J|ᵀ |a| of every sample: the size of the terms that Jᵀ a sums up.
    pub fn transpose_times_absolute(&self, a: &Array2<f64>) -> Array2<f64> {
        self.for_every_sample(a, |jacobian, a| jacobian.t().abs().dot(&a.abs()))
    }

    /// `f` of J and a, sample by sample, shape `[batch, dof]`.
    pub fn for_every_sample(
        &self,
        a: &Array2<f64>,
        f: impl Fn(&Array2<f64>, ArrayView1<'_, f64>) -> Array1<f64>,
    ) -> Array2<f64> {
        let mut out = Array2::zeros(a.dim());
        for (b, jacobian) in self.jacobian.iter().enumerate() {
            out.row_mut(b).assign(&f(jacobian, a.row(b)));
        }
        out
    }

    /// The largest condition number of the Jacobians.
    pub fn condition(&self) -> f64 {
        self.jacobian.iter().map(|j| crate::dense::condition(j.view())).fold(1.0, f64::max)
    }
}

/// The derivative of a layer along one direction per sample.
pub struct Along {
    /// J v, shape `[batch, dof]`.
    pub y: Array2<f64>,
    /// ∇ℓ · v, one per sample.
    pub log_det: Array1<f64>,
    /// The largest estimated error of a sample.
    pub error: Vec<f64>,
}

impl Along {
    /// By central differences of T(x + t v), v of shape `[batch, dof]`.
    pub fn of(runner: &mut Runner<'_, f64>, domain: Domain, x: &Array2<f64>, v: &Array2<f64>) -> Self {
        let centre = runner.forward(x).y;
        let moved = |t: f64| {
            let mapped = runner.forward(&(x + &(t * v)).mapv(|x| domain.wrap(x)));
            let y = domain.all_near(&mapped.y, &centre);
            y.into_iter().chain(mapped.log_det).collect()
        };
        let Estimate { value, error } = finite::velocity(moved, 0.0);
        let split = |mut all: Vec<f64>| {
            let log_det = Array1::from(all.split_off(x.len()));
            (Array2::from_shape_vec(x.dim(), all).expect("one derivative for each element of y"), log_det)
        };
        let ((y, log_det), (of_y, of_log_det)) = (split(value), split(error));
        let error = of_y.rows().into_iter().zip(&of_log_det).map(|(y, &l)| y.fold(l, |m, &e| m.max(e))).collect();
        Self { y, log_det, error }
    }

    /// The samples whose derivative is reliable: no kink lies at them.
    ///
    /// # Panics
    /// If they are fewer than half.
    #[track_caller]
    pub fn reliable(&self) -> Vec<usize> {
        let bound = |b: usize| Tolerance::differences().bound() * largest(&self.y.row(b).to_vec());
        let kept: Vec<usize> = (0..self.error.len()).filter(|&b| self.error[b] <= bound(b)).collect();
        assert!(2 * kept.len() >= self.error.len(), "estimated errors {:?}", self.error);
        kept
    }
}

/// ⟨a, y⟩ of every sample as ⟨a, centre⟩ + ⟨a, y − centre⟩: what didn't move adds no round-off to the second sum.
pub fn inner_products(a: &Array2<f64>, y: &Array2<f64>, centre: &Array2<f64>) -> Array1<f64> {
    (centre * a).sum_axis(Axis(1)) + ((y - centre) * a).sum_axis(Axis(1))
}

/// Elements of each tensor that are differentiated one by one.
const ELEMENTS: usize = 24;
/// Random directions through all parameters at once, and how many are tried for them: a direction moves every kink of a net.
const DIRECTIONS: usize = 3;
const TRIED: usize = 24;
/// A tensor whose gradient is below this fraction of the largest is compared on that scale: finite differences don't see below. (With the bound of
/// 1e-9 a part in 1e8 of such a tensor is still seen.)
const NEGLIGIBLE: f64 = 0.1;

/// The gradients of one function of θ at every sample of a batch, `[sample][parameter]`, under the name of what they are.
pub struct Gradients {
    /// Named where they are wrong.
    pub what: String,
    /// ∇f_b(θ) of every sample b.
    pub of_samples: Vec<Vec<f64>>,
}

/// Asserts that `grad` is ∇f(θ), as [`assert_gradients`] does.
#[track_caller]
pub fn assert_gradient(
    what: &str,
    rng: &mut Rng,
    layout: &ParamLayout,
    theta: &[f64],
    grad: &[f64],
    mut f: impl FnMut(&[f64]) -> f64,
) {
    assert_gradients(what, rng, layout, theta, &[grad.to_vec()], |theta| vec![f(theta)]);
}

/// Asserts that `grads[b]` is ∇f_b(θ) for every b, as [`assert_all_gradients`] does.
#[track_caller]
pub fn assert_gradients(
    what: &str,
    rng: &mut Rng,
    layout: &ParamLayout,
    theta: &[f64],
    grads: &[Vec<f64>],
    f: impl FnMut(&[f64]) -> Vec<f64>,
) {
    assert_all_gradients(rng, layout, theta, [&Gradients { what: what.into(), of_samples: grads.to_vec() }], f);
}

/// Asserts that the gradients are those of the functions whose values `f` gives, one function after the other, sample by sample: up to 24 elements
/// of each tensor one by one, and all of them along random directions.
///
/// With one value per sample a kink (of a leaky ReLU, say) spoils the derivative of the few samples that lie at it, not of the whole
/// batch. Derivatives that finite differences can't tell are left out: of each function at most half of the elements, and as many directions
/// as it takes to find three others for a sample, on average.
#[track_caller]
pub fn assert_all_gradients<'a>(
    rng: &mut Rng,
    layout: &ParamLayout,
    theta: &[f64],
    grads: impl IntoIterator<Item = &'a Gradients>,
    mut f: impl FnMut(&[f64]) -> Vec<f64>,
) {
    let values = f(theta);
    let mut functions = Function::all(grads, &values, theta.len());
    for (tensor, range) in layout.ranges().filter(|(_, range)| !range.is_empty()) {
        for i in choose(rng, range) {
            let slopes = slopes(&mut f, theta, &unit(theta.len(), i));
            functions.iter_mut().for_each(|function| function.push(&slopes, |grad| (grad[i], grad[i].abs())));
        }
        for function in &mut functions {
            let least = function.pairs.error.len().div_ceil(2);
            function.assert_close(&format!("d/d {}", tensor.name), least);
        }
    }
    for _ in 0..TRIED {
        let v: Vec<f64> = theta.iter().map(|_| rng.random_range(-1.0..=1.0)).collect();
        let slopes = slopes(&mut f, theta, &v);
        let along = |grad: &[f64]| {
            let terms = grad.iter().zip(&v).map(|(g, v)| g * v);
            (terms.clone().sum(), terms.map(f64::abs).sum())
        };
        functions.iter_mut().for_each(|function| function.push(&slopes, along));
        if functions.iter().all(Function::has_enough) {
            break;
        }
    }
    functions.iter_mut().for_each(|function| function.assert_close("along random directions", function.enough()));
}

/// One function of θ at every sample, and what was found of its derivatives.
struct Function<'a> {
    grads: &'a Gradients,
    /// Where its values begin among those of all functions.
    first: usize,
    /// What its derivatives are compared on at least.
    floor: f64,
    scale: f64,
    pairs: Pairs,
}

impl<'a> Function<'a> {
    /// All of them, where their values are `values`.
    #[track_caller]
    fn all(grads: impl IntoIterator<Item = &'a Gradients>, values: &[f64], parameters: usize) -> Vec<Self> {
        let mut first = 0;
        let function = |grads: &'a Gradients| {
            let Gradients { what, of_samples } = grads;
            for grad in of_samples {
                assert_eq!(grad.len(), parameters, "{what}: elements of a gradient, and parameters");
            }
            let values = &values[first..first + of_samples.len()];
            let floor = match of_samples.iter().map(|grad| largest(grad)).fold(0.0, f64::max) {
                0.0 => largest(values), // a net that is dead at all samples: constant, on the scale of its values
                of_all => NEGLIGIBLE * of_all,
            };
            let function = Self { grads, first, floor, scale: floor, pairs: Pairs::default() };
            first += of_samples.len();
            function
        };
        let functions = grads.into_iter().map(function).collect();
        assert_eq!(first, values.len(), "gradients, and functions");
        functions
    }

    /// One more derivative: of every gradient `of` it and the size of its terms, beside the numeric ones of all functions.
    fn push(&mut self, slopes: &Estimate<Vec<f64>>, of: impl Fn(&[f64]) -> (f64, f64)) {
        for (grad, at) in self.grads.of_samples.iter().zip(self.first..) {
            let (analytic, size) = of(grad);
            self.scale = self.scale.max(size);
            self.pairs.push(analytic, slopes.value[at], slopes.error[at]);
        }
    }

    /// How many derivatives along random directions are asked for.
    fn enough(&self) -> usize {
        DIRECTIONS * self.grads.of_samples.len()
    }

    fn has_enough(&self) -> bool {
        self.pairs.kept(self.scale).len() >= self.enough()
    }

    /// Asserts that those of the derivatives pushed that can be told, at least `least`, are close; and begins anew.
    #[track_caller]
    fn assert_close(&mut self, of: &str, least: usize) {
        self.pairs.assert_close(&format!("{}, {of}", self.grads.what), self.scale, least);
        (self.scale, self.pairs) = (self.floor, Pairs::default());
    }
}

/// Analytic derivatives beside numeric ones.
#[derive(Default)]
struct Pairs {
    analytic: Vec<f64>,
    numeric: Vec<f64>,
    error: Vec<f64>,
}

impl Pairs {
    fn push(&mut self, analytic: f64, numeric: f64, error: f64) {
        self.analytic.push(analytic);
        self.numeric.push(numeric);
        self.error.push(error);
    }

    /// Which of them finite differences could tell.
    fn kept(&self, scale: f64) -> Vec<usize> {
        let bound = Tolerance::differences().bound() * scale;
        (0..self.error.len()).filter(|&i| self.error[i] <= bound).collect()
    }

    /// Asserts that those kept, at least `least`, are close.
    #[track_caller]
    fn assert_close(&self, what: &str, scale: f64, least: usize) {
        let (tolerance, kept) = (Tolerance::differences(), self.kept(scale));
        let of = |all: &[f64]| kept.iter().map(|&i| all[i]).collect::<Vec<_>>();
        assert!(kept.len() >= least, "{what}: estimated errors {:?} on a scale of {scale:e}", self.error);
        assert_close_on_scale(what, &of(&self.analytic), &of(&self.numeric), scale, tolerance);
    }
}

/// df_b(θ + t v)/dt at t = 0 for every b.
fn slopes(f: &mut impl FnMut(&[f64]) -> Vec<f64>, theta: &[f64], v: &[f64]) -> Estimate<Vec<f64>> {
    let mut at = theta.to_vec();
    let moved = |t: f64| {
        for ((at, theta), v) in at.iter_mut().zip(theta).zip(v) {
            *at = theta + t * v;
        }
        f(&at)
    };
    finite::velocity(moved, 0.0)
}

fn unit(len: usize, i: usize) -> Vec<f64> {
    let mut unit = vec![0.0; len];
    unit[i] = 1.0;
    unit
}

/// Some of the indices in `range`, or all if they are few.
fn choose(rng: &mut Rng, range: std::ops::Range<usize>) -> Vec<usize> {
    if range.len() <= ELEMENTS {
        return range.collect();
    }
    (0..ELEMENTS).map(|_| rng.random_range(range.clone())).collect()
}
