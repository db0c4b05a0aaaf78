//! The results of an engine beside the gradient, and what must not change them: micro-batches, threads, precision, draws.

use super::{Estimator, InPrecision, Trial, WHOLE, agreement::assert_close_by_tensor, all_estimators};
use crate::{
    draw::cast,
    runner::BaseRunner,
    tolerance::{Tolerance, assert_close, assert_close_on_scale, assert_same_bits, largest},
};
use ndarray::{Array2, s};
use std::ops::Range;
use upg_core::{Cpu, Cut, EndSamples, Gradient, Real, ReverseKl, SampleStream, Start};

/// A cut that gives the odd batches of these tests several lanes, and lanes several micro-batches.
const SMALL: Cut = Cut { micro_batch: 2, lanes: 2 };

pub(super) fn check(trial: &mut Trial<'_>) {
    for estimator in all_estimators() {
        let batch = trial.batch();
        let samples = trial.samples(estimator, batch);
        check_plain(trial, estimator, &samples);
        check_cuts(trial, estimator, &samples);
        check_precision(trial, estimator, &samples);
        check_threads::<f64>(trial, estimator, &samples);
        check_threads::<f32>(trial, estimator, &samples);
        check_parts(trial, estimator, &samples);
        check_without_gradient(trial, estimator, &samples);
    }
    check_reuse(trial);
    check_draws(trial);
}

/// Loss, log-weights, log-dets and end samples are those of a plain evaluation.
fn check_plain(trial: &Trial<'_>, estimator: Estimator, samples: &Array2<f64>) {
    let plain = trial.plain(estimator, &trial.theta, samples);
    let mut engine = trial.engine::<f64>(Cpu::here(), SMALL).with_end_samples(EndSamples::Keep);
    let result = estimator.run(&mut engine, &trial.theta, samples.view());
    let what = |name: &str| trial.label(&format!("{estimator:?}: {name} and a plain evaluation"));
    let tolerance = Tolerance::theorem::<f64>();
    assert_close(&what("end samples"), &result.end.iter().copied().collect::<Vec<_>>(), flat(&plain.end), tolerance);
    assert_on_scale_of_terms(&what("log-dets"), result.log_det, &plain.log_det, tolerance);
    assert_on_scale_of_terms(&what("log-weights"), result.log_weights, &plain.log_weights(), tolerance);
    assert_on_scale_of_terms(&what("loss"), &[result.loss], &[plain.loss()], tolerance);

    let mut engine = trial.engine::<f64>(Cpu::here(), SMALL);
    assert!(estimator.run(&mut engine, &trial.theta, samples.view()).end.is_empty(), "end samples not asked for");
}

/// Logarithms may pass through zero; their terms are of order one or larger.
#[track_caller]
fn assert_on_scale_of_terms(what: &str, got: &[f64], expected: &[f64], tolerance: Tolerance) {
    assert_close_on_scale(what, got, expected, 1.0 + largest(expected), tolerance);
}

/// How the batch is cut changes nothing beyond round-off.
fn check_cuts(trial: &Trial<'_>, estimator: Estimator, samples: &Array2<f64>) {
    let run = |cut: Cut| {
        let mut engine = trial.engine::<f64>(Cpu::here(), cut);
        let result = estimator.run(&mut engine, &trial.theta, samples.view());
        (result.grad.clone(), result.log_weights.to_vec(), result.loss)
    };
    let (grad, log_weights, loss) = run(WHOLE);
    for (micro_batch, lanes) in [(1, 1), (1, 3), (2, 2), (4, 8), (samples.nrows(), 8)] {
        let cut = Cut { micro_batch, lanes };
        let part = run(cut);
        let what = trial.label(&format!("{estimator:?} with {cut:?}"));
        let tolerance = Tolerance::theorem::<f64>();
        assert_close_by_tensor(&what, &trial.layout, &part.0, &grad, tolerance);
        assert_on_scale_of_terms(&what, &part.1, &log_weights, tolerance);
        assert_on_scale_of_terms(&what, &[part.2], &[loss], tolerance);
    }
}

