//! Standard normals, MATH (16), by the method of G. Box and M. Muller (Ann. Math. Stat. 29 (1958) 610): words 2i and 2i + 1 of a sample give
//! r = √(−2 log u) and α, and its degrees of freedom 2i and 2i + 1 are r cos α and r sin α.
//!
//! f32 normals are the f64 ones to 4 ulp, since what could lose its digits is computed exactly and rounded once: the f of u = 2ⁿ(1 + f), which
//! close to u = 1 is −(1 − u), and how far α is from the nearest quarter turn.

use super::lanes::{Drawn, LANES, Lanes, fraction};
use crate::{
    batch::Batch,
    real::{Real, sealed::Lane},
    vmath::{Kernel, MulAdd, dispatch, scalar},
};
use std::{f64::consts::TAU, ops::Range};

/// Fills `cos` and `sin` with the two normals of each pair of words, as [`fill_normals`](super::SampleStream::fill_normals) makes them.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn box_muller<T: Real>(words: [&[u64]; 2], cos: &mut [T], sin: &mut [T]) {
    let len = words[0].len();
    assert_eq!((words[1].len(), cos.len(), sin.len()), (len, len, len), "lengths, and that of the first words");
    dispatch(OfWords { words, cos, sin });
}

/// The loop of [`box_muller`].
struct OfWords<'a, T> {
    words: [&'a [u64]; 2],
    cos: &'a mut [T],
    sin: &'a mut [T],
}

impl<T: Real> Kernel for OfWords<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { words: [first, second], cos, sin } = self;
        let mut polar = Polar::new();
        for at in (0..first.len()).step_by(PAIRS) {
            let here = at..first.len().min(at + PAIRS);
            polar.split(0, [&first[here.clone()], &second[here.clone()]]);
            polar.normals::<M>(0..here.len(), &mut cos[here.clone()], &mut sin[here]);
        }
    }
}

/// Fills `z` with the normals of the samples from `first` on.
pub(super) struct Normals<'a, T> {
    pub(super) start: u64,
    pub(super) first: u64,
    pub(super) z: &'a mut Batch<T>,
}

impl<T: Real> Kernel for Normals<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { start, first, z } = self;
        let (rows, samples) = (z.rows(), z.samples());
        let (mut lanes, mut polar, mut dropped) = (Lanes::new(), Polar::new(), [T::zero(); LANES]);
        for at in (0..samples).step_by(LANES) {
            let len = LANES.min(samples - at);
            lanes.seed(start, first.wrapping_add(at as u64), len);
            let group = lanes.group(rows);
            for next in (0..rows).step_by(group) {
                let drawn = lanes.draw(group);
                polar.take(&drawn);
                for row in (next..rows.min(next + group)).step_by(2) {
                    let (cos, rest) = z.as_mut_slice()[row * samples..].split_at_mut(samples);
                    let sin = if row + 1 < rows { &mut rest[at..][..len] } else { &mut dropped[..len] };
                    let pair = drawn.place_of_pair(row - next);
                    polar.normals::<M>(pair..pair + len, &mut cos[at..][..len], sin);
                }
            }
        }
    }
}

/// How many pairs of words are worked on at a time.
const PAIRS: usize = 2 * LANES;

/// Pairs of words as what their logarithms and angles are computed from, in a loop of its own: one over words has half the lanes of one over f32.
struct Polar<T> {
    /// f of u = 2ⁿ(1 + f).
    f: [T; PAIRS],
    /// n of u = 2ⁿ(1 + f).
    n: [T; PAIRS],
    /// How many quarter turns α is closest to.
    turns: [u32; PAIRS],
    /// What is left of α, at most π/4 to either side.
    rest: [T; PAIRS],
}

impl<T: Real> Polar<T> {
    #[inline(always)]
    fn new() -> Self {
        let zeros = [T::zero(); PAIRS];
        Self { f: zeros, n: zeros, turns: [0; PAIRS], rest: zeros }
    }

    /// Takes the pairs of words drawn, in the order of [`Drawn::pairs`].
    #[inline(always)]
    fn take(&mut self, drawn: &Drawn<'_>) {
        let [these, others] = drawn.pairs();
        let half = these[0].len();
        self.split(0, these);
        self.split(half, others);
    }

    /// Puts pairs of words to the places from `at` on.
    #[inline(always)]
    fn split(&mut self, at: usize, [first, second]: [&[u64]; 2]) {
        for ((&word, f), n) in first.iter().zip(&mut self.f[at..]).zip(&mut self.n[at..]) {
            let [exact_f, exact_n] = unit(word);
            (*f, *n) = (T::of(exact_f), T::of(exact_n));
        }
        for ((&word, turns), rest) in second.iter().zip(&mut self.turns[at..]).zip(&mut self.rest[at..]) {
            let (n, exact_rest) = quarters(word);
            (*turns, *rest) = (n, T::of(exact_rest));
        }
    }

    /// Fills `cos` and `sin` with the normals in the places `these`.
    #[inline(always)]
    fn normals<M: MulAdd>(&self, these: Range<usize>, cos: &mut [T], sin: &mut [T]) {
        let [f, n, rest] = [&self.f, &self.n, &self.rest].map(|all| &all[these.clone()]);
        let turns = &self.turns[these];
        for (((((&f, &n), &turns), &rest), cos), sin) in f.iter().zip(n).zip(turns).zip(rest).zip(cos).zip(sin) {
            let r = (T::of(-2.0) * scalar::ln_of_parts::<T, M>(n, f)).sqrt();
            let (s, c) = scalar::sin_cos_of_quarters::<T, M>(turns, rest);
            (*cos, *sin) = (r * c, r * s);
        }
    }
}

/// f and n of u = ((w >> 11) + 1)·2⁻⁵³ = 2ⁿ(1 + f), √½ ≤ 1 + f < √2, exactly.
#[inline(always)]
fn unit(word: u64) -> [f64; 2] {
    let (n, m) = <f64 as Lane>::split(fraction(word) + 0.5 * f64::EPSILON);
    [m - 1.0, n]
}

/// α = (w >> 11)·2⁻⁵³·2π as the nearest quarter turn, 0 to 4, and the rest, exact but for the factor 2π.
#[inline(always)]
fn quarters(word: u64) -> (u32, f64) {
    const QUARTER: u64 = 1 << 51;
    /// An integer of at most 51 bits, with its sign, added to the bits of this double is added to its value.
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    let shifted = (word >> 11) + QUARTER / 2;
    let rest = (shifted % QUARTER).wrapping_sub(QUARTER / 2);
    let rest = f64::from_bits(ROUNDER.to_bits().wrapping_add(rest)) - ROUNDER;
    ((shifted / QUARTER) as u32, rest * (0.5 * f64::EPSILON * TAU))
}
