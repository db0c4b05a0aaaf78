//! Sums over the GPUs of several processes.
//!
//! Every GPU adds up one segment of the numbers, in the order of the GPUs, and hands it to the others: the bits are those of the sum on hosts, and each sends
//! and receives 2 (n − 1)/n of the numbers. A sum takes as much memory as the numbers themselves.

use super::Cuda;
use crate::gpu::{Gpu, Link, Links, Message};
use crate::launch::arguments;
use crate::memory::{Buffer, Store};
use std::ops::Range;
use upg_core::device::{Connect, Joined, Wait};
use upg_core::{DeviceError, Memory, Real, share};

/// A device that has a way to others.
pub(crate) struct Way<'a, T: Real, G: Gpu> {
    device: &'a Cuda<T, G>,
    links: &'a dyn Links,
}

impl<'a, T: Real, G: Gpu> Way<'a, T, G> {
    /// Its way, if there is one.
    pub fn of(device: &'a Cuda<T, G>) -> Option<Self> {
        Some(Self { device, links: device.gpu().links()? })
    }
}

impl<T: Real, G: Gpu> Connect<Cuda<T, G>> for Way<'_, T, G> {
    fn check(&self) -> Result<(), DeviceError> {
        self.links.check()
    }

    fn invite(&self) -> Result<Vec<u8>, DeviceError> {
        self.links.invite()
    }

    fn join(
        &self,
        invitation: &[u8],
        rank: usize,
        size: usize,
        wait: Wait<'_>,
    ) -> Result<Box<dyn Joined<Cuda<T, G>>>, DeviceError> {
        let link = Some(self.links.join(invitation, rank, size, wait)?);
        Ok(Box::new(Team { device: self.device.clone(), link, rank, size, rows: Store::default() }))
    }
}

/// A device among others.
struct Team<T: Real, G: Gpu> {
    device: Cuda<T, G>,
    /// Until something fails.
    link: Option<Box<dyn Link>>,
    rank: usize,
    size: usize,
    /// A segment as every device has it.
    rows: Store<G>,
}

impl<T: Real, G: Gpu> Joined<Cuda<T, G>> for Team<T, G> {
    fn sum(&mut self, factor: f64, buffer: &mut Buffer<T, G>, wait: Wait<'_>) -> Result<(), DeviceError> {
        self.device.status()?;
        let mut link = self.link.take().ok_or_else(|| DeviceError::Unavailable {
            device: self.device.gpu().facts().device.clone(),
            reason: "it has left the devices of the other processes".into(),
        })?;
        self.sum_by(&mut *link, factor, buffer, wait)?; // dropped where that fails, which ends what is under way
        self.link = Some(link);
        self.device.status()
    }

    fn words(&self) -> String {
        self.link.as_ref().map(|link| link.words()).unwrap_or_default()
    }
}

impl<T: Real, G: Gpu> Team<T, G> {
    fn sum_by(
        &mut self,
        link: &mut dyn Link,
        factor: f64,
        buffer: &Buffer<T, G>,
        wait: Wait<'_>,
    ) -> Result<(), DeviceError> {
        let (device, len, bytes) = (&self.device, buffer.len, |elements: usize| elements * size_of::<T>());
        let segment = |rank| share(rank, self.size, len);
        let own = segment(self.rank);
        device.grow(&mut self.rows, bytes(own.len() * self.size));
        device.status()?;
        let rows = self.rows.at();
        let row = |rank: usize| rows.offset(bytes(rank * own.len()));
        let part = |range: &Range<usize>| (buffer.at().offset(bytes(range.start)), bytes(range.len()));
        let others = || (0..self.size).filter(|&other| other != self.rank);

        device.vector("scale_rounded", len, arguments![buffer.at(), factor, len]);
        device.copy_bytes(part(&own).0, row(self.rank), bytes(own.len()));
        let message = |other| Message { other, send: part(&segment(other)), receive: (row(other), bytes(own.len())) };
        device.status()?;
        link.exchange(&others().map(message).collect::<Vec<_>>(), wait)?;
        device.vector("sum_rows", own.len(), arguments![rows, part(&own).0, self.size, own.len()]);
        device.status()?;
        let message = |other| Message { other, send: part(&own), receive: part(&segment(other)) };
        link.exchange(&others().map(message).collect::<Vec<_>>(), wait)?;
        link.finish(wait)
    }
}
