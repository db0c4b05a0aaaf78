//! Layers that are linear in their samples pass the battery of the host's layers, one line each.

use crate::support::on_device;
use rand::RngExt;
use upg_core::Rng;
use upg_flows::permutation::shuffled;
use upg_flows::spec::{ActNormSpec, HouseholderSpec, LinearSpec, PermutationSpec};
use upg_flows::{Bias, FirstValues, LayerSpec, Order, StartAt};
use upg_testkit::domain::Domain;
use upg_testkit::layer_battery;

layer_battery! {
    act_norm(rng) threads 1 => on_device::<T>(&LayerSpec::ActNorm(ActNormSpec { start: FirstValues::Data }), &[rng.random_range(1..9)]);
    permutation(rng) threads 1 => on_device::<T>(&any_permutation(rng), &[2, 3]);
    permutation_of_angles(rng) on Domain::Circle threads 1 => on_device::<T>(&any_permutation(rng), &[2, 3]);
    linear(rng) threads 1 => { let (shape, spec) = any_linear(rng); on_device::<T>(&spec, &shape) };
    householder(rng) threads 1 => { let (dof, spec) = any_householder(rng); on_device::<T>(&spec, &[dof]) };
}

fn any_bias(rng: &mut Rng) -> Bias {
    if rng.random() { Bias::Yes } else { Bias::No }
}

pub fn any_order(rng: &mut Rng, shape: &[usize]) -> Order {
    match rng.random_range(0..5) {
        0 => Order::Identity,
        1 => Order::Reversal,
        2 => Order::Shift(rng.random_range(0..20)),
        3 => Order::Along { direction: rng.random_range(0..shape.len()), by: rng.random_range(0..9) },
        _ => Order::Custom(shuffled(shape.iter().product(), rng.random())),
    }
}

fn any_permutation(rng: &mut Rng) -> LayerSpec {
    LayerSpec::Permutation(PermutationSpec { order: any_order(rng, &[2, 3]) })
}

/// All numbers, or cells.
pub fn any_linear(rng: &mut Rng) -> (Vec<usize>, LayerSpec) {
    if rng.random() {
        let shape = vec![rng.random_range(2..20)];
        let spec = any_linear_spec(rng, &shape, None);
        return (shape, LayerSpec::Linear(spec));
    }
    let cells = [vec![2], vec![2, 1], vec![2, 2], vec![1, 3], vec![1, 2, 2]][rng.random_range(0..5)].clone();
    let shape = cells.iter().map(|&cell| cell * rng.random_range(1..4)).collect();
    let spec = any_linear_spec(rng, &cells, Some(cells.clone()));
    (shape, LayerSpec::Linear(spec))
}

pub fn any_linear_spec(rng: &mut Rng, cell: &[usize], cells: Option<Vec<usize>>) -> LinearSpec {
    let start = if rng.random() { StartAt::Random } else { StartAt::Identity };
    let negative = (0..cell.iter().product()).filter(|_| rng.random()).collect();
    LinearSpec { cells, order: any_order(rng, cell), negative, bias: any_bias(rng), start }
}

pub fn any_householder(rng: &mut Rng) -> (usize, LayerSpec) {
    let dof = rng.random_range(2..9);
    let reflections = rng.random_range(1..=dof);
    (dof, LayerSpec::Householder(HouseholderSpec { reflections, bias: any_bias(rng) }))
}
