//! Linear layers, permutations and ActNorm: batteries, and the matrices they stand for.

use rand::RngExt;
use upg_core::ndarray::{Array2, Axis};
use upg_core::{Batch, Chain, Cpu, Invertible, Layer, ParamLayout, Pass, Prepared, Rng, Workspace};
use upg_flows::spec::{AnyLayer, LayerSpec, LinearSpec, PermutationSpec};
use upg_flows::{
    ActNorm, Bias, FirstValues, GlobalScaling, Glow, Householder, LuChoices, LuLinear, MaskPattern, Order, Permutation,
    RealNvp, Scales, StartAt, permutation::shuffled,
};
use upg_testkit::{
    dense::Oracle,
    domain::Domain,
    draw,
    flow::Parts,
    flow_battery, layer_battery,
    runner::Runner,
    tolerance::{Tolerance, assert_close, assert_close_number, assert_same_bits},
};

layer_battery! {
    lu(rng) => { let n = rng.random_range(2..9); any_lu(rng, n) };
    lu_of_several_panels(rng) => { let n = rng.random_range(17..40); any_lu(rng, n) };
    lu_of_cells(rng) => any_lu_of_cells(rng);
    householder(rng) => Householder::new(rng.random_range(2..9), rng.random_range(1..12), any_bias(rng));
    act_norm(rng) => ActNorm::new(rng.random_range(1..9), FirstValues::Data);
    permutation(rng) => any_permutation(rng);
    permutation_of_angles(rng) on Domain::Circle => any_permutation(rng);
}

flow_battery! {
    glow(rng) => Parts::on_line(any_glow(rng).build::<T>().unwrap(), rng);
}

fn any_glow(rng: &mut Rng) -> Glow {
    let (lattice, cells) = [(vec![5], None), (vec![2, 4], Some(vec![2, 2])), (vec![3, 2], Some(vec![1, 2]))]
        [rng.random_range(0..3)]
    .clone();
    let mask = if lattice.len() > 1 { MaskPattern::Checkerboard } else { MaskPattern::Alternating };
    let steps = rng.random_range(1..3);
    Glow { lattice, steps, hidden: vec![rng.random_range(4..12)], mask, cells, ..Default::default() }
}

fn any_bias(rng: &mut Rng) -> Bias {
    if rng.random() { Bias::Yes } else { Bias::No }
}

fn any_order(rng: &mut Rng, shape: &[usize]) -> Order {
    match rng.random_range(0..6) {
        0 => Order::Identity,
        1 => Order::Reversal,
        2 => Order::Shift(rng.random_range(0..20)),
        3 => Order::Along { direction: rng.random_range(0..shape.len()), by: rng.random_range(0..9) },
        4 => Order::Random(rng.random()),
        _ => Order::Custom(shuffled(shape.iter().product(), rng.random())),
    }
}

fn any_choices(rng: &mut Rng, cell: &[usize]) -> LuChoices {
    let start = if rng.random() { StartAt::Random } else { StartAt::Identity };
    let negative = (0..cell.iter().product()).filter(|_| rng.random()).collect();
    LuChoices { cells: None, order: any_order(rng, cell), negative, bias: any_bias(rng), start }
}

fn any_lu(rng: &mut Rng, n: usize) -> LuLinear {
    LuLinear::new(&any_choices(rng, &[n]), &[n]).unwrap()
}

/// Cells, samples that they fill, and choices.
fn any_cells(rng: &mut Rng) -> (Vec<usize>, LuChoices) {
    let cells = [vec![2], vec![2, 1], vec![2, 2], vec![1, 3], vec![1, 2, 2]][rng.random_range(0..5)].clone();
    let shape = cells.iter().map(|&cell| cell * rng.random_range(1..4)).collect();
    let choices = any_choices(rng, &cells);
    (shape, LuChoices { cells: Some(cells), ..choices })
}

fn any_lu_of_cells(rng: &mut Rng) -> LuLinear {
    let (shape, choices) = any_cells(rng);
    LuLinear::new(&choices, &shape).unwrap()
}

fn any_permutation(rng: &mut Rng) -> Permutation {
    let shape = [vec![1], vec![7], vec![3, 2], vec![2, 4], vec![2, 3, 2]][rng.random_range(0..5)].clone();
    Permutation::new(&any_order(rng, &shape), &shape).unwrap()
}

