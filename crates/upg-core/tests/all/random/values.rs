//! Normals and angles against their definition in double-double, and f32 against f64, with words made for the worst.

use rand::{RngExt, SeedableRng};
use std::f64::consts::{PI, TAU};
use upg_core::random::{Rng, box_muller};
use upg_core::{Batch, Real, SampleStream};
use upg_testkit::reference::{self, Double};

/// The two normals of a pair of words by MATH (16), to some 28 digits.
fn exact_normals([first, second]: [u64; 2]) -> [Double; 2] {
    let u = ((first >> 11) + 1) as f64 * 2_f64.powi(-53);
    let r = (Double::from(-2.0) * reference::ln(u)).sqrt();
    let quarter = 1_i64 << 51;
    let angle = (second >> 11) as i64;
    let n = (angle + quarter / 2) / quarter;
    let tau = Double::from(TAU) + 2.449_293_598_294_706_4e-16.into();
    let rest = Double::from((angle - n * quarter) as f64 * 2_f64.powi(-53)) * tau;
    let (sin, cos) = reference::sin_cos_of_quarters(n as u32, rest);
    [r * cos, r * sin]
}

/// Pairs of words as two lists.
fn lists(pairs: &[[u64; 2]]) -> [Vec<u64>; 2] {
    [0, 1].map(|i| pairs.iter().map(|pair| pair[i]).collect())
}

fn normals<T: Real>(pairs: &[[u64; 2]]) -> [Vec<T>; 2] {
    let [first, second] = lists(pairs);
    let [mut cos, mut sin] = [0, 1].map(|_| vec![T::nan(); pairs.len()]);
    box_muller([&first, &second], &mut cos, &mut sin);
    [cos, sin]
}

/// Words whose upper 53 bits are `k`.
fn word(k: u64, rng: &mut Rng) -> u64 {
    assert!(k < 1 << 53);
    k << 11 | rng.random_range(0..1 << 11)
}

/// All pairs of first words with u = 2⁻⁵³, u = 1, u next to these, to ½, to √½ and to powers of ½, and second words at multiples of an
/// eighth of a turn and next to these.
fn extreme_pairs(rng: &mut Rng) -> Vec<[u64; 2]> {
    let one = 1_u64 << 53;
    let sqrt_half = (one as f64 * 0.5_f64.sqrt()) as u64;
    let edges = (0..53).map(|n| one >> n).chain((0..53).map(|n| one - (one >> n))).chain([sqrt_half]);
    let steps = [0, 1, 2, 3, 1000, 1 << 20, 1 << 28, 1 << 29, 1 << 30];
    let around = |edge: u64| steps.into_iter().flat_map(move |step| [edge.wrapping_sub(step), edge.wrapping_add(step)]);
    let first: Vec<u64> = edges.flat_map(around).filter(|&k| k < one).collect();
    let eighths = (0..8).map(|n| n << 50).flat_map(around);
    let second: Vec<u64> = eighths.map(|k| k % one).chain((0..50).map(|n| 1 << n)).collect();
    first.iter().flat_map(|&k| second.iter().map(move |&l| [k, l])).map(|pair| pair.map(|k| word(k, rng))).collect()
}

fn random_pairs(count: usize, rng: &mut Rng) -> Vec<[u64; 2]> {
    (0..count).map(|_| rng.random()).collect()
}

/// |got − expected| in units in the last place of f32; two zeros agree.
fn ulps(got: f32, expected: f64) -> f64 {
    if got == 0.0 && expected == 0.0 { 0.0 } else { Double::from(expected).error_in_ulp(got) }
}

/// The largest difference between the f32 and the f64 normals of pairs of words, in f32 ulp.
fn worst_single(pairs: &[[u64; 2]]) -> f64 {
    let (single, double) = (normals::<f32>(pairs).concat(), normals::<f64>(pairs).concat());
    single.iter().zip(&double).map(|(&single, &double)| ulps(single, double)).fold(0.0, f64::max)
}

/// The largest error of the f64 normals of pairs of words, in ulp; where r or the sine or cosine is exactly zero, so is the normal.
fn worst_double(pairs: &[[u64; 2]]) -> f64 {
    let [cos, sin] = normals::<f64>(pairs);
    let mut worst = 0_f64;
    for ((&pair, cos), sin) in pairs.iter().zip(cos).zip(sin) {
        if pair[0] >> 11 == (1 << 53) - 1 {
            assert_eq!([cos, sin], [0.0, 0.0], "u = 1");
            continue;
        }
        let on_axis = |axis: u64| (pair[1] >> 11) % (1 << 52) == axis << 51;
        for (got, exact, zero) in [(cos, 0, on_axis(1)), (sin, 1, on_axis(0))] {
            let error = exact_normals(pair)[exact].error_in_ulp(got);
            worst = worst.max(if zero { got.abs() / f64::MIN_POSITIVE } else { error });
        }
    }
    worst
}

