//! Memory of a device: blocks that are given back when they are dropped, and what lies in them.

use crate::gpu::{Address, Gpu, Matrix};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use upg_core::{DeviceError, Real};

/// Memory of a GPU, given back when it is dropped.
pub(crate) struct Block<G: Gpu> {
    gpu: Arc<G>,
    at: Address,
    bytes: usize,
}

impl<G: Gpu> Block<G> {
    /// So many bytes; none at all without asking.
    pub fn new(gpu: &Arc<G>, bytes: usize) -> Result<Self, DeviceError> {
        let at = if bytes == 0 { Address::default() } else { gpu.allocate(bytes)? };
        Ok(Self { gpu: gpu.clone(), at, bytes })
    }
}

impl<G: Gpu> Drop for Block<G> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.gpu.free(self.at);
        }
    }
}

/// Memory that grows and is kept; its content is lost where it grows.
pub(crate) struct Store<G: Gpu>(Option<Block<G>>);

impl<G: Gpu> Default for Store<G> {
    fn default() -> Self {
        Self(None)
    }
}

impl<G: Gpu> Store<G> {
    /// The first byte; none before it has grown, or if it couldn't.
    pub fn at(&self) -> Address {
        self.0.as_ref().map_or_else(Address::default, |block| block.at)
    }

    /// Bytes there are.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |block| block.bytes)
    }

    /// At least so many bytes.
    pub fn grow_to(&mut self, gpu: &Arc<G>, bytes: usize) -> Result<(), DeviceError> {
        if bytes > self.bytes() {
            self.0 = None; // the old memory can be had again
            self.0 = Some(Block::new(gpu, bytes)?);
        }
        Ok(())
    }
}

/// A `[rows, samples]` array on a device, samples contiguous.
pub struct Batch<T, G: Gpu> {
    pub(crate) store: Store<G>,
    rows: usize,
    samples: usize,
    number: PhantomData<fn() -> T>,
}

impl<T, G: Gpu> Default for Batch<T, G> {
    fn default() -> Self {
        Self { store: Store::default(), rows: 0, samples: 0, number: PhantomData }
    }
}

impl<T: Real, G: Gpu> Batch<T, G> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.rows * self.samples
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first element.
    pub fn at(&self) -> Address {
        self.store.at()
    }

    /// The first element of a row.
    pub fn row(&self, row: usize) -> Address {
        self.at().offset(row * self.samples * size_of::<T>())
    }

    /// The batch as a matrix `[rows, samples]`.
    pub(crate) fn matrix(&self) -> Matrix {
        Matrix::new(self.at(), self.samples)
    }

    /// The batch as what a product writes.
    pub(crate) fn target(&self) -> (Address, usize) {
        (self.at(), self.samples)
    }

    /// Bytes of the elements.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }

    /// Gives it a shape, for which there is memory.
    pub(crate) fn set_shape(&mut self, rows: usize, samples: usize) {
        (self.rows, self.samples) = (rows, samples);
    }
}

/// Doubles on a device, one for each sample.
pub struct Sums<G: Gpu> {
    pub(crate) store: Store<G>,
    pub(crate) len: usize,
}

impl<G: Gpu> Default for Sums<G> {
    fn default() -> Self {
        Self { store: Store::default(), len: 0 }
    }
}

impl<G: Gpu> Sums<G> {
    /// Number of sums.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first one.
    pub fn at(&self) -> Address {
        self.store.at()
    }
}

/// A flat buffer on a device.
pub struct Buffer<T, G: Gpu> {
    pub(crate) store: Store<G>,
    pub(crate) len: usize,
    number: PhantomData<fn() -> T>,
}

impl<T, G: Gpu> Buffer<T, G> {
    pub(crate) fn new(store: Store<G>, len: usize) -> Self {
        Self { store, len, number: PhantomData }
    }

    /// The first element.
    pub fn at(&self) -> Address {
        self.store.at()
    }
}

/// A view of a buffer, or of a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a, T> {
    at: Address,
    len: usize,
    buffer: PhantomData<&'a T>,
}

/// A view to be written.
#[derive(Debug)]
pub struct ParamsMut<'a, T> {
    at: Address,
    len: usize,
    buffer: PhantomData<&'a mut T>,
}

macro_rules! view {
    ($($name:ident),*) => {$(
        impl<'a, T: Real> $name<'a, T> {
            pub(crate) fn new(at: Address, len: usize) -> Self {
                Self { at, len, buffer: PhantomData }
            }

            /// The first element.
            pub fn at(&self) -> Address {
                self.at
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                self.len
            }

            /// Whether it has none.
            pub fn is_empty(&self) -> bool {
                self.len == 0
            }

            /// The first element of the part `range`.
            #[track_caller]
            pub(crate) fn part(&self, range: Range<usize>) -> Address {
                assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} parameters", self.len);
                self.at.offset(range.start * size_of::<T>())
            }
        }
    )*};
}

view!(Params, ParamsMut);

/// The bytes of numbers.
pub(crate) fn bytes_of<T: Real>(values: &[T]) -> &[u8] {
    // SAFETY: f32 and f64 (Real is sealed to these) have no padding, and every byte is initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of numbers, to be written.
pub(crate) fn bytes_of_mut<T: Real>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as in bytes_of; every bit pattern is a number, and they are borrowed exclusively.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}
