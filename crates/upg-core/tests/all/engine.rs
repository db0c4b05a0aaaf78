//! The engine and compositions: shapes, names, refusals; and estimators over random flows.

use crate::layers::{
    AnyLayer,
    bend::{Bend, Shape},
    chain,
    linear::Linear,
    nested, turns,
};
use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, array};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use upg_core::{
    Batch, Chain, Cpu, Cut, EndSamples, Engine, ForwardKl, GradSink, Init, Layer, OneWay, ParamLayout, Pass, Prepared,
    Real, ReverseKl, SampleStream, StandardNormal, Start, Target, Tensor, Workspace,
};
use upg_testkit::flow::{AnyEngine, Parts, agreement::assert_paths_agree, zero::assert_zero_for_every_sample};
use upg_testkit::{domain::Domain, draw, models::AnharmonicChain, tolerance::Tolerance};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// path-fast = path-two-pass = lean, path-fast = gdreg, over random flows, batches and cuts.
    #[test]
    fn path_gradients_agree(
        seed in any::<u64>(),
        circle in any::<bool>(),
        batch in 1_usize..40,
        micro_batch in 1_usize..50,
        lanes in 1_usize..5,
    ) {
        let rng = &mut draw::rng(seed);
        let parts = if circle { Parts::on_circle(turns::<f64>(rng), rng) } else { Parts::on_line(nested::<f64>(rng), rng) };
        let (domain, dof, layout) = (parts.domain, parts.flow.dof(), parts.flow.params());
        let theta = draw::parameters(rng, &layout);
        let (z, x) = (draw::points(rng, domain, batch, dof), draw::points(rng, domain, batch, dof));
        let mut engine = parts.engine(Cpu::here(), Cut { micro_batch, lanes });
        assert_paths_agree("random flow", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>());
    }
}

/// S = ½ (x − b)ᵀ K (x − b).
struct Gaussian {
    mean: DVector<f64>,
    precision: DMatrix<f64>,
}

impl<T: Real> Target<Cpu<T>> for Gaussian {
    fn dof(&self) -> usize {
        self.mean.len()
    }

    fn action_and_force(&self, _: &Cpu<T>, x: &Batch<T>, action: &mut Vec<f64>, force: Option<&mut Batch<T>>) {
        let x = DMatrix::from_row_iterator(x.rows(), x.samples(), x.as_slice().iter().map(|x| x.wide()));
        let offset = DMatrix::from_fn(x.nrows(), x.ncols(), |i, b| x[(i, b)] - self.mean[i]);
        let pull = &self.precision * &offset;
        action.clear();
        action.extend((0..x.ncols()).map(|b| 0.5 * offset.column(b).dot(&pull.column(b))));
        if let Some(force) = force {
            force.reshape(x.nrows(), x.ncols());
            for i in 0..x.nrows() {
                force.row_mut(i).iter_mut().zip(pull.row(i).iter()).for_each(|(f, p)| *f = T::of(-p));
            }
        }
    }
}

/// A linear flow A z + b and the Gaussian N(b, A Aᵀ), put down independently of each other: the path gradient is zero.
#[test]
fn path_gradient_of_a_linear_flow_at_its_gaussian_is_zero() {
    for dof in 1..6 {
        let rng = &mut draw::rng(dof as u64);
        let theta = draw::parameters(rng, &Layer::<Cpu<f64>>::params(&Linear::new(dof)));
        let a = DMatrix::identity(dof, dof) + DMatrix::from_row_slice(dof, dof, &theta[..dof * dof]);
        let precision = (&a * a.transpose()).try_inverse().expect("A is regular");
        let target = || Gaussian { mean: DVector::from_row_slice(&theta[dof * dof..]), precision: precision.clone() };
        let (z, x) = (draw::normal(rng, 9, dof, 1.0), draw::normal(rng, 9, dof, 2.0));
        let cut = Cut { micro_batch: 4, lanes: 1 };
        let condition =
            upg_testkit::dense::condition(Array2::from_shape_fn((dof, dof), |(i, j)| precision[(i, j)]).view());

        let mut double =
            Parts::new(Linear::new(dof), StandardNormal::new(dof), target(), Domain::Line).engine(Cpu::here(), cut);
        let tolerance = Tolerance::round_off::<f64>().times(condition);
        assert_zero_for_every_sample("f64", &mut double, &theta, &z, &x, tolerance);
        let mut single =
            Parts::new(Linear::new(dof), StandardNormal::new(dof), target(), Domain::Line).engine(Cpu::here(), cut);
        let (theta, z, x) = (draw::cast::<f32>(&theta), z.mapv(f32::of), x.mapv(f32::of));
        let tolerance = Tolerance::round_off::<f32>().times(condition);
        assert_zero_for_every_sample("f32", &mut single, &theta, &z, &x, tolerance);
    }
}

