//! Linear layer by its LU factors, over all degrees of freedom or over the channels of cells: y = W x + b, W = P L U.
//!
//! x `[n]`; P a fixed permutation, L lower triangular with 1 on the diagonal, U upper triangular with ±e^{d_i} on it, the signs fixed.
//! ℓ = Σ_i d_i. With u = U x, and covectors ā at L u, ū at u, MATH (27):
//!
//! - pull back: ā = Pᵀa, ū = Lᵀā, a ← Uᵀū, and ∂L = ā uᵀ below the diagonal, ∂U = ū xᵀ above it, ∂d_i = U_ii ū_i x_i + w, ∂b = a;
//! - push: ū = U⁻ᵀa, ā = L⁻ᵀū, a ← P ā, and minus the same gradients.
//!
//! On a lattice that is cut into cells, the n sites of a cell are the channels of one W that all cells share: a convolution with a window of
//! one cell. A cell is one more sample then. Products and solves are n² multiply-adds, by [`triangular`](crate::triangular); everything that
//! needs a gradient, n² more. Source: D. Kingma, P. Dhariwal, arXiv:1807.03039, section 3.2.

use crate::{
    error::{FlowError, require},
    linear::sum,
    mlp::{Bias, StartAt},
    permutation::{Order, inverted},
    triangular::{Form, Side, Triangle},
};
use std::{ops::Range, sync::Arc};
use upg_core::{
    Accum, Batch, Cpu, GradSink, Init, Inverse, Invertible, Layer, ParamLayout, Pass, Prepared, Real, Solve, Tensor,
};

/// y = P L U x + b.
#[derive(Clone, Debug)]
pub struct LuLinear {
    channels: usize,
    places: Arc<Places>,
    bias: Bias,
    start: StartAt,
}

/// Where channels lie, and what is fixed about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Flat index of x for row j·cells + cell.
    pub inputs: Vec<usize>,
    /// Flat index of y for row j of L u and a cell, P included.
    pub outputs: Vec<usize>,
    /// The channel of y that row j of L u becomes.
    pub channel_of_row: Vec<usize>,
    /// Rows whose diagonal element of U is negative.
    pub is_negative: Vec<bool>,
}

/// The choices of a linear layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LuChoices {
    /// Extents of the cells; `None`: all degrees of freedom are the channels of one.
    pub cells: Option<Vec<usize>>,
    /// P: channel i of y is row order(i) of L U x.
    pub order: Order,
    /// Rows of U with a negative element on the diagonal.
    pub negative: Vec<usize>,
    /// Whether there is a b.
    pub bias: Bias,
    /// The first L and U: the identity, or with elements in ±1/√n off the diagonal. d and b start at 0.
    pub start: StartAt,
}

/// Ranges of the parameters in the flat buffer.
struct Ranges {
    lower: Range<usize>,
    upper: Range<usize>,
    log_diagonal: Range<usize>,
    bias: Range<usize>,
}

/// L and U.
#[derive(Debug, Default)]
struct Factors<T> {
    lower: Triangle<T>,
    upper: Triangle<T>,
    /// Of one sample: Σ d over all cells.
    log_det: f64,
}

/// x and U x, rows as they lie in W.
#[derive(Debug, Default)]
struct Tape<T: Real> {
    x: Batch<T>,
    u: Batch<T>,
}

/// Covectors ū and ā (or the rows of y), and a panel.
#[derive(Debug, Default)]
struct Scratch<T: Real> {
    at_u: Batch<T>,
    at_y: Batch<T>,
    panel: Batch<T>,
    /// For a pass without a tape.
    spare: Tape<T>,
}

/// The gradient of the verb itself, or minus it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

/// The number of channels of a cell: of the whole sample where there are no cells.
///
/// # Errors
/// If cells don't fill the lattice, or have fewer than two sites.
pub fn channels(cells: Option<&[usize]>, shape: &[usize]) -> Result<usize, FlowError> {
    let n = cells.unwrap_or(shape).iter().product();
    let Some(cells) = cells else {
        return require(n >= 2, "shape", shape, "extents of at least 1, two sites in all").map(|()| n);
    };
    let fits = |(&extent, &cell): (&usize, &usize)| cell > 0 && extent.is_multiple_of(cell);
    let fit = cells.len() == shape.len() && shape.iter().zip(cells).all(fits);
    require(fit && n >= 2, "cells", cells, "extents that divide those of the lattice, two sites in all").map(|()| n)
}