/// Parts of a gradient are handed out once each, when they are what they are in the end; the gradient is what is made of them.
fn check_parts(trial: &Trial<'_>, estimator: Estimator, samples: &Array2<f64>) {
    for cut in [WHOLE, SMALL, Cut { micro_batch: 2, lanes: 1 }] {
        let mut engine = trial.engine::<f64>(Cpu::here(), cut);
        let expected = estimator.run(&mut engine, &trial.theta, samples.view()).grad.clone();
        let mut parts = vec![];
        let mut take = |range: Range<usize>, part: &mut [f64]| {
            parts.push((range, part.to_vec()));
            part.iter_mut().for_each(|x| *x *= -2.0);
        };
        let grad = estimator.run_each(&mut engine, &trial.theta, samples.view(), &mut take).grad.clone();
        let what = trial.label(&format!("{estimator:?} in parts with {cut:?}"));
        assert_same_bits(&what, &grad, &expected.iter().map(|x| -2.0 * x).collect::<Vec<_>>());
        parts.sort_by_key(|(range, _)| range.start);
        let ends = [0].into_iter().chain(parts.iter().map(|(range, _)| range.end));
        assert!(
            ends.eq(parts.iter().map(|(range, _)| range.start).chain([expected.len()])),
            "{what}: every element once"
        );
        assert_same_bits(&what, &parts.into_iter().flat_map(|(_, part)| part).collect::<Vec<_>>(), &expected);
    }
}

/// f32 agrees with f64.
fn check_precision(trial: &Trial<'_>, estimator: Estimator, samples: &Array2<f64>) {
    let mut double = trial.engine::<f64>(Cpu::here(), WHOLE);
    let mut single = trial.engine::<f32>(Cpu::here(), WHOLE);
    let double = estimator.run(&mut double, &trial.theta, samples.view());
    let single = estimator.run(&mut single, &cast(&trial.theta), samples.mapv(f32::of).view());
    let what = trial.label(&format!("{estimator:?} in f32 and f64"));
    let tolerance = Tolerance::theorem::<f32>();
    assert_close_by_tensor(&what, &trial.layout, single.grad, double.grad, tolerance);
    assert_on_scale_of_terms(&what, single.log_weights, double.log_weights, tolerance);
}

/// 1, 2, 3 and 8 threads give the same bits.
fn check_threads<T: InPrecision>(trial: &Trial<'_>, estimator: Estimator, samples: &Array2<f64>) {
    let theta = cast::<T>(&trial.theta);
    let run = |threads: usize| {
        let mut engine = trial.engine::<T>(Cpu::new(threads), SMALL);
        results_of(&estimator.run(&mut engine, &theta, samples.mapv(T::of).view()))
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        let what = trial.label(&format!("{estimator:?} in {}, 1 and {threads} threads", T::NAME));
        assert_same_bits(&what, &one, &run(threads));
    }
}

/// Without a gradient, loss, log-weights, log-dets and end samples are those with one, up to the round-off of another order of sums.
fn check_without_gradient(trial: &Trial<'_>, estimator: Estimator, samples: &Array2<f64>) {
    let mut engine = trial.engine::<f64>(Cpu::here(), SMALL).with_end_samples(EndSamples::Keep);
    let with = estimator.run(&mut engine, &trial.theta, samples.view());
    let (loss, end) = (with.loss, with.end.to_owned());
    let (log_weights, log_det) = (with.log_weights.to_vec(), with.log_det.to_vec());
    let without = match estimator {
        Estimator::Reverse(_) => engine.sample(&trial.theta, Start::Given(samples.view())),
        Estimator::Forward(_) => engine.weigh(&trial.theta, samples.view()),
    }
    .expect("the processor doesn't fail");
    let what = |name: &str| trial.label(&format!("{name} without a gradient, and of {estimator:?}"));
    let tolerance = Tolerance::theorem::<f64>();
    assert_close(&what("end samples"), &without.end.iter().copied().collect::<Vec<_>>(), flat(&end), tolerance);
    assert_on_scale_of_terms(&what("log-dets"), without.log_det, &log_det, tolerance);
    assert_on_scale_of_terms(&what("log-weights"), without.log_weights, &log_weights, tolerance);
    assert_on_scale_of_terms(&what("loss"), &[without.loss], &[loss], tolerance);
}