fn parameters(rng: &mut Rng, layer: &dyn Layer<Cpu<f64>>) -> Vec<f64> {
    draw::parameters(rng, &layer.params())
}

fn tensor<'a>(layout: &ParamLayout, theta: &'a [f64], name: &str) -> &'a [f64] {
    layout.range(name).map_or(&[], |range| &theta[range])
}

/// W from its tensors, as the page about weights says.
fn matrix_of_tensors(choices: &LuChoices, cell: &[usize], layout: &ParamLayout, theta: &[f64]) -> Array2<f64> {
    let n = cell.iter().product();
    let (mut lower, mut upper) = (Array2::<f64>::eye(n), Array2::<f64>::zeros((n, n)));
    let (mut of_lower, mut of_upper) = (tensor(layout, theta, "lower").iter(), tensor(layout, theta, "upper").iter());
    for i in 0..n {
        (0..i).for_each(|j| lower[[i, j]] = *of_lower.next().unwrap());
        (i + 1..n).for_each(|j| upper[[i, j]] = *of_upper.next().unwrap());
        let sign = if choices.negative.contains(&i) { -1.0 } else { 1.0 };
        upper[[i, i]] = sign * tensor(layout, theta, "log_diagonal")[i].exp();
    }
    lower.dot(&upper).select(Axis(0), &choices.order.indices(cell).unwrap())
}

/// The matrix of an affine layer, [dof, dof], and what it adds.
fn matrix_of_layer(layer: &dyn Layer<Cpu<f64>>, theta: &[f64]) -> (Array2<f64>, Array2<f64>) {
    let (device, dof) = (Cpu::here(), layer.dof());
    let mut runner = Runner::new(&device, layer, theta);
    let shift = runner.forward(&Array2::zeros((1, dof))).y;
    let columns = runner.forward(&Array2::eye(dof)).y - &shift;
    (columns.reversed_axes(), shift)
}

#[test]
fn the_matrix_of_an_lu_layer_is_that_of_its_tensors() {
    for round in 0..10 {
        let mut rng = draw::rng(round);
        let n = rng.random_range(2..60);
        let choices = any_choices(&mut rng, &[n]);
        let layer = LuLinear::new(&choices, &[n]).unwrap();
        let (layout, theta) = (Layer::<Cpu<f64>>::params(&layer), parameters(&mut rng, &layer));
        let expected = matrix_of_tensors(&choices, &[n], &layout, &theta);
        let (matrix, shift) = matrix_of_layer(&layer, &theta);
        let flat = |a: &Array2<f64>| a.iter().copied().collect::<Vec<_>>();
        assert_close("W", &flat(&matrix), &flat(&expected), Tolerance::round_off::<f64>());
        if choices.bias == Bias::Yes {
            assert_same_bits("b", &flat(&shift), tensor(&layout, &theta, "bias"));
        }
        let log_det = Runner::new(&Cpu::here(), &layer, &theta).forward(&Array2::ones((1, n))).log_det[0];
        let dense = Oracle::Nalgebra.log_abs_det(expected.view());
        assert_close_number("log|det W|", log_det, dense, Tolerance::theorem::<f64>());
    }
}

#[test]
fn cells_share_one_matrix() {
    let choices =
        LuChoices { cells: Some(vec![2, 3]), negative: vec![4], order: Order::Random(5), ..Default::default() };
    let (shape, cells) = ([4, 9], [2, 3]);
    let layer = LuLinear::new(&choices, &shape).unwrap();
    let (layout, theta) = (Layer::<Cpu<f64>>::params(&layer), parameters(&mut draw::rng(3), &layer));
    let matrix = matrix_of_tensors(&choices, &cells, &layout, &theta);
    let x = draw::normal(&mut draw::rng(4), 2, 36, 1.0);
    let mapped = Runner::new(&Cpu::here(), &layer, &theta).forward(&x);
    for (x, y) in x.rows().into_iter().zip(mapped.y.rows()) {
        for (row, column) in (0..4).flat_map(|row| (0..9).map(move |column| (row, column))) {
            let site = |place: usize| (row / 2 * 2 + place / 3) * 9 + column / 3 * 3 + place % 3;
            let channel = row % 2 * 3 + column % 3;
            let of_cell: f64 = (0..6).map(|place| matrix[[channel, place]] * x[site(place)]).sum();
            let expected = of_cell + tensor(&layout, &theta, "bias")[channel];
            assert!((y[row * 9 + column] - expected).abs() < 1e-13, "site ({row}, {column})");
        }
    }
    let log_det = 6.0 * tensor(&layout, &theta, "log_diagonal").iter().sum::<f64>();
    assert_close_number("log|det|", mapped.log_det[0], log_det, Tolerance::round_off::<f64>());
}

