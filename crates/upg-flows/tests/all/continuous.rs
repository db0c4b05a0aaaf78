//! Continuous flows: the battery, the order of the method, the symmetries of the lattice field.

use ndarray::Array2;
use rand::RngExt;
use upg_core::{Cpu, Invertible, Layer, Real, Rng};
use upg_flows::spec::{BaseSpec, FieldSpec};
use upg_flows::{Continuous, ContinuousFlow, LatticeField, ShallowField, VectorField};
use upg_testkit::{draw, flow::Parts, flow_battery, layer_battery, runner::Runner};

// Log-det, score, inverse and duality hold up to the error of the method, O(h⁴): here below that of finite differences. (The pull-back is exact.)
layer_battery! {
    lattice_field(rng) up to 1e-9 spread 0.1 => Continuous::new(any_lattice_field::<T>(rng), FINE);
    shallow_field(rng) up to 1e-9 spread 0.5 => Continuous::new(ShallowField::new(rng.random_range(1..5), rng.random_range(1..7), rng.random_range(1..4)), FINE);
}

flow_battery! {
    continuous_lattice(rng) up to 1e-9 spread 0.1 => Parts::on_line(any_flow(rng).build::<T>().unwrap(), rng);
}

/// As many steps as that takes, for fields so weak.
const FINE: usize = 40;

fn any_lattice_field<T: Real>(rng: &mut Rng) -> LatticeField<T> {
    LatticeField::new(any_lattice(rng), rng.random_range(1..3), rng.random_range(1..3))
        .with_scale(rng.random_range(6.0..12.0))
}

fn any_lattice(rng: &mut Rng) -> &'static [usize] {
    let lattices: [&[usize]; 5] = [&[1], &[3], &[4], &[2, 2], &[2, 1, 2]];
    lattices[rng.random_range(0..lattices.len())]
}

fn any_flow(rng: &mut Rng) -> ContinuousFlow {
    let field = FieldSpec::lattice(rng.random_range(1..3), rng.random_range(1..3));
    ContinuousFlow { lattice: vec![3], field, steps: FINE, base: BaseSpec::StandardNormal }
}

/// A layer with parameters at random, spread by so much.
fn case<F: VectorField<f64>>(field: F, spread: f64, seed: u64) -> (F, Vec<f64>) {
    let theta = draw::parameters(&mut draw::rng(seed), &field.params()).into_iter().map(|x| spread * x).collect();
    (field, theta)
}

/// The largest deviation over all numbers.
fn distance<T: Real>(a: &Array2<T>, b: &Array2<T>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a.wide() - b.wide()).abs()).fold(0.0, f64::max)
}

/// x, ℓ and the score after so many steps, and x after the way there and back.
fn after(flow: impl Invertible<Cpu<f64>>, theta: &[f64], x: &Array2<f64>) -> [Array2<f64>; 4] {
    let device = Cpu::here();
    let (mapped, score) = Runner::new(&device, &flow, theta).forward_with_score(x, &x.mapv(|x| -x));
    let back = Runner::new(&device, &flow.inverse(), theta).forward(&mapped.y);
    let log_det = Array2::from_shape_vec((mapped.log_det.len(), 1), mapped.log_det).unwrap();
    [mapped.y, log_det, score, back.y]
}

/// Errors against 512 steps at 4, 8 and 16 steps fall by 16 each time, nearly.
fn assert_fourth_order<F: VectorField<f64>>(make: impl Fn() -> F) {
    let (_, theta) = case(make(), 0.7, 3);
    let x = draw::normal(&mut draw::rng(4), 7, make().dof(), 1.0);
    let mut exact = after(Continuous::new(make(), 512), &theta, &x);
    exact[3] = x.clone();
    let errors = [8, 16, 32].map(|steps| {
        let results = after(Continuous::new(make(), steps), &theta, &x);
        std::array::from_fn::<f64, 4, _>(|i| distance(&results[i], &exact[i]))
    });
    for (i, what) in ["x", "log-det", "score", "the way there and back"].into_iter().enumerate() {
        for pair in errors.windows(2) {
            let order = (pair[0][i] / pair[1][i]).log2();
            assert!((3.5..5.6).contains(&order), "{what}: errors {errors:?}, order {order}");
        }
    }
}

#[test]
fn errors_fall_with_the_fourth_power_of_the_step() {
    assert_fourth_order(|| LatticeField::<f64>::new(&[4, 3], 3, 2));
    assert_fourth_order(|| ShallowField::new(5, 8, 3));
}

/// The flow of x with its sites moved by `moved`, x(moved(i)) at i.
fn assert_equivariant(lattice: &[usize], moved: impl Fn(usize) -> usize, sign: f64, what: &str) {
    let flow = Continuous::new(LatticeField::<f64>::new(lattice, 3, 2), 6);
    let theta = draw::parameters(&mut draw::rng(5), &Layer::<Cpu<f64>>::params(&flow));
    let x = draw::normal(&mut draw::rng(6), 3, lattice.iter().product(), 1.0);
    let changed = |x: &Array2<f64>| Array2::from_shape_fn(x.dim(), |(b, i)| sign * x[[b, moved(i)]]);
    let device = Cpu::here();
    let mut runner = Runner::new(&device, &flow, &theta);
    let (first, then) = (changed(&runner.forward(&x).y), runner.forward(&changed(&x)).y);
    let allowed = if sign < 0.0 { 0.0 } else { 1e-13 };
    assert!(distance(&first, &then) <= allowed, "{what}: off by {}", distance(&first, &then));
}

#[test]
fn the_lattice_field_has_the_symmetries_of_the_lattice() {
    let at = |[a, b]: [usize; 2], [rows, columns]: [usize; 2]| a % rows * columns + b % columns;
    let shape = [6, 4];
    let coordinates = move |i: usize| [i / 4, i % 4];
    assert_equivariant(&shape, |i| i, -1.0, "x -> -x, to the bit");
    assert_equivariant(&shape, move |i| at([coordinates(i)[0] + 1, coordinates(i)[1] + 3], shape), 1.0, "translation");
    assert_equivariant(&shape, move |i| at([6 - coordinates(i)[0], coordinates(i)[1]], shape), 1.0, "reflection");
    let transposed = |i: usize| i % 5 * 5 + i / 5;
    assert_equivariant(&[5, 5], transposed, 1.0, "exchange of equal axes");
}
