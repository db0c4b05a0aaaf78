//! What is measured on U(1) configurations: one double per sample, `u` of shape `[2V, samples]`.

use super::U1;
use std::f64::consts::TAU;
use upg_core::{Batch, Real};

impl U1 {
    /// Fills `out` with the mean of cos P(x) over the lattice.
    pub fn plaquette<T: Real>(&self, u: &Batch<T>, out: &mut Vec<f64>) {
        self.wilson_loop([1, 1], u, out);
    }

    /// Fills `out` with the topological charge Q = (1/2π) Σ_x P(x) wrapped into [−π, π), an integer.
    pub fn topological_charge<T: Real>(&self, u: &Batch<T>, out: &mut Vec<f64>) {
        self.sum_over_loops([1, 1], u, out, |angle| (angle / TAU) - (angle / TAU).round());
        out.iter_mut().for_each(|q| *q = q.round());
    }

    /// Fills `out` with the mean over the lattice of the Wilson loop cos(sum of the links around a rectangle of `extent`).
    ///
    /// # Panics
    /// If the rectangle is empty or larger than the lattice.
    #[track_caller]
    pub fn wilson_loop<T: Real>(&self, extent: [usize; 2], u: &Batch<T>, out: &mut Vec<f64>) {
        self.check_rectangle(extent);
        self.sum_over_loops(extent, u, out, f64::cos);
        let volume = self.volume() as f64;
        out.iter_mut().for_each(|sum| *sum /= volume);
    }

    #[track_caller]
    pub(super) fn check_rectangle(&self, extent: [usize; 2]) {
        let fits = |axis: usize| (1..=self.lattice[axis]).contains(&extent[axis]);
        assert!(fits(0) && fits(1), "a rectangle of {extent:?} on a lattice of {:?}", self.lattice);
    }

    /// Σ_x `term`(angle of the rectangle at x), where angle = Σ u_0 + Σ u_1 − Σ u_0 − Σ u_1 around it.
    fn sum_over_loops<T: Real>(&self, extent: [usize; 2], u: &Batch<T>, out: &mut Vec<f64>, term: fn(f64) -> f64) {
        assert_eq!(u.rows(), 2 * self.volume(), "rows of the links, and links of the lattice");
        out.clear();
        out.resize(u.samples(), 0.0);
        for x in self.sites() {
            let links = self.rectangle_links(x, extent);
            for (b, sum) in out.iter_mut().enumerate() {
                *sum += term(links.iter().map(|&(link, sign)| sign * u.row(link)[b].wide()).sum());
            }
        }
    }

    /// The rows of the links around a rectangle, each with the sign it enters with.
    fn rectangle_links(&self, [x, y]: [usize; 2], [width, height]: [usize; 2]) -> Vec<(usize, f64)> {
        let along_0 =
            (0..width).flat_map(|i| [(self.link(0, [x + i, y]), 1.0), (self.link(0, [x + i, y + height]), -1.0)]);
        let along_1 =
            (0..height).flat_map(|j| [(self.link(1, [x + width, y + j]), 1.0), (self.link(1, [x, y + j]), -1.0)]);
        along_0.chain(along_1).collect()
    }
}