#[test]
fn doubles_are_the_definition_to_4_ulp() {
    let rng = &mut Rng::seed_from_u64(1);
    let (extreme, random) = (worst_double(&extreme_pairs(rng)), worst_double(&random_pairs(200_000, rng)));
    println!("f64 against double-double: {extreme} and {random} ulp");
    assert!(extreme <= 4.0 && random <= 4.0, "{extreme} and {random} ulp");
}

/// In four million random samples, and in those made for the worst.
#[test]
fn singles_are_the_doubles_to_4_ulp() {
    let rng = &mut Rng::seed_from_u64(2);
    let extreme = worst_single(&extreme_pairs(rng));
    let random = (0..20).map(|_| worst_single(&random_pairs(100_000, rng))).fold(0.0, f64::max);
    println!("f32 against f64: {extreme} and {random} ulp");
    assert!(extreme <= 4.0 && random <= 4.0, "{extreme} and {random} ulp");
}

/// The largest number, and exact zeros.
#[test]
fn ends_of_the_range() {
    fn check<T: Real>() {
        let largest = T::of((2.0 * 53.0 * 2_f64.ln()).sqrt());
        let quarters = [0, 1 << 62, 1 << 63, 3 << 62].map(|angle| [0, angle]);
        let [cos, sin] = normals::<T>(&quarters);
        let close = |x: T, y: T| (x - y).abs() <= T::of(4.0) * T::epsilon() * largest;
        let zero = T::zero();
        for (i, [c, s]) in
            [[largest, zero], [zero, largest], [-largest, zero], [zero, -largest]].into_iter().enumerate()
        {
            assert!(close(cos[i], c) && close(sin[i], s), "{i} quarter turns: {} {}", cos[i], sin[i]);
            assert!(cos[i] == zero || sin[i] == zero, "{i} quarter turns: {} {}", cos[i], sin[i]);
        }
        let [cos, sin] = normals::<T>(&[[u64::MAX, 5 << 60], [u64::MAX, u64::MAX]]);
        assert!(cos.iter().chain(&sin).all(|&z| z == zero), "u = 1: {cos:?} {sin:?}");
    }
    check::<f32>();
    check::<f64>();
}

/// A batch is made of the words of its samples: 2i and 2i + 1 for degrees of freedom 2i and 2i + 1, the last of an odd number a cosine.
#[test]
fn batches_are_made_of_the_words() {
    fn check<T: Real>(dof: usize, samples: usize) {
        let stream = SampleStream::new(3, 1, 4);
        let (mut z, mut words) = (Batch::<T>::zeros(dof, samples), vec![0; dof.next_multiple_of(2) * samples]);
        stream.fill_normals(11, &mut z);
        stream.fill_words(11, 0..dof.next_multiple_of(2), &mut words);
        for (pair, words) in words.chunks_exact(2 * samples).enumerate() {
            let [mut cos, mut sin] = [0, 1].map(|_| vec![T::nan(); samples]);
            box_muller([&words[..samples], &words[samples..]], &mut cos, &mut sin);
            assert_eq!(*z.row(2 * pair), cos, "degree of freedom {}", 2 * pair);
            assert!(2 * pair + 1 == dof || *z.row(2 * pair + 1) == sin, "degree of freedom {}", 2 * pair + 1);
        }
    }
    for (dof, samples) in [(1, 1), (1, 70), (2, 3), (3, 64), (7, 129), (64, 17), (65, 16), (130, 40)] {
        check::<f32>(dof, samples);
        check::<f64>(dof, samples);
    }
}

/// Angles are (w >> 11)·2⁻⁵³·2π in f64; f32 rounds them, and has 0 for 2π.
#[test]
fn angles_are_the_definition() {
    let (stream, dof, samples) = (SampleStream::new(9, 9, 9), 5, 100_000);
    let mut words = vec![0; dof * samples];
    let (mut double, mut single) = (Batch::<f64>::zeros(dof, samples), Batch::<f32>::zeros(dof, samples));
    stream.fill_words(6, 0..dof, &mut words);
    stream.fill_uniform_angles(6, &mut double);
    stream.fill_uniform_angles(6, &mut single);
    for ((&word, &double), &single) in words.iter().zip(double.as_slice()).zip(single.as_slice()) {
        assert_eq!(double, (word >> 11) as f64 * 2_f64.powi(-53) * TAU);
        assert!((0.0..TAU).contains(&double) && (0.0..2.0 * std::f32::consts::PI).contains(&single));
        assert_eq!(single, if double as f32 >= TAU as f32 { 0.0 } else { double as f32 });
    }
    assert!(double.as_slice().iter().any(|&angle| angle > 2.0 * PI - 1e-4));
}

#[test]
#[should_panic(expected = "lengths")]
fn box_muller_wants_as_many_of_everything() {
    box_muller::<f64>([&[0; 3], &[0; 3]], &mut [0.0; 3], &mut [0.0; 2]);
}
