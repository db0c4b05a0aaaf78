//! How fast a device copies and multiplies: what a share of its peak is measured against.

use crate::cuda::Cuda;
use crate::gpu::{Gpu, Matrix, Transposed};
use crate::memory::{Buffer, Store};
use std::time::Instant;
use upg_core::{DeviceError, Memory, Real};

impl<T: Real, G: Gpu> Cuda<T, G> {
    /// Seconds of a copy of so many bytes within the device, each read and written: the mean of some in a row.
    ///
    /// # Errors
    /// The device's.
    pub fn time_copies(&self, bytes: usize, repetitions: usize) -> Result<f64, DeviceError> {
        let [mut from, mut to] = [Store::default(), Store::default()];
        from.grow_to(self.gpu(), bytes)?;
        to.grow_to(self.gpu(), bytes)?;
        self.time(repetitions, || self.gpu().copy(from.at(), to.at(), bytes), to.at())
    }

    /// Seconds of a product of two square matrices of so many rows: the mean of some in a row.
    ///
    /// # Errors
    /// The device's.
    pub fn time_products(&self, rows: usize, repetitions: usize) -> Result<f64, DeviceError> {
        let [a, b, c]: [Buffer<T, G>; 3] = [0; 3].map(|_| self.zeros(rows * rows));
        let matrix = |buffer: &Buffer<T, G>| Matrix { at: buffer.at(), stride: rows, transposed: Transposed::No };
        let product = || {
            self.product([rows; 3], 1.0, [matrix(&a), matrix(&b)], 0.0, (c.at(), rows));
            self.status()
        };
        self.time(repetitions, product, c.at())
    }

    /// Seconds of one of `repetitions` calls of `work` after a first, until a number at `last` can be read.
    fn time(
        &self,
        repetitions: usize,
        work: impl Fn() -> Result<(), DeviceError>,
        last: crate::gpu::Address,
    ) -> Result<f64, DeviceError> {
        let wait = || self.gpu().read(last, &mut [0; 4]);
        work()?;
        wait()?;
        let begin = Instant::now();
        (0..repetitions).try_for_each(|_| work())?;
        wait()?;
        Ok(begin.elapsed().as_secs_f64() / repetitions as f64)
    }
}
