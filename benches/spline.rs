//! Elements a second of rational-quadratic splines on one thread: `cargo bench -p upg-benches --bench spline`.
//!
//! An element is one transformed degree of freedom of one sample. A row of 512 of them stays in the second cache with φ and what is kept.
//! With 8 bins in f32, on one core of an AMD EPYC (family 25, model 17; 2.6 GHz, AVX-512, a shared virtual machine), medians of one run in millions of
//! elements a second: value 110, evaluate 94, vjp 235; of the inverse 109, 93, 215; of the circle 130, 107, 150. In the best of its repetitions evaluate made 100,
//! and the same loops without Criterion 113 and 101.

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use rand::{RngExt, SeedableRng};
use std::hint::black_box;
use std::time::Duration;
use upg_core::{Batch, Real, random::Rng};
use upg_flows::elementwise::{Covector, Elementwise, Partials, PartialsRef, Phi, PhiMut};
use upg_flows::spline::{Form, Spline};

/// Samples of a row.
const SAMPLES: usize = 512;

fn splines(criterion: &mut Criterion) {
    for bins in [4, 8, 16] {
        let mut group = criterion.benchmark_group(format!("spline-{bins}-bins/cpu-1-thread"));
        group.throughput(Throughput::Elements(SAMPLES as u64));
        group.sample_size(20).measurement_time(Duration::from_secs(1));
        let spline = Spline { form: Form::Line { interval: 3.0 }, bins };
        verbs::<f32>(&mut group, "", &spline);
        verbs::<f32>(&mut group, "inverse-", &Elementwise::<f32>::inverse(&spline));
        verbs::<f64>(&mut group, "", &spline);
        verbs::<f32>(&mut group, "circle-", &Spline { form: Form::Circle, bins });
    }
}

/// What sampling, a pass with a tape, and a push or pull-back take beside the net.
fn verbs<T: Real>(group: &mut BenchmarkGroup<'_, WallTime>, which: &str, transform: &impl Elementwise<T>) {
    let mut rng = Rng::seed_from_u64(1);
    let mut draw = |count: usize| (0..count).map(|_| T::of(rng.random_range(-2.0..2.0))).collect::<Vec<T>>();
    let (t, phi, a) = (draw(SAMPLES), draw(SAMPLES * transform.width()), draw(SAMPLES));
    let (mut x, mut lambda, mut memory) = (t.clone(), t.clone(), Batch::default());
    let (mut kept, mut v) = (draw(SAMPLES * transform.kept_rows()), draw(SAMPLES * transform.width()));
    let phi = Phi::of(&phi, 0, 1, SAMPLES);
    group.bench_function(BenchmarkId::new(format!("{which}value"), T::NAME), |bencher| {
        bencher.iter(|| {
            x.copy_from_slice(&t);
            transform.value(&mut x, phi, &mut lambda, &mut memory);
            black_box(&x);
        });
    });
    group.bench_function(BenchmarkId::new(format!("{which}evaluate"), T::NAME), |bencher| {
        bencher.iter(|| {
            x.copy_from_slice(&t);
            transform.evaluate(&mut x, phi, Partials::of(&mut kept, SAMPLES));
            black_box(&x);
        });
    });
    group.bench_function(BenchmarkId::new(format!("{which}vjp"), T::NAME), |bencher| {
        bencher.iter(|| {
            let covector = Covector { a: &a, alpha: T::one(), beta: T::of(0.5) };
            transform.vjp(covector, PartialsRef::of(&kept, SAMPLES), PhiMut::of(&mut v, 0, 1, SAMPLES));
            black_box(&v);
        });
    });
}

criterion_group!(benches, splines);
criterion_main!(benches);
