//! Masked products against their definition; what is masked stays out; the Jacobian is triangular.

use ndarray::{Array2, s};
use rand::RngExt;
use upg_core::{Accum, Batch, Cpu, Layer, Rng, Staircase, Steps};
use upg_flows::{
    Activation, Affine, Autoregressive, Bias, StartAt,
    autoregressive::net::{MaskedMlp, masks},
    masked,
    matmul::Mat,
};
use upg_testkit::{draw, runner::Runner};

fn any_staircase(rng: &mut Rng) -> Staircase {
    let steps = rng.random_range(1..60);
    let side = |rng: &mut Rng| Steps { count: rng.random_range(1..150), first: rng.random_range(0..2), steps };
    Staircase { rows: side(rng), columns: side(rng) }
}

#[test]
fn masked_products_are_those_of_the_definition() {
    let rng = &mut upg_testkit::draw::rng(1);
    for _ in 0..60 {
        let mask = any_staircase(rng);
        let (m, k, n) = (mask.rows.count, mask.columns.count, rng.random_range(1..40));
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| rng.random::<f64>() - 0.5).collect() };
        let (weight, mut cleaned) = (draw(m * k), vec![0.0; m * k]);
        masked::clean(&mut cleaned, &weight, mask);
        let there = |r: usize, c: usize| mask.columns.of(c) <= mask.rows.of(r);
        for r in 0..m {
            for c in 0..k {
                assert_eq!(cleaned[r * k + c], if there(r, c) { weight[r * k + c] } else { 0.0 });
            }
        }
        assert_eq!(mask.entries(), (0..m).map(|r| (0..k).filter(|&c| there(r, c)).count() as u64).sum::<u64>());
        let mut batch = |rows: usize| {
            let mut b = Batch::<f64>::zeros(rows, n);
            b.as_mut_slice().copy_from_slice(&draw(rows * n));
            b
        };
        let (h, v, old, mut out) = (batch(k), batch(m), batch(k), Batch::zeros(m, n));
        let w = Mat::new(&cleaned, m, k);
        masked::apply(&mut out, mask, w, &h, |row, _, part| part.iter_mut().for_each(|x| *x += row as f64));
        let mut back = old.clone();
        masked::apply_transposed(&mut back, mask, w, &v, Accum::Add, |_, _, _| ());
        for s in 0..n {
            for r in 0..m {
                let want = (0..k).map(|c| cleaned[r * k + c] * h.row(c)[s]).sum::<f64>() + r as f64;
                assert!((out.row(r)[s] - want).abs() < 1e-12);
            }
            for c in 0..k {
                let want = (0..m).map(|r| cleaned[r * k + c] * v.row(r)[s]).sum::<f64>() + old.row(c)[s];
                assert!((back.row(c)[s] - want).abs() < 1e-12);
            }
        }
        let before = draw(m * k);
        for accum in [Accum::Replace, Accum::Add] {
            let mut grad = if accum == Accum::Add { before.clone() } else { vec![f64::NAN; m * k] };
            masked::gradient(&mut grad, mask, &v, &h, accum, &mut Batch::default());
            for r in 0..m {
                for c in 0..k {
                    let sum: f64 = (0..n).map(|s| v.row(r)[s] * h.row(c)[s]).sum();
                    let want =
                        if there(r, c) { sum } else { 0.0 } + if accum == Accum::Add { before[r * k + c] } else { 0.0 };
                    assert!((grad[r * k + c] - want).abs() < 1e-12);
                    if !there(r, c) {
                        assert_eq!(grad[r * k + c], if accum == Accum::Add { before[r * k + c] } else { 0.0 });
                    }
                }
            }
        }
    }
}

/// At least one unit of every degree.
const HIDDEN: [usize; 2] = [50, 41];

/// A layer of three panels of steps, of shuffled order.
fn layer(order: &[usize]) -> Autoregressive<Affine> {
    let net = MaskedMlp::new(order.len(), &HIDDEN, 2, Activation::Silu, Bias::Yes, StartAt::Random).unwrap();
    Autoregressive::new::<f64>(order.to_vec(), net, Affine { clamp: Some(1.0) })
}

fn shuffled(rng: &mut Rng, dof: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..dof).collect();
    (1..dof).for_each(|i| order.swap(i, rng.random_range(0..=i)));
    order
}

/// y_p at position p of the order doesn't depend, to the bit, on any x behind it, and does on all before.
#[test]
fn a_degree_of_freedom_depends_on_those_before_it() {
    let rng = &mut draw::rng(2);
    let (dof, here) = (35, Cpu::here());
    let order = shuffled(rng, dof);
    let layer = layer(&order);
    let theta = draw::parameters(rng, &Layer::<Cpu<f64>>::params(&layer));
    let x = draw::normal(rng, 1, dof, 1.0);
    let moved = |position: usize| {
        let mut x = x.clone();
        x[[0, order[position]]] += 0.5;
        Runner::new(&here, &layer, &theta).forward(&x).y
    };
    let y = Runner::new(&here, &layer, &theta).forward(&x).y;
    for position in 0..dof {
        let changed = &moved(position) - &y;
        for (other, &dof) in order.iter().enumerate() {
            assert_eq!(changed[[0, dof]] != 0.0, other >= position, "{other} by {position}");
        }
    }
}

