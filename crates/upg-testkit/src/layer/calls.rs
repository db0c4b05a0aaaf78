//! Calls that must not matter: how results are accumulated, what was on the tape before, in which company a sample comes.

use super::{Trial, Way};
use crate::{
    runner::{Mapped, Pulled, Runner},
    tolerance::{Tolerance, assert_close, assert_close_on_scale, assert_same_bits, largest},
};
use ndarray::{Array2, Axis, concatenate, s};
use upg_core::Accum;

/// All checks of this file; `sizes` are batch sizes, increasing.
pub fn check(trial: &mut Trial, way: Way, sizes: [usize; 3]) {
    for batch in sizes {
        let input = Input::draw(trial, way, batch);
        check_sinks(trial, way, &input);
        check_log_det_is_added(trial, way, &input);
        check_scratch_and_order(trial, way, &input);
        check_composed_verbs(trial, way, &input);
    }
    check_tape_reuse(trial, way, sizes);
    let input = Input::draw(trial, way, sizes[2]);
    check_samples_are_independent(trial, way, &input, sizes[1]);
}

/// Samples with a score, a cotangent and a weight.
pub struct Input {
    pub x: Array2<f64>,
    pub score: Array2<f64>,
    pub cotangent: Array2<f64>,
    pub weight: f64,
}

impl Input {
    pub fn draw(trial: &mut Trial, way: Way, batch: usize) -> Self {
        let x = trial.points(way, batch);
        Self { x, score: trial.covector(batch), cotangent: trial.covector(batch), weight: trial.weight() }
    }

    /// The samples `range` alone.
    fn part(&self, range: std::ops::Range<usize>) -> Self {
        let part = |all: &Array2<f64>| all.slice(s![range.clone(), ..]).to_owned();
        Self { x: part(&self.x), score: part(&self.score), cotangent: part(&self.cotangent), weight: self.weight }
    }
}

/// The results of all verbs for one input.
#[derive(Clone)]
struct Results {
    mapped: Mapped<f64>,
    score: Array2<f64>,
    pushed: Pulled<f64>,
    pulled: Pulled<f64>,
}

impl Results {
    fn of(runner: &mut Runner<'_, f64>, input: &Input) -> Self {
        let mapped = runner.forward(&input.x);
        let score = runner.push_score(&input.score);
        let pushed = runner.push(&input.cotangent, input.weight);
        let pulled = runner.pull_back(&input.cotangent, input.weight);
        Self { mapped, score, pushed, pulled }
    }