fn small_engine(cut: Cut) -> (AnyEngine<f64>, Vec<f64>) {
    let rng = &mut draw::rng(1);
    let flow = chain::<f64>(vec![Box::new(Linear::new(3)), Box::new(Bend::new(3, Shape::Tanh))]);
    let theta = draw::parameters(rng, &flow.params());
    (Parts::on_line(flow, rng).engine(Cpu::here(), cut), theta)
}

const CUT: Cut = Cut { micro_batch: 4, lanes: 2 };

#[test]
fn end_samples_come_on_request_and_follow_the_batch() {
    let (engine, theta) = small_engine(CUT);
    let mut engine = engine.with_end_samples(EndSamples::Keep);
    for batch in [9, 2, 30] {
        let z = draw::normal(&mut draw::rng(2), batch, 3, 1.0);
        let reverse = engine.reverse_kl(ReverseKl::PathFast, &theta, Start::Given(z.view()));
        assert_eq!(reverse.unwrap().end.dim(), (batch, 3));
        assert_eq!(engine.forward_kl(ForwardKl::Gdreg, &theta, z.view()).unwrap().end.dim(), (batch, 3));
    }
    assert_eq!(engine.reverse_kl(ReverseKl::PathFast, &theta, drawn(1, 0, 7)).unwrap().end.dim(), (7, 3));
}

fn drawn(seed: u64, first: u64, samples: usize) -> Start<'static, f64> {
    Start::Draw { stream: SampleStream::new(seed, 0, 0), first, samples }
}

/// Samples drawn in any pieces are those drawn at once; their log-weights differ by the round-off of other micro-batches at most.
#[test]
fn samples_come_in_pieces() {
    let (engine, theta) = small_engine(CUT);
    let mut engine = engine.with_end_samples(EndSamples::Keep);
    let all = engine.sample(&theta, drawn(3, 0, 21)).unwrap();
    let (end, log_weights) = (all.end.to_owned(), all.log_weights.to_vec());
    let mut first = 0;
    for samples in [7, 13, 1] {
        let piece = engine.sample(&theta, drawn(3, first as u64, samples)).unwrap();
        assert_eq!(piece.end, end.slice(ndarray::s![first..first + samples, ..]));
        assert_eq!(piece.log_weights, &log_weights[first..first + samples]);
        first += samples;
    }
}

