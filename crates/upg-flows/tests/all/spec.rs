//! Descriptions against the flows that are made of them.

mod any;
mod refusals;
#[cfg(feature = "serde")]
mod text;

use any::{any_base, any_flow, any_hidden, any_transform, cells_of};
use proptest::prelude::*;
use upg_core::{Batch, Cpu, Cut, Domain, Layer, ParamLayout, Pass, Prepared, Real, Workspace};
use upg_flows::spec::*;
use upg_flows::{
    Activation, Bias, ConvNvp, Glow, Iaf, Maf, MaskPattern, MaskSpec, Order, Parity, RealNvp, Scales, StartAt, U1Flow,
    Z2Nice,
};
use upg_testkit::{alloc, domain, draw};

proptest! {
    #[test]
    fn the_parameters_are_those_of_the_flow(spec in any_flow()) {
        let flow = spec.build::<f64>().unwrap();
        let mut layout = ParamLayout::default();
        layout.nest("base.", &spec.build_base::<f64>().params());
        layout.nest("", &Layer::<Cpu<f64>>::params(&flow));
        prop_assert_eq!(&spec.params().unwrap(), &layout);
        prop_assert_eq!(spec.size().unwrap().parameters, layout.size() as u64);
        prop_assert_eq!(spec.dof(), Layer::<Cpu<f64>>::dof(&flow));
        prop_assert_eq!(spec.dof(), spec.build_base::<f32>().dof());
    }

    #[test]
    fn the_numbers_kept_are_those_that_the_tape_takes(spec in any_flow()) {
        let Cut { micro_batch, lanes } = spec.cut();
        let samples = if micro_batch == 16 { 16 } else { 48 };
        let kept = spec.size().unwrap().kept as f64 / (micro_batch * lanes) as f64 * samples as f64;
        for (bytes, size) in [(tape_bytes::<f32>(&spec, samples), 4.0), (tape_bytes::<f64>(&spec, samples), 8.0)] {
            // Each block of numbers takes whole cache lines, and each tape and its list of blocks some bytes.
            let blocks = 600.0 * (spec.layers.len() as f64 + 1.0);
            prop_assert!((bytes - size * kept).abs() <= blocks, "{bytes} bytes for {kept} numbers of {size} bytes");
        }
    }

    #[test]
    fn recipes_are_as_large_as_their_lists_of_layers(
        lattice in prop::collection::vec(1..4_usize, 2..4).prop_filter("four sites", |l| l.iter().product::<usize>() > 3),
        hidden in any_hidden(),
        couplings in 1..8_usize,
        transform in any_transform(),
        base in any_base(),
    ) {
        for mask in [MaskPattern::Alternating, MaskPattern::Checkerboard, MaskPattern::Custom(vec![vec![0], vec![1, 3], vec![2]])] {
            let (l, h, m) = (lattice.clone(), hidden.clone(), mask.clone());
            let even = if base.is_even() { base } else { BaseSpec::StandardNormal };
            let nice = Z2Nice { lattice: l, couplings, hidden: h, mask: m, base: even, ..Default::default() };
            prop_assert_eq!(nice.size(), nice.spec().unwrap().size());
            prop_assert_eq!(nice.cut(), nice.spec().unwrap().cut());
            let nvp = RealNvp { lattice: lattice.clone(), couplings, hidden: hidden.clone(), mask, transform, base, ..Default::default() };
            prop_assert_eq!(nvp.size(), nvp.spec().unwrap().size());
            prop_assert_eq!(nvp.cut(), nvp.spec().unwrap().cut());
        }
        for cells in [None, Some(cells_of(&lattice))] {
            let (l, h) = (lattice.clone(), hidden.clone());
            let glow = Glow { lattice: l, steps: couplings, hidden: h, transform, cells, ..Default::default() };
            prop_assert_eq!(glow.size(), glow.spec().unwrap().size());
            prop_assert_eq!(glow.cut(), glow.spec().unwrap().cut());
        }
        let iaf = Iaf { lattice: lattice.clone(), layers: couplings, hidden: hidden.clone(), transform, ..Default::default() };
        prop_assert_eq!(iaf.size(), iaf.spec().unwrap().size());
        prop_assert_eq!(iaf.cut(), iaf.spec().unwrap().cut());
        let conv = ConvNvp { lattice: vec![4, 6], couplings, hidden: hidden.clone(), transform, ..Default::default() };
        prop_assert_eq!(conv.size(), conv.spec().unwrap().size());
        prop_assert_eq!(conv.cut(), conv.spec().unwrap().cut());
        let u1 = U1Flow { layers: couplings, hidden, ..Default::default() };
        prop_assert_eq!(u1.size(), u1.spec().unwrap().size());
    }
}