/// Wide enough for panels of several widths and for products on several threads.
#[test]
fn a_wide_layer_is_the_same_on_any_threads_and_undone_by_its_inverse() {
    let n = 300;
    let layer = LuLinear::new(&LuChoices { start: StartAt::Random, ..Default::default() }, &[n]).unwrap();
    let (layout, theta) = (Layer::<Cpu<f64>>::params(&layer), parameters(&mut draw::rng(1), &layer));
    let (x, a) = (draw::normal(&mut draw::rng(2), 600, n, 1.0), draw::normal(&mut draw::rng(3), 600, n, 1.0));
    let inverse = Invertible::<Cpu<f64>>::inverse(&layer);
    let results = |threads: usize| {
        let device = Cpu::new(threads);
        let mut runner = Runner::new(&device, &layer, &theta);
        let y = runner.forward(&x).y;
        let (pushed, pulled) = (runner.push(&a, 0.3), runner.pull_back(&a, 0.3));
        let back = Runner::new(&device, &*inverse, &theta).forward(&y).y;
        [y.into_raw_vec_and_offset().0, back.into_raw_vec_and_offset().0, pushed.grad, pulled.grad]
    };
    let one = results(1);
    for threads in [2, 3] {
        for (one, more) in one.iter().zip(results(threads)) {
            assert_same_bits(&format!("{threads} threads"), one, &more);
        }
    }
    let matrix = matrix_of_tensors(&LuChoices::default(), &[n], &layout, &theta);
    let y = x.dot(&matrix.reversed_axes())
        + Array2::from_shape_vec((1, n), tensor(&layout, &theta, "bias").into()).unwrap();
    assert_close("y", &one[0], y.as_slice().unwrap(), Tolerance::round_off::<f64>());
    assert_close("x", &one[1], x.as_slice().unwrap(), Tolerance::theorem::<f64>());
}

#[test]
fn reflections_are_orthogonal_and_the_product_of_single_ones() {
    for round in 0..10 {
        let mut rng = draw::rng(round);
        let (n, k) = (rng.random_range(2..30), rng.random_range(1..40));
        let layer = Householder::new(n, k, Bias::No);
        let theta: Vec<f64> = parameters(&mut rng, &layer).iter().map(|v| 3.0 * v).collect();
        let (matrix, _) = matrix_of_layer(&layer, &theta);
        let error =
            (matrix.dot(&matrix.t()) - Array2::<f64>::eye(n)).iter().fold(0.0, |most: f64, e| most.max(e.abs()));
        assert!(error < 64.0 * f64::EPSILON * k as f64, "off by {error} for {k} reflections of {n}");
        let mut product = Array2::<f64>::eye(n);
        for v in theta.chunks_exact(n) {
            let v = Array2::from_shape_vec((n, 1), v.to_vec()).unwrap();
            let twice = 2.0 / (&v * &v).sum();
            product = &product - &(v.dot(&v.t().dot(&product)) * twice);
        }
        let flat = |a: &Array2<f64>| a.iter().copied().collect::<Vec<_>>();
        assert_close("H_K … H_1", &flat(&matrix), &flat(&product), Tolerance::theorem::<f64>());
    }
}