/// The parameters of a layer with n channels.
pub fn params(n: usize, bias: Bias, start: StartAt) -> ParamLayout {
    let init = match start {
        StartAt::Random => Init::Uniform { bound: (n as f64).sqrt().recip() },
        StartAt::Identity => Init::Constant(0.0),
    };
    let mut layout = ParamLayout::default();
    layout.push(Tensor::new("lower", [n * (n - 1) / 2], init.clone()));
    layout.push(Tensor::new("upper", [n * (n - 1) / 2], init));
    layout.push(Tensor::new("log_diagonal", [n], Init::Constant(0.0)));
    if bias == Bias::Yes {
        layout.push(Tensor::new("bias", [n], Init::Constant(0.0)));
    }
    layout
}

/// Place in `lower` of the first element of row i.
fn start_of_lower_row(i: usize) -> usize {
    i * i.saturating_sub(1) / 2
}

/// Place in `upper` of the first element of row i, that at column i + 1.
fn start_of_upper_row(i: usize, n: usize) -> usize {
    i * (2 * n - i - 1) / 2
}

impl Places {
    /// Those of samples of this shape.
    ///
    /// # Errors
    /// If cells don't fill the lattice, the order isn't one of the channels, or there is no such row.
    pub fn new(choices: &LuChoices, shape: &[usize]) -> Result<Self, FlowError> {
        let LuChoices { cells, order, negative, .. } = choices;
        let channels = channels(cells.as_deref(), shape)?;
        check_negative(negative, channels)?;
        let cell = cells.as_deref().unwrap_or(shape);
        let channel_of_row = inverted(&order.indices(cell)?);
        let inputs = in_cells(cell, shape);
        let of_channels: Vec<&[usize]> = inputs.chunks_exact(inputs.len() / channels).collect();
        let outputs = channel_of_row.iter().flat_map(|&channel| of_channels[channel]).copied().collect();
        let is_negative = (0..channels).map(|row| negative.contains(&row)).collect();
        Ok(Self { inputs, outputs, channel_of_row, is_negative })
    }
}

impl LuLinear {
    /// The layer on samples of this shape.
    ///
    /// # Errors
    /// If cells don't fill the lattice, the order isn't one of the channels, or there is no such row.
    pub fn new(choices: &LuChoices, shape: &[usize]) -> Result<Self, FlowError> {
        let places = Arc::new(Places::new(choices, shape)?);
        Ok(Self { channels: places.channel_of_row.len(), places, bias: choices.bias, start: choices.start })
    }

    fn dof(&self) -> usize {
        self.places.inputs.len()
    }

    fn cells(&self) -> usize {
        self.dof() / self.channels
    }

    fn ranges(&self) -> Ranges {
        let (n, half) = (self.channels, self.channels * (self.channels - 1) / 2);
        let bias = if self.bias == Bias::Yes { n } else { 0 };
        Ranges {
            lower: 0..half,
            upper: half..2 * half,
            log_diagonal: 2 * half..2 * half + n,
            bias: 2 * half + n..2 * half + n + bias,
        }
    }

    /// x ← W x + b, by way of `tape` and the rows of y.
    fn map<T: Real>(
        &self,
        theta: &[T],
        factors: &Factors<T>,
        tape: &mut Tape<T>,
        rows: &mut Batch<T>,
        x: &mut Batch<T>,
    ) {
        assert_eq!(x.rows(), self.dof(), "rows of x, and degrees of freedom of the layer");
        let (bias, Tape { x: kept, u }) = (&theta[self.ranges().bias], tape);
        kept.gather(x, &self.places.inputs);
        u.reshape(x.rows(), x.samples());
        rows.reshape(x.rows(), x.samples());
        factors.upper.apply(Form::Plain, kept.as_slice(), u.as_mut_slice(), |_, _| ());
        factors.lower.apply(Form::Plain, u.as_slice(), rows.as_mut_slice(), |row, part| {
            if let Some(&b) = bias.get(self.places.channel_of_row[row]) {
                part.iter_mut().for_each(|y| *y += b);
            }
        });
        rows.scatter(x, &self.places.outputs);
    }

