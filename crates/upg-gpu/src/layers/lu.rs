//! Linear layer by its LU factors, y = P L U x + b, MATH (27): see [`upg_flows::lu`]. Kernels: `lu.cu`, `rows.cu`.
//!
//! L, U and their inverses are made once for each θ, as matrices; then every verb is products. The n sites of a cell are rows, cells more samples.

mod triangles;

use super::{AnyLayer, add};
use crate::cuda::{Cuda, Kernels, Table};
use crate::gpu::{Address, Gpu};
use crate::kernels;
use crate::launch::{Spread, arguments};
use crate::memory::{Batch, Params, Sums};
use std::ops::Range;
use std::sync::Arc;
use triangles::{Form, Side, Triangles, gradient};
use upg_core::{DeviceError, GradSink, Inverse, Invertible, Layer, Memory, ParamLayout, Pass, Prepared, Real, Solve};
use upg_flows::lu::Places;

/// y = P L U x + b.
pub(crate) struct LuLinear<G: Gpu> {
    dof: usize,
    channels: usize,
    layout: ParamLayout,
    places: Arc<PlaceTables<G>>,
    kernels: Arc<Kernels<G>>,
    of_rows: Arc<Kernels<G>>,
}

impl<G: Gpu> Clone for LuLinear<G> {
    fn clone(&self) -> Self {
        let (places, kernels, of_rows) = (self.places.clone(), self.kernels.clone(), self.of_rows.clone());
        Self { layout: self.layout.clone(), places, kernels, of_rows, ..*self }
    }
}

/// [`Places`] on the device.
struct PlaceTables<G: Gpu> {
    inputs: Table<G>,
    outputs: Table<G>,
    channel_of_row: Table<G>,
    is_negative: Table<G>,
}

/// L, U and their inverses; Σ d over all cells.
struct Factors<T, G: Gpu> {
    triangles: Triangles<T, G>,
    log_det: Sums<G>,
}

impl<T: Real, G: Gpu> Default for Factors<T, G> {
    fn default() -> Self {
        Self { triangles: Triangles::default(), log_det: Sums::default() }
    }
}

/// x and U x, rows as they lie in W.
struct Tape<T, G: Gpu> {
    x: Batch<T, G>,
    u: Batch<T, G>,
}

impl<T: Real, G: Gpu> Default for Tape<T, G> {
    fn default() -> Self {
        Self { x: Batch::default(), u: Batch::default() }
    }
}

/// Covectors ū and ā, or the rows of y; covectors at x; dense gradients; and for a pass without a tape.
struct Scratch<T, G: Gpu> {
    at_u: Batch<T, G>,
    at_y: Batch<T, G>,
    at_x: Batch<T, G>,
    of_lower: Batch<T, G>,
    of_upper: Batch<T, G>,
    spare: Tape<T, G>,
}

impl<T: Real, G: Gpu> Default for Scratch<T, G> {
    fn default() -> Self {
        let batch = Batch::default;
        let (of_lower, of_upper, spare) = (batch(), batch(), Tape::default());
        Self { at_u: batch(), at_y: batch(), at_x: batch(), of_lower, of_upper, spare }
    }
}

/// The gradient of the verb itself, or minus it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn factor(self) -> f64 {
        match self {
            Self::Plus => 1.0,
            Self::Minus => -1.0,
        }
    }
}

impl<G: Gpu> LuLinear<G> {
    /// The layer with these places and parameters.
    ///
    /// # Errors
    /// If its kernels can't be compiled.
    pub fn new<T: Real>(device: &Cuda<T, G>, places: &Places, layout: ParamLayout) -> Result<Self, DeviceError> {
        let negative: Vec<usize> = places.is_negative.iter().map(|&negative| usize::from(negative)).collect();
        let tables = PlaceTables {
            inputs: device.indices(&places.inputs),
            outputs: device.indices(&places.outputs),
            channel_of_row: device.indices(&places.channel_of_row),
            is_negative: device.indices(&negative),
        };
        Ok(Self {
            dof: places.inputs.len(),
            channels: places.channel_of_row.len(),
            layout,
            places: Arc::new(tables),
            kernels: device.kernels(kernels::LU, vec![])?,
            of_rows: device.kernels(kernels::ROWS, vec![])?,
        })
    }

    fn cells(&self) -> usize {
        self.dof / self.channels
    }

    /// Where b lies among the parameters; empty if there is none.
    fn bias(&self) -> Range<usize> {
        self.channels * self.channels..self.layout.size()
    }

    /// Where b lies, none if there is none.
    fn bias_at<T: Real>(&self, theta: Params<'_, T>) -> Address {
        if self.bias().is_empty() { Address::default() } else { theta.part(self.bias()) }
    }