    fn named(&self) -> [(&'static str, &[f64]); 7] {
        [
            ("x", flat(&self.mapped.y)),
            ("log-det", &self.mapped.log_det),
            ("score", flat(&self.score)),
            ("cotangent pushed", flat(&self.pushed.cotangent)),
            ("∂θ of push", &self.pushed.grad),
            ("cotangent", flat(&self.pulled.cotangent)),
            ("∂θ", &self.pulled.grad),
        ]
    }

    #[track_caller]
    fn assert_same_bits(&self, what: &str, other: &Self) {
        for ((name, left), (_, right)) in self.named().into_iter().zip(other.named()) {
            assert_same_bits(&format!("{what}: {name}"), left, right);
        }
    }

    /// Both in one batch.
    fn join(self, other: &Self) -> Self {
        let stack = |a: &Array2<f64>, b: &Array2<f64>| concatenate![Axis(0), *a, *b];
        let add = |a: Pulled<f64>, b: &Pulled<f64>| Pulled {
            cotangent: stack(&a.cotangent, &b.cotangent),
            grad: a.grad.iter().zip(&b.grad).map(|(a, b)| a + b).collect(),
        };
        Self {
            mapped: Mapped {
                y: stack(&self.mapped.y, &other.mapped.y),
                log_det: [&self.mapped.log_det[..], &other.mapped.log_det].concat(),
            },
            score: stack(&self.score, &other.score),
            pushed: add(self.pushed, &other.pushed),
            pulled: add(self.pulled, &other.pulled),
        }
    }
}

/// `Replace` overwrites every element, `Add` adds to what is there, and without a sink the cotangent is the same.
fn check_sinks(trial: &mut Trial, way: Way, input: &Input) {
    let mut runner = trial.runner(way);
    runner.forward(&input.x);
    check_sinks_of(trial, "push", way, input, |sink| runner.push_into(&input.cotangent, input.weight, sink));
    check_sinks_of(trial, "pull-back", way, input, |sink| runner.pull_back_into(&input.cotangent, input.weight, sink));
}

fn check_sinks_of(
    trial: &Trial,
    verb: &str,
    way: Way,
    input: &Input,
    mut run: impl FnMut(Option<(&mut [f64], Accum)>) -> Array2<f64>,
) {
    let label = |what: &str| trial.label(&format!("{verb}: {what}"), way, input.x.nrows());
    let mut replaced = vec![f64::NAN; trial.theta.len()];
    let cotangent = run(Some((&mut replaced, Accum::Replace)));
    assert!(replaced.iter().all(|g| g.is_finite()), "{}", label("an element of the sink was not written"));
    let tolerance = Tolerance::round_off::<f64>();
    assert_close(&label("cotangent without a sink"), flat(&run(None)), flat(&cotangent), tolerance);

    let offset: Vec<f64> = (0..replaced.len()).map(|i| (i % 5) as f64 - 1.5).collect();
    let mut added = offset.clone();
    run(Some((&mut added, Accum::Add)));
    let expected: Vec<f64> = replaced.iter().zip(&offset).map(|(g, o)| g + o).collect();
    assert_close(&label("∂θ added"), &added, &expected, tolerance);
}

/// `forward` adds its log-det to what is there.
fn check_log_det_is_added(trial: &Trial, way: Way, input: &Input) {
    let mut runner = trial.runner(way);
    let fresh = runner.forward(&input.x).log_det;
    let added = runner.forward_from(&input.x, 0.75).log_det;
    let expected: Vec<f64> = fresh.iter().map(|l| l + 0.75).collect();
    let what = trial.label("log-det added", way, input.x.nrows());
    assert_close_on_scale(&what, &added, &expected, 1.0 + largest(&fresh), Tolerance::round_off::<f64>());
}

/// Nothing may live in the scratch workspace between two verbs, and no verb may spoil the tape for another.
fn check_scratch_and_order(trial: &Trial, way: Way, input: &Input) {
    let expected = Results::of(&mut trial.runner(way), input);
    let mut runner = trial.runner(way);
    let mapped = runner.forward(&input.x);
    runner.drop_scratch();
    runner.pull_back(&input.score, 1.0 - input.weight);
    runner.drop_scratch();
    let pulled = runner.pull_back(&input.cotangent, input.weight);
    runner.drop_scratch();
    let pushed = runner.push(&input.cotangent, input.weight);
    runner.drop_scratch();
    let score = runner.push_score(&input.score);
    let what = trial.label("verbs in another order, scratch lost between them", way, input.x.nrows());
    Results { mapped, score, pushed, pulled }.assert_same_bits(&what, &expected);
}

/// `forward_with_score` = `forward`, then `push_score`, and leaves the same tape; `forward_without_tape` = `forward`.
fn check_composed_verbs(trial: &Trial, way: Way, input: &Input) {
    let expected = Results::of(&mut trial.runner(way), input);
    let mut runner = trial.runner(way);
    let (mapped, score) = runner.forward_with_score(&input.x, &input.score);
    let pushed = runner.push(&input.cotangent, input.weight);
    let pulled = runner.pull_back(&input.cotangent, input.weight);
    let composed = Results { mapped, score, pushed, pulled };
    let tolerance = Tolerance::round_off::<f64>();
    for ((name, left), (_, right)) in composed.named().into_iter().zip(expected.named()) {
        let what = trial.label(&format!("forward_with_score: {name}"), way, input.x.nrows());
        assert_close_on_scale(&what, left, right, largest(right).max(1.0), tolerance);
    }

    let without = trial.runner(way).forward_without_tape(&input.x);
    let what = trial.label("forward_without_tape", way, input.x.nrows());
    assert_close(&what, flat(&without.y), flat(&expected.mapped.y), tolerance);
    let scale = 1.0 + largest(&without.log_det);
    assert_close_on_scale(&what, &without.log_det, &expected.mapped.log_det, scale, tolerance);
}

/// A tape that held a larger or a smaller batch serves the next one as a new tape would.
fn check_tape_reuse(trial: &mut Trial, way: Way, [small, middle, large]: [usize; 3]) {
    let inputs: Vec<Input> =
        [middle, small, large, middle].into_iter().map(|batch| Input::draw(trial, way, batch)).collect();
    let mut reused = trial.runner(way);
    for input in &inputs {
        let expected = Results::of(&mut trial.runner(way), input);
        let what = trial.label("tape of another batch, reused", way, input.x.nrows());
        Results::of(&mut reused, input).assert_same_bits(&what, &expected);
    }
}

/// A batch is processed as its parts are, `part` samples each; gradients add up.
fn check_samples_are_independent(trial: &mut Trial, way: Way, input: &Input, part: usize) {
    let batch = input.x.nrows();
    let whole = Results::of(&mut trial.runner(way), input);
    let ranges = (0..batch).step_by(part).map(|first| first..(first + part).min(batch));
    let parts = ranges.map(|range| Results::of(&mut trial.runner(way), &input.part(range)));
    let joined = parts.reduce(|joined, next| joined.join(&next)).expect("at least one part");
    for ((name, left), (_, right)) in whole.named().into_iter().zip(joined.named()) {
        let what = trial.label(&format!("a batch and its parts of {part}: {name}"), way, batch);
        assert_close_on_scale(&what, left, right, largest(right).max(1.0), Tolerance::theorem::<f64>());
    }
}

/// T⁻¹(T(x)) = x and T(T⁻¹(y)) = y, the log-dets opposite; (T⁻¹)⁻¹ does what T does.
pub fn check_inverse(trial: &mut Trial, batch: usize) {
    for (there, back) in [(Way::There, Way::Back), (Way::Back, Way::There)] {
        let x = trial.points(there, batch);
        let mapped = trial.runner(there).forward(&x);
        let returned = trial.runner(back).forward(&mapped.y);
        let what = trial.label("T⁻¹ T", there, batch);
        let domain = trial.domain;
        assert!(mapped.y.iter().all(|&y| domain.contains(y)), "{what}: outside of {domain:?}: {:?}", mapped.y);
        let tolerance = trial.allowed(Tolerance::theorem::<f64>());
        assert_close(&what, flat(&domain.all_near(&returned.y, &x)), flat(&x), tolerance);
        let opposite: Vec<f64> = mapped.log_det.iter().map(|l| -l).collect();
        let scale = 1.0 + largest(&opposite);
        assert_close_on_scale(&format!("{what}, log-det"), &returned.log_det, &opposite, scale, tolerance);
    }
}

/// The inverse of T⁻¹ is T.
pub fn check_inverse_of_inverse(trial: &mut Trial, batch: usize) {
    let input = Input::draw(trial, Way::There, batch);
    let expected = Results::of(&mut trial.runner(Way::There), &input);
    let twice = trial.double.back.inverse();
    let results = Results::of(&mut Runner::new(&trial.here, &*twice, &trial.theta), &input);
    for ((name, left), (_, right)) in results.named().into_iter().zip(expected.named()) {
        let what = trial.label(&format!("(T⁻¹)⁻¹ and T: {name}"), Way::There, batch);
        assert_close_on_scale(&what, left, right, largest(right).max(1.0), Tolerance::round_off::<f64>());
    }
}

fn flat(a: &Array2<f64>) -> &[f64] {
    a.as_slice().expect("in standard layout")
}