    /// y ← W⁻¹ (y − b), by way of `tape`.
    fn unmap<T: Real>(
        &self,
        theta: &[T],
        factors: &Factors<T>,
        tape: &mut Tape<T>,
        panel: &mut Batch<T>,
        y: &mut Batch<T>,
    ) {
        assert_eq!(y.rows(), self.dof(), "rows of y, and degrees of freedom of the layer");
        let (bias, Tape { x, u }) = (&theta[self.ranges().bias], tape);
        u.gather(y, &self.places.outputs);
        let of_channel = u.as_mut_slice().chunks_exact_mut(self.cells() * y.samples());
        for (rows, &channel) in of_channel.zip(&self.places.channel_of_row) {
            if let Some(&b) = bias.get(channel) {
                rows.iter_mut().for_each(|y| *y -= b);
            }
        }
        factors.lower.solve(Form::Plain, u.as_mut_slice(), panel);
        x.copy_from(u);
        factors.upper.solve(Form::Plain, x.as_mut_slice(), panel);
        x.scatter(y, &self.places.inputs);
    }

    /// ∂θ (+)= the gradients from ā, ū and the tape, or minus them, if there is a sink.
    fn add_gradient<T: Real>(
        &self,
        sign: Sign,
        factors: &Factors<T>,
        tape: &Tape<T>,
        scratch: &mut Scratch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        if accum == Accum::Replace {
            into.fill(T::zero());
        }
        let (n, ranges, Scratch { at_u, at_y, panel, .. }) = (self.channels, self.ranges(), scratch);
        let add = |into: &mut T, term: T| match sign {
            Sign::Plus => *into += term,
            Sign::Minus => *into -= term,
        };
        let add_all = |into: &mut [T], row: &[T]| into.iter_mut().zip(row).for_each(|(into, &term)| add(into, term));
        factors.lower.gradient(at_y.as_slice(), tape.u.as_slice(), panel, |i, _, row| {
            add_all(&mut into[ranges.lower.start + start_of_lower_row(i)..][..i], &row[..i]);
        });
        let of_log_det = T::of(weight * (self.cells() * tape.x.samples()) as f64);
        factors.upper.gradient(at_u.as_slice(), tape.x.as_slice(), panel, |i, _, row| {
            add_all(&mut into[ranges.upper.start + start_of_upper_row(i, n)..][..n - i - 1], &row[1..]);
            add(&mut into[ranges.log_diagonal.start + i], factors.upper.at(i, i) * row[0] + of_log_det);
        });
        if self.bias == Bias::Yes {
            let rows = at_y.as_slice().chunks_exact(self.cells() * at_y.samples());
            for (rows, &channel) in rows.zip(&self.places.channel_of_row) {
                add(&mut into[ranges.bias.start + channel], sum(rows));
            }
        }
    }
}

/// Refuses rows that the matrix hasn't, or twice the same one.
pub(crate) fn check_negative(negative: &[usize], channels: usize) -> Result<(), FlowError> {
    let mut sorted = negative.to_vec();
    sorted.sort_unstable();
    let once = sorted.windows(2).all(|pair| pair[0] != pair[1]) && sorted.last().is_none_or(|&last| last < channels);
    require(once, "negative", negative, "distinct rows below the number of channels")
}

/// The flat indices of all sites, by their place in the cell first, then by their cell, both in C order.
fn in_cells(cell: &[usize], shape: &[usize]) -> Vec<usize> {
    let places: usize = cell.iter().product();
    let cells = shape.iter().product::<usize>() / places;
    let site = |(place, at): (usize, usize)| {
        let digit = |(index, stride, place, at): (usize, usize, usize, usize), (&extent, &cell): (&usize, &usize)| {
            let along = extent / cell;
            (index + stride * (at % along * cell + place % cell), stride * extent, place / cell, at / along)
        };
        shape.iter().zip(cell).rev().fold((0, 1, place, at), digit).0
    };
    (0..places).flat_map(|place| (0..cells).map(move |at| (place, at))).map(site).collect()
}

impl<T: Real> Layer<Cpu<T>> for LuLinear {
    fn dof(&self) -> usize {
        self.dof()
    }

    fn params(&self) -> ParamLayout {
        params(self.channels, self.bias, self.start)
    }

