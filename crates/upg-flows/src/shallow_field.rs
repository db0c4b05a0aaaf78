//! A vector field on any numbers: one hidden layer of tanh, whose units have gates in time.
//!
//! MATH (35), with h = W₁ x + b + c t, gates γ_k(t) = Σ_j u_{jk} cos πjt, and M_k = Σ_i W₂,ik W₁,ki:
//!
//! f = W₂ (γ ∘ tanh h),  div f = Σ_k γ_k M_k tanh'(h_k),
//!
//! so the divergence is exact at the cost of one pass. For a covector a and a weight w of div f, with r = W₂ᵀ a:
//!
//! - v = γ ∘ (r ∘ tanh'(h) + w M ∘ tanh''(h)), (∂f/∂x)ᵀ a + w ∇div f = W₁ᵀ v;
//! - ∂W₁ = v xᵀ, ∂b = Σ v, ∂c = t Σ v, ∂W₂ = a (γ ∘ tanh h)ᵀ, ∂u_{jk} = cos πjt Σ (r_k tanh h_k + w M_k tanh'(h_k));
//! - ∂M_k = w γ_k Σ tanh'(h_k), from which ∂W₁,ki += ∂M_k W₂,ik and ∂W₂,ik += ∂M_k W₁,ki.
//!
//! Multiply-adds: 2·dof·width for a value, as many to pull back, and for ∂θ. Parameters: `input.weight` W₁ `[width, dof]`, `input.bias` b, `input.time` c
//! `[width]`, `gate` u `[K, width]`, `output.weight` W₂ `[dof, width]`. At the start W₂ = 0, the identity, and γ = 1.
//! Source: R. T. Q. Chen et al., arXiv:1806.07366, section 4 (planar continuous flows).

mod kernels;

use crate::{
    continuous::{Covector, Moment, VectorField, fill_basis},
    linear,
    matmul::Mat,
};
use kernels::{Hidden, fill_covector, fill_hidden};
use std::ops::Range;
use upg_core::{Accum, Batch, Init, ParamLayout, Real, Tensor};

/// The field of a net of one hidden layer.
#[derive(Clone, Debug)]
pub struct ShallowField {
    dof: usize,
    width: usize,
    /// K.
    times: usize,
}

/// What is prepared of θ.
#[derive(Debug, Default)]
pub struct Gates<T> {
    /// cos πjt, `[time][j]`.
    basis: Vec<T>,
    /// γ_k, `[time][k]`.
    gates: Vec<T>,
    /// M.
    trace: Vec<T>,
}

/// Hidden values and their covectors, `[width, samples]`.
#[derive(Debug, Default)]
pub struct HiddenMemory<T: Real> {
    /// tanh h.
    hidden: Batch<T>,
    /// γ ∘ tanh h.
    gated: Batch<T>,
    /// r, then v.
    covector: Batch<T>,
    transposed: Batch<T>,
}

/// The tensors of a field of so many degrees of freedom, of this width, with so many functions of time.
pub(crate) fn params([dof, width, times]: [usize; 3]) -> ParamLayout {
    let uniform = Init::Uniform { bound: (dof as f64).sqrt().recip() };
    let open = (0..times * width).map(|i| if i < width { 1.0 } else { 0.0 }).collect();
    let mut layout = ParamLayout::default();
    layout.push(Tensor::new("input.weight", [width, dof], uniform.clone()));
    layout.push(Tensor::new("input.bias", [width], uniform));
    layout.push(Tensor::new("input.time", [width], Init::Constant(0.0)));
    layout.push(Tensor::new("gate", [times, width], Init::Each(open)));
    layout.push(Tensor::new("output.weight", [dof, width], Init::Constant(0.0)));
    layout
}

/// The parts of a flat buffer.
struct Parts {
    input: Range<usize>,
    bias: Range<usize>,
    time: Range<usize>,
    gate: Range<usize>,
    output: Range<usize>,
    /// ∂M, among the sums alone.
    trace: Range<usize>,
}

impl ShallowField {
    /// A field of `width` hidden units with `times` functions of time.
    ///
    /// # Panics
    /// If one of the three is 0.
    #[track_caller]
    pub fn new(dof: usize, width: usize, times: usize) -> Self {
        assert!(dof * width * times > 0, "dof = {dof}, width = {width}, times = {times}: at least 1 each");
        Self { dof, width, times }
    }

    fn parts(&self) -> Parts {
        let Self { dof, width, times } = *self;
        let mut end = 0;
        let mut next = |len: usize| {
            end += len;
            end - len..end
        };
        Parts {
            input: next(width * dof),
            bias: next(width),
            time: next(width),
            gate: next(times * width),
            output: next(dof * width),
            trace: next(width),
        }
    }

