//! f32 against f64, and the same bits for any number of threads.

use super::{Trial, Way, calls::Input};
use crate::{
    draw::cast,
    numeric::Derivatives,
    runner::Runner,
    tolerance::{Tolerance, assert_close_on_scale, assert_same_bits, largest},
};
use ndarray::Array2;
use upg_core::{Cpu, Layer, Real};

/// Every result of the verbs, flat and widened to f64 (which loses nothing), under its name.
type Named = [(&'static str, Vec<f64>); 5];

/// In f32 all results agree with those in f64, to round-off times the condition number of the Jacobian.
pub fn check_precision(trial: &mut Trial, way: Way, batch: usize) {
    if trial.single.is_none() {
        return;
    }
    let input = Input::draw(trial, way, batch);
    let few = trial.points(way, 6);
    let condition = Derivatives::of(&mut trial.runner(way), trial.domain, &few, 3).condition();
    let double = results::<f64>(&trial.here, trial.double.layer(way), &trial.theta, &input);
    let single = trial.single.as_ref().expect("asked above").layer(way);
    let single = results::<f32>(&Cpu::here(), single, &trial.theta, &input);
    for ((name, double), (_, mut single)) in double.into_iter().zip(single) {
        if name == "x" {
            let inside = single.iter().all(|&y| trial.domain.contains(f32::of(y)));
            assert!(inside, "outside of {:?}: {single:?}", trial.domain);
            let near = |(&s, &d): (&f64, &f64)| trial.domain.near(s, d);
            single = single.iter().zip(&double).map(near).collect();
        }
        let what = trial.label(&format!("f32 and f64: {name}"), way, batch);
        let tolerance = trial.allowed(Tolerance::round_off::<f32>().times(condition));
        assert_close_on_scale(&what, &single, &double, largest(&double).max(1.0), tolerance);
    }
}

/// 1, 2, 3 and 8 threads give the same bits, in both precisions, as far as there are so many; one gives them twice, and the largest batch is left out.
pub fn check_threads(trial: &mut Trial, way: Way, sizes: &[usize], most: usize) {
    let (sizes, others) = if most == 1 { (&sizes[..sizes.len() - 1], &[1][..]) } else { (sizes, &[2, 3, 8][..]) };
    for &batch in sizes {
        let input = Input::draw(trial, way, batch);
        let what = trial.label("threads", way, batch);
        same_bits_for_any_threads(&what, trial.double.layer(way), &trial.theta, &input, others);
        if let Some(single) = &trial.single {
            same_bits_for_any_threads(&what, single.layer(way), &trial.theta, &input, others);
        }
    }
}

fn same_bits_for_any_threads<T: Real>(
    what: &str,
    layer: &dyn Layer<Cpu<T>>,
    theta: &[f64],
    input: &Input,
    others: &[usize],
) {
    let one = results(&Cpu::new(1), layer, theta, input);
    for &threads in others {
        let more = results(&Cpu::new(threads), layer, theta, input);
        for ((name, one), (_, more)) in one.iter().zip(&more) {
            assert_same_bits(&format!("{what}: {name} in {}, 1 and {threads} threads", T::NAME), one, more);
        }
    }
}

fn results<T: Real>(device: &Cpu<T>, layer: &dyn Layer<Cpu<T>>, theta: &[f64], input: &Input) -> Named {
    let mut runner = Runner::new(device, layer, &cast::<T>(theta));
    let of = |a: &Array2<f64>| a.mapv(T::of);
    let wide = |a: Array2<T>| a.into_iter().map(T::wide).collect::<Vec<f64>>();
    let mapped = runner.forward(&of(&input.x));
    let score = runner.push_score(&of(&input.score));
    let pulled = runner.pull_back(&of(&input.cotangent), input.weight);
    let grad = pulled.grad.into_iter().map(T::wide).collect();
    [
        ("x", wide(mapped.y)),
        ("log-det", mapped.log_det),
        ("score", wide(score)),
        ("cotangent", wide(pulled.cotangent)),
        ("∂θ", grad),
    ]
}
