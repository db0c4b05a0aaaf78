//! The processes of one run, its *peers*, which share the samples of every step, test and evaluation.
//!
//! Process r of n takes the samples r·B/n up to (r + 1)·B/n of a batch of B ([`Peers::share`]). What they find is brought together by three
//! operations, which every process calls in the same order:
//!
//! | operation | what comes of it |
//! |---|---|
//! | [`sum`](Peers::sum) | the sum of everyone's numbers, added in the order of the processes: the same bits everywhere, and in every run with as many |
//! | [`gather`](Peers::gather) | everyone's numbers one after the other, in that order |
//! | [`broadcast`](Peers::broadcast) | the bytes of the first process |
//!
//! [`in_turn`](Peers::in_turn) has whole pieces of work done by one process each, and the outcomes taken in order, by all or by the first alone.
//!
//! All are made of the one thing that a [`Communicator`] can do, to exchange messages with everyone. A sum is bandwidth-optimal: each process
//! adds up one segment of the numbers, and hands it to the others, so that each sends and receives 2 (n − 1)/n of their size. Many numbers are summed piece by
//! piece, so that what is copied and added is in cache.
//!
//! Nobody waits for ever. With every gathering goes a word, whether someone was asked to stop: all processes leave at the same step. One that fails
//! says farewell to the others, and one that is gone is missed ([`Parting`]). From then on every operation fails.

mod threads;

#[cfg(test)]
pub(crate) mod tests;

pub use threads::Threads;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use upg_core::{DeviceError, Real, share};

/// How long a process that was asked to stop waits for one that doesn't answer: less than what `mpirun` leaves it, one second.
pub const GRACE: Duration = Duration::from_millis(400);

/// Bytes that are summed at a time: few enough to stay in a core's cache from one copy to the next,
const PIECE: usize = 1 << 19;
/// and as many for each process that a message is worth its beginning.
const LEAST: usize = 1 << 16;

/// The way of messages between processes.
pub trait Communicator: Send {
    /// The number of this process, from 0.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn size(&self) -> usize;

    /// The number of this process among those on its machine.
    fn local_rank(&self) -> usize;

    /// Sends `outgoing[r]` to every other process r, and fills `incoming[r]` with what that one sends here, which has this length. Those of this
    /// process itself are left alone. While it waits it asks whether it was `asked` to stop.
    ///
    /// # Errors
    /// If a process is gone, or has said farewell; nothing can be exchanged any more then.
    fn exchange(
        &mut self,
        outgoing: &[&[u8]],
        incoming: &mut [&mut [u8]],
        asked: &dyn Fn() -> bool,
    ) -> Result<(), Parting>;

    /// Waits for what the processes do together by another way than this one, until `done` says that it is done here. Those that leave or are lost
    /// meanwhile count where it isn't done [soon](GRACE) after: they may have done their part.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    fn wait_for(&mut self, done: &mut dyn FnMut() -> bool, asked: &dyn Fn() -> bool) -> Result<(), Parting>;

    /// Tells everyone that this process goes on no more, and why: [`Parting::Left`] with its own number, or what it has learned of another. Whoever
    /// awaits something from it parts for the same reason.
    fn part(&mut self, why: &Parting);

    /// Whether a process is seen to be gone, and has said nothing; where that can't be seen it isn't.
    fn is_gone(&mut self, process: usize) -> bool {
        let _ = process;
        false
    }
}

/// The last words of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It was asked to stop by this signal.
    Stopped(String),
    /// It failed.
    Failed {
        /// The exit status it would have alone.
        status: u8,
        /// Why, in a line.
        why: String,
    },
}

/// Why the processes of a run don't go on together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parting {
    /// One said farewell.
    Left {
        /// Its number.
        process: usize,
        /// Its words.
        farewell: Farewell,
    },
    /// One is gone, or doesn't answer.
    Lost {
        /// Its number.
        process: usize,
        /// How that was noticed.
        how: String,
    },
    /// This one was asked to stop while it waited for another.
    Asked,
    /// One was asked to stop by this signal, as all of them know.
    Stopped(String),
    /// This one has done its part.
    Ended,
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { process, farewell: Farewell::Stopped(signal) } => {
                write!(f, "process {process} was stopped by {signal}")
            }
            Self::Left { process, farewell: Farewell::Failed { why, .. } } => write!(f, "process {process}: {why}"),
            Self::Lost { process, how } => write!(f, "process {process} is lost: {how}"),
            Self::Asked => write!(f, "asked to stop"),
            Self::Stopped(signal) => write!(f, "stopped by {signal}"),
            Self::Ended => write!(f, "this process has ended"),
        }
    }
}

