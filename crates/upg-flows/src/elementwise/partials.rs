//! Arguments and results of a transform for one degree of freedom: φ, and rows of λ and of the partials of g.

use std::ops::Range;
use upg_core::Real;

/// The parameters φ of one degree of freedom, `[width, samples]`: φ_k of dof i is row k·n + i of the conditioner's output.
#[derive(Clone, Copy, Debug)]
pub struct Phi<'a, T> {
    rows: &'a [T],
    stride: usize,
    samples: usize,
}

impl<'a, T> Phi<'a, T> {
    /// The parameters of dof `i` out of `n`, from the conditioner's output, row after row.
    pub fn of(output: &'a [T], i: usize, n: usize, samples: usize) -> Self {
        Self { rows: &output[i * samples..], stride: n * samples, samples }
    }

    /// φ_k of every sample.
    #[inline(always)]
    pub fn row(&self, k: usize) -> &'a [T] {
        &self.rows[k * self.stride..][..self.samples]
    }

    /// φ_k for the k of a range, one after the other.
    #[inline(always)]
    pub fn rows(&self, range: Range<usize>) -> impl Iterator<Item = &'a [T]> {
        let Self { rows, stride, samples } = *self;
        rows[range.start * stride..].chunks(stride.max(1)).take(range.len()).map(move |row| &row[..samples])
    }

    /// The parameters of the samples in `range`.
    pub fn part(&self, range: Range<usize>) -> Self {
        Self { rows: &self.rows[range.start..], stride: self.stride, samples: range.len() }
    }
}

/// Rows like those of [`Phi`], to be written: the cotangent of φ, or what a transform keeps.
#[derive(Debug)]
pub struct PhiMut<'a, T> {
    rows: &'a mut [T],
    stride: usize,
    samples: usize,
}

impl<'a, T> PhiMut<'a, T> {
    /// Those of dof `i` out of `n` in a cotangent of the conditioner's output.
    pub fn of(cotangent: &'a mut [T], i: usize, n: usize, samples: usize) -> Self {
        Self { rows: &mut cotangent[i * samples..], stride: n * samples, samples }
    }

    /// That of φ_k as it is.
    #[inline(always)]
    pub fn row(&self, k: usize) -> &[T] {
        &self.rows[k * self.stride..][..self.samples]
    }

    /// That of φ_k, of every sample.
    #[inline(always)]
    pub fn row_mut(&mut self, k: usize) -> &mut [T] {
        &mut self.rows[k * self.stride..][..self.samples]
    }

    /// Those of several φ_k.
    ///
    /// # Panics
    /// If a k is asked for twice, or isn't below the number of rows.
    #[track_caller]
    pub fn rows_mut<const N: usize>(&mut self, k: [usize; N]) -> [&mut [T]; N] {
        let Self { stride, samples, .. } = *self;
        let rows = self.rows.get_disjoint_mut(k.map(|k| k * stride..k * stride + samples));
        rows.expect("different rows, all there")
    }

    /// Those of the samples in `range`.
    pub fn part(&mut self, range: Range<usize>) -> PhiMut<'_, T> {
        assert!(range.end <= self.samples, "samples {range:?} of {}", self.samples);
        PhiMut { rows: &mut self.rows[range.start..], stride: self.stride, samples: range.len() }
    }
}

/// λ and the partials of one degree of freedom, a block of rows `[samples]`, to be filled.
///
/// The rows are λ, ∂g/∂t, ∂λ/∂t, then what the transform keeps for its `vjp`: by default ∂g/∂φ_k, ∂λ/∂φ_k for k = 0, 1, …
#[derive(Debug)]
pub struct Partials<'a, T> {
    block: &'a mut [T],
    rows: usize,
    stride: usize,
    samples: usize,
}

/// The rows of a block for a transform that keeps something else than a table of partials.
#[derive(Debug)]
pub struct KeptRows<'a, T> {
    /// λ = log|∂g/∂t|.
    pub lambda: &'a mut [T],
    /// g' = ∂g/∂t.
    pub dg_dt: &'a mut [T],
    /// ∂λ/∂t.
    pub dlambda_dt: &'a mut [T],
    /// The rows behind them.
    pub kept: PhiMut<'a, T>,
}

