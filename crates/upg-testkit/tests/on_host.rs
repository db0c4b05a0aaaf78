//! The core on a device that isn't the host: sample-major batches, opaque buffers. Its layers, chains and engines give what the host's give.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use rand::RngExt;
use std::ops::Range;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use upg_core::device::{Average, Rule, Update, clip_factor};
use upg_core::{
    Accum, Base, BasePass, Batch, Chain, Cpu, Cut, DeviceError, Engine, Execution, ForwardKl, GradSink, Init, Inverse,
    Invertible, Layer, Memory, ParamLayout, Pass, ReverseKl, SampleStream, Solve, StandardNormal, Start, Target,
    Tensor, Vectors,
};
use upg_testkit::models::AnharmonicChain;
use upg_testkit::on_host::{OnHost, check_device};
use upg_testkit::{draw, layer_battery, target_battery};

/// A device in f64 whose batches are `[samples, dof]`, and which can be told to fail.
#[derive(Clone, Default)]
struct Rows {
    lost: Arc<AtomicBool>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct RowBatch(Array2<f64>);

/// A buffer nobody can take for a slice.
#[derive(Clone, Debug, PartialEq)]
struct Flat(Vec<f64>);

impl Memory for Rows {
    type Real = f64;
    type Batch = RowBatch;
    type PerSample = Vec<f64>;
    type Buffer = Flat;
    type Params<'a> = &'a [f64];
    type ParamsMut<'a> = &'a mut [f64];

    fn zeros(&self, len: usize) -> Flat {
        Flat(vec![0.0; len])
    }

    fn write_buffer(&self, values: &[f64], buffer: &mut Flat) {
        buffer.0.copy_from_slice(values);
    }

    fn read_buffer(&self, buffer: &Flat, out: &mut [f64]) {
        out.copy_from_slice(&buffer.0);
    }

    fn copy_buffer(&self, from: &Flat, to: &mut Flat) {
        to.0.copy_from_slice(&from.0);
    }

    fn buffer_len(&self, buffer: &Flat) -> usize {
        buffer.0.len()
    }

    fn params<'a>(&self, buffer: &'a Flat) -> &'a [f64] {
        &buffer.0
    }

    fn params_mut<'a>(&self, buffer: &'a mut Flat) -> &'a mut [f64] {
        &mut buffer.0
    }

    fn slice<'short, 'long: 'short>(params: &'long [f64], range: Range<usize>) -> &'short [f64] {
        &params[range]
    }

    fn slice_mut<'a>(params: &'a mut &mut [f64], range: Range<usize>) -> &'a mut [f64] {
        &mut params[range]
    }

    fn upload(&self, samples: ArrayView2<'_, f64>, batch: &mut RowBatch) {
        batch.0 = samples.to_owned();
    }

    fn download(&self, batch: &RowBatch, mut samples: ArrayViewMut2<'_, f64>) {
        samples.assign(&batch.0);
    }

    fn reshape(&self, batch: &mut RowBatch, rows: usize, samples: usize) {
        batch.0 = Array2::from_elem((samples, rows), f64::NAN);
    }

    fn copy(&self, from: &RowBatch, to: &mut RowBatch) {
        to.clone_from(from);
    }

    fn clear(&self, sums: &mut Vec<f64>, samples: usize) {
        *sums = vec![0.0; samples];
    }

    fn append(&self, from: &Vec<f64>, to: &mut Vec<f64>) {
        to.extend(from);
    }

    fn read(&self, sums: &Vec<f64>, out: &mut [f64]) {
        out.copy_from_slice(sums);
    }

    fn status(&self) -> Result<(), DeviceError> {
        match self.lost.load(SeqCst) {
            false => Ok(()),
            true => Err(lost()),
        }
    }
}

fn lost() -> DeviceError {
    DeviceError::Lost { device: "rows:0".into(), reason: "told to be".into() }
}

impl Vectors for Rows {
    fn axpby(&self, alpha: f64, x: &RowBatch, beta: f64, y: &mut RowBatch) {
        y.0.zip_mut_with(&x.0, |y, x| *y = alpha * x + beta * *y);
    }

    fn scale(&self, alpha: f64, y: &mut RowBatch) {
        y.0 *= alpha;
    }

    fn negate(&self, sums: &mut Vec<f64>) {
        sums.iter_mut().for_each(|sum| *sum = -*sum);
    }

    fn combine(&self, alpha: f64, x: &Flat, beta: f64, y: &mut Flat) {
        y.0.iter_mut().zip(&x.0).for_each(|(y, x)| *y = alpha * x + beta * *y);
    }

    fn dot(&self, x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| x * y).sum()
    }

    fn optimise(&self, rule: Rule, Update { theta, grad, clip, average, .. }: Update<'_, Self>) -> f64 {
        let Rule::Descent { rate } = rule else { panic!("{rule:?} isn't for this device") };
        let norm = self.norm(grad);
        if !norm.is_finite() {
            return norm;
        }
        let scale = clip.map_or(1.0, |clip| clip_factor(norm, clip));
        theta.0.iter_mut().zip(&grad.0).for_each(|(theta, grad)| *theta -= rate * scale * grad);
        if let Some(Average { theta: average, decay }) = average {
            average.0.iter_mut().zip(&theta.0).for_each(|(a, theta)| *a += (1.0 - decay) * (theta - *a));
        }
        norm
    }
}

