//! The Fourier transform of a lattice against its definition, and the orbits against the symmetries.

use rand::RngExt;
use std::f64::consts::TAU;
use upg_core::{Real, Streams};
use upg_flows::simd::lanes;
use upg_flows::{Modes, Orbits};

const LATTICES: [&[usize]; 15] = [
    &[1],
    &[2],
    &[3],
    &[4],
    &[5],
    &[6],
    &[8],
    &[10],
    &[2, 3],
    &[16, 8],
    &[6, 6],
    &[1, 7],
    &[32, 3],
    &[3, 4, 2],
    &[2, 3, 1, 4],
];

/// m_r(x) of one axis, from its definition.
fn naive_mode(extent: usize, r: usize, x: usize) -> f64 {
    let (k, l) = (r.div_ceil(2) as f64, extent as f64);
    match r {
        0 => (1.0 / l).sqrt(),
        r if r + 1 == extent && extent.is_multiple_of(2) => (1.0 / l).sqrt() * (1.0 - 2.0 * (x % 2) as f64),
        r if r % 2 == 1 => (2.0 / l).sqrt() * (TAU * k * x as f64 / l).cos(),
        _ => (2.0 / l).sqrt() * (TAU * k * x as f64 / l).sin(),
    }
}

fn naive_transform(lattice: &[usize], field: &[f64]) -> Vec<f64> {
    let (volume, mut field) = (field.len(), field.to_vec());
    let mut inner = volume;
    for &extent in lattice {
        inner /= extent;
        let at = |i: usize| {
            let (outer, r, rest) = (i / (inner * extent), i / inner % extent, i % inner);
            (0..extent).map(|x| naive_mode(extent, r, x) * field[(outer * extent + x) * inner + rest]).sum()
        };
        field = (0..volume).map(at).collect();
    }
    field
}

fn check<T: Real>(lattice: &[usize], tolerance: f64) {
    let modes = Modes::<T>::new(lattice);
    let (volume, lanes) = (modes.volume(), 2 * lanes::<T>());
    let mut rng = Streams::new(volume as u64).next_stream();
    let before: Vec<T> = (0..2 * volume * lanes).map(|_| T::of(2.0 * rng.random::<f64>() - 1.0)).collect();
    let (mut fields, mut memory) = (before.clone(), vec![]);
    modes.to_modes(&mut fields, lanes, &mut memory);
    for (tile, transformed) in before.chunks(volume * lanes).zip(fields.chunks(volume * lanes)) {
        for lane in 0..lanes {
            let of_lane = |tile: &[T]| tile.iter().skip(lane).step_by(lanes).map(|x| x.wide()).collect::<Vec<f64>>();
            for (mode, (a, b)) in naive_transform(lattice, &of_lane(tile)).iter().zip(of_lane(transformed)).enumerate()
            {
                assert!((a - b).abs() < tolerance, "{lattice:?}, lane {lane}, mode {mode}: {b}, by definition {a}");
            }
        }
    }
    modes.to_sites(&mut fields, lanes, &mut memory);
    let worst = before.iter().zip(&fields).map(|(&a, &b)| (a - b).abs().wide()).fold(0.0, f64::max);
    assert!(worst < tolerance, "{lattice:?}: there and back is off by {worst}");
}

#[test]
fn transforms_are_those_of_the_definition() {
    for lattice in LATTICES {
        check::<f64>(lattice, 4e-14);
        check::<f32>(lattice, 4e-6);
    }
}

#[test]
fn a_field_of_the_other_sign_has_modes_of_the_other_sign_to_the_bit() {
    let modes = Modes::<f32>::new(&[6, 5]);
    let mut plus: Vec<f32> = (0..30 * lanes::<f32>()).map(|i| (i as f32 * 0.7).sin()).collect();
    let mut minus: Vec<f32> = plus.iter().map(|x| -x).collect();
    let mut memory = vec![];
    modes.to_modes(&mut plus, lanes::<f32>(), &mut memory);
    modes.to_modes(&mut minus, lanes::<f32>(), &mut memory);
    assert!(plus.iter().zip(&minus).all(|(a, b)| *a == -*b));
}

/// The propagator commutes with the symmetries: an operator with one eigenvalue for each orbit is invariant under reflections, and under
/// the exchange of equal axes.
#[test]
fn orbits_are_those_of_reflections_and_exchanges() {
    for lattice in [vec![4, 4], vec![5, 5], vec![4, 3], vec![6, 2], vec![2, 2, 2]] {
        let (orbits, volume) = (Orbits::new(&lattice), lattice.iter().product::<usize>());
        let kernel = |x: usize| -> f64 {
            let mut delta = vec![0.0; volume];
            delta[0] = 1.0;
            let source = naive_transform(&lattice, &delta);
            let mut delta = vec![0.0; volume];
            delta[x] = 1.0;
            let sink = naive_transform(&lattice, &delta);
            (0..volume).map(|mode| source[mode] * sink[mode] * (1.0 + orbits.of_mode()[mode] as f64).sin()).sum()
        };
        let flat = |x: &[usize]| x.iter().zip(&lattice).fold(0, |flat, (&x, &extent)| flat * extent + x % extent);
        for site in 0..volume {
            let mut x = vec![0; lattice.len()];
            let mut rest = site;
            for axis in (0..lattice.len()).rev() {
                (x[axis], rest) = (rest % lattice[axis], rest / lattice[axis]);
            }
            let mirrored: Vec<usize> =
                x.iter().zip(&lattice).enumerate().map(|(i, (&x, &l))| if i == 0 { l - x } else { x }).collect();
            assert!((kernel(site) - kernel(flat(&mirrored))).abs() < 1e-12, "{lattice:?}, {x:?} mirrored");
            if lattice.iter().all(|&l| l == lattice[0]) {
                let mut exchanged = x.clone();
                exchanged.swap(0, 1);
                assert!((kernel(site) - kernel(flat(&exchanged))).abs() < 1e-12, "{lattice:?}, {x:?} exchanged");
            }
        }
        assert_eq!(orbits.members().iter().sum::<usize>(), volume);
        assert_eq!(orbits.p_hat_squared()[0], 0.0);
    }
    let square = Orbits::new(&[4, 4]);
    assert_eq!((square.count(), square.members()), (6, &[1, 4, 2, 4, 4, 1][..]));
    assert_eq!(Orbits::new(&[16, 8]).count(), 9 * 5);
    assert!((square.p_hat_squared()[1] - 2.0).abs() < 1e-15 && (square.p_hat_squared()[5] - 8.0).abs() < 1e-15);
}
