//! The host processor: the definition of a device.

use super::{
    DeviceError, Execution, Memory, Rule, Update, Vectors, optimise,
    tiles::{self, Accumulate, Combine, Dot},
};
use crate::{batch::Batch, real::Real};
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

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
    #[track_caller]
    pub fn new(threads: usize) -> Self {
        Self::try_new(threads).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] if the system refuses to start them.
    ///
    /// # Panics
    /// If `threads` is 0.
    #[track_caller]
    pub fn try_new(threads: usize) -> Result<Self, DeviceError> {
        assert!(threads > 0, "threads = {threads}: at least 1");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("upg-{i}")).build();
        let refused = |e| DeviceError::Unavailable {
            device: "processor".into(),
            reason: format!("cannot start {threads} threads: {e}"),
        };
        Ok(Self { pool: Some(Arc::new(pool.map_err(refused)?)), real: PhantomData })
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

impl<T: Real> Memory for Cpu<T> {
    type Real = T;
    type Batch = Batch<T>;
    type PerSample = Vec<f64>;
    type Buffer = Vec<T>;
    type Params<'a> = &'a [T];
    type ParamsMut<'a> = &'a mut [T];

    fn zeros(&self, len: usize) -> Vec<T> {
        vec![T::zero(); len]
    }

    fn write_buffer(&self, values: &[T], buffer: &mut Vec<T>) {
        buffer.copy_from_slice(values);
    }

    fn read_buffer(&self, buffer: &Vec<T>, out: &mut [T]) {
        out.copy_from_slice(buffer);
    }

    fn copy_buffer(&self, from: &Vec<T>, to: &mut Vec<T>) {
        to.copy_from_slice(from);
    }

    fn buffer_len(&self, buffer: &Vec<T>) -> usize {
        buffer.len()
    }

    fn in_place<'a>(&self, buffer: &'a Vec<T>) -> Option<&'a [T]> {
        Some(buffer)
    }

    fn in_place_mut<'a>(&self, buffer: &'a mut Vec<T>) -> Option<&'a mut [T]> {
        Some(buffer)
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

    fn clear(&self, sums: &mut Vec<f64>, samples: usize) {
        sums.clear();
        sums.resize(samples, 0.0);
    }

    fn append(&self, from: &Vec<f64>, to: &mut Vec<f64>) {
        to.extend_from_slice(from);
    }

    fn read(&self, sums: &Vec<f64>, out: &mut [f64]) {
        out.copy_from_slice(sums);
    }

    /// Never fails: memory that can't be had ends the process.
    fn status(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

impl<T: Real> Vectors for Cpu<T> {
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

    fn negate(&self, sums: &mut Vec<f64>) {
        sums.iter_mut().for_each(|sum| *sum = -*sum);
    }

    fn combine(&self, alpha: f64, x: &Vec<T>, beta: f64, y: &mut Vec<T>) {
        assert_eq!(x.len(), y.len(), "lengths of the buffers");
        tiles::run(Combine { alpha: T::of(alpha), x, beta: T::of(beta), y }, |(), ()| ());
    }

    fn accumulate(&self, parts: &[&Vec<T>], y: &mut Vec<T>) {
        assert!(parts.iter().all(|part| part.len() == y.len()), "lengths of the buffers");
        tiles::run(Accumulate { parts, from: 0, y }, |(), ()| ());
    }

    fn dot(&self, x: &[T], y: &[T]) -> f64 {
        assert_eq!(x.len(), y.len(), "lengths of the views");
        tiles::run(Dot(x, y), |left, right| left + right)
    }

    fn optimise(&self, rule: Rule, update: Update<'_, Self>) -> f64 {
        let norm = self.norm(update.grad);
        if norm.is_finite() {
            optimise::on_host(rule, norm, update);
        }
        norm
    }
}

impl<T: Real> Execution for Cpu<T> {
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
