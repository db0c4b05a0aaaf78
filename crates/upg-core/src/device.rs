//! Where batches live and which precision they have: memory, vectors, execution.
//!
//! A [`Device`] is the sum of three capabilities, each a small trait: [`Memory`] holds batches, sums and buffers; [`Vectors`] computes
//! with whole buffers, the optimiser's step among them; [`Execution`] runs lanes side by side. [`Cpu`] is the definition, every other
//! device is measured against it.

mod cpu;
mod error;
mod joined;
mod optimise;
mod tiles;

pub use cpu::Cpu;
pub use error::DeviceError;
pub use joined::{Connect, Joined, Wait, scaled};
pub use optimise::{Average, Rule, Update, clip_factor};

use crate::real::Real;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;

/// A place to compute: a processor or an accelerator, in one precision.
///
/// Layers, densities and estimators are written over this trait; the estimators use nothing but its methods, so they
/// know neither the device nor the precision.
pub trait Device: Memory + Vectors + Execution {}

impl<D: Memory + Vectors + Execution> Device for D {}

/// Memory of a device: batches of samples, sums per sample, flat buffers of parameters.
///
/// Results stay on the device until they are read. A method that fails (memory that can't be had, a device that is gone)
/// leaves its outputs unspecified and the reason in [`status`](Self::status), where it stays.
pub trait Memory: Send + Sync + 'static {
    /// The precision of fields and parameters.
    type Real: Real;
    /// A `[dof, samples]` array on the device.
    type Batch: Default + Send + Sync + 'static;
    /// A list of doubles on the device, one per sample: log-dets, actions, log-densities.
    type PerSample: Default + Send + Sync + 'static;
    /// A flat parameter or gradient buffer on the device.
    type Buffer: Send + Sync + 'static;
    /// A view of a range of a buffer.
    type Params<'a>: Copy + Send + Sync;
    /// A view of a range of a buffer, to be written.
    type ParamsMut<'a>: Send;

    /// A buffer of `len` zeros.
    fn zeros(&self, len: usize) -> Self::Buffer;
    /// Copies `values` from the host into a buffer of their number.
    fn write_buffer(&self, values: &[Self::Real], buffer: &mut Self::Buffer);
    /// Copies a buffer to the host; `out` has its length.
    fn read_buffer(&self, buffer: &Self::Buffer, out: &mut [Self::Real]);
    /// to ← from, of the same length.
    fn copy_buffer(&self, from: &Self::Buffer, to: &mut Self::Buffer);
    /// Number of elements of a buffer.
    fn buffer_len(&self, buffer: &Self::Buffer) -> usize;
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

    /// Zeros, one per sample.
    fn clear(&self, sums: &mut Self::PerSample, samples: usize);
    /// Appends the doubles of `from` to those of `to`.
    fn append(&self, from: &Self::PerSample, to: &mut Self::PerSample);
    /// Copies doubles to the host; `out` has their number.
    fn read(&self, sums: &Self::PerSample, out: &mut [f64]);

    /// The first failure since the device was made, if there was one.
    ///
    /// # Errors
    /// That failure.
    fn status(&self) -> Result<(), DeviceError>;

    /// The elements of a buffer where the host has them in its memory; `None`, as by default, where they have to be read.
    fn in_place<'a>(&self, _buffer: &'a Self::Buffer) -> Option<&'a [Self::Real]> {
        None
    }

    /// The same, to be written.
    fn in_place_mut<'a>(&self, _buffer: &'a mut Self::Buffer) -> Option<&'a mut [Self::Real]> {
        None
    }

    /// A buffer holding `values`.
    fn buffer(&self, values: &[Self::Real]) -> Self::Buffer {
        let mut buffer = self.zeros(values.len());
        self.write_buffer(values, &mut buffer);
        buffer
    }

    /// A copy of a buffer on the host.
    fn to_host(&self, buffer: &Self::Buffer) -> Vec<Self::Real> {
        let mut values = vec![Self::Real::default(); self.buffer_len(buffer)];
        self.read_buffer(buffer, &mut values);
        values
    }
}

/// Arithmetic with whole batches and buffers. Sums are in f64 and in an order that depends on lengths alone.
pub trait Vectors: Memory {
    /// y ← α x + β y, elementwise.
    fn axpby(&self, alpha: f64, x: &Self::Batch, beta: f64, y: &mut Self::Batch);
    /// y ← α y, elementwise.
    fn scale(&self, alpha: f64, y: &mut Self::Batch);
    /// Changes the sign of every sum.
    fn negate(&self, sums: &mut Self::PerSample);

    /// y ← α x + β y for buffers of the same length, e.g. the gradients of two divergences.
    fn combine(&self, alpha: f64, x: &Self::Buffer, beta: f64, y: &mut Self::Buffer);
    /// y ← y + Σ of the parts, in their order, all of the same length: the gradients of the parts of a batch.
    fn accumulate(&self, parts: &[&Self::Buffer], y: &mut Self::Buffer) {
        for part in parts {
            self.combine(1.0, part, 1.0, y);
        }
    }
    /// ⟨x, y⟩ of two views of the same length.
    fn dot(&self, x: Self::Params<'_>, y: Self::Params<'_>) -> f64;
    /// One step of an optimiser; returns the norm of the gradient, as it was before clipping. If that isn't finite, no buffer is changed.
    fn optimise(&self, rule: Rule, update: Update<'_, Self>) -> f64;

    /// The way to connect this device with those of other processes, so that buffers are summed without their hosts. `None`, as by default, where there
    /// is none.
    fn connect(&self) -> Option<Box<dyn Connect<Self> + '_>> {
        None
    }

    /// ‖x‖. Not finite exactly if an element is not, or if the squares overflow f64, which those of f32 cannot.
    fn norm(&self, x: &Self::Buffer) -> f64 {
        self.dot(self.params(x), self.params(x)).sqrt()
    }
}

/// How work runs.
pub trait Execution: Send + Sync + 'static {
    /// Runs `work` where this device wants it (inside its thread pool, with its context current).
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R;
    /// Calls `work` for every item, at the same time where the device can; called inside [`install`](Self::install).
    fn for_each<I: Send>(&self, items: &mut [I], work: impl Fn(&mut I) + Sync + Send);
}
