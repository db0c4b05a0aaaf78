//! The generators of many samples, one SIMD lane each: seeding by SplitMix64, then xoshiro256++ (D. Blackman, S. Vigna, arXiv:1805.01407).
//!
//! Everything here is exact, so every instruction set gives the same words.

use crate::{
    streams::{INCREMENT, mix},
    vmath::{Kernel, MulAdd},
};
use std::ops::Range;

/// How many samples at most go through a kernel together: few, so that their words and all that becomes of them stay in the first cache.
pub(super) const LANES: usize = 64;

/// The state of the generator of sample n: outputs 4n … 4n + 3 of SplitMix64 from `start` on.
#[inline(always)]
pub(super) fn state(start: u64, n: u64) -> [u64; 4] {
    let output = |k: u64| mix(start.wrapping_add(k.wrapping_mul(INCREMENT)));
    let k = n.wrapping_mul(4);
    [output(k), output(k.wrapping_add(1)), output(k.wrapping_add(2)), output(k.wrapping_add(3))]
}

/// The next word of xoshiro256++ in state `s`.
#[inline(always)]
fn next(s: &mut [u64; 4]) -> u64 {
    let word = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
    let shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3].rotate_left(45);
    word
}

/// (w >> 11)·2⁻⁵³, exactly: the upper 53 bits where they stand, since for these all instruction sets convert vectors.
#[inline(always)]
pub(super) fn fraction(word: u64) -> f64 {
    const UNIT: f64 = f64::EPSILON / 4096.0; // 2⁻⁶⁴
    (word & !0x7ff) as f64 * UNIT
}

/// The generators of a block of samples, and the words last drawn.
pub(super) struct Lanes {
    states: [[u64; LANES]; 4],
    /// Word 4q + j of lane l stands in `words[j][q·len + l]`, so that rows written in one loop lie in different arrays.
    words: [[u64; LANES]; 4],
    len: usize,
}

impl Lanes {
    /// Room for a block.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { states: [[0; LANES]; 4], words: [[0; LANES]; 4], len: 0 }
    }

    /// Puts the generators of the `samples` samples from `first` on, at most [`LANES`], before their first words.
    #[inline(always)]
    pub(super) fn seed(&mut self, start: u64, first: u64, samples: usize) {
        // Whole vectors: lanes without a sample are computed, too.
        self.len = samples.next_multiple_of(16);
        let [a, b, c, d] = self.states.each_mut().map(|row| &mut row[..self.len]);
        for (i, (((a, b), c), d)) in a.iter_mut().zip(b).zip(c).zip(d).enumerate() {
            [*a, *b, *c, *d] = state(start, first.wrapping_add(i as u64));
        }
    }

    /// How many words of each sample to draw at a time if `wanted` are wanted in all: 4 of many samples, more of few.
    #[inline(always)]
    pub(super) fn group(&self, wanted: usize) -> usize {
        4 * (LANES / self.len).min(wanted.div_ceil(4)).max(1)
    }

    /// The next `count` words of every lane, a multiple of 4.
    #[inline(always)]
    pub(super) fn draw(&mut self, count: usize) -> Drawn<'_> {
        let len = self.len;
        for q in 0..count / 4 {
            let [a, b, c, d] = self.states.each_mut().map(|row| &mut row[..len]);
            let [w, x, y, z] = self.words.each_mut().map(|row| &mut row[q * len..][..len]);
            for (((((((a, b), c), d), w), x), y), z) in a.iter_mut().zip(b).zip(c).zip(d).zip(w).zip(x).zip(y).zip(z) {
                let mut s = [*a, *b, *c, *d];
                [*w, *x, *y, *z] = [next(&mut s), next(&mut s), next(&mut s), next(&mut s)];
                [*a, *b, *c, *d] = s;
            }
        }
        Drawn { words: self.words.each_ref().map(|row| &row[..count / 4 * len]), len }
    }
}

/// Some words in a row of every lane: those of numbers 4q + j in array j, shape `[count/4, len]`.
pub(super) struct Drawn<'a> {
    words: [&'a [u64]; 4],
    len: usize,
}

impl<'a> Drawn<'a> {
    /// Word `number` of those drawn, of every lane.
    #[inline(always)]
    pub(super) fn row(&self, number: usize) -> &'a [u64] {
        &self.words[number % 4][number / 4 * self.len..][..self.len]
    }

    /// The pairs of words (4q, 4q + 1), then the pairs (4q + 2, 4q + 3).
    #[inline(always)]
    pub(super) fn pairs(&self) -> [[&'a [u64]; 2]; 2] {
        let [w, x, y, z] = self.words;
        [[w, x], [y, z]]
    }

    /// Where in the order of [`pairs`](Self::pairs) those of words `number` and `number + 1` begin.
    #[inline(always)]
    pub(super) fn place_of_pair(&self, number: usize) -> usize {
        let (q, second_half) = (number / 4, number % 4 / 2);
        second_half * self.words[0].len() + q * self.len
    }
}

/// Fills `out`, shape `[words.len(), samples]`, with words `words` of the samples from `first` on.
pub(super) struct Words<'a> {
    pub(super) start: u64,
    pub(super) first: u64,
    pub(super) words: Range<usize>,
    pub(super) out: &'a mut [u64],
}

impl Kernel for Words<'_> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { start, first, words, out } = self;
        let (samples, mut lanes) = (out.len() / words.len(), Lanes::new());
        for at in (0..samples).step_by(LANES) {
            let len = LANES.min(samples - at);
            lanes.seed(start, first.wrapping_add(at as u64), len);
            let group = lanes.group(words.end);
            for next in (0..words.end).step_by(group) {
                let drawn = lanes.draw(group);
                for word in next.max(words.start)..words.end.min(next + group) {
                    let row = &drawn.row(word - next)[..len];
                    out[(word - words.start) * samples + at..][..len].copy_from_slice(row);
                }
            }
        }
    }
}
