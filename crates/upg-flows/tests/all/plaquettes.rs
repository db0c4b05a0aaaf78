//! The continuous flow of plaquettes: batteries, its field against naive formulas, gauge symmetry, its error, refusals.

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::f64::consts::{PI, TAU};
use upg_core::{Batch, Cpu, Cut, Engine, Layer, Real, Rng, UniformTorus};
use upg_flows::continuous::{Covector, Evaluation, Moment};
use upg_flows::spec::PlaquetteFlowSpec;
use upg_flows::{BaseSpec, FlowSpec, LayerSpec, PlaquetteField, PlaquetteFlow, U1Continuous, VectorField};
use upg_targets::U1;
use upg_testkit::flow::{AnyEngine, agreement::assert_paths_agree};
use upg_testkit::runner::{Mapped, Runner};
use upg_testkit::tolerance::{Tolerance, assert_close, norm_wise_error};
use upg_testkit::{domain::Domain, draw, finite, layer_battery};

// Log-det, score, inverse and duality hold up to the error of the integrator, O(h⁴): here below that of finite differences. (The pull-back is exact.)
layer_battery! {
    plaquette_flow(rng) on Domain::Circle up to 1e-9 spread 0.1 => { let [n, m, k] = any_sizes(rng); PlaquetteFlow::<T>::new(any_lattice(rng), n, m, k, FINE) };
}

/// As many steps as that takes, for fields so weak.
const FINE: usize = 40;

/// Sizes whose field isn't steep, so that few steps do; others are tested without an integrator.
fn any_sizes(rng: &mut Rng) -> [usize; 3] {
    [1, 1, rng.random_range(1..3)]
}

/// Lattices so small that their links close around them.
fn any_lattice(rng: &mut Rng) -> [usize; 2] {
    let lattices = [[2, 2], [2, 3], [3, 2]];
    lattices[rng.random_range(0..lattices.len())]
}

/// A field with random parameters at one time.
struct AtTime {
    field: PlaquetteField<f64>,
    lattice: [usize; 2],
    sizes: [usize; 3],
    theta: Vec<f64>,
    time: f64,
}

/// The results of all methods of a field for one sample; ∂θ is that of the covector and weight.
struct Evaluated {
    velocity: Vec<f64>,
    divergence: f64,
    pulled: Vec<f64>,
    gradient: Vec<f64>,
}

impl AtTime {
    fn draw(rng: &mut Rng) -> Self {
        let lattices = [[2, 2], [2, 3], [3, 3], [4, 4], [5, 4], [6, 3]];
        let lattice = lattices[rng.random_range(0..lattices.len())];
        let sizes = [rng.random_range(1..6), rng.random_range(1..4), rng.random_range(1..4)];
        let field = PlaquetteField::new(lattice, sizes[0], sizes[1], sizes[2]);
        let theta = draw::parameters(rng, &field.params());
        Self { field, lattice, sizes, theta, time: rng.random_range(0.0..1.0) }
    }

    fn volume(&self) -> usize {
        self.lattice[0] * self.lattice[1]
    }

    /// All methods at one sample in all lanes, of which only the first has a covector.
    fn evaluate(&self, theta: &[f64], plaquettes: &[f64], a: &[f64], weight: f64) -> Evaluated {
        let (samples, mut prepared, mut memory) = (8, Default::default(), Default::default());
        self.field.prepare(theta, &[0.0, self.time], &mut prepared);
        let at = Moment { time: self.time, index: 1, theta, prepared: &prepared };
        let batch = |x: &[f64], of_others: f64| {
            let mut batch = Batch::zeros(x.len(), samples);
            (0..x.len()).for_each(|row| batch.row_mut(row).fill(of_others * x[row]));
            (0..x.len()).for_each(|row| batch.row_mut(row)[0] = x[row]);
            batch
        };
        let (p, a) = (batch(plaquettes, 1.0), batch(a, 0.0));
        let mut weights = vec![0.0; samples];
        weights[0] = weight;
        let covector = Covector { a: &a, weights: &weights };
        let [mut velocity, mut out, mut alone] = [(); 3].map(|()| Batch::zeros(self.volume(), samples));
        let mut divergence = vec![0.0; samples];
        let result = Evaluation { velocity: &mut velocity, divergence: &mut divergence, out: &mut out };
        self.field.evaluate_with_pull_back(&at, &p, covector, result, &mut memory);
        let mut sums = vec![0.0; self.field.sums(2)];
        self.field.pull_back(&at, &p, covector, &mut alone, Some(&mut sums), &mut memory);
        assert_eq!(out.as_slice(), alone.as_slice(), "pulled back with and without a value");
        let mut gradient = vec![f64::NAN; theta.len()];
        self.field.reduce(theta, &prepared, &sums, upg_core::Accum::Replace, &mut gradient);
        let first = |batch: &Batch<f64>| (0..batch.rows()).map(|row| batch.row(row)[0]).collect::<Vec<_>>();
        Evaluated { velocity: first(&velocity), divergence: divergence[0], pulled: first(&out), gradient }
    }