/// A block for a transform that keeps its numbers in an order of its own.
#[derive(Debug)]
pub struct KeptNumbers<'a, T> {
    /// λ = log|∂g/∂t|.
    pub lambda: &'a mut [T],
    /// g' = ∂g/∂t.
    pub dg_dt: &'a mut [T],
    /// ∂λ/∂t.
    pub dlambda_dt: &'a mut [T],
    /// As many numbers as the rows behind them have.
    pub numbers: &'a mut [T],
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

/// The rows of a block of partials for a transform whose number of parameters is known at run time.
#[derive(Debug)]
pub struct AllRows<'a, T> {
    /// λ = log|∂g/∂t|.
    pub lambda: &'a mut [T],
    /// g' = ∂g/∂t.
    pub dg_dt: &'a mut [T],
    /// ∂λ/∂t.
    pub dlambda_dt: &'a mut [T],
    /// ∂g/∂φ_k and ∂λ/∂φ_k.
    pub dphi: PhiPartials<'a, T>,
}

/// The rows of a block of partials that belong to φ.
#[derive(Debug)]
pub struct PhiPartials<'a, T> {
    rows: &'a mut [T],
    stride: usize,
    samples: usize,
}

impl<T> PhiPartials<'_, T> {
    /// (∂g/∂φ_k, ∂λ/∂φ_k).
    pub fn pair(&mut self, k: usize) -> (&mut [T], &mut [T]) {
        let [pair] = self.pairs([k]);
        pair
    }

    /// (∂g/∂φ_k, ∂λ/∂φ_k) for several k.
    ///
    /// # Panics
    /// If a k is asked for twice, or isn't below the transform's width.
    #[track_caller]
    pub fn pairs<const N: usize>(&mut self, k: [usize; N]) -> [(&mut [T], &mut [T]); N] {
        let Self { stride, samples, .. } = *self;
        let pairs = self.rows.get_disjoint_mut(k.map(|k| 2 * k * stride..(2 * k + 1) * stride + samples));
        pairs.expect("different parameters below the width").map(|pair| {
            let (dg, dlambda) = pair.split_at_mut(stride);
            (&mut dg[..samples], dlambda)
        })
    }
}

/// Rows in a block of partials that don't belong to a φ_k.
const FIXED: usize = 3;

/// Rows of a block of partials with `width` parameters φ.
pub const fn block_rows(width: usize) -> usize {
    FIXED + 2 * width
}

impl<'a, T: Real> Partials<'a, T> {
    /// A block of rows of `samples` numbers, as many as the transform keeps.
    ///
    /// # Panics
    /// If `samples` doesn't divide the length of the block.
    #[track_caller]
    pub fn of(block: &'a mut [T], samples: usize) -> Self {
        let rows = block.len().checked_div(samples).unwrap_or(0);
        assert_eq!(block.len(), rows * samples, "size of the block, and rows of {samples} samples");
        Self { block, rows, stride: samples, samples }
    }

