//! Vectors on the processor: norms of anything, and the same bits on any number of threads.

use rand::RngExt;
use upg_core::device::{Average, Rule, Update};
use upg_core::{Cpu, Execution, Memory, Real, Rng, Streams, Vectors};

/// Numbers of a tile, and lengths around it.
const TILE: usize = 1 << 14;

/// Numbers of either sign over six orders of magnitude up to `size`, exact in f32.
fn draw<T: Real>(rng: &mut Rng, len: usize, size: f64) -> Vec<T> {
    let mut one = || size * 10_f64.powf(rng.random_range(-6.0..0.0)) * rng.random_range(-1.0..1.0);
    (0..len).map(|_| T::of(f64::from(one() as f32))).collect()
}

fn rng(seed: u64) -> Rng {
    Streams::new(seed).next_stream()
}

fn bits<T: Real>(values: &[T]) -> Vec<u64> {
    values.iter().map(|x| x.wide().to_bits()).collect()
}

#[test]
fn norms_do_not_overflow_in_single_precision() {
    let device = Cpu::<f32>::here();
    let large = device.norm(&vec![-3e30, 4e30]);
    assert!((large / 5e30 - 1.0).abs() < 1e-7, "{large}");
    assert!(device.norm(&vec![f32::MAX; 40_000]).is_finite());
}

#[test]
fn norms_tell_what_is_not_finite() {
    for len in [1, 33, TILE, 100_003] {
        for at in [0, len / 2, len - 1] {
            for (bad, size) in
                [(f64::NAN, None), (f64::INFINITY, Some(f64::INFINITY)), (f64::NEG_INFINITY, Some(f64::INFINITY))]
            {
                let mut wide = vec![0.5; len];
                wide[at] = bad;
                let narrow: Vec<f32> = wide.iter().map(|&x| x as f32).collect();
                for norm in [Cpu::<f64>::here().norm(&wide), Cpu::<f32>::here().norm(&narrow)] {
                    assert!(size.map_or(norm.is_nan(), |size| norm == size), "{bad} at {at} of {len}: {norm}");
                }
            }
        }
    }
}

/// Everything that runs in tiles, as bits, on `threads` threads.
fn on_threads<T: Real>(threads: usize) -> Vec<Vec<u64>> {
    let (rng, device, len) = (&mut rng(3), Cpu::<T>::new(threads), 5 * TILE + 123);
    let (start, grad): (Vec<T>, Vec<T>) = (draw(rng, len, 1.0), draw(rng, len, 1.0));
    let (mut all, mut sum) = (vec![], start.clone());
    for rule in [
        Rule::Adam { beta: [0.9, 0.99], epsilon: 1e-6, rate: 0.1, decay: 0.01, step: 3 },
        Rule::Momentum { momentum: 0.7, rate: 0.1 },
        Rule::Descent { rate: 0.1 },
    ] {
        let mut moments = vec![start.iter().map(|x| x.abs()).collect::<Vec<T>>(); rule.moments()];
        let (mut theta, mut average) = (start.clone(), grad.clone());
        let followed = Some(Average { theta: &mut average, decay: 0.9 });
        let update =
            Update { theta: &mut theta, grad: &grad, clip: Some(3.0), moments: &mut moments, average: followed };
        let norm = device.install(|| device.optimise(rule, update));
        all.extend([bits(&theta), bits(&average), vec![norm.to_bits()]]);
        all.extend(moments.iter().map(|moment| bits(moment)));
    }
    device.install(|| device.combine(0.3, &grad, -1.7, &mut sum));
    device.install(|| device.accumulate(&[&grad, &start], &mut sum));
    let dot = device.install(|| device.dot(device.params(&sum), device.params(&start)));
    let norms = device.install(|| [&sum, &start, &grad].map(|vector| device.norm(vector).to_bits()));
    all.extend([bits(&sum), norms.to_vec(), vec![dot.to_bits()]]);
    all
}

#[test]
fn a_step_returns_the_norm_and_clips_by_it() {
    let device = Cpu::<f64>::here();
    let step = |grad: [f64; 2], clip| {
        let (mut theta, grad) = (vec![1.0, 2.0], grad.to_vec());
        let update = Update { theta: &mut theta, grad: &grad, clip, moments: &mut [], average: None };
        (device.optimise(Rule::Descent { rate: 0.5 }, update), theta)
    };
    assert_eq!(step([3.0, -4.0], None), (5.0, vec![-0.5, 4.0]));
    assert_eq!(step([3.0, -4.0], Some(5.0)), (5.0, vec![-0.5, 4.0]));
    assert_eq!(step([3.0, -4.0], Some(2.5)), (5.0, vec![0.25, 3.0]));
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let device = Cpu::<f32>::here();
    for bad in [f32::NAN, f32::INFINITY] {
        for clip in [None, Some(1.0)] {
            let (mut theta, mut average, mut moments) =
                (vec![1.0, 2.0], vec![3.0, 4.0], [vec![5.0, 6.0], vec![7.0, 8.0]]);
            let followed = Some(Average { theta: &mut average, decay: 0.9 });
            let update =
                Update { theta: &mut theta, grad: &vec![0.0, bad], clip, moments: &mut moments, average: followed };
            let rule = Rule::Adam { beta: [0.9, 0.99], epsilon: 1e-6, rate: 0.1, decay: 0.01, step: 3 };
            assert!(!device.optimise(rule, update).is_finite());
            assert_eq!((theta, average, moments), (vec![1.0, 2.0], vec![3.0, 4.0], [vec![5.0, 6.0], vec![7.0, 8.0]]));
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let one = on_threads::<f32>(1);
    assert!([2, 3].iter().all(|&threads| on_threads::<f32>(threads) == one), "f32");
    assert!(on_threads::<f64>(3) == on_threads::<f64>(1), "f64");
}
