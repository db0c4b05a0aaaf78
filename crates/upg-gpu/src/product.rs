//! Matrix products of our own, on tensor cores: see `product.cu`.

use crate::gpu::{Address, Argument, Matrix, Transposed};
use crate::launch::{Spread, arguments};
use std::fmt;

/// How products of f32 matrices are computed; those of f64 are always full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// In f32, by cuBLAS.
    #[default]
    Full,
    /// On tensor cores, each factor split into two TF32 numbers: as accurate as f32. Small products are those of `Full`.
    Split,
    /// On tensor cores, factors rounded to TF32, which has ten bits of mantissa: gradients are off by some 10⁻³ of their norm.
    Tf32,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Split => "split",
            Self::Tf32 => "TF32",
        })
    }
}

/// Rows and columns of C that a block computes, and its threads.
const TILE: [usize; 2] = [128, 64];
const BLOCK: u32 = 128;
/// Bytes of shared memory: three stages of 128 + 64 lines of 20 words.
const SHARED: u32 = 3 * (128 + 64) * 20 * 4;
/// Tiles that are worth it: fewer leave most of a card idle.
pub(crate) const FEWEST_TILES: usize = 96;

/// A product as a launch.
pub(crate) struct Call {
    pub kernel: &'static str,
    pub spread: Spread,
    pub arguments: Vec<Argument>,
}

/// Tiles of so many rows and columns.
pub(crate) fn tiles(shape: [usize; 2]) -> usize {
    grid(shape).iter().product()
}

/// A block for each tile of so many rows and columns.
pub(crate) fn spread(shape: [usize; 2]) -> Spread {
    let [down, across] = grid(shape).map(|tiles| tiles as u32);
    Spread { grid: [across, down, 1], block: [BLOCK, 1], shared: SHARED }
}

/// Tiles below and beside each other.
fn grid([rows, columns]: [usize; 2]) -> [usize; 2] {
    [rows.div_ceil(TILE[0]), columns.div_ceil(TILE[1])]
}

/// Whether every line of the factors begins at a multiple of 16 bytes.
pub(crate) fn are_wide(factors: &[Matrix; 2]) -> bool {
    factors.iter().all(|factor| (factor.at.0 % 16, factor.stride % 4) == (0, 0))
}

/// C ← α op(A) op(B) + β C in f32.
///
/// # Panics
/// If both factors are transposed, which no layer needs.
pub(crate) fn call(shape: [usize; 3], alpha: f64, [a, b]: [Matrix; 2], beta: f64, c: (Address, usize)) -> Call {
    let kernel = match (a.transposed, b.transposed, are_wide(&[a, b])) {
        (Transposed::No, Transposed::No, true) => "product_nn_wide",
        (Transposed::No, Transposed::No, false) => "product_nn",
        (Transposed::Yes, Transposed::No, true) => "product_tn_wide",
        (Transposed::Yes, Transposed::No, false) => "product_tn",
        (Transposed::No, Transposed::Yes, true) => "product_nt_wide",
        (Transposed::No, Transposed::Yes, false) => "product_nt",
        (Transposed::Yes, Transposed::Yes, _) => panic!("a product of two transposed matrices"),
    };
    let [rows, columns, terms] = shape;
    let (alpha, beta) = (Argument::Single(alpha as f32), Argument::Single(beta as f32));
    let arguments = arguments![a.at, a.stride, b.at, b.stride, c.0, c.1, alpha, beta, rows, columns, terms].to_vec();
    Call { kernel, spread: spread([rows, columns]), arguments }
}

#[cfg(all(test, feature = "emulator"))]
mod tests;