/// To whom only results matter a process is a device.
impl From<&Parting> for DeviceError {
    fn from(parting: &Parting) -> Self {
        Self::Unavailable { device: "another process of the run".into(), reason: parting.to_string() }
    }
}

/// Who takes what the processes have found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Everyone.
    All,
    /// The first process.
    First,
}

/// The processes of a run, seen from one of them. Clones are the same.
#[derive(Clone)]
pub struct Peers {
    rank: usize,
    size: usize,
    local_rank: usize,
    /// Unless there is but one.
    shared: Option<Arc<Mutex<Shared>>>,
}

struct Shared {
    communicator: Box<dyn Communicator>,
    /// By which signal this process was asked to stop, if it was.
    asked: Box<dyn Fn() -> Option<&'static str> + Send>,
    /// By which signal someone was, as all know.
    stop: Option<String>,
    parted: Option<Parting>,
    /// Memory for the pieces of a segment, kept from sum to sum.
    memory: Vec<f64>,
}

impl Default for Peers {
    fn default() -> Self {
        Self::alone()
    }
}

impl Peers {
    /// A single process: every operation leaves everything as it is.
    pub fn alone() -> Self {
        Self { rank: 0, size: 1, local_rank: 0, shared: None }
    }

    /// Those that a communicator connects.
    pub fn of(communicator: impl Communicator + 'static) -> Self {
        let (rank, size, local_rank) = (communicator.rank(), communicator.size(), communicator.local_rank());
        let shared = Shared {
            communicator: Box::new(communicator),
            asked: Box::new(|| None),
            stop: None,
            parted: None,
            memory: vec![],
        };
        Self { rank, size, local_rank, shared: (size > 1).then(|| Arc::new(Mutex::new(shared))) }
    }

    /// The number of this process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number of this process among those on its machine.
    pub fn local_rank(&self) -> usize {
        self.local_rank
    }

    /// Whether this is the process that writes and speaks.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Whether there is no other.
    pub fn is_alone(&self) -> bool {
        self.shared.is_none()
    }

    /// The part of `total` things that is this process's.
    pub fn share(&self, total: usize) -> Range<usize> {
        self.share_of(self.rank, total)
    }

    /// The part of `total` things that is process `rank`'s.
    pub fn share_of(&self, rank: usize, total: usize) -> Range<usize> {
        share(rank, self.size, total)
    }

    /// From now on `asked` says by which signal this process was asked to stop.
    pub fn heed(&self, asked: impl Fn() -> Option<&'static str> + Send + 'static) {
        if let Some(mut shared) = self.lock() {
            shared.asked = Box::new(asked);
        }
    }

    /// By which signal someone was asked to stop, as all knew in the last [`gather`](Self::gather).
    pub fn stop(&self) -> Option<String> {
        self.lock().and_then(|shared| shared.stop.clone())
    }

    /// Has all processes part in the same call if any of them was asked to stop: for work of which nothing is kept if it ends early.
    ///
    /// # Errors
    /// If one was, or the processes have parted.
    pub fn go_on(&self) -> Result<(), DeviceError> {
        self.gather(&[], |_| 0)?;
        let Some(mut shared) = self.lock() else { return Ok(()) };
        let Some(signal) = shared.stop.clone() else { return Ok(()) };
        let parting = Parting::Stopped(signal);
        shared.parted = Some(parting.clone());
        Err((&parting).into())
    }

    /// Why nothing can be exchanged any more, if so.
    pub fn parted(&self) -> Option<Parting> {
        self.lock().and_then(|shared| shared.parted.clone())
    }

    /// Whether a process is seen to be gone, and has said nothing.
    pub fn is_gone(&self, process: usize) -> bool {
        self.lock()
            .is_some_and(|mut shared| shared.parted != Some(Parting::Ended) && shared.communicator.is_gone(process))
    }

