//! Where batches live and which precision they have.

use crate::{batch::Batch, real::Real};
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

/// A place to compute: a processor or an accelerator, in one precision.
///
/// Layers, densities and estimators are written over this trait; the estimators use nothing but its methods, so they
/// know neither the device nor the precision. [`Cpu`] is the definition, every other device is measured against it.
pub trait Device: Send + Sync + 'static {
    /// The precision of fields and parameters.
    type Real: Real;
    /// A `[dof, samples]` array on the device.
    type Batch: Default + Send + 'static;
    /// One double per sample, on the device: log-dets, actions, log-densities.
    type PerSample: Default + Send + 'static;
    /// A flat parameter or gradient buffer on the device.
    type Buffer: Send + Sync + 'static;
    /// A view of a range of a buffer.
    type Params<'a>: Copy + Send;
    /// A view of a range of a buffer, to be written.
    type ParamsMut<'a>: Send;

    /// A buffer holding `values`.
    fn buffer(&self, values: &[Self::Real]) -> Self::Buffer;
    /// Number of elements of a buffer.
    fn buffer_len(&self, buffer: &Self::Buffer) -> usize;
    /// Copies a buffer to the host; `out` has its length.
    fn read_buffer(&self, buffer: &Self::Buffer, out: &mut [Self::Real]);
    /// to ← to + from.
    fn add_buffer(&self, from: &Self::Buffer, to: &mut Self::Buffer);
    /// The whole buffer as a view.
    fn params<'a>(&self, buffer: &'a Self::Buffer) -> Self::Params<'a>;
    /// The whole buffer as a view to be written.
    fn params_mut<'a>(&self, buffer: &'a mut Self::Buffer) -> Self::ParamsMut<'a>;
    /// The part `range` of a view, for as long as the caller needs it.
    fn slice<'short, 'long: 'short>(params: Self::Params<'long>, range: Range<usize>) -> Self::Params<'short>;
    /// The part `range` of a view to be written.
    fn slice_mut<'a>(params: &'a mut Self::ParamsMut<'_>, range: Range<usize>) -> Self::ParamsMut<'a>;

    /// Copies host samples, shape `[batch, dof]`, to the device, shape `[dof, batch]`.
    fn upload(&self, samples: ArrayView2<'_, Self::Real>, batch: &mut Self::Batch);
    /// Copies a device batch, shape `[dof, batch]`, to the host, shape `[batch, dof]`.
    fn download(&self, batch: &Self::Batch, samples: ArrayViewMut2<'_, Self::Real>);
    /// Gives `batch` the shape `[rows, samples]`; content unspecified, no allocation where memory suffices.
    fn reshape(&self, batch: &mut Self::Batch, rows: usize, samples: usize);
    /// to ← from.
    fn copy(&self, from: &Self::Batch, to: &mut Self::Batch);
    /// y ← α x + β y, elementwise.
    fn axpby(&self, alpha: f64, x: &Self::Batch, beta: f64, y: &mut Self::Batch);
    /// y ← α y, elementwise.
    fn scale(&self, alpha: f64, y: &mut Self::Batch);
    /// Zeros, one per sample.
    fn clear(&self, sums: &mut Self::PerSample, samples: usize);
    /// Changes the sign of every sum.
    fn negate(&self, sums: &mut Self::PerSample);
    /// Copies per-sample doubles to the host; `out` has their number.
    fn read(&self, sums: &Self::PerSample, out: &mut [f64]);

    /// Runs `work` where this device wants it (inside its thread pool, with its context current).
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R;
    /// Calls `work` for every item, at the same time where the device can; called inside [`install`](Self::install).
    fn for_each<I: Send>(&self, items: &mut [I], work: impl Fn(&mut I) + Sync + Send);
}

/// The host processor, in precision `T`, with a fixed number of threads.
///
/// Layers cut their work into tiles whose size depends on the shapes alone and hand them to rayon; results are
/// therefore bitwise the same for any number of threads. A clone shares the threads.
pub struct Cpu<T> {
    pool: Option<Arc<rayon::ThreadPool>>,
    real: PhantomData<fn() -> T>,
}

impl<T> Clone for Cpu<T> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), real: PhantomData }
    }
}

