//! Measurements on U(1) configurations: one double per sample, `u` of shape `[2V, samples]`.
//!
//! The angle of a rectangle is Σ u_0 + Σ u_1 − Σ u_0 − Σ u_1 around it, in double precision for links of either. With
//! P = w + 2πn, w in [−π, π), the topological charge is Q = (1/2π) Σ_x w(x), and since Σ_x P(x) = 0, Q = −Σ_x n(x):
//! an integer without any round-off, wherever the links lie.
//!
//! | observable | definition | exact |
//! |---|---|---|
//! | `plaquette` | ⟨cos P⟩ | [`U1::exact`] |
//! | `q`, `q2` | ⟨Q⟩, ⟨Q²⟩ | 0 by symmetry, [`U1::exact`] |
//! | `topological_susceptibility` | ⟨Q²⟩/V | yes |
//! | `wilson_ixj`, of 1×2, 2×2, 2×3, 3×3 what fits on the lattice | mean of cos(angle of a rectangle of i along axis 0 and j along axis 1) | [`U1::exact_wilson_loop`] |

use super::U1;
use crate::{
    observables::{Observable, Observables},
    rows::{BLOCK, blocks},
};
use std::f64::consts::TAU;
use upg_core::{
    Batch, Real,
    vmath::{self, Kernel, MulAdd, scalar},
};

/// The places of the primaries.
const PLAQUETTE: usize = 0;
const Q: usize = 1;
const Q2: usize = 2;
/// The Wilson loops from here on.
const LOOPS: usize = 3;

impl U1 {
    /// Fills `out` with the mean of cos P(x) over the lattice.
    pub fn plaquette<T: Real>(&self, u: &Batch<T>, out: &mut Vec<f64>) {
        self.wilson_loop([1, 1], u, out);
    }

    /// Fills `out` with the topological charge Q = (1/2π) Σ_x P(x) wrapped into [−π, π), an integer.
    pub fn topological_charge<T: Real>(&self, u: &Batch<T>, out: &mut Vec<f64>) {
        out.resize(u.samples(), 0.0);
        self.charges(u, out);
    }

    /// Fills `out` with the mean over the lattice of the Wilson loop cos(sum of the links around a rectangle of `extent`).
    ///
    /// # Panics
    /// If the rectangle is empty or larger than the lattice.
    #[track_caller]
    pub fn wilson_loop<T: Real>(&self, extent: [usize; 2], u: &Batch<T>, out: &mut Vec<f64>) {
        self.check_rectangle(extent);
        out.resize(u.samples(), 0.0);
        self.loop_means(extent, u, out);
    }

    #[track_caller]
    pub(super) fn check_rectangle(&self, extent: [usize; 2]) {
        assert!(self.fits(extent), "a rectangle of {extent:?} on a lattice of {:?}", self.lattice);
    }

    fn fits(&self, extent: [usize; 2]) -> bool {
        (0..2).all(|axis| (1..=self.lattice[axis]).contains(&extent[axis]))
    }

    /// The Wilson loops that are measured, beside the plaquette.
    fn rectangles(&self) -> impl Iterator<Item = [usize; 2]> {
        [[1, 2], [2, 2], [2, 3], [3, 3]].into_iter().filter(|&extent| self.fits(extent))
    }

    fn charges<T: Real>(&self, u: &Batch<T>, out: &mut [f64]) {
        self.sum_over_loops::<T, Turns>([1, 1], u, out);
        out.iter_mut().for_each(|turns| *turns = 0.0 - *turns);
    }

    fn loop_means<T: Real>(&self, extent: [usize; 2], u: &Batch<T>, out: &mut [f64]) {
        self.sum_over_loops::<T, Cosine>(extent, u, out);
        let volume = self.volume() as f64;
        out.iter_mut().for_each(|sum| *sum /= volume);
    }

    /// Fills `out` with the sum over all x of F(angle of the rectangle at x).
    fn sum_over_loops<T: Real, F: Term>(&self, extent: [usize; 2], u: &Batch<T>, out: &mut [f64]) {
        assert_eq!(u.rows(), 2 * self.volume(), "rows of the links, and links of the lattice");
        let links: Vec<_> = self.sites().flat_map(|x| self.rectangle_links(x, extent)).collect();
        let around = 2 * (extent[0] + extent[1]);
        vmath::dispatch(LoopSum { u, links: &links, around, term: F::default(), out });
    }

