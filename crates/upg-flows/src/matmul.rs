//! Matrix products cut into tiles of fixed size, spread over the threads.
//!
//! C = A·B with A `[m, k]`, B `[k, n]`, C `[m, n]` row-major. The cut depends on the shapes alone, so the result is bitwise
//! the same for any number of threads. Each tile packs its operands anew: large tiles waste less, small ones share better.

use gemm_common::Parallelism;
use rayon::prelude::*;
use std::any::TypeId;
use std::ops::Range;
use upg_core::{Accum, Real};

/// A matrix to be read, with strides.
#[derive(Clone, Copy)]
pub struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Real> Mat<'a, T> {
    /// `[rows, cols]`.
    pub fn shape(self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// The element of a row and a column.
    pub fn at(self, row: usize, col: usize) -> T {
        self.data[row * self.row_stride + col * self.col_stride]
    }

    /// `data` as a row-major matrix of shape `[rows, cols]`.
    #[track_caller]
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "length of the data, and rows·cols");
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// These rows and columns of it.
    #[track_caller]
    pub fn part(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        assert!(rows.end <= self.rows && cols.end <= self.cols, "{rows:?} × {cols:?} of {} × {}", self.rows, self.cols);
        if rows.is_empty() || cols.is_empty() {
            return Self { data: &[], rows: rows.len(), cols: cols.len(), ..self };
        }
        let start = rows.start * self.row_stride + cols.start * self.col_stride;
        Self { data: &self.data[start..], rows: rows.len(), cols: cols.len(), ..self }
    }
}

/// The largest tile of C that one thread computes in one go.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Rows of C in a tile.
    pub rows: usize,
    /// Columns of C in a tile.
    pub cols: usize,
}

/// Multiply-adds below which a product isn't worth handing to several threads.
const SMALLEST: usize = 1 << 20;

/// Length of the pieces when `len` is cut into equal pieces of at most `most`, rounded to whole SIMD vectors.
fn piece(len: usize, most: usize) -> usize {
    len.div_ceil(len.div_ceil(most)).next_multiple_of(16)
}

/// C ← A·B (or C ← C + A·B); then calls `finish(i, j, part)` for every row of every tile while it is in cache:
/// `part` holds C[i, j..j + part.len()].
#[track_caller]
pub fn product<T: Real>(
    c: &mut [T],
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    accum: Accum,
    tile: Tile,
    finish: impl Fn(usize, usize, &mut [T]) + Sync + Send,
) {
    assert_eq!(c.len(), a.rows * b.cols, "elements of C, and of A·B");
    product_within(c, b.cols, a, b, accum, tile, finish);
}

/// The same for a C that is part of a wider matrix: its rows start every `stride` elements of `c`.
#[track_caller]
pub fn product_within<T: Real>(
    c: &mut [T],
    stride: usize,
    a: Mat<'_, T>,
    b: Mat<'_, T>,
    accum: Accum,
    tile: Tile,
    finish: impl Fn(usize, usize, &mut [T]) + Sync + Send,
) {
    let (m, n) = (a.rows, b.cols);
    if m == 0 || n == 0 {
        return;
    }
    assert!(n <= stride && (m - 1) * stride + n <= c.len(), "{m} × {n} with stride {stride}, of {} elements", c.len());
    let small = m * n * a.cols <= SMALLEST;
    let [rows, cols] = if small { [m, n] } else { [piece(m, tile.rows), piece(n, tile.cols)] };
    let (down, across) = (m.div_ceil(rows), n.div_ceil(cols));
    let c = Shared(c.as_mut_ptr());
    let run = |t: usize| {
        let (i, j) = (t / across * rows, t % across * cols);
        let (rows, cols) = (i..(i + rows).min(m), j..(j + cols).min(n));
        // SAFETY: the tiles partition C, which is exclusively borrowed and has that row stride.
        unsafe {
            multiply(
                c.at(i * stride + j),
                stride,
                a.part(rows.clone(), 0..a.cols),
                b.part(0..b.rows, cols.clone()),
                accum,
            )
        };
        for i in rows {
            // SAFETY: this part of row i belongs to this tile alone.
            finish(i, j, unsafe { std::slice::from_raw_parts_mut(c.at(i * stride + j), cols.len()) });
        }
    };
    match down * across {
        1 => run(0),
        tiles => (0..tiles).into_par_iter().with_max_len(1).for_each(run),
    }
}

/// The elements of a matrix whose tiles are dealt out to threads.
struct Shared<T>(*mut T);

// SAFETY: every thread gets a tile of its own, see `product`.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    /// `i` is an index of the matrix.
    unsafe fn at(&self, i: usize) -> *mut T {
        // SAFETY: by the contract.
        unsafe { self.0.add(i) }
    }
}