    fn prepare(&self, _: &Cpu<T>, theta: &[T], prepared: &mut Prepared) {
        let (n, ranges) = (self.channels, self.ranges());
        assert_eq!(theta.len(), ranges.bias.end, "parameters given, and parameters of the layer");
        let [lower, upper, d] = [ranges.lower, ranges.upper, ranges.log_diagonal].map(|range| &theta[range]);
        let factors = prepared.get_mut::<Factors<T>>();
        let of_lower = |i: usize, j: usize| if i == j { T::one() } else { lower[start_of_lower_row(i) + j] };
        factors.lower.fill(Side::Lower, n, of_lower);
        factors.upper.fill(Side::Upper, n, |i, j| match (i == j, self.places.is_negative[i]) {
            (false, _) => upper[start_of_upper_row(i, n) + j - i - 1],
            (true, false) => d[i].exp(),
            (true, true) => -d[i].exp(),
        });
        factors.log_det = self.cells() as f64 * d.iter().map(|d| d.wide()).sum::<f64>();
    }

    fn forward(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let (factors, scratch) = (pass.prepared.get::<Factors<T>>(), pass.scratch.get::<Scratch<T>>());
        self.map(pass.theta, factors, pass.tape.get(), &mut scratch.at_y, x);
        log_det.iter_mut().for_each(|log_det| *log_det += factors.log_det);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, x: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let (factors, scratch) = (pass.prepared.get::<Factors<T>>(), pass.scratch.get::<Scratch<T>>());
        self.map(pass.theta, factors, &mut scratch.spare, &mut scratch.at_y, x);
        log_det.iter_mut().for_each(|log_det| *log_det += factors.log_det);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let (factors, tape) = (pass.prepared.get::<Factors<T>>(), pass.tape.get::<Tape<T>>());
        let scratch = pass.scratch.get::<Scratch<T>>();
        let Scratch { at_u, at_y, panel, .. } = scratch;
        at_u.gather(cotangent, &self.places.inputs);
        factors.upper.solve(Form::Transposed, at_u.as_mut_slice(), panel);
        at_y.copy_from(at_u);
        factors.lower.solve(Form::Transposed, at_y.as_mut_slice(), panel);
        at_y.scatter(cotangent, &self.places.outputs);
        self.add_gradient(Sign::Minus, factors, tape, scratch, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cpu<T>>,
        cotangent: &mut Batch<T>,
        weight: f64,
        grad: Option<GradSink<'_, Cpu<T>>>,
    ) {
        let (factors, tape) = (pass.prepared.get::<Factors<T>>(), pass.tape.get::<Tape<T>>());
        let scratch = pass.scratch.get::<Scratch<T>>();
        let Scratch { at_u, at_y, spare, .. } = scratch;
        at_y.gather(cotangent, &self.places.outputs);
        at_u.reshape(at_y.rows(), at_y.samples());
        factors.lower.apply(Form::Transposed, at_y.as_slice(), at_u.as_mut_slice(), |_, _| ());
        spare.x.reshape(at_y.rows(), at_y.samples());
        factors.upper.apply(Form::Transposed, at_u.as_slice(), spare.x.as_mut_slice(), |_, _| ());
        spare.x.scatter(cotangent, &self.places.inputs);
        self.add_gradient(Sign::Plus, factors, tape, scratch, weight, grad);
    }
}

impl<T: Real> Solve<Cpu<T>> for LuLinear {
    fn solve(&self, pass: &mut Pass<'_, Cpu<T>>, y: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let (factors, scratch) = (pass.prepared.get::<Factors<T>>(), pass.scratch.get::<Scratch<T>>());
        self.unmap(pass.theta, factors, pass.tape.get(), &mut scratch.panel, y);
        log_det.iter_mut().for_each(|log_det| *log_det -= factors.log_det);
    }

    fn solve_without_tape(&self, pass: &mut Pass<'_, Cpu<T>>, y: &mut Batch<T>, log_det: &mut Vec<f64>) {
        let (factors, scratch) = (pass.prepared.get::<Factors<T>>(), pass.scratch.get::<Scratch<T>>());
        self.unmap(pass.theta, factors, &mut scratch.spare, &mut scratch.panel, y);
        log_det.iter_mut().for_each(|log_det| *log_det -= factors.log_det);
    }
}

impl<T: Real> Invertible<Cpu<T>> for LuLinear {
    fn inverse(&self) -> Box<dyn Invertible<Cpu<T>>> {
        Box::new(Inverse::of(self.clone()))
    }
}