    /// The same block for a while.
    pub fn reborrow(&mut self) -> Partials<'_, T> {
        self.part(0..self.samples)
    }

    /// The samples in `range`.
    pub fn part(&mut self, range: Range<usize>) -> Partials<'_, T> {
        assert!(range.end <= self.samples, "samples {range:?} of {}", self.samples);
        Partials { block: &mut self.block[range.start..], rows: self.rows, stride: self.stride, samples: range.len() }
    }

    /// Its rows, for a transform of K parameters.
    ///
    /// # Panics
    /// If K isn't the transform's width.
    #[track_caller]
    pub fn rows<const K: usize>(self) -> PartialRows<'a, T, K> {
        assert_eq!(self.rows, block_rows(K), "rows of the block, and those of {K} parameters");
        let samples = self.samples;
        let mut rows = self.block.chunks_mut(self.stride);
        let mut next = || &mut rows.next().expect("counted above")[..samples];
        PartialRows {
            lambda: next(),
            dg_dt: next(),
            dlambda_dt: next(),
            dphi: std::array::from_fn(|_| (next(), next())),
        }
    }

    /// Its rows, for a transform of `width` parameters.
    ///
    /// # Panics
    /// If that isn't the transform's width.
    #[track_caller]
    pub fn all_rows(self, width: usize) -> AllRows<'a, T> {
        assert_eq!(self.rows, block_rows(width), "rows of the block, and those of {width} parameters");
        let KeptRows { lambda, dg_dt, dlambda_dt, kept: PhiMut { rows, stride, samples } } = self.kept();
        AllRows { lambda, dg_dt, dlambda_dt, dphi: PhiPartials { rows, stride, samples } }
    }

    /// Its first three rows and the room behind them, of a block that is whole.
    ///
    /// # Panics
    /// If it is a part of one.
    #[track_caller]
    pub fn numbers(self) -> KeptNumbers<'a, T> {
        assert_eq!(self.samples, self.stride, "samples, and those of the block");
        let KeptRows { lambda, dg_dt, dlambda_dt, kept } = self.kept();
        KeptNumbers { lambda, dg_dt, dlambda_dt, numbers: kept.rows }
    }

    /// Its rows, whatever stands in those behind the first three.
    pub fn kept(self) -> KeptRows<'a, T> {
        let Self { block, stride, samples, .. } = self;
        let (lambda, rest) = block.split_at_mut(stride);
        let (dg_dt, rest) = rest.split_at_mut(stride);
        let (dlambda_dt, rows) = rest.split_at_mut(stride.min(rest.len()));
        KeptRows {
            lambda: &mut lambda[..samples],
            dg_dt: &mut dg_dt[..samples],
            dlambda_dt: &mut dlambda_dt[..samples],
            kept: PhiMut { rows, stride, samples },
        }
    }
}

/// The same block, to be read.
#[derive(Clone, Copy, Debug)]
pub struct PartialsRef<'a, T> {
    block: &'a [T],
    rows: usize,
    stride: usize,
    samples: usize,
}

impl<'a, T> PartialsRef<'a, T> {
    /// A block of rows of `samples` numbers, as many as the transform keeps.
    pub fn of(block: &'a [T], samples: usize) -> Self {
        Self { block, rows: block.len() / samples, stride: samples, samples }
    }

    /// Number of parameters φ, for a table of partials.
    pub fn width(self) -> usize {
        (self.rows - FIXED) / 2
    }

    /// The samples in `range`.
    pub fn part(self, range: Range<usize>) -> Self {
        Self { block: &self.block[range.start..], samples: range.len(), ..self }
    }

    fn row(self, i: usize) -> &'a [T] {
        &self.block[i * self.stride..][..self.samples]
    }

    /// Row `k` of those behind the first three.
    #[inline(always)]
    pub fn kept(self, k: usize) -> &'a [T] {
        self.row(FIXED + k)
    }

    /// All that is behind the first three rows, of a block that is whole.
    ///
    /// # Panics
    /// If it is a part of one.
    #[track_caller]
    pub fn numbers(self) -> &'a [T] {
        assert_eq!(self.samples, self.stride, "samples, and those of the block");
        &self.block[FIXED * self.stride..]
    }

    /// λ = log|∂g/∂t|.
    pub fn lambda(self) -> &'a [T] {
        self.row(0)
    }

    /// g' = ∂g/∂t.
    pub fn dg_dt(self) -> &'a [T] {
        self.row(1)
    }

    /// ∂λ/∂t.
    pub fn dlambda_dt(self) -> &'a [T] {
        self.row(2)
    }

    /// ∂g/∂φ_k.
    pub fn dg_dphi(self, k: usize) -> &'a [T] {
        self.row(FIXED + 2 * k)
    }

    /// ∂λ/∂φ_k.
    pub fn dlambda_dphi(self, k: usize) -> &'a [T] {
        self.row(FIXED + 2 * k + 1)
    }
}