#[test]
fn orders_are_those_of_their_names() {
    let of = |order: Order, shape: &[usize]| order.indices(shape).unwrap();
    assert_eq!(of(Order::Identity, &[3]), [0, 1, 2]);
    assert_eq!(of(Order::Reversal, &[2, 2]), [3, 2, 1, 0]);
    assert_eq!(of(Order::Shift(7), &[5]), [2, 3, 4, 0, 1]);
    assert_eq!(of(Order::Along { direction: 0, by: 1 }, &[3, 2]), [2, 3, 4, 5, 0, 1]);
    assert_eq!(of(Order::Along { direction: 1, by: 4 }, &[2, 3]), [1, 2, 0, 4, 5, 3]);
    assert_eq!(of(Order::Custom(vec![1, 2, 0]), &[3]), [1, 2, 0]);
    assert_eq!(of(Order::Random(7), &[8]), SHUFFLED_BY_7);
}

/// From the algorithm on the page about weights, in Python.
const SHUFFLED_BY_7: [usize; 8] = [1, 4, 5, 2, 6, 0, 3, 7];

#[test]
fn permutations_are_exact_in_every_verb() {
    for round in 0..20 {
        let mut rng = draw::rng(round);
        let shape = [3, 4];
        let order = any_order(&mut rng, &shape);
        let (layer, indices) = (Permutation::new(&order, &shape).unwrap(), order.indices(&shape).unwrap());
        let x = draw::normal(&mut rng, 3, 12, 1.0);
        let device = Cpu::here();
        let mut runner = Runner::new(&device, &layer, &[]);
        let mapped = runner.forward(&x);
        let moved = x.select(Axis(1), &indices);
        assert_eq!((&mapped.y, &mapped.log_det), (&moved, &vec![0.0; 3]));
        assert_eq!(runner.push_score(&x), moved);
        assert_eq!(runner.pull_back(&moved, 0.7).cotangent, x);
        let inverse = Invertible::<Cpu<f64>>::inverse(&layer);
        assert_eq!(Runner::new(&device, &*inverse, &[]).forward(&moved).y, x);
    }
}

