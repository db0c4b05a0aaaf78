//! Uniform angles, MATH (16): word i of a sample is degree of freedom i.

use super::lanes::{LANES, Lanes, fraction};
use crate::{
    batch::Batch,
    real::Real,
    vmath::{Kernel, MulAdd},
};
use std::f64::consts::TAU;

/// Fills `z` with the uniform angles of the samples from `first` on.
pub(super) struct Angles<'a, T> {
    pub(super) start: u64,
    pub(super) first: u64,
    pub(super) z: &'a mut Batch<T>,
}

impl<T: Real> Kernel for Angles<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        let Self { start, first, z } = self;
        let (rows, samples, mut lanes) = (z.rows(), z.samples(), Lanes::new());
        for at in (0..samples).step_by(LANES) {
            let len = LANES.min(samples - at);
            lanes.seed(start, first.wrapping_add(at as u64), len);
            let group = lanes.group(rows);
            for next in (0..rows).step_by(group) {
                let drawn = lanes.draw(group);
                for row in next..rows.min(next + group) {
                    for (angle, &word) in z.row_mut(row)[at..][..len].iter_mut().zip(drawn.row(row - next)) {
                        *angle = angle_of(word);
                    }
                }
            }
        }
    }
}

/// The angle in [0, 2π) of a word; f32 rounds the largest ones up to 2π, which is 0.
#[inline(always)]
pub(super) fn angle_of<T: Real>(word: u64) -> T {
    let angle = T::of(fraction(word) * TAU);
    if angle < T::of(TAU) { angle } else { T::zero() }
}
