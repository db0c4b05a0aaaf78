//! Normals and uniform angles drawn per second on one thread: `cargo bench -p upg-benches --bench random`.
//!
//! In the same run: the same numbers by one generator, number by number, with the ziggurat of `rand_distr` for the normals.

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use std::hint::black_box;
use std::time::Duration;
use upg_benches::{Draw, Shapes};
use upg_core::{Batch, Real, SampleStream, random::Rng};

fn draws(criterion: &mut Criterion) {
    for draw in Shapes::read().draws {
        let mut group = criterion.benchmark_group(format!("draw-{}x{}/cpu-1-thread", draw.samples, draw.dof));
        group.throughput(Throughput::Elements((draw.samples * draw.dof) as u64));
        group.sample_size(20).measurement_time(Duration::from_secs(3));
        in_precision::<f64>(&mut group, &draw);
        in_precision::<f32>(&mut group, &draw);
    }
}

fn in_precision<T: Real>(group: &mut BenchmarkGroup<'_, WallTime>, draw: &Draw) {
    let mut z = Batch::<T>::zeros(draw.dof, draw.samples);
    let mut rng = Rng::seed_from_u64(1);
    let mut stream = (0..).map(|step| SampleStream::new(1, 0, step));
    let mut bench = |name, fill: &mut dyn FnMut(&mut Batch<T>)| {
        group.bench_function(BenchmarkId::new(name, T::NAME), |bencher| {
            bencher.iter(|| {
                fill(&mut z);
                black_box(z.as_slice());
            });
        });
    };
    bench("normals", &mut |z| stream.next().expect("endless").fill_normals(0, z));
    bench("normals-ziggurat", &mut |z| each(z, || StandardNormal.sample(&mut rng)));
    bench("angles", &mut |z| stream.next().expect("endless").fill_uniform_angles(0, z));
    bench("angles-one-by-one", &mut |z| each(z, || std::f64::consts::TAU * rng.random::<f64>()));
}

/// Fills `z` number by number.
fn each<T: Real>(z: &mut Batch<T>, mut number: impl FnMut() -> f64) {
    z.as_mut_slice().iter_mut().for_each(|z| *z = T::of(number()));
}

criterion_group!(benches, draws);
criterion_main!(benches);