/// T alone, or T⁻¹ alone, gives what both together give; and asks for no more.
#[test]
fn engines_of_one_way_give_what_those_of_both_ways_give() {
    let rng = &mut draw::rng(4);
    let flow = || chain::<f64>(vec![Box::new(Linear::new(3)), Box::new(Bend::new(3, Shape::Tanh))]);
    let theta = draw::parameters(rng, &flow().params());
    let x = draw::normal(rng, 9, 3, 1.0);
    let target = || AnharmonicChain::random(3, &mut draw::rng(1));
    let (base, here) = (StandardNormal::new(3), Cpu::<f64>::here());
    let mut both = Engine::new(here.clone(), flow(), base, target(), CUT);
    let inverse = flow().inverse_chain::<Cpu<f64>>();
    let mut generating = Engine::generating(here.clone(), flow(), base, target(), CUT);
    let mut normalizing = Engine::normalizing(here, inverse, base, target(), CUT);
    for how in [OneWay::Ordinary, OneWay::PathFast] {
        let start = Start::Given(x.view());
        let one = generating.reverse_kl(how, &theta, start).unwrap().grad.clone();
        assert_eq!(&one, both.reverse_kl(how.into(), &theta, start).unwrap().grad, "{how:?}, reverse");
        let one = normalizing.forward_kl(how, &theta, x.view()).unwrap().grad.clone();
        assert_eq!(&one, both.forward_kl(how.into(), &theta, x.view()).unwrap().grad, "{how:?}, forward");
    }
    let one = generating.sample(&theta, drawn(1, 0, 9)).unwrap().log_weights.to_vec();
    assert_eq!(one, both.sample(&theta, drawn(1, 0, 9)).unwrap().log_weights);
    let one = normalizing.weigh(&theta, x.view()).unwrap().log_weights.to_vec();
    assert_eq!(one, both.weigh(&theta, x.view()).unwrap().log_weights);
}

/// With another target, the engine gives what a new engine with that target gives.
#[test]
fn a_target_can_be_replaced() {
    let target = |seed| AnharmonicChain::random(3, &mut draw::rng(seed));
    let engine = |seed| {
        let flow: AnyLayer<f64> = Box::new(Linear::new(3));
        Engine::new(Cpu::here(), flow, StandardNormal::new(3), target(seed), CUT)
    };
    let theta = draw::parameters(&mut draw::rng(4), &engine(1).layout());
    let z = draw::normal(&mut draw::rng(2), 9, 3, 1.0);
    let gradient = |engine: &mut Engine<Cpu<f64>>| {
        engine.reverse_kl(ReverseKl::PathFast, &theta, Start::Given(z.view())).unwrap().grad.clone()
    };
    let (mut changed, mut other) = (engine(1), engine(2));
    let before = gradient(&mut changed);
    changed.set_target(target(2));
    assert_eq!(gradient(&mut changed), gradient(&mut other));
    assert_ne!(gradient(&mut changed), before);
}

/// Layer after layer, a chain gives what its layers give; its inverse undoes them in the opposite order.
#[test]
fn a_chain_can_be_watched() {
    let layers = || -> Vec<AnyLayer<f64>> {
        vec![Box::new(Linear::new(3)), Box::new(Bend::new(3, Shape::Tanh)), Box::new(Linear::new(3))]
    };
    let flow = Chain::new::<Cpu<f64>>(layers());
    let theta = draw::parameters(&mut draw::rng(5), &Layer::<Cpu<f64>>::params(&flow));
    let start = Batch::from_samples(draw::normal(&mut draw::rng(6), 4, 3, 1.0).view());
    let (device, mut tape, mut scratch) = (Cpu::<f64>::here(), Workspace::default(), Workspace::default());
    let prepared = |layer: &dyn Layer<Cpu<f64>>, theta: &[f64]| {
        let mut prepared = Prepared::default();
        layer.prepare(&Cpu::here(), theta, &mut prepared);
        prepared
    };
    let mut seen: Vec<Batch<f64>> = vec![start.clone()];
    let mut x = start.clone();
    let mut log_det = vec![0.0; 4];
    let of_flow = prepared(&flow, &theta);
    let mut pass =
        Pass { device: &device, theta: &theta[..], prepared: &of_flow, tape: &mut tape, scratch: &mut scratch };
    flow.forward_each(&mut pass, &mut x, &mut log_det, &mut |l, x: &Batch<f64>, log_det: &Vec<f64>| {
        assert_eq!((l + 1, log_det.len()), (seen.len(), 4));
        seen.push(x.clone());
    });
    let mut single = start.clone();
    let mut at = 0;
    for (l, layer) in layers().iter().enumerate() {
        let range = at..at + layer.params().size();
        at = range.end;
        let of_layer = prepared(layer, &theta[range.clone()]);
        let mut pass =
            Pass { device: &device, theta: &theta[range], prepared: &of_layer, tape: &mut tape, scratch: &mut scratch };
        layer.forward(&mut pass, &mut single, &mut vec![0.0; 4]);
        assert_eq!(single.as_slice(), seen[l + 1].as_slice(), "after layer {l}");
    }
    let inverse = flow.inverse_chain();
    let of_inverse = prepared(&inverse, &theta);
    let mut pass =
        Pass { device: &device, theta: &theta[..], prepared: &of_inverse, tape: &mut tape, scratch: &mut scratch };
    inverse.forward_each(&mut pass, &mut x, &mut log_det, &mut |l, x: &Batch<f64>, _: &Vec<f64>| {
        let expected = seen[2 - l].as_slice();
        let error = x.as_slice().iter().zip(expected).fold(0.0, |e: f64, (a, b)| e.max((a - b).abs()));
        assert!(error < 1e-12, "after undoing layer {}: off by {error}", 2 - l);
    });
    assert!(log_det.iter().all(|l| l.abs() < 1e-12), "{log_det:?}");
}