    fn input<'a, T: Real>(&self, theta: &'a [T]) -> Mat<'a, T> {
        Mat::new(&theta[self.parts().input], self.width, self.dof)
    }

    fn output<'a, T: Real>(&self, theta: &'a [T]) -> Mat<'a, T> {
        Mat::new(&theta[self.parts().output], self.dof, self.width)
    }

    fn gates<'a, T: Real>(&self, at: &Moment<'a, T, Gates<T>>) -> &'a [T] {
        &at.prepared.gates[at.index * self.width..][..self.width]
    }

    /// tanh h.
    fn fill_hidden<T: Real>(&self, at: &Moment<'_, T, Gates<T>>, x: &Batch<T>, hidden: &mut Batch<T>) {
        let (parts, t) = (self.parts(), T::of(at.time));
        let (b, c) = (&at.theta[parts.bias], &at.theta[parts.time]);
        hidden.reshape(self.width, x.samples());
        linear::apply(hidden, self.input(at.theta), x, |k, _, row| fill_hidden(b[k] + c[k] * t, row));
    }
}

impl<T: Real> VectorField<T> for ShallowField {
    type Prepared = Gates<T>;
    type Memory = HiddenMemory<T>;

    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        params([self.dof, self.width, self.times])
    }

    fn prepare(&self, theta: &[T], times: &[f64], prepared: &mut Gates<T>) {
        let Gates { basis, gates, trace } = prepared;
        let u = &theta[self.parts().gate];
        fill_basis(times, self.times, basis);
        gates.clear();
        for basis in basis.chunks_exact(self.times) {
            let gate = |k: usize| basis.iter().zip(u.chunks_exact(self.width)).map(|(&c, u)| c * u[k]).sum::<T>();
            gates.extend((0..self.width).map(gate));
        }
        let (input, output) = (self.input(theta), self.output(theta));
        trace.clear();
        trace.extend((0..self.width).map(|k| (0..self.dof).map(|i| output.at(i, k) * input.at(k, i)).sum::<T>()));
    }

    fn evaluate(
        &self,
        at: &Moment<'_, T, Gates<T>>,
        x: &Batch<T>,
        velocity: &mut Batch<T>,
        divergence: &mut [f64],
        memory: &mut HiddenMemory<T>,
    ) {
        let HiddenMemory { hidden, gated, .. } = memory;
        self.fill_hidden(at, x, hidden);
        gated.copy_from(hidden);
        divergence.fill(0.0);
        for (k, &gate) in self.gates(at).iter().enumerate() {
            kernels::gate(gate, at.prepared.trace[k], gated.row_mut(k), divergence);
        }
        linear::apply(velocity, self.output(at.theta), gated, |_, _, _| ());
    }

    fn pull_back(
        &self,
        at: &Moment<'_, T, Gates<T>>,
        x: &Batch<T>,
        covector: Covector<'_, T>,
        out: &mut Batch<T>,
        mut sums: Option<&mut [T]>,
        memory: &mut HiddenMemory<T>,
    ) {
        self.fill_hidden(at, x, &mut memory.hidden);
        let HiddenMemory { hidden, gated, covector: v, transposed } = memory;
        v.reshape(self.width, x.samples());
        linear::apply_transposed(v, self.output(at.theta), covector.a, transposed, |_, _, _| ());
        gated.copy_from(hidden);
        for (k, &gate) in self.gates(at).iter().enumerate() {
            let unit = Hidden { gate, trace: at.prepared.trace[k], weights: covector.weights };
            let of_unit = fill_covector(unit, hidden.row(k), gated.row_mut(k), v.row_mut(k));
            if let Some(sums) = &mut sums {
                self.add_unit(at, k, of_unit, sums);
            }
        }
        if let Some(sums) = sums {
            let parts = self.parts();
            linear::gradient(&mut sums[parts.input], v, x, Accum::Add);
            linear::gradient(&mut sums[parts.output], covector.a, gated, Accum::Add);
        }
        linear::apply_transposed(out, self.input(at.theta), v, transposed, |_, _, _| ());
    }

    /// ∂θ by way of the hidden layer, then ∂M.
    fn sums(&self, _: usize) -> usize {
        self.parts().trace.end
    }

    fn reduce(&self, theta: &[T], _: &Gates<T>, sums: &[T], accum: Accum, into: &mut [T]) {
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        into.iter_mut().zip(sums).for_each(|(into, &sum)| *into += sum);
        let parts = self.parts();
        for (k, &of_trace) in sums[parts.trace].iter().enumerate() {
            for i in 0..self.dof {
                into[parts.input.start + k * self.dof + i] += of_trace * self.output(theta).at(i, k);
                into[parts.output.start + i * self.width + k] += of_trace * self.input(theta).at(k, i);
            }
        }
    }
}

impl ShallowField {
    /// ∂b, ∂c, ∂u and ∂M of unit k.
    fn add_unit<T: Real>(&self, at: &Moment<'_, T, Gates<T>>, k: usize, of_unit: kernels::UnitSums<T>, sums: &mut [T]) {
        let parts = self.parts();
        sums[parts.bias.start + k] += of_unit.covector;
        sums[parts.time.start + k] += of_unit.covector * T::of(at.time);
        sums[parts.trace.start + k] += of_unit.trace;
        for (j, &c) in at.prepared.basis[at.index * self.times..][..self.times].iter().enumerate() {
            sums[parts.gate.start + j * self.width + k] += c * of_unit.gate;
        }
    }
}
