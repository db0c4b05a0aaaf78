//! Elementwise transforms y = g(t; φ): the part of a coupling that acts on each transformed degree of freedom alone.

use upg_core::Real;

/// A monotone map of one number with parameters φ, given by its value and its partials.
///
/// This is all a coupling needs: MATH (4) and (5) are written once, over the partials.
pub trait Elementwise<T: Real>: Clone + Send + Sync + 'static {
    /// The inverse map, over the same φ.
    type Inverse: Elementwise<T>;

    /// Numbers φ per degree of freedom.
    fn width(&self) -> usize;

    /// For one degree of freedom and a row of samples: t ← g(t; φ), and fills `partials` with λ = log|∂g/∂t| and the partials at the old t.
    fn evaluate(&self, t: &mut [T], phi: Phi<'_, T>, partials: Partials<'_, T>);

    /// g⁻¹.
    fn inverse(&self) -> Self::Inverse;
}

/// The parameters φ of one degree of freedom, `[width, samples]`: φ_k of dof i is row k·n + i of the conditioner's output.
#[derive(Clone, Copy, Debug)]
pub struct Phi<'a, T> {
    rows: &'a [T],
    stride: usize,
    samples: usize,
}

impl<'a, T> Phi<'a, T> {
    /// The parameters of dof `i` out of `n`, from the conditioner's output, row after row.
    pub(crate) fn of(output: &'a [T], i: usize, n: usize, samples: usize) -> Self {
        Self { rows: &output[i * samples..], stride: n * samples, samples }
    }

    /// φ_k of every sample.
    pub fn row(&self, k: usize) -> &'a [T] {
        &self.rows[k * self.stride..][..self.samples]
    }
}

/// λ and the partials of one degree of freedom, a block of rows `[samples]`, to be filled.
#[derive(Debug)]
pub struct Partials<'a, T> {
    block: &'a mut [T],
    samples: usize,
}

/// The rows of a block of partials for a transform with K parameters.
#[derive(Debug)]
pub struct PartialRows<'a, T, const K: usize> {
    /// λ = log|∂g/∂t|.
    pub lambda: &'a mut [T],
    /// g' = ∂g/∂t.
    pub dg_dt: &'a mut [T],
    /// ∂λ/∂t.
    pub dlambda_dt: &'a mut [T],
    /// (∂g/∂φ_k, ∂λ/∂φ_k) for k = 0 … K−1.
    pub dphi: [(&'a mut [T], &'a mut [T]); K],
}

/// Rows in a block of partials that don't belong to a φ_k.
const FIXED: usize = 3;

/// Rows of a block of partials with `width` parameters φ.
pub(crate) fn block_rows(width: usize) -> usize {
    FIXED + 2 * width
}

impl<'a, T: Real> Partials<'a, T> {
    /// A block of `block_rows(width)` rows of `samples` numbers.
    pub(crate) fn of(block: &'a mut [T], samples: usize) -> Self {
        Self { block, samples }
    }

    /// Its rows, for a transform of K parameters.
    ///
    /// # Panics
    /// If K isn't the transform's width.
    #[track_caller]
    pub fn rows<const K: usize>(self) -> PartialRows<'a, T, K> {
        assert_eq!(self.block.len(), block_rows(K) * self.samples, "size of the block, and that of K parameters");
        let mut rows = self.block.chunks_exact_mut(self.samples);
        let mut next = || rows.next().expect("counted above");
        PartialRows {
            lambda: next(),
            dg_dt: next(),
            dlambda_dt: next(),
            dphi: std::array::from_fn(|_| (next(), next())),
        }
    }
}

/// The same block, to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartialsRef<'a, T> {
    block: &'a [T],
    samples: usize,
}

impl<'a, T> PartialsRef<'a, T> {
    pub fn of(block: &'a [T], samples: usize) -> Self {
        Self { block, samples }
    }

    fn row(self, i: usize) -> &'a [T] {
        &self.block[i * self.samples..][..self.samples]
    }

    pub fn lambda(self) -> &'a [T] {
        self.row(0)
    }

    pub fn dg_dt(self) -> &'a [T] {
        self.row(1)
    }

    pub fn dlambda_dt(self) -> &'a [T] {
        self.row(2)
    }

    pub fn dg_dphi(self, k: usize) -> &'a [T] {
        self.row(FIXED + 2 * k)
    }

    pub fn dlambda_dphi(self, k: usize) -> &'a [T] {
        self.row(FIXED + 2 * k + 1)
    }
}
