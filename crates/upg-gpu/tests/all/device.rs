//! Memory and vectors of the device.

use crate::support::device;
use upg_core::device::{Average, Rule, Update};
use upg_core::{Cpu, Device, Real};
use upg_testkit::draw;
use upg_testkit::on_host::check_device;

#[test]
fn the_device_computes_as_the_host_does() {
    check_device(&device::<f64>());
    check_device(&device::<f32>());
}

const RULES: [Rule; 3] = [
    Rule::Adam { beta: [0.9, 0.99], epsilon: 1e-6, rate: 0.1, decay: 0.01, step: 3 },
    Rule::Momentum { momentum: 0.8, rate: 0.1 },
    Rule::Descent { rate: 0.1 },
];

/// Norm, θ, average and moments after a step from the same start.
fn step<D: Device>(device: &D, rule: Rule, clip: Option<f64>, grad: &[f64], average: bool) -> Vec<Vec<f64>> {
    let len = grad.len();
    let numbers = |seed| -> Vec<D::Real> {
        draw::cast(&draw::normal(&mut draw::rng(seed), len, 1, 1.0).into_iter().collect::<Vec<f64>>())
    };
    let positive: Vec<D::Real> = numbers(3).iter().map(|x| D::Real::of(x.wide().abs())).collect();
    let (mut theta, mut followed) = (device.buffer(&numbers(1)), device.buffer(&numbers(2)));
    let mut moments: Vec<_> = (0..rule.moments()).map(|_| device.buffer(&positive)).collect();
    let grad = device.buffer(&draw::cast(grad));
    let of_average = average.then_some(Average { theta: &mut followed, decay: 0.9 });
    let update = Update { theta: &mut theta, grad: &grad, clip, moments: &mut moments, average: of_average };
    let norm = device.optimise(rule, update);
    let mut all = vec![vec![norm]];
    for buffer in [&theta, &followed].into_iter().chain(&moments) {
        all.push(device.to_host(buffer).iter().map(|x| x.wide()).collect());
    }
    all
}

fn check_optimiser<T: Real>(tolerance: f64) {
    for len in [1, 5, 9_000] {
        let grad: Vec<f64> = draw::normal(&mut draw::rng(7), len, 1, 1.0).into_iter().collect();
        for rule in RULES {
            for (clip, average) in [(None, true), (Some(0.5), false), (Some(1e9), true)] {
                let here = step(&Cpu::<T>::here(), rule, clip, &grad, average);
                let there = step(&device::<T>(), rule, clip, &grad, average);
                for (here, there) in here.iter().flatten().zip(there.iter().flatten()) {
                    assert!(
                        (here - there).abs() <= tolerance * here.abs().max(1.0),
                        "{rule:?} {clip:?}: {there}, not {here}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_optimiser_steps_as_the_host_does() {
    check_optimiser::<f64>(1e-14);
    check_optimiser::<f32>(1e-6);
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    for bad in [f64::NAN, f64::INFINITY] {
        for rule in RULES {
            let untouched = step(&device::<f32>(), Rule::Descent { rate: 0.0 }, None, &[0.0, 0.0], false);
            let left = step(&device::<f32>(), rule, Some(1.0), &[0.0, bad], true);
            assert!(!left[0][0].is_finite());
            assert_eq!(left[1..3], untouched[1..3], "{rule:?}");
        }
    }
}