    /// to ← rows of `from`, by their places.
    #[track_caller]
    fn gather<T: Real>(&self, device: &Cuda<T, G>, places: &Table<G>, from: &Batch<T, G>, to: &mut Batch<T, G>) {
        assert_eq!(from.rows(), self.dof, "rows of the batch, and degrees of freedom of the layer");
        device.reshape(to, from.rows(), from.samples());
        let arguments = arguments![from.at(), to.at(), places.at(), from.samples(), from.len()];
        device.launch(&self.of_rows, "gather_rows", Spread::elements(from.len()), arguments);
    }

    /// Rows of y without b, into `to`.
    #[track_caller]
    fn gather_outputs<T: Real>(
        &self,
        device: &Cuda<T, G>,
        theta: Params<'_, T>,
        y: &Batch<T, G>,
        to: &mut Batch<T, G>,
    ) {
        assert_eq!(y.rows(), self.dof, "rows of the batch, and degrees of freedom of the layer");
        device.reshape(to, y.rows(), y.samples());
        let (order, channels) = (self.places.outputs.at(), self.places.channel_of_row.at());
        let bias = self.bias_at(theta);
        let arguments = arguments![y.at(), to.at(), order, bias, channels, self.cells(), y.samples(), y.len()];
        device.launch(&self.of_rows, "gather_rows_without_bias", Spread::elements(y.len()), arguments);
    }

    /// Puts rows to their places, b added if it isn't none.
    fn scatter<T: Real>(
        &self,
        device: &Cuda<T, G>,
        places: &Table<G>,
        bias: Address,
        from: &Batch<T, G>,
        to: &Batch<T, G>,
    ) {
        let channels = self.places.channel_of_row.at();
        let arguments =
            arguments![from.at(), to.at(), places.at(), bias, channels, self.cells(), from.samples(), from.len()];
        device.launch(&self.of_rows, "scatter_rows", Spread::elements(from.len()), arguments);
    }

    /// x ← W x + b, by way of a tape and the rows of y.
    fn map<T: Real>(
        &self,
        (device, theta): (&Cuda<T, G>, Params<'_, T>),
        Factors { triangles, log_det: of_sample }: &Factors<T, G>,
        Tape { x: kept, u }: &mut Tape<T, G>,
        rows: &mut Batch<T, G>,
        x: &Batch<T, G>,
        log_det: &Sums<G>,
    ) {
        self.gather(device, &self.places.inputs, x, kept);
        triangles.apply(device, (Side::Upper, Form::Plain), kept, u);
        triangles.apply(device, (Side::Lower, Form::Plain), u, rows);
        self.scatter(device, &self.places.outputs, self.bias_at(theta), rows, x);
        self.add_log_det(device, of_sample, log_det, Sign::Plus);
    }

    /// y ← W⁻¹ (y − b), by way of a tape.
    fn unmap<T: Real>(
        &self,
        (device, theta): (&Cuda<T, G>, Params<'_, T>),
        Factors { triangles, log_det: of_sample }: &Factors<T, G>,
        Tape { x, u }: &mut Tape<T, G>,
        rows: &mut Batch<T, G>,
        y: &Batch<T, G>,
        log_det: &Sums<G>,
    ) {
        self.gather_outputs(device, theta, y, rows);
        triangles.solve(device, (Side::Lower, Form::Plain), rows, u);
        triangles.solve(device, (Side::Upper, Form::Plain), u, x);
        self.scatter(device, &self.places.inputs, Address::default(), x, y);
        self.add_log_det(device, of_sample, log_det, Sign::Minus);
    }

    /// Log-dets of the samples ± that of one.
    fn add_log_det<T: Real>(&self, device: &Cuda<T, G>, of_sample: &Sums<G>, log_det: &Sums<G>, sign: Sign) {
        let arguments = arguments![log_det.at(), of_sample.at(), sign.factor(), log_det.len()];
        device.launch(&self.of_rows, "add_to_sums", Spread::elements(log_det.len()), arguments);
    }

    /// ∂θ (+)= the gradients from ā, ū and the tape, or minus them, if there is a sink.
    fn add_gradient<T: Real>(
        &self,
        sign: Sign,
        pass: &mut Pass<'_, Cuda<T, G>>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        let (device, n, Tape { x, u }) = (pass.device, self.channels, pass.tape.get::<Tape<T, G>>());
        let Scratch { at_u, at_y, of_lower, of_upper, .. } = pass.scratch.get::<Scratch<T, G>>();
        gradient(device, Side::Lower, n, at_y, u, of_lower);
        gradient(device, Side::Upper, n, at_u, x, of_upper);
        let upper = pass.prepared.get::<Factors<T, G>>().triangles.upper();
        let of_log_det = device.real(weight * (self.cells() * x.samples()) as f64);
        let (factor, add) = (device.real(sign.factor()), add(accum));
        let arguments = arguments![of_lower.at(), of_upper.at(), upper, into.at(), factor, of_log_det, add, n];
        device.launch(&self.kernels, "lu_gradient", Spread::elements(n * n), arguments);
        if !self.bias().is_empty() {
            let (of_bias, channels) = (into.part(self.bias()), self.places.channel_of_row.at());
            let arguments = arguments![at_y.at(), of_bias, channels, factor, add, self.cells() * x.samples()];
            device.launch(&self.of_rows, "sum_rows", Spread::blocks(n), arguments);
        }
    }
}

impl<T: Real, G: Gpu> Layer<Cuda<T, G>> for LuLinear<G> {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        self.layout.clone()
    }

    fn prepare(&self, device: &Cuda<T, G>, theta: Params<'_, T>, prepared: &mut Prepared) {
        assert_eq!(theta.len(), self.layout.size(), "parameters given, and parameters of the layer");
        let (n, Factors { triangles, log_det }) = (self.channels, prepared.get_mut::<Factors<T, G>>());
        triangles.prepare(device, &self.kernels, n, theta, &self.places.is_negative);
        device.resize(log_det, 1);
        let d = theta.part(n * (n - 1)..n * n);
        let arguments = arguments![d, log_det.at(), self.cells() as f64, n];
        device.launch(&self.kernels, "lu_log_det", Spread::one_block(), arguments);
    }

    fn forward(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        let Pass { device, theta, prepared, tape, scratch } = pass;
        let rows = &mut scratch.get::<Scratch<T, G>>().at_y;
        self.map((*device, *theta), prepared.get(), tape.get(), rows, x, log_det);
    }

    fn forward_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, x: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        let Pass { device, theta, prepared, scratch, .. } = pass;
        let Scratch { at_y, spare, .. } = scratch.get::<Scratch<T, G>>();
        self.map((*device, *theta), prepared.get(), spare, at_y, x, log_det);
    }