impl<T> std::fmt::Debug for Cpu<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cpu {{ threads: {} }}", self.threads())
    }
}

impl<T> Cpu<T> {
    /// A device of `threads` threads, at least one.
    ///
    /// # Panics
    /// If `threads` is 0, or the system refuses to start them.
    pub fn new(threads: usize) -> Self {
        assert!(threads > 0, "threads = {threads}: at least 1");
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("upg-{i}"))
            .build()
            .unwrap_or_else(|e| panic!("cannot start {threads} threads: {e}"));
        Self { pool: Some(Arc::new(pool)), real: PhantomData }
    }

    /// One thread per core the process may use.
    pub fn all_cores() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// A device without threads of its own: lanes run one after the other in the calling thread. Tiles of large matrix
    /// products go to the rayon pool that thread belongs to.
    pub fn here() -> Self {
        Self { pool: None, real: PhantomData }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }
}

impl<T: Real> Device for Cpu<T> {
    type Real = T;
    type Batch = Batch<T>;
    type PerSample = Vec<f64>;
    type Buffer = Vec<T>;
    type Params<'a> = &'a [T];
    type ParamsMut<'a> = &'a mut [T];

    fn buffer(&self, values: &[T]) -> Vec<T> {
        values.to_vec()
    }

    fn buffer_len(&self, buffer: &Vec<T>) -> usize {
        buffer.len()
    }

    fn read_buffer(&self, buffer: &Vec<T>, out: &mut [T]) {
        out.copy_from_slice(buffer);
    }

    fn add_buffer(&self, from: &Vec<T>, to: &mut Vec<T>) {
        assert_eq!(from.len(), to.len(), "lengths of the buffers");
        to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
    }

    fn params<'a>(&self, buffer: &'a Vec<T>) -> &'a [T] {
        buffer
    }

    fn params_mut<'a>(&self, buffer: &'a mut Vec<T>) -> &'a mut [T] {
        buffer
    }

    fn slice<'short, 'long: 'short>(params: &'long [T], range: Range<usize>) -> &'short [T] {
        &params[range]
    }

    fn slice_mut<'a>(params: &'a mut &mut [T], range: Range<usize>) -> &'a mut [T] {
        &mut params[range]
    }

    fn upload(&self, samples: ArrayView2<'_, T>, batch: &mut Batch<T>) {
        batch.assign_samples(samples);
    }

    fn download(&self, batch: &Batch<T>, samples: ArrayViewMut2<'_, T>) {
        batch.write_samples(samples);
    }

    fn reshape(&self, batch: &mut Batch<T>, rows: usize, samples: usize) {
        batch.reshape(rows, samples);
    }

    fn copy(&self, from: &Batch<T>, to: &mut Batch<T>) {
        to.copy_from(from);
    }

    fn axpby(&self, alpha: f64, x: &Batch<T>, beta: f64, y: &mut Batch<T>) {
        let (alpha, beta) = (T::of(alpha), T::of(beta));
        assert_eq!((x.rows(), x.samples()), (y.rows(), y.samples()), "shapes of x and y");
        for (y, &x) in y.as_mut_slice().iter_mut().zip(x.as_slice()) {
            *y = alpha * x + beta * *y;
        }
    }

    fn scale(&self, alpha: f64, y: &mut Batch<T>) {
        let alpha = T::of(alpha);
        y.as_mut_slice().iter_mut().for_each(|y| *y *= alpha);
    }

    fn clear(&self, sums: &mut Vec<f64>, samples: usize) {
        sums.clear();
        sums.resize(samples, 0.0);
    }

    fn negate(&self, sums: &mut Vec<f64>) {
        sums.iter_mut().for_each(|sum| *sum = -*sum);
    }

    fn read(&self, sums: &Vec<f64>, out: &mut [f64]) {
        out.copy_from_slice(sums);
    }

    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    fn for_each<I: Send>(&self, items: &mut [I], work: impl Fn(&mut I) + Sync + Send) {
        match items {
            [single] => work(single),
            items if self.pool.is_none() => items.iter_mut().for_each(work),
            items => items.par_iter_mut().with_max_len(1).for_each(work),
        }
    }
}
