//! T at x and T⁻¹ at y = T(x): each verb of the one is a verb of the other, MATH (17), parameters included.

use super::{Trial, Way, calls::Input};
use crate::{
    runner::{Pulled, Runner},
    tolerance::{Tolerance, assert_close_on_scale, largest},
};
use ndarray::Array2;

/// All identities at one batch.
pub fn check(trial: &mut Trial, batch: usize) {
    let Input { x, score, cotangent, weight } = Input::draw(trial, Way::There, batch);
    let (mut there, mut back) = (trial.runner(Way::There), trial.runner(Way::Back));
    back.forward(&there.forward(&x).y);
    let compare = |what: &str, left: &Pulled<f64>, right: &Pulled<f64>| {
        let what = trial.label(&format!("{what}, w = {weight}"), Way::There, batch);
        let tolerance = trial.allowed(Tolerance::theorem::<f64>());
        for (part, left, right) in
            [("cotangent", flat(&left.cotangent), flat(&right.cotangent)), ("∂θ", &left.grad[..], &right.grad[..])]
        {
            assert_close_on_scale(&format!("{what}: {part}"), left, right, largest(right).max(1.0), tolerance);
        }
    };
    compare("push of T, pull-back of T⁻¹", &there.push(&cotangent, weight), &back.pull_back(&cotangent, weight));
    compare("pull-back of T, push of T⁻¹", &there.pull_back(&cotangent, weight), &back.push(&cotangent, weight));
    let of_score = |runner: &mut Runner<'_, f64>| Pulled { cotangent: runner.push_score(&score), grad: vec![] };
    let without_sink =
        |runner: &mut Runner<'_, f64>| Pulled { cotangent: runner.pull_back_into(&score, 1.0, None), grad: vec![] };
    compare("score pushed by T, pulled back by T⁻¹", &of_score(&mut there), &without_sink(&mut back));
    compare("score pushed by T⁻¹, pulled back by T", &of_score(&mut back), &without_sink(&mut there));
}

fn flat(a: &Array2<f64>) -> &[f64] {
    a.as_slice().expect("in standard layout")
}