/// Tensors of a chain in a chain carry their way in their names, and lie one behind the other.
#[test]
fn names_of_nested_parameters() {
    let inner = chain::<f64>(vec![Box::new(Bend::new(2, Shape::Tanh)), Box::new(Linear::new(2))]);
    let outer = chain::<f64>(vec![Box::new(Linear::new(2)), Box::new(inner)]);
    let layout = outer.params();
    let names: Vec<&str> = layout.tensors().iter().map(|t| &*t.name).collect();
    let expected = [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.layers.0.theta",
        "layers.1.layers.1.weight",
        "layers.1.layers.1.bias",
    ];
    assert_eq!(names, expected);
    assert_eq!(layout.range("layers.1.layers.1.weight"), Some(8..12));
    assert_eq!((outer.len(), layout.size()), (2, 14));
    assert_eq!(small_engine(CUT).0.layout().size(), 15);
}

#[test]
#[should_panic(expected = "degrees of freedom of layer 1, and of layer 0\n  left: 3\n right: 2")]
fn a_chain_of_different_widths_is_refused() {
    chain::<f64>(vec![Box::new(Linear::new(2)), Box::new(Linear::new(3))]);
}

#[test]
#[should_panic(expected = "a chain has at least one layer")]
fn an_empty_chain_is_refused() {
    chain::<f64>(vec![]);
}

/// An engine of parts with these numbers of degrees of freedom.
fn engine_of(flow: usize, base: usize, target: usize, cut: Cut) -> Engine<Cpu<f64>> {
    let target = AnharmonicChain::random(target, &mut draw::rng(1));
    Engine::new(Cpu::here(), Linear::new(flow), StandardNormal::new(base), target, cut)
}

#[test]
#[should_panic(expected = "degrees of freedom of the base, and of the flow\n  left: 4\n right: 3")]
fn a_base_of_another_width_is_refused() {
    engine_of(3, 4, 3, CUT);
}

#[test]
#[should_panic(expected = "degrees of freedom of the target, and of the flow\n  left: 5\n right: 3")]
fn a_target_of_another_width_is_refused() {
    engine_of(3, 3, 5, CUT);
}

#[test]
#[should_panic(expected = "Cut { micro_batch: 0, lanes: 2 }: at least 1 each")]
fn a_micro_batch_of_nothing_is_refused() {
    engine_of(3, 3, 3, Cut { micro_batch: 0, ..CUT });
}

#[test]
#[should_panic(expected = "Cut { micro_batch: 4, lanes: 0 }: at least 1 each")]
fn no_lanes_are_refused() {
    engine_of(3, 3, 3, Cut { lanes: 0, ..CUT });
}

#[test]
#[should_panic(expected = "width of the samples, and degrees of freedom of the flow\n  left: 2\n right: 3")]
fn base_samples_of_another_width_are_refused() {
    let (mut engine, theta) = small_engine(CUT);
    let _ = engine.reverse_kl(ReverseKl::Reparam, &theta, Start::Given(array![[1.0, 2.0]].view()));
}