    /// The rows of the links around a rectangle, each with the sign it enters with.
    fn rectangle_links(&self, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> impl Iterator<Item = (usize, f64)> {
        let along_0 =
            (0..width).flat_map(move |i| [(self.link(0, [x + i, y]), 1.0), (self.link(0, [x + i, y + height]), -1.0)]);
        let along_1 =
            (0..height).flat_map(move |j| [(self.link(1, [x + width, y + j]), 1.0), (self.link(1, [x, y + j]), -1.0)]);
        along_0.chain(along_1)
    }
}

impl<T: Real> Observables<T> for U1 {
    fn primaries(&self) -> Vec<String> {
        let fixed = ["plaquette", "q", "q2"].map(String::from);
        fixed.into_iter().chain(self.rectangles().map(loop_name)).collect()
    }

    fn measure(&self, u: &Batch<T>, out: &mut Batch<f64>) {
        out.reshape(LOOPS + self.rectangles().count(), u.samples());
        self.loop_means([1, 1], u, out.row_mut(PLAQUETTE));
        self.charges(u, out.row_mut(Q));
        let charges = out.row(Q).to_vec();
        out.row_mut(Q2).iter_mut().zip(charges).for_each(|(q2, q)| *q2 = q * q);
        for (k, extent) in self.rectangles().enumerate() {
            self.loop_means(extent, u, out.row_mut(LOOPS + k));
        }
    }

    fn observables(&self) -> Vec<Observable> {
        let (exact, volume) = (self.exact(), self.volume() as f64);
        let fixed = [
            Observable::mean("plaquette", Some(exact.plaquette), PLAQUETTE),
            Observable::mean("q", Some(0.0), Q),
            Observable::mean("q2", Some(exact.q2), Q2),
            Observable::new("topological_susceptibility", Some(exact.q2 / volume), move |means| means[Q2] / volume),
        ];
        let wilson = self
            .rectangles()
            .enumerate()
            .map(|(k, extent)| Observable::mean(loop_name(extent), Some(self.exact_wilson_loop(extent)), LOOPS + k));
        fixed.into_iter().chain(wilson).collect()
    }
}

fn loop_name([width, height]: [usize; 2]) -> String {
    format!("wilson_{width}x{height}")
}

/// A function of an angle, compiled into the loop over samples.
trait Term: Copy + Default {
    fn of<M: MulAdd>(self, angle: f64) -> f64;
}

/// n, the whole turns.
#[derive(Clone, Copy, Default)]
struct Turns;

/// cos of the angle.
#[derive(Clone, Copy, Default)]
struct Cosine;

impl Term for Turns {
    #[inline(always)]
    fn of<M: MulAdd>(self, angle: f64) -> f64 {
        // 1.5·2^52: adding it rounds to the nearest integer.
        const ROUNDER: f64 = 6_755_399_441_055_744.0;
        (angle / TAU + ROUNDER) - ROUNDER
    }
}

impl Term for Cosine {
    #[inline(always)]
    fn of<M: MulAdd>(self, angle: f64) -> f64 {
        scalar::sin_cos::<f64, M>(angle).1
    }
}

/// Fills `out` with the sum over all loops of `term`(angle); `links` holds the links of one loop after the other.
struct LoopSum<'a, T, F> {
    u: &'a Batch<T>,
    links: &'a [(usize, f64)],
    /// Links of one loop.
    around: usize,
    term: F,
    out: &'a mut [f64],
}

impl<T: Real, F: Term> Kernel for LoopSum<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(self) {
        self.out.fill(0.0);
        for block in blocks(self.u.samples()) {
            let sums = &mut self.out[block.clone()];
            for links in self.links.chunks_exact(self.around) {
                let mut angles = [0.0; BLOCK];
                let angles = &mut angles[..block.len()];
                for &(link, sign) in links {
                    for (angle, u) in angles.iter_mut().zip(&self.u.row(link)[block.clone()]) {
                        *angle = M::mul_add(sign, u.wide(), *angle);
                    }
                }
                sums.iter_mut().zip(angles).for_each(|(sum, angle)| *sum += self.term.of::<M>(*angle));
            }
        }
    }
}