    fn push(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let (device, Factors { triangles, .. }) = (pass.device, pass.prepared.get::<Factors<T, G>>());
        let Scratch { at_u, at_y, at_x, .. } = pass.scratch.get::<Scratch<T, G>>();
        self.gather(device, &self.places.inputs, cotangent, at_x);
        triangles.solve(device, (Side::Upper, Form::Transposed), at_x, at_u);
        triangles.solve(device, (Side::Lower, Form::Transposed), at_u, at_y);
        self.scatter(device, &self.places.outputs, Address::default(), at_y, cotangent);
        self.add_gradient(Sign::Minus, pass, weight, grad);
    }

    fn pull_back(
        &self,
        pass: &mut Pass<'_, Cuda<T, G>>,
        cotangent: &mut Batch<T, G>,
        weight: f64,
        grad: Option<GradSink<'_, Cuda<T, G>>>,
    ) {
        let (device, Factors { triangles, .. }) = (pass.device, pass.prepared.get::<Factors<T, G>>());
        let Scratch { at_u, at_y, at_x, .. } = pass.scratch.get::<Scratch<T, G>>();
        self.gather(device, &self.places.outputs, cotangent, at_y);
        triangles.apply(device, (Side::Lower, Form::Transposed), at_y, at_u);
        triangles.apply(device, (Side::Upper, Form::Transposed), at_u, at_x);
        self.scatter(device, &self.places.inputs, Address::default(), at_x, cotangent);
        self.add_gradient(Sign::Plus, pass, weight, grad);
    }
}

impl<T: Real, G: Gpu> Solve<Cuda<T, G>> for LuLinear<G> {
    fn solve(&self, pass: &mut Pass<'_, Cuda<T, G>>, y: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        let Pass { device, theta, prepared, tape, scratch } = pass;
        let rows = &mut scratch.get::<Scratch<T, G>>().at_y;
        self.unmap((*device, *theta), prepared.get(), tape.get(), rows, y, log_det);
    }

    fn solve_without_tape(&self, pass: &mut Pass<'_, Cuda<T, G>>, y: &mut Batch<T, G>, log_det: &mut Sums<G>) {
        let Pass { device, theta, prepared, scratch, .. } = pass;
        let Scratch { at_y, spare, .. } = scratch.get::<Scratch<T, G>>();
        self.unmap((*device, *theta), prepared.get(), spare, at_y, y, log_det);
    }
}

impl<T: Real, G: Gpu> Invertible<Cuda<T, G>> for LuLinear<G> {
    fn inverse(&self) -> AnyLayer<T, G> {
        Box::new(Inverse::of(self.clone()))
    }
}
