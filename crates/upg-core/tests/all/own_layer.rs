//! The example is right: its gradients against finite differences and against each other.

#[allow(dead_code, reason = "the example's main")]
#[path = "../../examples/own_layer.rs"]
mod example;

use example::{Banana, Bow, data};
use upg_core::{Chain, Cpu, Cut, Engine, ForwardKl, Layer, ReverseKl, StandardNormal};
use upg_testkit::flow::{AnyEngine, Estimator, agreement::assert_paths_agree};
use upg_testkit::{draw, layer_battery, numeric::assert_gradient, tolerance::Tolerance};

layer_battery! {
    bow(rng) in f64 => Bow;
}

#[test]
fn the_example_runs() {
    example::main().unwrap();
}

#[test]
fn gradients_of_the_example_are_right() {
    let flow = Chain::new::<Cpu<f64>>(vec![Bow, Bow]);
    let rng = &mut draw::rng(1);
    let layout = Layer::<Cpu<f64>>::params(&flow);
    let theta = draw::parameters(rng, &layout);
    let (z, x) = (draw::normal(rng, 9, 2, 1.0), data(9, 2));
    let cut = Cut { micro_batch: 4, lanes: 2 };
    let mut engine: AnyEngine<f64> = Engine::new(Cpu::here(), flow, StandardNormal::new(2), Banana, cut);
    assert_paths_agree("the example", &mut engine, &theta, &z, &x, Tolerance::theorem::<f64>());

    let ordinary = [(Estimator::Reverse(ReverseKl::Reparam), &z), (Estimator::Forward(ForwardKl::MaxLikelihood), &x)];
    for (estimator, samples) in ordinary {
        let grad = estimator.run(&mut engine, &theta, samples.view()).grad.clone();
        let loss = |theta: &[f64]| estimator.run(&mut engine, &theta.to_vec(), samples.view()).loss;
        assert_gradient(&format!("{estimator:?}"), rng, &layout, &theta, &grad, loss);
    }
}
