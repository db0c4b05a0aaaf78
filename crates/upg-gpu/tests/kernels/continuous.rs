//! Continuous flows on the device: the battery, agreement with the host on lattices of all kinds, and what a verb costs.

use crate::agreement::check_agreement;
use crate::couplings::counts;
use crate::support::{Device, device, on_device};
use ndarray::Array2;
use rand::RngExt;
use upg_core::{Cpu, Real, Rng};
use upg_flows::LayerSpec;
use upg_flows::spec::{ContinuousSpec, FieldSpec};
use upg_gpu::Cuda;
use upg_gpu::emulator::Emulator;
use upg_testkit::domain::Domain;
use upg_testkit::on_host::OnHost;
use upg_testkit::runner::Runner;
use upg_testkit::tolerance::{Tolerance, assert_close};
use upg_testkit::{draw, layer_battery};

// As on the host, up to the error of the method, which is far smaller where the field doesn't depend on time. That it does is held against the host below.
layer_battery! {
    lattice_field(rng) up to 1e-9 spread 0.1 threads 1 => on_device::<T>(&lattice(rng.random_range(1..3), 1, STEPS, rng.random_range(6.0..12.0)), any_lattice(rng));
    shallow_field(rng) up to 1e-9 spread 0.2 threads 1 => on_device::<T>(&shallow(rng.random_range(3..6), 1, STEPS), &[rng.random_range(2..4)]);
}

/// As many steps as that takes, for fields so weak.
const STEPS: usize = 12;

fn any_lattice(rng: &mut Rng) -> &'static [usize] {
    let lattices: [&[usize]; 3] = [&[1], &[3], &[2, 1, 2]];
    lattices[rng.random_range(0..lattices.len())]
}

fn lattice(frequencies: usize, times: usize, steps: usize, scale: f64) -> LayerSpec {
    LayerSpec::Continuous(ContinuousSpec {
        field: FieldSpec::Lattice { frequencies, times, scale: Some(scale) },
        steps,
    })
}

fn shallow(width: usize, times: usize, steps: usize) -> LayerSpec {
    LayerSpec::Continuous(ContinuousSpec { field: FieldSpec::Shallow { width, times }, steps })
}

#[test]
fn lattices_of_all_kinds_agree_with_the_host() {
    let rng = &mut draw::rng(1);
    let lattices: [&[usize]; 8] = [&[6], &[16, 8], &[5, 7], &[10, 10], &[1, 12], &[4, 2, 3], &[2, 3, 2, 4], &[33, 32]];
    for (i, shape) in lattices.into_iter().enumerate() {
        let spec = lattice(1 + i % 5, 1 + i % 3, 1 + i % 2, 8.0);
        check_agreement(&spec, shape, Domain::Line, rng);
    }
}

#[test]
fn nets_of_all_sizes_agree_with_the_host() {
    let rng = &mut draw::rng(2);
    for (dof, width, times, steps) in [(1, 1, 1, 1), (3, 70, 2, 2), (90, 7, 3, 1), (300, 20, 2, 1)] {
        check_agreement(&shallow(width, times, steps), &[dof], Domain::Line, rng);
    }
}

/// More samples than there are blocks which leave sums, so that some of them add up more than one.
#[test]
fn gradients_are_sums_over_many_blocks() {
    assert_covectors_agree::<f64>(&lattice(2, 2, 1, 6.0), &[16, 16], 300);
    assert_covectors_agree::<f64>(&shallow(8, 2, 1), &[70], 1100);
}

/// In f32 the smallest features of the largest lattice of the paper are there too.
#[test]
fn a_large_lattice_agrees_with_the_host() {
    assert_covectors_agree::<f32>(&lattice(4, 3, 1, 6.0), &[64, 64], 3);
    assert_covectors_agree::<f64>(&lattice(4, 3, 1, 6.0), &[64, 64], 2);
}