/// Gradient, log-weights, log-dets and loss in one vector (widening loses nothing).
fn results_of<T: Real>(result: &Gradient<'_, Cpu<T>>) -> Vec<f64> {
    let grad = result.grad.iter().map(|g| g.wide());
    grad.chain(result.log_weights.iter().copied()).chain(result.log_det.iter().copied()).chain([result.loss]).collect()
}

/// An engine that ran other estimators on other batches before gives the same bits as a new one.
fn check_reuse(trial: &mut Trial<'_>) {
    let mut used = trial.engine::<f64>(Cpu::here(), SMALL);
    for batch in [7, 2, 11] {
        for estimator in all_estimators() {
            let samples = trial.samples(estimator, batch);
            let mut new = trial.engine::<f64>(Cpu::here(), SMALL);
            let expected = results_of(&estimator.run(&mut new, &trial.theta, samples.view()));
            let what = trial.label(&format!("{estimator:?} by an engine used before, batch {batch}"));
            assert_same_bits(&what, &results_of(&estimator.run(&mut used, &trial.theta, samples.view())), &expected);
        }
    }
}

/// Samples depend on the stream and their numbers alone, bit for bit, not on the cut or on how many are drawn, and are those that the base
/// draws.
fn check_draws(trial: &Trial<'_>) {
    check_samples::<f32>(trial);
    check_samples::<f64>(trial);
    let (stream, samples) = (SampleStream::new(trial.round, 1, 2), 11);
    let (parts, here) = (trial.parts(), Cpu::here());
    let z = BaseRunner::new(&here, &*parts.base, &trial.theta[..trial.of_base]).sample(stream, 5, samples);
    let gradient = |start| {
        let mut engine = trial.engine::<f64>(Cpu::here(), SMALL);
        results_of(&engine.reverse_kl(ReverseKl::PathFast, &trial.theta, start).expect("the processor doesn't fail"))
    };
    let (drawn, given) = (gradient(Start::Draw { stream, first: 5, samples }), gradient(Start::Given(z.view())));
    assert_same_bits(&trial.label("drawn, and the same samples given"), &drawn, &given);
}

fn check_samples<T: InPrecision>(trial: &Trial<'_>) {
    let (stream, samples) = (SampleStream::new(trial.round, 1, 2), 11);
    let theta: Vec<T> = trial.theta.iter().map(|&t| T::of(t)).collect();
    let draw = |cut: Cut, first: u64, samples: usize| {
        let mut engine = trial.engine::<T>(Cpu::new(2), cut).with_end_samples(EndSamples::Keep);
        let drawn = engine.sample(&theta, Start::Draw { stream, first, samples }).expect("the processor doesn't fail");
        (drawn.end.to_owned(), drawn.log_weights.to_vec())
    };
    let (x, log_weights) = draw(SMALL, 5, samples);
    let same = |what: &str, (these, weights): (Array2<T>, Vec<f64>), range: Range<usize>| {
        let what = trial.label(&format!("{what}, {}", T::NAME));
        let expected = x.slice(s![range.clone(), ..]).to_owned();
        assert_same_bits(&what, these.as_slice().expect("rows"), expected.as_slice().expect("rows"));
        assert_same_bits(&format!("log-weights of {what}"), &weights, &log_weights[range]);
    };
    for cut in [WHOLE, Cut { micro_batch: 3, lanes: 8 }, Cut { micro_batch: 1, lanes: 1 }] {
        same(&format!("samples drawn with {cut:?} and {SMALL:?}"), draw(cut, 5, samples), 0..samples);
    }
    for range in [4..5, 4..7, 0..10] {
        let (first, count) = (5 + range.start as u64, range.len());
        same(&format!("samples {range:?} alone"), draw(WHOLE, first, count), range);
    }
    assert_ne!(draw(SMALL, 5 + samples as u64, samples).0, x, "{}", trial.label("other samples of the stream"));
}

fn flat(a: &Array2<f64>) -> &[f64] {
    a.as_slice().expect("in standard layout")
}
