//! Autoregressive layers: `cargo bench -p upg-benches --bench autoregressive`.
//!
//! In one run, in turn, the best of several repetitions, in f32: the verbs of a layer beside its one pass, and the three products of every
//! masked linear map beside the dense products of the same shape. A perfect mask would take the share of the entries that are there.

use std::time::Instant;
use upg_benches::{Masked, Shapes};
use upg_core::{
    Accum, Batch, Cpu, GradSink, Init, Layer, Pass, Prepared, SampleStream, Solve, Staircase, Streams, Workspace,
};
use upg_flows::{
    Activation, Affine, Autoregressive, Bias, StartAt, autoregressive::net::MaskedMlp, linear, masked, matmul::Mat,
};

fn main() {
    let shapes = Shapes::read();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(shapes.threads).build().expect("threads start");
    println!("best of {REPETITIONS} interleaved repetitions, {} threads of the cpu, f32", shapes.threads);
    for shape in &shapes.autoregressive {
        for &batch in &shape.batches {
            pool.install(|| {
                verbs(shape, batch);
                products(shape, batch);
            });
        }
    }
}

const REPETITIONS: usize = 25;

/// The least seconds of each piece of work, all of them done in turn.
fn best<const N: usize>(mut work: impl FnMut(usize)) -> [f64; N] {
    let mut least = [f64::INFINITY; N];
    for _ in 0..REPETITIONS {
        for (i, least) in least.iter_mut().enumerate() {
            let start = Instant::now();
            work(i);
            *least = least.min(start.elapsed().as_secs_f64());
        }
    }
    least
}

fn layer(Masked { dof, hidden, .. }: &Masked) -> Autoregressive<Affine> {
    let net = MaskedMlp::new(*dof, hidden, 2, Activation::Tanh, Bias::Yes, StartAt::Random).expect("a valid shape");
    Autoregressive::new::<f32>((0..*dof).collect(), net, Affine { clamp: Some(1.0) })
}

fn verbs(shape: &Masked, batch: usize) {
    let (layer, device) = (layer(shape), Cpu::here());
    let theta: Vec<f32> = Layer::<Cpu<f32>>::params(&layer).initialise(&mut Streams::new(1).next_stream());
    let (mut grad, mut prepared) = (theta.clone(), Prepared::default());
    Layer::<Cpu<f32>>::prepare(&layer, &device, &theta, &mut prepared);
    let (mut tape, mut scratch, mut log_det) = (Workspace::default(), Workspace::default(), vec![0.0; batch]);
    let (mut start, mut x) = (Batch::zeros(shape.dof, batch), Batch::default());
    SampleStream::new(1, 0, 0).fill_normals(0, &mut start);
    let seconds = best::<6>(|verb| {
        let (tape, scratch) = (&mut tape, &mut scratch);
        let pass = &mut Pass::<Cpu<f32>> { device: &device, theta: &theta, prepared: &prepared, tape, scratch };
        let sink = Some(GradSink { into: &mut grad[..], accum: Accum::Replace });
        x.copy_from(&start);
        match verb {
            0 => layer.forward(pass, &mut x, &mut log_det),
            1 => layer.solve(pass, &mut x, &mut log_det),
            2 => layer.push(pass, &mut x, 1.0, None),
            3 => layer.push(pass, &mut x, 1.0, sink),
            4 => layer.pull_back(pass, &mut x, 1.0, None),
            _ => layer.pull_back(pass, &mut x, 1.0, sink),
        }
    });
    let names = ["forward", "solve", "push", "push with gradient", "pull back", "pull back with gradient"];
    for (name, time) in names.iter().zip(seconds) {
        println!("{:>8} {batch:>6} {name:>24} {:>9.3} ms {:>7.2} passes", shape.name, 1e3 * time, time / seconds[0]);
    }
}

fn products(shape: &Masked, batch: usize) {
    let layout = Layer::<Cpu<f32>>::params(&layer(shape));
    for tensor in layout.tensors() {
        let Init::Masked { mask, .. } = tensor.init else { continue };
        let share = mask.entries() as f64 / tensor.size() as f64;
        let times = product_times(mask, batch);
        print!("{:>8} {batch:>6} {:>24} {share:>9.3} of the entries;", shape.name, format!("{:?}", tensor.shape));
        for (name, i) in [("W h", 0), ("W^T v", 2), ("v h^T", 4)] {
            print!(" {name} {:.3}", times[i] / times[i + 1]);
        }
        println!(" of the dense product");
    }
}

/// Seconds of the three products, each masked, then dense.
fn product_times(mask: Staircase, batch: usize) -> [f64; 6] {
    let (rows, columns) = (mask.rows.count, mask.columns.count);
    let (weight, mut gradient) = (vec![0.01_f32; rows * columns], vec![0.0; rows * columns]);
    let [mut v, mut h] = [rows, columns].map(|rows| Batch::zeros(rows, batch));
    h.fill(0.01);
    let (weight, scratch) = (Mat::new(&weight, rows, columns), &mut Batch::default());
    best::<6>(|product| match product {
        0 => masked::apply(&mut v, mask, weight, &h, |_, _, _| ()),
        1 => linear::apply(&mut v, weight, &h, |_, _, _| ()),
        2 => masked::apply_transposed(&mut h, mask, weight, &v, Accum::Replace, |_, _, _| ()),
        3 => linear::apply_transposed(&mut h, weight, &v, scratch, |_, _, _| ()),
        4 => masked::gradient(&mut gradient, mask, &v, &h, Accum::Replace, scratch),
        _ => linear::gradient(&mut gradient, &v, &h, Accum::Replace),
    })
}