/// Initial values of masked weights are zero, their gradients too, and nobody reads them.
#[test]
fn masked_weights_are_zero_and_stay_out() {
    let rng = &mut draw::rng(3);
    let (dof, here) = (35, Cpu::here());
    let layer = layer(&shuffled(rng, dof));
    let layout = Layer::<Cpu<f64>>::params(&layer);
    let theta: Vec<f64> = layout.initialise(rng);
    let masked: Vec<usize> = layout
        .ranges()
        .filter(|(tensor, _)| tensor.name.ends_with("weight"))
        .zip(masks(dof, &HIDDEN, 2))
        .flat_map(|((_, range), mask)| {
            let columns = mask.columns.count;
            range.clone().filter(move |i| (i - range.start) % columns >= mask.visible((i - range.start) / columns))
        })
        .collect();
    assert!(masked.iter().all(|&i| theta[i] == 0.0));
    assert_eq!(theta.iter().filter(|&&weight| weight == 0.0).count(), masked.len());

    let (x, a) = (draw::normal(rng, 21, dof, 1.0), draw::normal(rng, 21, dof, 1.0));
    let run = |theta: &[f64]| {
        let inverse = upg_core::Invertible::<Cpu<f64>>::inverse(&layer);
        let (mut there, mut back) = (Runner::new(&here, &layer, theta), Runner::new(&here, &*inverse, theta));
        let (y, z) = (there.forward(&x), back.forward(&x));
        (y, z, there.push(&a, 0.7).grad, there.pull_back(&a, 0.7).grad, back.pull_back(&a, 0.7).cotangent)
    };
    let clean = run(&theta);
    for grad in [&clean.2, &clean.3] {
        assert!(masked.iter().all(|&i| grad[i] == 0.0));
        assert!(grad.iter().filter(|&&g| g != 0.0).count() > (theta.len() - masked.len()) / 2);
    }
    let mut foul = theta.clone();
    masked.iter().for_each(|&i| foul[i] = f64::NAN);
    assert!(run(&foul) == clean);
}

/// Infinite or missing numbers of a sample are its own affair.
#[test]
fn a_broken_sample_breaks_no_other() {
    let rng = &mut draw::rng(4);
    let (dof, here) = (35, Cpu::here());
    let layer = layer(&shuffled(rng, dof));
    let theta = draw::parameters(rng, &Layer::<Cpu<f64>>::params(&layer));
    let x = draw::normal(rng, 9, dof, 1.0);
    let mut broken = x.clone();
    (broken[[3, 5]], broken[[6, 30]]) = (f64::NAN, f64::INFINITY);
    for layer in [&layer as &dyn Layer<Cpu<f64>>, &*upg_core::Invertible::<Cpu<f64>>::inverse(&layer)] {
        let results = |x: &Array2<f64>| {
            let mut runner = Runner::new(&here, layer, &theta);
            [runner.forward(x).y, runner.push_score(&draw::normal(&mut draw::rng(5), 9, dof, 1.0))]
        };
        for (good, bad) in results(&x).iter().zip(&results(&broken)) {
            for sample in (0..9).filter(|i| ![3, 6].contains(i)) {
                assert_eq!(good.slice(s![sample, ..]), bad.slice(s![sample, ..]));
            }
            assert!(bad.slice(s![3, ..]).iter().any(|x| x.is_nan()));
        }
    }
}

/// Large enough that products are cut into tiles and panels dealt out: neither threads nor the rest of the batch matter to the bit.
#[test]
fn wide_layers_are_the_same_bits_for_any_threads_and_any_company() {
    let rng = &mut draw::rng(6);
    let net = MaskedMlp::new(40, &[300, 200], 2, Activation::Tanh, Bias::Yes, StartAt::Random).unwrap();
    let layer = Autoregressive::new::<f32>(shuffled(rng, 40), net, Affine { clamp: Some(1.0) });
    let inverse = upg_core::Invertible::<Cpu<f32>>::inverse(&layer);
    let theta: Vec<f32> = Layer::<Cpu<f32>>::params(&layer).initialise(rng);
    let [x, a] = [0, 1].map(|_| draw::normal(rng, 700, 40, 1.0).mapv(|x| x as f32));
    let run = |threads: usize, samples: std::ops::Range<usize>| {
        let here = Cpu::new(threads);
        let [x, a] = [&x, &a].map(|all| all.slice(s![samples.clone(), ..]).to_owned());
        [&layer as &dyn Layer<Cpu<f32>>, &*inverse].map(|layer| {
            let mut runner = Runner::new(&here, layer, &theta);
            let mapped = runner.forward(&x);
            (mapped.y, mapped.log_det, runner.push(&a, 1.0), runner.pull_back(&a, 0.5))
        })
    };
    let all = run(1, 0..700);
    assert!(run(3, 0..700) == all);
    for part in [0..1, 5..38, 100..613] {
        for (alone, all) in run(2, part.clone()).iter().zip(&all) {
            let of = |all: &Array2<f32>| all.slice(s![part.clone(), ..]).to_owned();
            assert!(alone.0 == of(&all.0) && alone.1 == all.1[part.clone()]);
            assert!(alone.2.cotangent == of(&all.2.cotangent) && alone.3.cotangent == of(&all.3.cotangent));
        }
    }
}
