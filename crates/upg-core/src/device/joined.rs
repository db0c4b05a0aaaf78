//! Devices of several processes that are connected with each other, so that buffers go from one to another without their hosts.

use super::{DeviceError, Memory};

/// Waits until what it is given says that it is done; fails where that can't come any more, e.g. as another process is gone.
pub type Wait<'a> = &'a mut dyn FnMut(&mut dyn FnMut() -> bool) -> Result<(), DeviceError>;

/// A device that can be connected with those of other processes.
pub trait Connect<D: Memory + ?Sized> {
    /// Whether there is what it takes.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] that says what is missing.
    fn check(&self) -> Result<(), DeviceError>;

    /// By what the devices find each other: made by one, given to all.
    ///
    /// # Errors
    /// Why there is nothing.
    fn invite(&self) -> Result<Vec<u8>, DeviceError>;

    /// Connects this device, number `rank` of `size`, with the others, which do the same with the same invitation.
    ///
    /// # Errors
    /// Why they can't be connected.
    fn join(
        &self,
        invitation: &[u8],
        rank: usize,
        size: usize,
        wait: Wait<'_>,
    ) -> Result<Box<dyn Joined<D>>, DeviceError>;
}

/// A device among others that it is connected with. Dropped, it leaves them.
///
/// A sum is Σᵣ factorᵣ·partᵣ over the devices: products rounded to the precision of the part, added in the order of the devices, so that all get the same
/// bits, those of [`scaled`] and sums on a host.
pub trait Joined<D: Memory + ?Sized>: Send {
    /// Begins to sum a part of a buffer in its place, once the work of the device asked for so far is done, while what is asked for from now on goes on. All
    /// devices begin the same sums in the same order. Until [`finish`](Self::finish) returns nothing else may use the part, and it has to be there; where that can't be, as
    /// after a failure, the connection has to be dropped first.
    ///
    /// # Errors
    /// If the device fails, or `wait` does. Content is unspecified then, and nothing can be summed any more.
    fn begin(&mut self, factor: f64, part: D::ParamsMut<'_>, wait: Wait<'_>) -> Result<(), DeviceError>;

    /// Waits until all sums that were begun are there.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn finish(&mut self, wait: Wait<'_>) -> Result<(), DeviceError>;

    /// Leaves the other devices, whatever is under way; nothing can be summed any more.
    fn leave(&mut self);

    /// A sum, begun and waited for.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn sum(&mut self, factor: f64, all: D::ParamsMut<'_>, wait: Wait<'_>) -> Result<(), DeviceError> {
        self.begin(factor, all, wait)?;
        self.finish(wait)
    }

    /// By what they are connected, in words for a report, e.g. `NCCL 2.27.3`.
    fn words(&self) -> String;
}

/// factor·x, multiplied in f64 and rounded.
pub fn scaled<T: crate::Real>(factor: f64, x: T) -> T {
    T::of(factor * x.wide())
}