impl Execution for Rows {
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        work()
    }

    fn for_each<I: Send>(&self, items: &mut [I], work: impl Fn(&mut I) + Sync + Send) {
        items.iter_mut().for_each(work);
    }
}

/// y_i = x_i e^{σ_i} + b x_{i−1}², lower triangular: ℓ = Σ σ; written sample by sample, for one device and in its layout.
#[derive(Clone)]
struct Staircase {
    dof: usize,
}

impl Staircase {
    fn scale(theta: &[f64], i: usize) -> f64 {
        theta[i].exp()
    }

    /// ∂y_i/∂x_{i−1}.
    fn below(&self, theta: &[f64], before: f64) -> f64 {
        2.0 * theta[self.dof] * before
    }

    /// ∂θ (+)= factor [(∂T/∂θ)ᵀ a + w ∂ℓ/∂θ].
    fn add_gradient(
        &self,
        theta: &[f64],
        factor: f64,
        x: &Array2<f64>,
        a: &Array2<f64>,
        w: f64,
        grad: Option<GradSink<'_, Rows>>,
    ) {
        let Some(GradSink { into, accum }) = grad else { return };
        let mut sums = vec![0.0; self.dof + 1];
        for (x, a) in x.rows().into_iter().zip(a.rows()) {
            for i in 0..self.dof {
                sums[i] += a[i] * x[i] * Self::scale(theta, i) + w;
                sums[self.dof] += if i > 0 { a[i] * x[i - 1] * x[i - 1] } else { 0.0 };
            }
        }
        for (to, sum) in into.iter_mut().zip(sums) {
            *to = factor * sum + if accum == Accum::Add { *to } else { 0.0 };
        }
    }
}

/// x.
#[derive(Default)]
struct Kept(Array2<f64>);

impl Layer<Rows> for Staircase {
    fn dof(&self) -> usize {
        self.dof
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("log_scale", [self.dof], Init::Uniform { bound: 0.5 }));
        layout.push(Tensor::new("step", [1], Init::Uniform { bound: 0.5 }));
        layout
    }

    fn forward(&self, pass: &mut Pass<'_, Rows>, x: &mut RowBatch, log_det: &mut Vec<f64>) {
        pass.tape.get::<Kept>().0 = x.0.clone();
        for (mut x, log_det) in x.0.rows_mut().into_iter().zip(log_det) {
            for i in (0..self.dof).rev() {
                let step = if i > 0 { pass.theta[self.dof] * x[i - 1] * x[i - 1] } else { 0.0 };
                x[i] = x[i] * Self::scale(pass.theta, i) + step;
                *log_det += pass.theta[i];
            }
        }
    }

    fn push(&self, pass: &mut Pass<'_, Rows>, a: &mut RowBatch, w: f64, grad: Option<GradSink<'_, Rows>>) {
        let x = &pass.tape.get::<Kept>().0;
        for (x, mut a) in x.rows().into_iter().zip(a.0.rows_mut()) {
            for i in (0..self.dof).rev() {
                let above = if i + 1 < self.dof { a[i + 1] * self.below(pass.theta, x[i]) } else { 0.0 };
                a[i] = (a[i] - above) / Self::scale(pass.theta, i);
            }
        }
        self.add_gradient(pass.theta, -1.0, x, &a.0, w, grad);
    }

    fn pull_back(&self, pass: &mut Pass<'_, Rows>, a: &mut RowBatch, w: f64, grad: Option<GradSink<'_, Rows>>) {
        let x = &pass.tape.get::<Kept>().0;
        self.add_gradient(pass.theta, 1.0, x, &a.0, w, grad);
        for (x, mut a) in x.rows().into_iter().zip(a.0.rows_mut()) {
            for i in 0..self.dof {
                let above = if i + 1 < self.dof { a[i + 1] * self.below(pass.theta, x[i]) } else { 0.0 };
                a[i] = a[i] * Self::scale(pass.theta, i) + above;
            }
        }
    }
}

impl Solve<Rows> for Staircase {
    fn solve(&self, pass: &mut Pass<'_, Rows>, y: &mut RowBatch, log_det: &mut Vec<f64>) {
        for (mut y, log_det) in y.0.rows_mut().into_iter().zip(log_det) {
            for i in 0..self.dof {
                let step = if i > 0 { pass.theta[self.dof] * y[i - 1] * y[i - 1] } else { 0.0 };
                y[i] = (y[i] - step) / Self::scale(pass.theta, i);
                *log_det -= pass.theta[i];
            }
        }
        pass.tape.get::<Kept>().0 = y.0.clone();
    }
}

impl Invertible<Rows> for Staircase {
    fn inverse(&self) -> Box<dyn Invertible<Rows>> {
        Box::new(Inverse::of(self.clone()))
    }
}

/// S = Σ ½ x² + ¼ x⁴.
struct Well(usize);

