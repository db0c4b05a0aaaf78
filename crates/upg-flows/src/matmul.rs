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

    fn part(self, rows: Range<usize>, cols: Range<usize>) -> Self {
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
    let (m, n) = (a.rows, b.cols);
    let small = m * n * a.cols <= SMALLEST;
    let [rows, cols] = if small { [m, n] } else { [piece(m, tile.rows), piece(n, tile.cols)] };
    let (down, across) = (m.div_ceil(rows), n.div_ceil(cols));
    let c = Shared(c.as_mut_ptr());
    let run = |t: usize| {
        let (i, j) = (t / across * rows, t % across * cols);
        let (rows, cols) = (i..(i + rows).min(m), j..(j + cols).min(n));
        // SAFETY: the tiles partition C, which is exclusively borrowed and has row stride n.
        unsafe {
            multiply(c.at(i * n + j), n, a.part(rows.clone(), 0..a.cols), b.part(0..b.rows, cols.clone()), accum)
        };
        for i in rows {
            // SAFETY: this part of row i belongs to this tile alone.
            finish(i, j, unsafe { std::slice::from_raw_parts_mut(c.at(i * n + j), cols.len()) });
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

/// C (+)= A·B on this thread; C has row stride `stride` and column stride 1.
///
/// # Safety
/// `c` is valid for writes (and reads, if `accum` is `Add`) of a `[a.rows, b.cols]` matrix with that stride, and nobody else touches those elements.
unsafe fn multiply<T: Real>(c: *mut T, stride: usize, a: Mat<'_, T>, b: Mat<'_, T>, accum: Accum) {
    assert_eq!(a.cols, b.rows, "inner extents of A and B");
    let reach = |m: Mat<'_, T>| (m.rows - 1) * m.row_stride + (m.cols - 1) * m.col_stride;
    if a.cols > 0 {
        assert!(reach(a) < a.data.len() && reach(b) < b.data.len(), "matrices reach past their data");
    }
    // The kernels run along columns of their result, C lies along its rows: they compute Cᵀ = Bᵀ·Aᵀ, unless C is a single column.
    let (a, b, [c_row, c_col]) = if stride > 1 { (b.t(), a.t(), [1, stride]) } else { (a, b, [stride, 1]) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand_xoshiro::rand_core::SeedableRng;

    fn draw(rng: &mut upg_core::Rng, len: usize) -> Vec<f64> {
        (0..len).map(|_| rng.random::<f64>() - 0.5).collect()
    }

    /// The product by its definition.
    fn naive(a: Mat<'_, f64>, b: Mat<'_, f64>) -> Vec<f64> {
        let at = |m: Mat<'_, f64>, i: usize, j: usize| m.data[i * m.row_stride + j * m.col_stride];
        let element = |i, j| (0..a.cols).map(|k| at(a, i, k) * at(b, k, j)).sum();
        (0..a.rows).flat_map(|i| (0..b.cols).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        let mut rng = upg_core::Rng::seed_from_u64(1);
        for (m, k, n) in [(1, 1, 1), (3, 5, 2), (17, 1, 33), (130, 70, 131), (300, 129, 64), (64, 65, 600)] {
            let (a, b, c0) = (draw(&mut rng, m * k), draw(&mut rng, k * n), draw(&mut rng, m * n));
            for transposed in [false, true] {
                let (a, b) = match transposed {
                    false => (Mat::new(&a, m, k), Mat::new(&b, k, n)),
                    true => (Mat::new(&a, k, m).t(), Mat::new(&b, n, k).t()),
                };
                let want = naive(a, b);
                let close =
                    |c: &[f64], scale: f64| c.iter().zip(&want).all(|(c, w)| (c - scale * w).abs() < 1e-13 * k as f64);
                for tile in [Tile { rows: 512, cols: 512 }, Tile { rows: 16, cols: 1000 }, Tile { rows: 48, cols: 32 }]
                {
                    let mut c = c0.clone();
                    product(&mut c, a, b, Accum::Replace, tile, |_, _, part| part.iter_mut().for_each(|c| *c *= 3.0));
                    assert!(close(&c, 3.0), "replaced and finished {m} {k} {n} {tile:?}");
                    product(&mut c, a, b, Accum::Add, tile, |_, _, _| ());
                    assert!(close(&c, 4.0), "added {m} {k} {n} {tile:?}");
                }
            }
        }
    }

    #[test]
    fn finish_is_told_where_its_part_lies() {
        let (a, b) = (vec![1.0f32; 1000 * 700], vec![1.0f32; 700 * 100]);
        let mut c = vec![0.0f32; 1000 * 100];
        let (a, b) = (Mat::new(&a, 1000, 700), Mat::new(&b, 700, 100));
        product(&mut c, a, b, Accum::Replace, Tile { rows: 300, cols: 40 }, |i, j, part| {
            for (k, c) in part.iter_mut().enumerate() {
                assert_eq!(*c, 700.0);
                *c = (100 * i + j + k) as f32;
            }
        });
        assert!(c.iter().enumerate().all(|(i, &c)| c == i as f32));
    }

    #[test]
    fn transpose_moves_every_element() {
        for (samples, rows) in [(1, 1), (3, 50), (64, 1000), (5, 16), (129, 131)] {
            let from: Vec<f64> = (0..samples * rows).map(|i| i as f64).collect();
            let mut to = vec![0.0; samples * rows];
            transpose(&mut to, &from, rows, |i, row| row.iter_mut().for_each(|x| *x += 0.5 * i as f64));
            for (i, row) in to.chunks(samples).enumerate() {
                assert!(row.iter().enumerate().all(|(j, &x)| x == (j * rows + i) as f64 + 0.5 * i as f64));
            }
        }
    }
}