    /// A process that is seen to be gone, and has said nothing, if there is one.
    pub fn missing(&self) -> Option<Parting> {
        let process = (0..self.size).find(|&process| process != self.rank && self.is_gone(process))?;
        Some(Parting::Lost { process, how: "it has ended".into() })
    }

    /// Nothing is exchanged any more, whoever still asks for it: the way between the processes is given up.
    pub fn end(&self) {
        if let Some(mut shared) = self.lock() {
            shared.parted.get_or_insert(Parting::Ended);
        }
    }

    /// Tells everyone that this process ends, unless they have parted already.
    pub fn part(&self, farewell: &Farewell) {
        if let Some(mut shared) = self.lock()
            && shared.parted.is_none()
        {
            let parting = Parting::Left { process: self.rank, farewell: farewell.clone() };
            shared.communicator.part(&parting);
            shared.parted = Some(parting);
        }
    }

    /// Replaces numbers by their sums over all processes, which have as many, added in the order of the processes.
    ///
    /// # Errors
    /// If the processes have parted.
    pub fn sum<T: Real>(&self, values: &mut [T]) -> Result<(), DeviceError> {
        self.sum_prepared(values, |_, _| {})
    }

    /// The same of numbers that every process `prepare`s just before, a piece at a time, which then is in its cache: it gets the number of the piece's first
    /// element, and the piece.
    ///
    /// # Errors
    /// If the processes have parted.
    pub fn sum_prepared<T: Real>(
        &self,
        values: &mut [T],
        prepare: impl Fn(usize, &mut [T]),
    ) -> Result<(), DeviceError> {
        let bytes = PIECE.max(self.size * LEAST);
        let length = bytes / size_of::<T>();
        for (number, piece) in values.chunks_mut(length).enumerate() {
            prepare(number * length, piece);
            self.sum_of_piece(piece)?;
        }
        Ok(())
    }

    fn sum_of_piece<T: Real>(&self, values: &mut [T]) -> Result<(), DeviceError> {
        if self.is_alone() {
            return Ok(());
        }
        let (own, lengths) = (self.share(values.len()), self.lengths(values.len()));
        let mut memory = self.take_memory((own.len() * self.size * size_of::<T>()).div_ceil(size_of::<f64>()));
        let pieces = &mut numbers_in(&mut memory)[..own.len() * self.size];
        {
            let outgoing: Vec<_> = (0..self.size).map(|r| bytes(&values[self.share_of(r, values.len())])).collect();
            let mut incoming = cut(pieces, (0..self.size).map(|_| own.len()));
            self.exchange(&outgoing, &mut incoming)?;
        }
        pieces[self.rank * own.len()..][..own.len()].copy_from_slice(&values[own.clone()]);
        let (total, others) = pieces.split_at_mut(own.len());
        for piece in others.chunks(own.len().max(1)) {
            total.iter_mut().zip(piece).for_each(|(total, &value)| *total += value);
        }
        self.exchange(&vec![bytes(total); self.size], &mut cut(values, lengths))?;
        values[own].copy_from_slice(total);
        self.lock().expect("there are others").memory = memory;
        Ok(())
    }

    /// The memory of the sum before, of so many doubles: fresh memory would take as long as what is done in it.
    fn take_memory(&self, doubles: usize) -> Vec<f64> {
        let mut memory = std::mem::take(&mut self.lock().expect("there are others").memory);
        memory.resize(doubles, 0.0);
        memory
    }

