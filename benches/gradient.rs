//! Time of one gradient, from drawing the base samples to the flat gradient: `cargo bench -p upg-benches --bench gradient`.

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use upg_benches::Shapes;
use upg_core::{ReverseKl, Start};

const ESTIMATORS: [(&str, ReverseKl); 4] = [
    ("reparam", ReverseKl::Reparam),
    ("path-fast", ReverseKl::PathFast),
    ("path-two-pass", ReverseKl::PathTwoPass),
    ("path-two-pass-lean", ReverseKl::PathTwoPassLean),
];

fn gradients(criterion: &mut Criterion) {
    let shapes = Shapes::read();
    for shape in &shapes.flows {
        let mut case = shape.case(shapes.threads);
        let device = format!("cpu-{}-threads", shapes.threads);
        let mut group = criterion.benchmark_group(format!("{}/{device}", shape.name));
        group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(5));
        for &samples in &shape.batches {
            group.throughput(Throughput::Elements(samples as u64));
            for (name, how) in ESTIMATORS {
                group.bench_function(BenchmarkId::new(name, samples), |bencher| {
                    bencher.iter(|| {
                        let start = Start::Draw { stream: case.stream, first: 0, samples };
                        case.engine.reverse_kl(how, &case.theta, start).expect("the processor doesn't fail").loss
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, gradients);
criterion_main!(benches);