#[test]
#[should_panic(expected = "width of the samples, and degrees of freedom of the flow\n  left: 2\n right: 3")]
fn data_of_another_width_are_refused() {
    let (mut engine, theta) = small_engine(CUT);
    let _ = engine.forward_kl(ForwardKl::PathFast, &theta, array![[1.0, 2.0]].view());
}

#[test]
#[should_panic(expected = "a batch of 0 samples: at least 1")]
fn an_empty_batch_is_refused() {
    let (mut engine, theta) = small_engine(CUT);
    let _ = engine.forward_kl(ForwardKl::PathFast, &theta, Array2::zeros((0, 3)).view());
}

#[test]
#[should_panic(expected = "a batch of 0 samples: at least 1")]
fn drawing_nothing_is_refused() {
    let (mut engine, theta) = small_engine(CUT);
    let _ = engine.reverse_kl(ReverseKl::PathFast, &theta, drawn(1, 0, 0));
}

#[test]
#[should_panic(expected = "threads = 0: at least 1")]
fn no_threads_are_refused() {
    Cpu::<f64>::new(0);
}

/// The identity with a parameter that does nothing; it notes when it is asked for its gradient.
struct Noting(usize, Notes);

type Notes = Arc<Mutex<Vec<String>>>;

impl Layer<Cpu<f64>> for Noting {
    fn dof(&self) -> usize {
        3
    }

    fn params(&self) -> ParamLayout {
        let mut layout = ParamLayout::default();
        layout.push(Tensor::new("nothing", [1], Init::Constant(0.0)));
        layout
    }

    fn forward(&self, _: &mut Pass<'_, Cpu<f64>>, _: &mut Batch<f64>, _: &mut Vec<f64>) {}

    fn push(&self, _: &mut Pass<'_, Cpu<f64>>, _: &mut Batch<f64>, _: f64, _: Option<GradSink<'_, Cpu<f64>>>) {}

    fn pull_back(&self, _: &mut Pass<'_, Cpu<f64>>, _: &mut Batch<f64>, _: f64, grad: Option<GradSink<'_, Cpu<f64>>>) {
        grad.unwrap().into[0] = 0.0;
        self.1.lock().unwrap().push(format!("layer {}", self.0));
    }
}

/// The gradient of a layer is handed out before that of the next is made, that of a chain among the layers as a whole; where a batch has several
/// micro-batches, in the last one.
#[test]
fn gradients_are_handed_out_layer_by_layer() {
    let notes = Notes::default();
    let layer = |number| Box::new(Noting(number, notes.clone())) as Box<dyn Layer<Cpu<f64>>>;
    let inner = Box::new(Chain::new::<Cpu<f64>>(vec![layer(1), layer(2)]));
    let flow = Chain::new::<Cpu<f64>>(vec![layer(0), inner, layer(3)]);
    let target = Gaussian { mean: DVector::zeros(3), precision: DMatrix::identity(3, 3) };
    let cut = Cut { micro_batch: 16, lanes: 1 };
    let mut engine = Engine::generating(Cpu::here(), flow, StandardNormal::new(3), target, cut);
    let mut noted = |samples| {
        let mut whole = |range: Range<usize>, _: &mut [f64]| notes.lock().unwrap().push(format!("{range:?}"));
        engine.reverse_kl_each(OneWay::PathFast, &vec![0.0; 4], drawn(1, 0, samples), &mut whole).unwrap();
        std::mem::take(&mut *notes.lock().unwrap())
    };
    let layer_by_layer = ["layer 3", "3..4", "layer 2", "layer 1", "1..3", "layer 0", "0..1"];
    assert_eq!(noted(16), layer_by_layer);
    assert_eq!(noted(17), [&["layer 3", "layer 2", "layer 1", "layer 0"][..], &layer_by_layer].concat());
}