/// to[i, j] ← finish(i, from[j, i]): the transpose of `from`, shape `[samples, rows]`, in blocks; `finish(i, part)` is called on each row.
pub fn transpose<T: Real>(to: &mut [T], from: &[T], rows: usize, finish: impl Fn(usize, &mut [T]) + Sync + Send) {
    assert_eq!(to.len(), from.len(), "elements of both sides");
    const BLOCK: usize = 16;
    let samples = to.len() / rows;
    to.par_chunks_mut(BLOCK * samples).with_min_len((1 << 14) / (BLOCK * samples) + 1).enumerate().for_each(
        |(block, to)| {
            let first = block * BLOCK;
            for (j, from) in from.chunks_exact(rows).enumerate() {
                for (i, &x) in from[first..].iter().take(to.len() / samples).enumerate() {
                    to[i * samples + j] = x;
                }
            }
            for (i, row) in to.chunks_exact_mut(samples).enumerate() {
                finish(first + i, row);
            }
        },
    );
}

/// The same for a single column, as one of two: the kernels for vectors sum in another order, and a sample must not depend on how many go with it.
///
/// # Safety
/// As for [`multiply`].
#[cold]
unsafe fn multiply_column<T: Real>(c: *mut T, stride: usize, a: Mat<'_, T>, b: Mat<'_, T>, accum: Accum) {
    let twice: Vec<T> = (0..b.rows).flat_map(|k| [b.at(k, 0); 2]).collect();
    // SAFETY: rows of C, by the contract; they are only read where something is added to them.
    let before = |i: usize| if accum == Accum::Add { unsafe { *c.add(i * stride) } } else { T::zero() };
    let mut both: Vec<T> = (0..a.rows).flat_map(|i| [before(i); 2]).collect();
    // SAFETY: `both` has that shape and stride.
    unsafe { multiply(both.as_mut_ptr(), 2, a, Mat::new(&twice, b.rows, 2), accum) };
    for (i, both) in both.chunks_exact(2).enumerate() {
        // SAFETY: a row of C.
        unsafe { *c.add(i * stride) = both[0] };
    }
}

/// Up to so many rows and columns, and from such an inner extent on, the kernels cut the inner extent in other places than for more
/// columns: a sample would depend on how many go with it. So it is cut here, for any number of columns.
const FEW_ROWS: usize = 64;
const DEEP: usize = 512;

/// C (+)= A·B on this thread; C has row stride `stride` and column stride 1.
///
/// # Safety
/// `c` is valid for writes (and reads, if `accum` is `Add`) of a `[a.rows, b.cols]` matrix with that stride, and nobody else touches those elements.
unsafe fn multiply<T: Real>(c: *mut T, stride: usize, a: Mat<'_, T>, b: Mat<'_, T>, accum: Accum) {
    if b.cols == 1 {
        // SAFETY: the contract is handed on.
        unsafe { multiply_column(c, stride, a, b, accum) }
        return;
    }
    assert_eq!(a.cols, b.rows, "inner extents of A and B");
    if a.rows <= FEW_ROWS && a.cols > DEEP {
        let half = a.cols / 2;
        for (k, accum) in [(0..half, accum), (half..a.cols, Accum::Add)] {
            // SAFETY: the contract is handed on.
            unsafe { multiply(c, stride, a.part(0..a.rows, k.clone()), b.part(k, 0..b.cols), accum) };
        }
        return;
    }
    let reach = |m: Mat<'_, T>| (m.rows - 1) * m.row_stride + (m.cols - 1) * m.col_stride;
    if a.cols > 0 {
        assert!(reach(a) < a.data.len() && reach(b) < b.data.len(), "matrices reach past their data");
    }
    // The kernels run along columns of their result, C lies along its rows: they compute Cᵀ = Bᵀ·Aᵀ.
    let (a, b, [c_row, c_col]) = (b.t(), a.t(), [1, stride]);
    macro_rules! run {
        ($kernel:expr) => {
            $kernel(
                a.rows,
                b.cols,
                a.cols,
                c.cast(),
                c_col as isize,
                c_row as isize,
                accum == Accum::Add,
                a.data.as_ptr().cast(),
                a.col_stride as isize,
                a.row_stride as isize,
                b.data.as_ptr().cast(),
                b.col_stride as isize,
                b.row_stride as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            )
        };
    }
    // SAFETY: a and b lie within their slices (just checked), c is valid by the contract, and the kernel is that of `T`.
    unsafe {
        match TypeId::of::<T>() == TypeId::of::<f32>() {
            true => run!(gemm_f32::gemm::f32::get_gemm_fn()),
            false => run!(gemm_f64::gemm::f64::get_gemm_fn()),
        }
    }
}