    /// MATH (36) by sums over pairs of sites.
    fn naive(&self, plaquettes: &[f64]) -> Vec<f64> {
        let ([sines, products, times], volume) = (self.sizes, self.volume());
        let basis: Vec<f64> = (0..times).map(|j| (PI * j as f64 * self.time).cos()).collect();
        let orbits = self.orbits();
        let count = orbits.values().max().unwrap() + 1;
        let (w, kernels) = self.theta.split_at(sines * times);
        let (a, b) = kernels.split_at(kernels.len() / 2);
        let at_time = |theta: &[f64], row: usize, stride: usize| {
            (0..times).map(|j| basis[j] * theta[(row * times + j) * stride]).sum::<f64>()
        };
        let convolution = |theta: &[f64], pair: usize, y: usize, x: usize| {
            let wave = |(&[k_0, k_1], &orbit): (&[usize; 2], &usize)| {
                let angle = self.phase(k_0, y, x, 0) + self.phase(k_1, y, x, 1);
                at_time(&theta[orbit..], pair, count) * angle.cos()
            };
            orbits.iter().map(wave).sum::<f64>() / volume as f64
        };
        let of_site = |y: usize| {
            let angle = |n: usize, x: usize| n as f64 * plaquettes[x];
            let mut q: f64 = (0..sines).map(|n| at_time(w, n, 1) * angle(n + 1, y).sin()).sum();
            for pair in 0..products * products {
                let (n, m) = (pair / products + 1, pair % products + 1);
                for x in 0..volume {
                    q += angle(n, y).sin() * convolution(a, pair, y, x) * angle(m, x).cos();
                    q += angle(n, y).cos() * convolution(b, pair, y, x) * angle(m, x).sin();
                }
            }
            q
        };
        let q: Vec<f64> = (0..volume).map(of_site).collect();
        let mean = q.iter().sum::<f64>() / volume as f64;
        q.iter().map(|q| q - mean).collect()
    }

    /// k_μ (y − x)_μ.
    fn phase(&self, k: usize, y: usize, x: usize, axis: usize) -> f64 {
        let coordinate = |site: usize| [site / self.lattice[1], site % self.lattice[1]][axis] as f64;
        TAU * k as f64 / self.lattice[axis] as f64 * (coordinate(y) - coordinate(x))
    }