#[test]
fn wrong_choices_are_refused_in_one_line() {
    let linear = |spec: LinearSpec| LayerSpec::Linear(spec);
    let permutation = |order| LayerSpec::Permutation(PermutationSpec { order });
    let cells = |cells: &[usize]| linear(LinearSpec { cells: Some(cells.into()), ..Default::default() });
    let (once, fill) =
        ("a list that holds every flat index once", "extents that divide those of the lattice, two sites in all");
    for (layer, said) in [
        (cells(&[2, 2]), format!("cells = [2, 2]: accepted is {fill}")),
        (cells(&[2]), format!("cells = [2]: accepted is {fill}")),
        (cells(&[0, 2]), format!("cells = [0, 2]: accepted is {fill}")),
        (cells(&[1, 1]), format!("cells = [1, 1]: accepted is {fill}")),
        (permutation(Order::Custom(vec![0; 12])), format!("order = {:?}: accepted is {once}", [0; 12])),
        (permutation(Order::Custom(vec![1, 0])), format!("order = [1, 0]: accepted is {once}")),
        (
            permutation(Order::Along { direction: 2, by: 1 }),
            "order = Along { direction: 2, by: 1 }: accepted is a direction below the number of extents".into(),
        ),
        (
            linear(LinearSpec { order: Order::Custom(vec![1, 0]), ..Default::default() }),
            format!("order = [1, 0]: accepted is {once}"),
        ),
        (
            linear(LinearSpec { negative: vec![3, 3], ..Default::default() }),
            "negative = [3, 3]: accepted is distinct rows below the number of channels".into(),
        ),
        (
            linear(LinearSpec { cells: Some(vec![1, 2]), negative: vec![2], ..Default::default() }),
            "negative = [2]: accepted is distinct rows below the number of channels".into(),
        ),
    ] {
        let error = layer.build::<f64>(&[3, 4]).map(drop).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
    let glow = Glow { lattice: vec![3, 4], steps: 2, hidden: vec![4], cells: Some(vec![2, 2]), ..Default::default() };
    assert_eq!(glow.spec().unwrap_err().to_string(), format!("cells = [2, 2]: accepted is {fill}"));
    let glow = Glow { cells: None, steps: 3334, ..glow };
    assert_eq!(
        glow.spec().unwrap_err().to_string(),
        "steps = 3334: accepted is a whole number, at least 1, at most 3333"
    );
}

/// Largest deviation of the mean from 0 and of the variance from 1, over all columns.
fn far_from_normal(samples: &Array2<f64>) -> f64 {
    let (mean, variance) = (samples.mean_axis(Axis(0)).unwrap(), samples.var_axis(Axis(0), 0.0));
    let off = mean.iter().map(|m| m.abs()).chain(variance.iter().map(|v| (v - 1.0).abs()));
    off.fold(0.0, f64::max)
}

fn first_values(map: &dyn Layer<Cpu<f64>>, x: &Array2<f64>, theta: &mut [f64]) {
    let (device, batch) = (Cpu::here(), Batch::from_samples(x.view()));
    map.batch_start().expect("a layer asks").start(&device, &batch, x.nrows(), theta);
}

#[test]
fn act_norm_starts_by_what_comes_out_of_it() {
    let layer = ActNorm::new(3, FirstValues::Data);
    let inverse = Invertible::<Cpu<f64>>::inverse(&layer);
    let batch = draw::normal(&mut draw::rng(1), 200, 3, 2.5) + 1.25;
    for map in [&layer as &dyn Layer<Cpu<f64>>, &*inverse] {
        let mut theta = vec![0.0; 6];
        first_values(map, &batch, &mut theta);
        let out = Runner::new(&Cpu::here(), map, &theta).forward(&batch).y;
        assert!(far_from_normal(&out) < 1e-12, "{theta:?}");
    }
    let mut theta = vec![0.0; 6];
    first_values(&layer, &Array2::from_elem((4, 3), 2.0), &mut theta);
    assert_eq!(theta, [0.0, 0.0, 0.0, -2.0, -2.0, -2.0], "what doesn't vary keeps its scale");
    assert!(Layer::<Cpu<f64>>::batch_start(&ActNorm::new(3, FirstValues::Identity)).is_none());
}

/// The layers of a chain, in the order of application, whose output is normalised.
fn normalised(chain: &dyn Layer<Cpu<f64>>, theta: &[f64], x: &Array2<f64>) -> Vec<usize> {
    let (device, mut prepared) = (Cpu::here(), Prepared::default());
    let (mut tape, mut scratch) = (Workspace::default(), Workspace::default());
    chain.prepare(&device, theta, &mut prepared);
    let mut pass = Pass { device: &device, theta, prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
    let (mut found, mut x, mut log_det) = (vec![], Batch::from_samples(x.view()), vec![0.0; x.nrows()]);
    chain.forward_each(&mut pass, &mut x, &mut log_det, &mut |layer, x, _| {
        if far_from_normal(&x.to_samples()) < 1e-11 {
            found.push(layer);
        }
    });
    found
}

/// Each ActNorm of a chain, also of one within it, gets what comes out of the layers before it.
#[test]
fn a_chain_starts_from_its_beginning_in_either_direction() {
    let coupling = || -> AnyLayer<f64> {
        Box::new(RealNvp { lattice: vec![4], couplings: 2, hidden: vec![6], ..Default::default() }.build().unwrap())
    };
    let norm = || -> AnyLayer<f64> { Box::new(ActNorm::new(4, FirstValues::Data)) };
    let scaling = Box::new(GlobalScaling::new(4, Scales::PerDof));
    let inner = Chain::new::<Cpu<f64>>(vec![scaling, norm()]);
    let chain = Chain::new::<Cpu<f64>>(vec![coupling(), Box::new(inner), coupling(), norm(), coupling()]);
    let initial = parameters(&mut draw::rng(5), &chain);
    let inverse = chain.inverse_chain::<Cpu<f64>>();
    let batch = draw::normal(&mut draw::rng(6), 150, 4, 1.5) - 0.5;
    for (map, expected) in [(&chain, vec![1, 3]), (&inverse, vec![1])] {
        let mut theta = initial.clone();
        first_values(map, &batch, &mut theta);
        assert_eq!(normalised(map, &theta, &batch), expected); // backwards the scaling comes after the norm within
        let layout = Layer::<Cpu<f64>>::params(&chain);
        let changed = layout.ranges().filter(|(_, range)| initial[range.clone()] != theta[range.clone()]);
        let changed: Vec<&str> = changed.map(|(tensor, _)| &tensor.name[..]).collect();
        let norms = ["layers.1.layers.1.log_scale", "layers.1.layers.1.shift", "layers.3.log_scale", "layers.3.shift"];
        assert_eq!(changed, norms);
    }
}