proptest! {
    #[test]
    fn an_inverse_undoes_its_layer(spec in any_flow(), seed in any::<u64>()) {
        let there = spec.layers[0].clone();
        let layers = vec![there.clone(), LayerSpec::Inverse(Box::new(there))];
        let flow = FlowSpec { layers, ..spec.clone() }.build::<f64>().unwrap();
        let layout = Layer::<Cpu<f64>>::params(&flow);
        let mut theta: Vec<f64> = layout.initialise(&mut draw::rng(seed));
        let (of_layer, of_inverse) = theta.split_at_mut(layout.size() / 2);
        of_inverse.copy_from_slice(of_layer);
        let domain = if spec.domain() == Domain::Line { domain::Domain::Line } else { domain::Domain::Circle };
        let start = draw::points(&mut draw::rng(seed), domain, 5, spec.dof());
        let (mut tape, mut scratch) = (Workspace::default(), Workspace::default());
        let (mut x, mut log_det, prepared) = (Batch::from_samples(start.view()), vec![0.0; 5], prepared(&flow, &theta));
        let mut pass =
            Pass { device: &Cpu::here(), theta: &theta, prepared: &prepared, tape: &mut tape, scratch: &mut scratch };
        flow.forward(&mut pass, &mut x, &mut log_det);
        let error = (domain.all_near(&x.to_samples(), &start) - start).iter().fold(0.0, |most: f64, e| most.max(e.abs()));
        let log_det = log_det.iter().fold(0.0, |most: f64, l| most.max(l.abs()));
        prop_assert!(error < 1e-9 && log_det < 1e-9, "off by {error} with log|det| {log_det}");
    }
}

fn prepared<T: Real>(flow: &Flow<T>, theta: &[T]) -> Prepared {
    let mut prepared = Prepared::default();
    flow.prepare(&Cpu::here(), theta, &mut prepared);
    prepared
}

/// What `forward` of a few samples leaves on a fresh tape, in bytes.
fn tape_bytes<T: Real>(spec: &FlowSpec, samples: usize) -> f64 {
    let flow = spec.build::<T>().unwrap();
    let theta: Vec<T> = vec![T::zero(); Layer::<Cpu<T>>::params(&flow).size()];
    let (mut x, mut log_det, mut scratch) =
        (Batch::zeros(spec.dof(), samples), vec![0.0; samples], Workspace::default());
    let (mut held, prepared, device) = (0.0, prepared(&flow, &theta), Cpu::here());
    for _ in 0..2 {
        let mut tape = Workspace::default();
        let ((), kept) = alloc::kept(|| {
            let (tape, scratch) = (&mut tape, &mut scratch);
            let mut pass = Pass { device: &device, theta: &theta, prepared: &prepared, tape, scratch };
            flow.forward(&mut pass, &mut x, &mut log_det);
        });
        held = kept as f64; // not what the matrix products take meanwhile
    }
    held
}

#[test]
fn recipes_write_out_their_layers() {
    let net = |bias| MlpSpec { hidden: vec![5], activation: Activation::Tanh, bias, start: StartAt::Random };
    let coupling =
        |mask, bias, transform| LayerSpec::Coupling(CouplingSpec { mask, net: NetSpec::Mlp(net(bias)), transform });
    let nvp = RealNvp { lattice: vec![3, 2], couplings: 3, hidden: vec![5], clamp: Some(2.0), ..Default::default() };
    let affine = TransformSpec::Affine { clamp: Some(2.0) };
    let masks = [Parity::Even, Parity::Odd, Parity::Even].map(MaskSpec::Alternating);
    let layers = masks.map(|mask| coupling(mask, Bias::Yes, affine)).into();
    assert_eq!(nvp.spec(), Ok(FlowSpec { shape: vec![3, 2], base: BaseSpec::StandardNormal, layers }));

    let mask = MaskPattern::Custom(vec![vec![0], vec![2, 3]]);
    let nice = Z2Nice { lattice: vec![4], couplings: 3, hidden: vec![5], mask, ..Default::default() };
    let masks = [vec![0], vec![2, 3], vec![0]].map(MaskSpec::Custom);
    let mut layers: Vec<_> = masks.map(|mask| coupling(mask, Bias::No, TransformSpec::Additive)).into();
    layers.push(LayerSpec::Scaling(ScalingSpec { scales: Scales::One }));
    assert_eq!(nice.spec(), Ok(FlowSpec { shape: vec![4], base: BaseSpec::StandardNormal, layers }));

    let maf = Maf { lattice: vec![4], layers: 3, hidden: vec![5], ..Default::default() };
    let iaf = Iaf { lattice: vec![4], layers: 3, hidden: vec![5], ..Default::default() };
    let layers = [Order::Identity, Order::Reversal, Order::Identity].map(|order| {
        let (net, transform) = (net(Bias::Yes), TransformSpec::Affine { clamp: None });
        LayerSpec::Autoregressive(AutoregressiveSpec { order, net, transform })
    });
    assert_eq!(iaf.spec().unwrap().layers, layers);
    assert_eq!(maf.spec().unwrap().layers, layers.map(|layer| LayerSpec::Inverse(Box::new(layer))));

    let spec = U1Flow { lattice: vec![8, 4], layers: 10, kernel: 5, ..Default::default() }.spec().unwrap();
    assert_eq!((&spec.shape[..], spec.base, spec.layers.len()), (&[2, 8, 4][..], BaseSpec::UniformTorus, 10));
    let moves = |layer: &LayerSpec| match layer {
        LayerSpec::GaugeCoupling(coupling) => (coupling.direction, coupling.offset, coupling.net.kernel),
        other => panic!("{other:?}"),
    };
    let first = [(0, 0, 5), (1, 0, 5), (0, 1, 5), (1, 1, 5), (0, 2, 5), (1, 2, 5), (0, 3, 5), (1, 3, 5), (0, 0, 5)];
    assert_eq!(spec.layers[..9].iter().map(moves).collect::<Vec<_>>(), first);
}