    /// Everyone's numbers in the order of the processes, of which process r has `number(r)`. Tells all whether someone was asked to stop.
    ///
    /// # Errors
    /// If the processes have parted.
    pub fn gather(&self, own: &[f64], number: impl Fn(usize) -> usize) -> Result<Vec<f64>, DeviceError> {
        if self.is_alone() {
            return Ok(own.to_vec());
        }
        assert_eq!(own.len(), number(self.rank), "numbers of this process, and how many it was to have");
        let word = self.lock().and_then(|shared| (shared.asked)()).map_or(NO_WORD, word_of);
        let message = [&word[..], bytes(own)].concat();
        let mut all = vec![0_u8; (0..self.size).map(|r| WORD + number(r) * size_of::<f64>()).sum()];
        let mut incoming = split(&mut all, (0..self.size).map(|r| WORD + number(r) * size_of::<f64>()));
        self.exchange(&vec![&message[..]; self.size], &mut incoming)?;
        incoming[self.rank].copy_from_slice(&message);
        let first_word = incoming.iter().map(|message| &message[..WORD]).find(|word| **word != NO_WORD).map(read_word);
        if let Some(mut shared) = self.lock() {
            shared.stop = shared.stop.take().or(first_word);
        }
        let number_of = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        Ok(incoming.iter().flat_map(|message| message[WORD..].chunks_exact(size_of::<f64>()).map(number_of)).collect())
    }

    /// Does pieces of work, number 0 up to `pieces`, of which process r does every n-th beginning with number r by `see`, and has the outcomes, of
    /// `number` numbers each, taken in the order of the pieces. As a piece is one process's work, its outcome doesn't depend on how many there are.
    ///
    /// # Errors
    /// If a piece can't be done or taken, one of the processes was asked to stop, or they have parted.
    pub fn in_turn<E: From<DeviceError>>(
        &self,
        by: By,
        pieces: usize,
        number: impl Fn(usize) -> usize,
        mut see: impl FnMut(usize) -> Result<Vec<f64>, E>,
        mut take: impl FnMut(usize, &[f64]) -> Result<(), E>,
    ) -> Result<(), E> {
        for first in (0..pieces).step_by(self.size) {
            self.go_on()?;
            let own = first + self.rank;
            let seen = if own < pieces { see(own)? } else { vec![] };
            let of = |rank| if first + rank < pieces { number(first + rank) } else { 0 };
            let all = match by {
                By::All => self.gather(&seen, of)?,
                By::First => self.collect(seen, of)?,
            };
            let mut rest = &all[..];
            for piece in (first..pieces.min(first + self.size)).filter(|_| by == By::All || self.is_first()) {
                let (own, others) = rest.split_at(number(piece));
                take(piece, own)?;
                rest = others;
            }
        }
        Ok(())
    }

    /// As [`gather`](Self::gather), for the first process alone: the others get nothing, nor any word.
    pub(crate) fn collect(&self, own: Vec<f64>, number: impl Fn(usize) -> usize) -> Result<Vec<f64>, DeviceError> {
        if self.is_alone() {
            return Ok(own);
        }
        assert_eq!(own.len(), number(self.rank), "numbers of this process, and how many it was to have");
        let mut outgoing = vec![&[][..]; self.size];
        if !self.is_first() {
            outgoing[0] = bytes(&own);
            self.exchange(&outgoing, &mut (0..self.size).map(|_| Default::default()).collect::<Vec<_>>())?;
            return Ok(vec![]);
        }
        let mut all = vec![0.0; (0..self.size).map(&number).sum()];
        self.exchange(&outgoing, &mut cut(&mut all, (0..self.size).map(&number)))?;
        all[..own.len()].copy_from_slice(&own);
        Ok(all)
    }

    /// Replaces bytes by those of the first process.
    ///
    /// # Errors
    /// If the processes have parted.
    pub fn broadcast(&self, content: &mut Vec<u8>) -> Result<(), DeviceError> {
        if self.is_alone() {
            return Ok(());
        }
        let mut length = (content.len() as u64).to_le_bytes();
        self.hand_out(&mut length)?;
        content.resize(u64::from_le_bytes(length) as usize, 0);
        self.hand_out(content)
    }

    /// The same with numbers, of which every process has as many.
    ///
    /// # Errors
    /// If the processes have parted.
    pub fn broadcast_numbers<T: Real>(&self, values: &mut [T]) -> Result<(), DeviceError> {
        if self.is_alone() { Ok(()) } else { self.hand_out(bytes_mut(values)) }
    }

    fn hand_out(&self, content: &mut [u8]) -> Result<(), DeviceError> {
        let is_first = self.is_first();
        let mut nothing: Vec<&mut [u8]> = (0..self.size).map(|_| Default::default()).collect();
        if is_first {
            return self.exchange(&vec![&*content; self.size], &mut nothing);
        }
        nothing[0] = content;
        self.exchange(&vec![&[][..]; self.size], &mut nothing)
    }