/// Points, log-dets, covectors and gradients of so many samples are those of the host.
pub fn assert_covectors_agree<T: Real>(spec: &LayerSpec, shape: &[usize], samples: usize) {
    let rng = &mut draw::rng(3);
    let theta = draw::cast::<T>(&draw::parameters_within(rng, &spec.params(shape), 0.3));
    let dof = shape.iter().product();
    let mut array = || draw::normal(rng, samples, dof, 1.0).mapv(T::of);
    let (x, a): (Array2<T>, Array2<T>) = (array(), array());
    let here = Cpu::here();
    let (host, layer) = (spec.build::<T>(shape).unwrap(), on_device::<T>(spec, shape));
    let (mut host, mut device) = (Runner::new(&here, &*host, &theta), Runner::new(&here, &layer, &theta));
    let (host_x, device_x) = (host.forward(&x), device.forward(&x));
    let close = |what: &str, device: &[T], host: &[T]| assert_close(what, device, host, Tolerance::theorem::<T>());
    close("x", device_x.y.as_slice().unwrap(), host_x.y.as_slice().unwrap());
    assert_close("log-det", &device_x.log_det, &host_x.log_det, Tolerance::theorem::<T>());
    for (verb, host, device) in [
        ("pull-back", host.pull_back(&a, 0.7), device.pull_back(&a, 0.7)),
        ("push", host.push(&a, -0.4), device.push(&a, -0.4)),
    ] {
        close(
            &format!("covector of a {verb}"),
            device.cotangent.as_slice().unwrap(),
            host.cotangent.as_slice().unwrap(),
        );
        close(&format!("gradient of a {verb}"), &device.grad, &host.grad);
    }
}

#[test]
fn barriers_are_where_threads_meet() {
    assert_no_races(&lattice(3, 2, 1, 6.0), &[4, 6]);
    assert_no_races(&lattice(1, 1, 1, 6.0), &[5, 5]);
    assert_no_races(&shallow(8, 2, 1), &[5]);
}

/// Every access to memory is followed: no two threads meet at one place without a barrier between them.
pub fn assert_no_races(spec: &LayerSpec, shape: &[usize]) {
    let device: Device<f32> = Emulator::counting().and_then(Cuda::new).expect("g++ compiles the kernels");
    let rng = &mut draw::rng(4);
    let layer = device.layer(spec, shape).expect("it has kernels");
    let layer = OnHost::new(device, layer);
    let theta = draw::cast::<f32>(&draw::parameters(rng, &spec.params(shape)));
    let mut array = || draw::normal(rng, 13, shape.iter().product(), 1.0).mapv(|x| x as f32);
    let (x, a, here) = (array(), array(), Cpu::here());
    let mut runner = Runner::new(&here, &layer, &theta);
    runner.forward_with_score(&x, &a);
    runner.push(&a, 0.5);
    runner.pull_back(&a, 0.5);
    runner.push_score(&a);
}

/// All steps of a verb are one launch, and two more add up a gradient.
#[test]
fn a_verb_is_one_launch() {
    for (spec, shape) in [(lattice(2, 2, 3, 6.0), &[4, 4][..]), (shallow(8, 2, 3), &[5])] {
        assert_eq!(counts(&spec, shape, 40), [[1, 0, 0], [1, 0, 0], [3, 0, 0]], "launches and products of {spec:?}");
    }
}

#[test]
fn a_lattice_too_large_is_refused_in_one_line() {
    let device: Device<f64> = device();
    let error = device.layer(&lattice(4, 3, 4, 4.0), &[256, 256]).err().expect("it doesn't fit").to_string();
    let expected = "bytes of the shared memory of a card that has 166912: accepted is a lattice that fits into it, such as 64 x 64 in f32; the cpu takes any";
    assert!(error.starts_with("field = one that takes ") && error.ends_with(expected), "{error}");
    assert!(!error.contains('\n'), "{error}");
}
