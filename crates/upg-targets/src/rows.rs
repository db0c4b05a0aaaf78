//! The loop over rows and blocks of samples that all targets with S = Σ_i S_i share.

use std::ops::Range;
use upg_core::{
    Batch, Real,
    vmath::{self, Kernel, MulAdd},
};

/// Samples handled together: 4 (f32) or 8 (f64) AVX-512 registers, a stack buffer of at most 512 bytes.
pub(crate) const BLOCK: usize = 64;

/// The ranges [0, 64), [64, 128), … that make up `0..samples`; the last one may be shorter.
#[inline(always)]
pub(crate) fn blocks(samples: usize) -> impl Iterator<Item = Range<usize>> {
    (0..samples).step_by(BLOCK).map(move |first| first..samples.min(first + BLOCK))
}

/// An action S = Σ_i S_i, one term per row of the batch, with the force on that row.
///
/// Mark `row` `#[inline(always)]`: it is compiled once per instruction set.
pub(crate) trait RowAction<T: Real> {
    /// Number of rows: degrees of freedom.
    fn rows(&self) -> usize;

    /// Adds S_i of the samples `block` to `action` and puts −∂S/∂x_i into `force`, which comes as zeros; both of length `block.len()`.
    fn row<M: MulAdd>(&self, i: usize, x: &Batch<T>, block: Range<usize>, action: &mut [f64], force: &mut [T]);
}

/// Fills `action` with `constant` + Σ_i S_i, one double per sample, and `force` (if wanted), shape `[rows, samples]`.
#[track_caller]
pub(crate) fn action_and_force<T: Real, A: RowAction<T>>(
    target: &A,
    constant: f64,
    x: &Batch<T>,
    action: &mut Vec<f64>,
    mut force: Option<&mut Batch<T>>,
) {
    assert_eq!(x.rows(), target.rows(), "rows of x, and degrees of freedom of the target");
    action.clear();
    action.resize(x.samples(), constant);
    if let Some(force) = &mut force {
        force.reshape(x.rows(), x.samples());
    }
    vmath::dispatch(RowLoop { target, x, action, force });
}

struct RowLoop<'a, T, A> {
    target: &'a A,
    x: &'a Batch<T>,
    action: &'a mut [f64],
    force: Option<&'a mut Batch<T>>,
}

impl<T: Real, A: RowAction<T>> Kernel for RowLoop<'_, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<M: MulAdd>(mut self) {
        for i in 0..self.target.rows() {
            for block in blocks(self.x.samples()) {
                let mut buffer = [T::zero(); BLOCK];
                let force = &mut buffer[..block.len()];
                self.target.row::<M>(i, self.x, block.clone(), &mut self.action[block.clone()], force);
                if let Some(out) = self.force.as_mut() {
                    out.row_mut(i)[block].copy_from_slice(force);
                }
            }
        }
    }
}