/// F counts the weights that the degrees leave: by the definition, hidden unit j of H has degree 1 + ⌊j(D−1)/H⌋ and reads what is of its degree or
/// a lower one, output i hidden degrees below i.
#[test]
fn an_autoregressive_layer_counts_the_weights_that_are_not_masked() {
    for (dof, hidden, transform) in [
        (2, vec![], TransformSpec::Additive),
        (9, vec![1], TransformSpec::Additive),
        (5, vec![7, 3], TransformSpec::Affine { clamp: None }),
        (16, vec![40, 60], TransformSpec::LogisticMixture { mixtures: 2 }),
    ] {
        let net =
            MlpSpec { hidden: hidden.clone(), activation: Activation::Tanh, bias: Bias::Yes, start: StartAt::Random };
        let layer = LayerSpec::Autoregressive(AutoregressiveSpec { order: Order::Identity, net, transform });
        let spec = FlowSpec { shape: vec![dof], base: BaseSpec::StandardNormal, layers: vec![layer] };
        let mut degrees: Vec<usize> = (1..=dof).collect();
        let mut all = 0;
        for &width in &hidden {
            let next: Vec<usize> = (0..width).map(|j| 1 + j * (dof - 1) / width).collect();
            all += next.iter().map(|d| degrees.iter().filter(|below| *below <= d).count()).sum::<usize>();
            degrees = next;
        }
        let below = |i| degrees.iter().filter(|d| **d < i).count();
        all += transform.width() * (1..=dof).map(below).sum::<usize>();
        assert_eq!(spec.multiply_adds(), all as u64, "{spec:?}");
    }
}

/// By weights and numbers on the tape of a sample: 64 samples at least where there are 16 times as many weights, else what keeps half a megabyte.
#[test]
fn micro_batches_are_large_enough_for_the_weights_that_are_packed_for_each() {
    let cut = |spec: FlowSpec| {
        let (Cut { micro_batch, lanes }, size) = (spec.cut(), spec.size().unwrap());
        assert_eq!(lanes, 8);
        (micro_batch, size.kept / (micro_batch * lanes) as u64, size.parameters)
    };
    let dense = |lattice: &[usize], hidden: &[usize], transform| {
        let (lattice, hidden) = (lattice.to_vec(), hidden.to_vec());
        cut(RealNvp { lattice, couplings: 8, hidden, transform, ..Default::default() }.spec().unwrap())
    };
    let affine = TransformSpec::Affine { clamp: None };
    for (samples, kept, weights) in [
        dense(&[8, 8], &[128, 128], affine),
        dense(&[8, 8], &[128, 128], TransformSpec::Spline { bins: 8, interval: 4.0 }),
    ] {
        assert!(
            samples == 64 && (2049..=weights / 16).contains(&kept),
            "{samples} samples, {kept} numbers, {weights} weights"
        );
    }
    let (samples, kept, _) = dense(&[4, 4], &[4], affine);
    assert!(samples > 64 && kept < 2048, "{samples} samples, {kept} numbers");
    let conv = ConvNvp { lattice: vec![16, 8], couplings: 8, hidden: vec![8, 8], ..Default::default() };
    let (samples, kept, weights) = cut(conv.spec().unwrap());
    assert!(samples == 16 && weights / 16 < kept, "{samples} samples, {kept} numbers, {weights} weights");
}
