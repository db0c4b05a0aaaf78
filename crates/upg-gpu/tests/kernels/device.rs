//! Memory and vectors of the device.

use crate::support::device;
use ndarray::{Array2, ShapeBuilder, s};
use upg_core::device::{Average, Rule, Update};
use upg_core::{Cpu, Device, Memory, Real};
use upg_testkit::draw;
use upg_testkit::on_host::check_device;

#[test]
fn the_device_computes_as_the_host_does() {
    check_device(&device::<f64>());
    check_device(&device::<f32>());
}

/// Up and down again, with samples that lie in memory in every way, at sizes beside those of the tiles of a transposition.
fn check_transfers<T: Real>() {
    let device = device::<T>();
    for (samples, dof) in [(1, 1), (1, 40), (40, 1), (32, 32), (31, 33), (65, 7), (100, 64)] {
        let x = draw::normal(&mut draw::rng(3), 2 * samples, 2 * dof, 1.0).mapv(T::of);
        let by_column = x.t().as_standard_layout().reversed_axes().to_owned();
        for all in [&x, &by_column, &x.slice(s![..;2, ..]).to_owned()] {
            for part in [all.slice(s![..samples, ..]), all.slice(s![..samples;2, ..dof])] {
                let mut batch = Default::default();
                device.upload(part, &mut batch);
                let shape = part.raw_dim();
                let (mut by_row, mut by_column) = (Array2::zeros(shape), Array2::zeros(shape.f()));
                let mut among_others = Array2::zeros((part.nrows(), 2 * part.ncols()));
                device.download(&batch, by_row.view_mut());
                device.download(&batch, by_column.view_mut());
                device.download(&batch, among_others.slice_mut(s![.., ..;2]));
                assert_eq!(by_row, part, "{samples} samples of {dof}");
                assert_eq!(by_column, part, "{samples} samples of {dof}, by column");
                assert_eq!(among_others.slice(s![.., ..;2]), part, "{samples} samples of {dof}, among others");
                assert!(among_others.slice(s![.., 1..;2]).iter().all(|x| *x == T::zero()), "the others are left alone");
            }
        }
    }
}

#[test]
fn samples_come_back_as_they_went_however_they_lie() {
    check_transfers::<f64>();
    check_transfers::<f32>();
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