impl Target<Rows> for Well {
    fn dof(&self) -> usize {
        self.0
    }

    fn action_and_force(&self, _: &Rows, x: &RowBatch, action: &mut Vec<f64>, force: Option<&mut RowBatch>) {
        *action = x.0.rows().into_iter().map(|x| x.iter().map(|x| 0.5 * x * x + 0.25 * x.powi(4)).sum()).collect();
        if let Some(force) = force {
            force.0 = x.0.mapv(|x| -x - x.powi(3));
        }
    }
}

/// The host's standard normal, uploaded.
struct Normal(usize);

impl Base<Rows> for Normal {
    fn dof(&self) -> usize {
        self.0
    }

    fn sample(&self, _: &mut BasePass<'_, Rows>, stream: SampleStream, first: u64, z: &mut RowBatch) {
        let mut host = Batch::zeros(self.0, z.0.nrows());
        StandardNormal::new(self.0).draw(&Cpu::here(), stream, first, &mut host);
        z.0 = host.to_samples();
    }

    fn log_density_and_score(
        &self,
        _: &mut BasePass<'_, Rows>,
        z: &RowBatch,
        log_density: &mut Vec<f64>,
        score: Option<&mut RowBatch>,
    ) {
        let constant = 0.5 * self.0 as f64 * std::f64::consts::TAU.ln();
        *log_density = z.0.rows().into_iter().map(|z| -0.5 * z.dot(&z) - constant).collect();
        if let Some(score) = score {
            score.0 = -&z.0;
        }
    }
}

fn pair(dof: usize) -> Chain<Staircase> {
    Chain::new::<Rows>(vec![Staircase { dof }, Staircase { dof }])
}

layer_battery! {
    staircase(rng) in f64 => OnHost::new(Rows::default(), Staircase { dof: rng.random_range(1..6) });
    chain_of_staircases(rng) in f64 => OnHost::new(Rows::default(), pair(rng.random_range(1..6)));
}

#[test]
fn the_device_computes_as_the_host_does() {
    check_device(&Rows::default());
    check_device(&Cpu::<f64>::new(2));
    check_device(&Cpu::<f32>::here());
}

/// All estimators, draws included: the engine on the device against the engine on the host over the same layers.
#[test]
fn engines_of_both_devices_agree() {
    let (dof, device) = (4, Rows::default());
    let cut = Cut { micro_batch: 5, lanes: 3 };
    let mut there = Engine::new(device.clone(), pair(dof), Normal(dof), Well(dof), cut);
    let (flow, target) = (OnHost::new(device.clone(), pair(dof)), OnHost::new(device.clone(), Well(dof)));
    let mut here = Engine::new(Cpu::<f64>::new(2), flow, StandardNormal::new(dof), target, cut);
    let theta = draw::parameters(&mut draw::rng(3), &there.layout());
    let on_device = device.buffer(&theta);
    let close = |what: &str, left: &[f64], right: &[f64]| {
        let error = left.iter().zip(right).fold(0.0_f64, |e, (l, r)| e.max((l - r).abs()));
        assert!(left.len() == right.len() && error < 1e-12, "{what}: off by {error}");
    };
    let start = Start::Draw { stream: SampleStream::new(1, 2, 3), first: 7, samples: 33 };
    for how in [ReverseKl::Reparam, ReverseKl::PathFast, ReverseKl::PathTwoPass, ReverseKl::PathTwoPassLean] {
        let left = there.reverse_kl(how, &on_device, start).unwrap();
        let right = here.reverse_kl(how, &theta, start).unwrap();
        close(&format!("{how:?}"), &left.grad.0, right.grad);
        close(&format!("{how:?}: log-weights"), left.log_weights, right.log_weights);
    }
    let x = draw::normal(&mut draw::rng(4), 33, dof, 1.0);
    for how in [ForwardKl::MaxLikelihood, ForwardKl::PathFast, ForwardKl::Gdreg] {
        let left = there.forward_kl(how, &on_device, x.view()).unwrap();
        close(&format!("{how:?}"), &left.grad.0, here.forward_kl(how, &theta, x.view()).unwrap().grad);
    }
}

/// A failure is told by every call that comes after it.
#[test]
fn a_lost_device_is_an_error() {
    let device = Rows::default();
    let mut engine = Engine::new(device.clone(), pair(3), Normal(3), Well(3), Cut { micro_batch: 8, lanes: 1 });
    let theta = device.buffer(&draw::parameters(&mut draw::rng(3), &engine.layout()));
    let start = Start::Draw { stream: SampleStream::new(1, 2, 3), first: 0, samples: 9 };
    assert!(engine.reverse_kl(ReverseKl::PathFast, &theta, start).is_ok());
    device.lost.store(true, SeqCst);
    for _ in 0..2 {
        assert_eq!(engine.reverse_kl(ReverseKl::PathFast, &theta, start).err(), Some(lost()));
        assert_eq!(engine.sample(&theta, start).err(), Some(lost()));
    }
    assert_eq!(lost().to_string(), "rows:0: lost: told to be");
}

target_battery! {
    chain(rng) => OnHost::new(Cpu::<T>::here(), AnharmonicChain::random(5, rng));
}