    /// The orbit of every momentum, as docs/WEIGHTS.md numbers them.
    fn orbits(&self) -> HashMap<[usize; 2], usize> {
        let [rows, columns] = self.lattice;
        let smallest = |[k_0, k_1]: [usize; 2]| {
            let (k_0, k_1) = (k_0.min(rows - k_0), k_1.min(columns - k_1));
            if rows == columns { [k_0.min(k_1), k_0.max(k_1)] } else { [k_0, k_1] }
        };
        let mut kinds: Vec<[usize; 2]> = vec![];
        let all = (0..rows).flat_map(|k_0| (0..columns).map(move |k_1| [k_0, k_1]));
        all.clone().for_each(|k| kinds.push(smallest(k)));
        kinds.sort_unstable();
        kinds.dedup();
        all.map(|k| (k, kinds.iter().position(|&kind| kind == smallest(k)).unwrap())).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_field_is_that_of_the_naive_formula(seed in any::<u64>()) {
        let rng = &mut draw::rng(seed);
        let at = AtTime::draw(rng);
        let plaquettes: Vec<f64> = (0..at.volume()).map(|_| rng.random_range(-12.0..12.0)).collect();
        let zero = vec![0.0; at.volume()];
        let Evaluated { velocity, .. } = at.evaluate(&at.theta, &plaquettes, &zero, 0.0);
        assert_close("v", &velocity, &at.naive(&plaquettes), Tolerance::round_off::<f64>().times(4.0));
    }

    /// div v = tr ∂v/∂P; (∂v/∂P)ᵀ a + w ∇div v and ∂θ are the derivatives of ⟨a, v⟩ + w div v.
    #[test]
    fn divergence_and_pull_back_are_derivatives(seed in any::<u64>()) {
        let rng = &mut draw::rng(seed);
        let at = AtTime::draw(rng);
        let mut draw = || (0..at.volume()).map(|_| rng.random_range(-3.0..3.0)).collect::<Vec<f64>>();
        let (plaquettes, a) = (draw(), draw());
        let weight = if seed % 3 == 0 { 0.0 } else { 1.3 };
        let Evaluated { divergence, pulled, gradient, .. } = at.evaluate(&at.theta, &plaquettes, &a, weight);
        let jacobian = finite::jacobian(|p| at.evaluate(&at.theta, p, &a, 0.0).velocity, &plaquettes).value;
        let trace: f64 = jacobian.diag().sum();
        let scale = jacobian.diag().iter().map(|d| d.abs()).sum::<f64>();
        prop_assert!((divergence - trace).abs() <= Tolerance::differences().bound() * scale, "{divergence} {trace}");
        let paired = |theta: &[f64], p: &[f64]| {
            let Evaluated { velocity, divergence, .. } = at.evaluate(theta, p, &a, weight);
            velocity.iter().zip(&a).map(|(v, a)| v * a).sum::<f64>() + weight * divergence
        };
        let expected = finite::gradient(|p| paired(&at.theta, p), &plaquettes).value;
        assert_close("pull-back", &pulled, &expected, Tolerance::differences());
        let expected = finite::gradient(|theta| paired(theta, &plaquettes), &at.theta).value;
        assert_close("∂θ", &gradient, &expected, Tolerance::differences());
    }
}

/// u_μ(x) → α(x) + u_μ(x) − α(x+ê_μ), wrapped.
fn gauge_transform(links: &Array2<f64>, alpha: &Array2<f64>, [rows, columns]: [usize; 2]) -> Array2<f64> {
    let volume = rows * columns;
    Array2::from_shape_fn(links.dim(), |(b, link)| {
        let (direction, site) = (link / volume, link % volume);
        let (x0, x1) = (site / columns, site % columns);
        let next = if direction == 0 { ((x0 + 1) % rows) * columns + x1 } else { x0 * columns + (x1 + 1) % columns };
        (links[(b, link)] + alpha[(b, site)] - alpha[(b, next)]).rem_euclid(TAU)
    })
}

fn angles(rng: &mut Rng, batch: usize, dof: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((batch, dof), || rng.random_range(0.0..TAU))
}

fn largest_distance(x: &Array2<f64>, y: &Array2<f64>) -> f64 {
    (Domain::Circle.all_near(x, y) - y).iter().fold(0.0, |most: f64, e| most.max(e.abs()))
}

/// A flow with random parameters.
fn random_flow(rng: &mut Rng, lattice: [usize; 2], steps: usize) -> (PlaquetteFlow<f64>, Vec<f64>) {
    let flow = PlaquetteFlow::new(lattice, 3, 2, 2, steps);
    let theta = draw::parameters(rng, &Layer::<Cpu<f64>>::params(&flow));
    (flow, theta)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Transforming the links before or after the flow gives the same links, and the same log-det: log q is invariant.
    #[test]
    fn flow_is_gauge_equivariant(seed in any::<u64>(), rows in 2_usize..7, columns in 2_usize..7, batch in 1_usize..20) {
        let rng = &mut Rng::seed_from_u64(seed);
        let lattice = [rows, columns];
        let (flow, theta) = random_flow(rng, lattice, 6);
        let (z, alpha) = (angles(rng, batch, 2 * rows * columns), angles(rng, batch, rows * columns));
        let apply = |z: &Array2<f64>| Runner::new(&Cpu::here(), &flow, &theta).forward(z);
        let (there, moved) = (apply(&z), apply(&gauge_transform(&z, &alpha, lattice)));
        let distance = largest_distance(&moved.y, &gauge_transform(&there.y, &alpha, lattice));
        prop_assert!(distance < 1e-10, "{distance}");
        prop_assert!(norm_wise_error(&moved.log_det, &there.log_det) < 1e-10);
    }

    /// Mirrored, turned and translated links, and links of the opposite sign, go to such links with the same log-det.
    #[test]
    fn flow_is_equivariant_under_the_symmetries_of_the_lattice(seed in any::<u64>(), extent in 2_usize..6, batch in 1_usize..5) {
        let rng = &mut Rng::seed_from_u64(seed);
        let (flow, theta) = random_flow(rng, [extent; 2], 6);
        let z = angles(rng, batch, 2 * extent * extent);
        let there = Runner::new(&Cpu::here(), &flow, &theta).forward(&z);
        let link = |mu: usize, x: usize, y: usize| (mu * extent + x % extent) * extent + y % extent;
        let image = |u: &Array2<f64>, of: &dyn Fn(usize, usize, usize) -> (usize, f64)| {
            let mut moved = u.clone();
            for (mu, x, y) in (0..2).flat_map(|mu| (0..extent * extent).map(move |site| (mu, site / extent, site % extent))) {
                let (from, sign) = of(mu, x, y);
                let row = u.index_axis(Axis(1), from).mapv(|u| (sign * u).rem_euclid(TAU));
                moved.index_axis_mut(Axis(1), link(mu, x, y)).assign(&row);
            }
            moved
        };
        let translated = |mu: usize, x: usize, y: usize| (link(mu, x + 1, y + 2), 1.0);
        let turned = |mu: usize, x: usize, y: usize| (link(1 - mu, y, x), 1.0);
        // u_0(x) starts where the mirrored link ends.
        let mirrored = |mu: usize, x: usize, y: usize| match mu { 0 => (link(0, 2 * extent - 1 - x, y), -1.0), _ => (link(1, extent - x, y), 1.0) };
        let opposite = |mu: usize, x: usize, y: usize| (link(mu, x, y), -1.0);
        for symmetry in [&translated as &dyn Fn(usize, usize, usize) -> (usize, f64), &turned, &mirrored, &opposite] {
            let moved = Runner::new(&Cpu::here(), &flow, &theta).forward(&image(&z, symmetry));
            prop_assert!(largest_distance(&moved.y, &image(&there.y, symmetry)) < 1e-10);
            prop_assert!(norm_wise_error(&moved.log_det, &there.log_det) < 1e-10);
        }
    }
}

/// Halving h divides the errors of x and ℓ by 16.
#[test]
fn errors_fall_as_the_fourth_power_of_the_step() {
    let rng = &mut draw::rng(5);
    let (flow, theta) = random_flow(rng, [4, 3], 1);
    drop(flow);
    let z = angles(rng, 3, 24);
    let at = |steps: usize| {
        let flow = PlaquetteFlow::new([4, 3], 3, 2, 2, steps);
        Runner::new(&Cpu::here(), &flow, &theta).forward(&z)
    };
    let exact: Mapped<f64> = at(512);
    let errors = [16, 32, 64].map(|steps| {
        let Mapped { y, log_det } = at(steps);
        [largest_distance(&y, &exact.y), norm_wise_error(&log_det, &exact.log_det)]
    });
    for [coarse, fine] in [[0, 1], [1, 2]].map(|pair| pair.map(|i| errors[i])) {
        for (coarse, fine) in coarse.into_iter().zip(fine) {
            assert!((10.0..25.0).contains(&(coarse / fine)), "{errors:?}");
        }
    }
}

/// Larger fields than those of the battery, and few steps.
#[test]
fn single_precision_agrees_with_double() {
    fn results<T: Real>(theta: &[f64], x: &Array2<f64>, covector: &Array2<f64>) -> [Vec<f64>; 5] {
        let (here, flow) = (Cpu::here(), PlaquetteFlow::<T>::new([5, 4], 3, 2, 2, 6));
        let mut runner = Runner::new(&here, &flow, &draw::cast::<T>(theta));
        let covector = covector.mapv(T::of);
        let (Mapped { y, log_det }, score) = runner.forward_with_score(&x.mapv(T::of), &covector);
        let pulled = runner.pull_back(&covector, 0.7);
        let wide = |x: Vec<T>| x.into_iter().map(T::wide).collect::<Vec<f64>>();
        [
            wide(y.into_iter().collect()),
            log_det,
            wide(score.into_iter().collect()),
            wide(pulled.cotangent.into_iter().collect()),
            wide(pulled.grad),
        ]
    }
    let rng = &mut draw::rng(8);
    let flow = PlaquetteFlow::<f64>::new([5, 4], 3, 2, 2, 6);
    let theta = draw::parameters(rng, &Layer::<Cpu<f64>>::params(&flow));
    let (x, covector) = (draw::points(rng, Domain::Circle, 19, 40), draw::normal(rng, 19, 40, 1.0));
    let [y, log_det, score, cotangent, grad] = results::<f32>(&theta, &x, &covector);
    let expected = results::<f64>(&theta, &x, &covector);
    let y: Vec<f64> = y.iter().zip(&expected[0]).map(|(&y, &near)| Domain::Circle.near(y, near)).collect();
    for ((what, got), expected) in
        ["x", "log-det", "score", "cotangent", "∂θ"].into_iter().zip([y, log_det, score, cotangent, grad]).zip(expected)
    {
        assert_close(what, &got, &expected, Tolerance::round_off::<f32>().times(4.0));
    }
}

/// path-fast = path-two-pass = lean, and forward path-fast = gdreg, at steps so fine that the flow is the continuous one.
#[test]
fn path_gradients_agree() {
    for seed in 0..3 {
        let rng = &mut draw::rng(seed);
        let (flow, theta) = random_flow(rng, [3, 2], 256);
        let (z, x) = (angles(rng, 5, 12), angles(rng, 5, 12));
        let target = U1::new(&[3, 2], rng.random_range(0.5..2.0)).unwrap();
        let cut = Cut { micro_batch: 16, lanes: 2 };
        let mut engine: AnyEngine<f64> = Engine::new(Cpu::here(), Box::new(flow), UniformTorus::new(12), target, cut);
        // The error of the integrator: 256⁻⁴ = 2.3e-10, times its constant.
        assert_paths_agree("continuous U(1) flow", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>().times(1e4));
    }
}

#[test]
fn descriptions_that_make_no_flow_are_refused_by_field() {
    let good = U1Continuous::default();
    assert!(good.build::<f32>().is_ok());
    let odd = U1Continuous { lattice: vec![2, 5], ..good.clone() };
    assert!(odd.build::<f32>().is_ok());
    let many = "a whole number, at least 1, at most 10000";
    for (line, bad) in [
        ("lattice = [8]: accepted is two extents, each at least 2", U1Continuous { lattice: vec![8], ..good.clone() }),
        (
            "lattice = [8, 1]: accepted is two extents, each at least 2",
            U1Continuous { lattice: vec![8, 1], ..good.clone() },
        ),
        (&format!("sines = 0: accepted is {many}"), U1Continuous { sines: 0, ..good.clone() }),
        (
            "products = 0: accepted is a whole number, at least 1, at most 100",
            U1Continuous { products: 0, ..good.clone() },
        ),
        (&format!("times = 0: accepted is {many}"), U1Continuous { times: 0, ..good.clone() }),
        (&format!("steps = 0: accepted is {many}"), U1Continuous { steps: 0, ..good.clone() }),
    ] {
        let errors: Vec<String> = bad.errors().iter().map(ToString::to_string).collect();
        assert_eq!(errors, [line]);
    }
    let layer = LayerSpec::PlaquetteFlow(PlaquetteFlowSpec { sines: 1, products: 1, times: 1, steps: 2 });
    let refused = layer.build::<f64>(&[2, 1, 4]).map(drop).unwrap_err().to_string();
    assert_eq!(refused, "shape = [2, 1, 4]: accepted is [2, L_0, L_1], two extents, each at least 2");
    let flow = |layer| FlowSpec { shape: vec![2, 4, 4], base: BaseSpec::UniformTorus, layers: vec![layer] };
    assert_eq!(flow(layer.clone()).map_steps(|_| 7).steps(), Some(7));
    assert_eq!(flow(LayerSpec::Inverse(Box::new(layer))).map_steps(|_| 9).steps(), Some(9));
}
