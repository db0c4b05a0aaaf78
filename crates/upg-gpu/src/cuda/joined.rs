//! Sums over the GPUs of several processes.
//!
//! Numbers are summed piece by piece, as parts of a gradient become whole. Of each piece every GPU adds up one segment, in the order of the GPUs, and hands
//! it to the others: the bits are those of the sum on hosts, wherever pieces begin and end, and each GPU sends and receives 2 (n − 1)/n of the numbers.
//!
//! Piece k on its way, beside the gradient of the layers that come after:
//!
//! | the host asks for | the GPU | the link |
//! |---|---|---|
//! | part k is whole | multiplies it | |
//! | k − 1 has arrived | adds up its own segment of k − 1 | the segments of k − 1, as they came from everyone |
//! | then | goes on with the next layer | the sums of k − 1 to everyone, the segments of k to those who add them up |
//!
//! The GPU never waits for a message: the host does, so that it can leave where another process is gone.

use super::Cuda;
use crate::gpu::{Address, Gpu, Link, Links, Message};
use crate::launch::arguments;
use crate::memory::{ParamsMut, Store};
use std::marker::PhantomData;
use std::mem;
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
        let device = self.device.clone();
        Ok(Box::new(Team { device, link, rank, size, waiting: vec![], scattered: None, rows: Store::default() }))
    }
}

/// A device among others.
struct Team<T: Real, G: Gpu> {
    device: Cuda<T, G>,
    /// Until something fails.
    link: Option<Box<dyn Link>>,
    rank: usize,
    size: usize,
    /// Parts that aren't on their way yet: neighbours are one.
    waiting: Vec<Part<T>>,
    /// The piece whose segments are on their way to those who add them up.
    scattered: Option<Part<T>>,
    /// The segment of a piece that is added up here, as every device has it.
    rows: Store<G>,
}

/// Largest pieces, by the smallest that are sent before the rest of a gradient is there.
const LARGEST: usize = 4;

/// A part of a buffer, and what it is multiplied by.
#[derive(Clone, Copy)]
struct Part<T> {
    factor: f64,
    at: Address,
    len: usize,
    number: PhantomData<T>,
}

impl<T: Real> Part<T> {
    fn new(factor: f64, at: Address, len: usize) -> Self {
        Self { factor, at, len, number: PhantomData }
    }

    fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// A range of it.
    fn part(&self, range: Range<usize>) -> Self {
        Self::new(self.factor, self.at.offset(range.start * size_of::<T>()), range.len())
    }

    /// Where it is, and its bytes.
    fn place(&self) -> (Address, usize) {
        (self.at, self.bytes())
    }

    /// Both as one, if they are neighbours.
    fn joined(&self, other: &Self) -> Option<Self> {
        let [first, second] = if self.at.0 < other.at.0 { [self, other] } else { [other, self] };
        let meet = first.at.offset(first.bytes()) == second.at && self.factor == other.factor;
        meet.then(|| Self::new(self.factor, first.at, first.len + second.len))
    }

    /// Pieces of the same size, but for an element, with at most so many bytes.
    fn pieces(self, most: usize) -> impl Iterator<Item = Self> {
        let number = self.bytes().div_ceil(most);
        (0..number).map(move |which| self.part(share(which, number, self.len)))
    }
}

impl<T: Real, G: Gpu> Joined<Cuda<T, G>> for Team<T, G> {
    fn begin(&mut self, factor: f64, part: ParamsMut<'_, T>, wait: Wait<'_>) -> Result<(), DeviceError> {
        if part.is_empty() {
            return Ok(());
        }
        self.unless_failed(|team, link| {
            let new = Part::new(factor, part.at(), part.len());
            let joined = team.waiting.last().and_then(|last| last.joined(&new));
            match (joined, team.waiting.last_mut()) {
                (Some(joined), Some(last)) => *last = joined,
                _ => team.waiting.push(new),
            }
            match team.waiting.pop_if(|last| last.bytes() >= link.piece()) {
                Some(part) => team.send(part, link, wait),
                None => Ok(()),
            }
        })
    }

    fn finish(&mut self, wait: Wait<'_>) -> Result<(), DeviceError> {
        self.unless_failed(|team, link| {
            for part in mem::take(&mut team.waiting) {
                team.send(part, link, wait)?;
            }
            let sums = team.add_up(link, wait)?;
            link.begin(&sums, wait)?;
            link.arrived(wait)
        })
    }

    fn leave(&mut self) {
        self.link = None;
    }

    fn words(&self) -> String {
        self.link.as_ref().map(|link| link.words()).unwrap_or_default()
    }
}

impl<T: Real, G: Gpu> Team<T, G> {
    /// Does something with the link, which is dropped where that fails: that ends what is under way.
    fn unless_failed(
        &mut self,
        work: impl FnOnce(&mut Self, &mut dyn Link) -> Result<(), DeviceError>,
    ) -> Result<(), DeviceError> {
        self.device.status()?;
        let mut link = self.link.take().ok_or_else(|| DeviceError::Unavailable {
            device: self.device.gpu().facts().device.clone(),
            reason: "it has left the devices of the other processes".into(),
        })?;
        work(self, &mut *link)?;
        self.device.status()?;
        self.link = Some(link);
        Ok(())
    }

    /// Sends a part on its way, in pieces.
    fn send(&mut self, part: Part<T>, link: &mut dyn Link, wait: Wait<'_>) -> Result<(), DeviceError> {
        part.pieces(link.piece().saturating_mul(LARGEST)).try_for_each(|piece| self.scatter(piece, link, wait))
    }

    /// Sends the segments of a piece to those who add them up, and the sums of the piece before to everyone.
    fn scatter(&mut self, piece: Part<T>, link: &mut dyn Link, wait: Wait<'_>) -> Result<(), DeviceError> {
        self.device.vector("scale_rounded", piece.len, arguments![piece.at, piece.factor, piece.len]);
        let mut messages = self.add_up(link, wait)?;
        let own = self.segment(&piece, self.rank);
        self.device.grow(&mut self.rows, self.size * own.bytes());
        self.device.copy_bytes(own.at, self.row(&own, self.rank), own.bytes());
        messages.extend(self.others().map(|other| Message {
            other,
            send: self.segment(&piece, other).place(),
            receive: (self.row(&own, other), own.bytes()),
        }));
        self.device.status()?; // before others get it
        self.scattered = Some(piece);
        link.begin(&messages, wait)
    }

    /// Adds up the own segment of the piece that is scattered, if there is one, when all has arrived; returns the messages that hand it out.
    fn add_up(&mut self, link: &mut dyn Link, wait: Wait<'_>) -> Result<Vec<Message>, DeviceError> {
        let Some(piece) = self.scattered.take() else { return Ok(vec![]) };
        link.arrived(wait)?;
        let own = self.segment(&piece, self.rank);
        self.device.vector("sum_rows", own.len, arguments![self.rows.at(), own.at, self.size, own.len]);
        self.device.status()?;
        let handed_out = |other| Message { other, send: own.place(), receive: self.segment(&piece, other).place() };
        Ok(self.others().map(handed_out).collect())
    }

    /// The segment of a piece that is added up by a device.
    fn segment(&self, piece: &Part<T>, rank: usize) -> Part<T> {
        piece.part(share(rank, self.size, piece.len))
    }

    /// Where a device's segment goes that is added up here.
    fn row(&self, own: &Part<T>, rank: usize) -> Address {
        self.rows.at().offset(rank * own.bytes())
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<T, G> {
        let rank = self.rank;
        (0..self.size).filter(move |&other| other != rank)
    }
}