    /// Waits until the first process has done all that it does, for nothing else: nobody ends before it, so that someone is there to miss it. Who is asked
    /// to stop from here on isn't heeded.
    ///
    /// # Errors
    /// If the processes have parted.
    pub fn see_the_first_off(&self) -> Result<(), DeviceError> {
        self.heed(|| None);
        self.broadcast(&mut vec![])
    }

    /// Waits for what the processes do together without messages from here, as their devices do, until it is `done`.
    ///
    /// # Errors
    /// If the processes have parted, or do.
    pub fn wait_for(&self, done: &mut dyn FnMut() -> bool) -> Result<(), DeviceError> {
        self.unless_parted(|communicator, asked| communicator.wait_for(done, asked))
    }

    fn lengths(&self, total: usize) -> impl Iterator<Item = usize> {
        let peers = self.clone();
        (0..self.size).map(move |rank| peers.share_of(rank, total).len())
    }

    fn lock(&self) -> Option<MutexGuard<'_, Shared>> {
        self.shared.as_ref().map(|shared| shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn exchange(&self, outgoing: &[&[u8]], incoming: &mut [&mut [u8]]) -> Result<(), DeviceError> {
        self.unless_parted(|communicator, asked| communicator.exchange(outgoing, incoming, asked))
    }

    fn unless_parted(
        &self,
        work: impl FnOnce(&mut dyn Communicator, &dyn Fn() -> bool) -> Result<(), Parting>,
    ) -> Result<(), DeviceError> {
        let mut shared = self.lock().expect("there are others");
        let Shared { communicator, asked, parted, .. } = &mut *shared;
        if parted.is_none() {
            *parted = work(&mut **communicator, &|| asked().is_some()).err();
            match (&*parted, asked()) {
                (Some(Parting::Asked), Some(signal)) => {
                    let farewell = Farewell::Stopped(signal.to_owned());
                    communicator.part(&Parting::Left { process: self.rank, farewell });
                    *parted = Some(Parting::Stopped(signal.to_owned()));
                }
                (Some(parting), _) => communicator.part(parting), // to those who don't await the one that has left
                (None, _) => {}
            }
        }
        parted.as_ref().map_or(Ok(()), |parting| Err(parting.into()))
    }
}

/// Bytes of the word that goes with every gathering: the name of a signal, or zeros.
const WORD: usize = 16;
const NO_WORD: [u8; WORD] = [0; WORD];

fn word_of(signal: &str) -> [u8; WORD] {
    let mut word = NO_WORD;
    word.iter_mut().zip(signal.bytes()).for_each(|(to, from)| *to = from);
    word
}

fn read_word(word: &[u8]) -> String {
    String::from_utf8_lossy(word).trim_end_matches('\0').to_owned()
}

/// The bytes of parts of `values`, one after the other, of so many numbers each.
fn cut<T: Real>(values: &mut [T], lengths: impl Iterator<Item = usize>) -> Vec<&mut [u8]> {
    split(bytes_mut(values), lengths.map(|length| length * size_of::<T>()))
}

/// Parts of `bytes`, one after the other, of these lengths.
fn split(mut bytes: &mut [u8], lengths: impl Iterator<Item = usize>) -> Vec<&mut [u8]> {
    let mut next = |length| {
        let (part, rest) = std::mem::take(&mut bytes).split_at_mut(length);
        bytes = rest;
        part
    };
    lengths.map(&mut next).collect()
}

/// Numbers as they lie in memory: all processes are of one kind.
fn bytes<T: Real>(values: &[T]) -> &[u8] {
    // SAFETY: a Real is f32 or f64 (it is sealed to these two), which have no padding, and any address is one of a byte.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// Memory as numbers of a precision.
fn numbers_in<T: Real>(memory: &mut [f64]) -> &mut [T] {
    let numbers = size_of_val(memory) / size_of::<T>();
    // SAFETY: memory aligned for f64 is for f32; every bit pattern is a number of either; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), numbers) }
}

fn bytes_mut<T: Real>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as above; every bit pattern is an f32 or f64, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}
