//! Continuous flows of links on the device: the battery, agreement with the host on lattices of all kinds, and what a verb costs.

use crate::agreement::check_agreement;
use crate::continuous::{assert_covectors_agree, assert_no_races};
use crate::couplings::counts;
use crate::support::{Device, device, on_device};
use rand::RngExt;
use upg_core::Rng;
use upg_flows::LayerSpec;
use upg_flows::spec::PlaquetteFlowSpec;
use upg_testkit::{domain::Domain, draw, layer_battery};

// As on the host, up to the error of the method, which is far smaller where the field doesn't depend on time. That it does is held against the host below.
layer_battery! {
    plaquette_flow(rng) on Domain::Circle up to 1e-9 spread 0.02 threads 1 => on_device::<T>(&flow([1, 1, 1], STEPS), any_lattice(rng));
}

/// As many steps as that takes, for fields so weak.
const STEPS: usize = 6;

/// Lattices so small that their links close around them.
fn any_lattice(rng: &mut Rng) -> &'static [usize] {
    let lattices: [&[usize]; 3] = [&[2, 2, 2], &[2, 2, 3], &[2, 3, 2]];
    lattices[rng.random_range(0..lattices.len())]
}

/// With N, M and K, in so many steps.
fn flow([sines, products, times]: [usize; 3], steps: usize) -> LayerSpec {
    LayerSpec::PlaquetteFlow(PlaquetteFlowSpec { sines, products, times, steps })
}

#[test]
fn lattices_and_sizes_of_all_kinds_agree_with_the_host() {
    let rng = &mut draw::rng(1);
    let lattices = [[2, 2], [3, 5], [16, 8], [10, 10], [4, 7], [33, 32]];
    let sizes = [[1, 1, 1], [4, 2, 3], [2, 3, 2], [7, 1, 2], [1, 5, 1], [3, 2, 4]];
    for (i, ([rows, columns], sizes)) in lattices.into_iter().zip(sizes).enumerate() {
        check_agreement(&flow(sizes, 1 + i % 3), &[2, rows, columns], Domain::Circle, rng);
    }
}

/// More samples than there are blocks which leave sums, so that some of them add up more than one.
#[test]
fn gradients_are_sums_over_many_blocks() {
    assert_covectors_agree::<f64>(&flow([3, 2, 2], 1), &[2, 16, 16], 300);
    assert_covectors_agree::<f64>(&flow([2, 1, 2], 1), &[2, 3, 2], 4200);
}

#[test]
fn a_large_lattice_agrees_with_the_host() {
    assert_covectors_agree::<f32>(&flow([4, 2, 4], 1), &[2, 64, 64], 3);
}

#[test]
fn barriers_are_where_threads_meet() {
    assert_no_races(&flow([3, 2, 2], 1), &[2, 4, 6]);
    assert_no_races(&flow([6, 3, 1], 2), &[2, 5, 5]);
}

/// All steps of a verb are one launch, and two more add up a gradient.
#[test]
fn a_verb_is_one_launch() {
    assert_eq!(counts(&flow([4, 2, 2], 3), &[2, 4, 4], 40), [[1, 0, 0], [1, 0, 0], [3, 0, 0]], "launches and products");
}

#[test]
fn what_is_too_large_or_no_lattice_is_refused_in_one_line() {
    let device: Device<f64> = device();
    let refuse = |products, shape: &[usize]| {
        device.layer(&flow([4, products, 4], 10), shape).err().expect("it isn't accepted").to_string()
    };
    let accepted =
        "accepted is a lattice that fits into it, such as 64 x 64 with products of 2 in f32; the cpu takes any";
    let expected = |shape, bytes| {
        format!("shape = {shape} that takes {bytes} bytes of the shared memory of a card that has 166912: {accepted}")
    };
    assert_eq!(refuse(2, &[2, 64, 64]), expected("[2, 64, 64]", 293_504));
    assert_eq!(refuse(100, &[2, 8, 8]), expected("[2, 8, 8]", 930_176));
    let accepted = "[2, L_0, L_1], two extents, each at least 2";
    assert_eq!(refuse(1, &[2, 8, 1]), format!("shape = [2, 8, 1]: accepted is {accepted}"));
}
