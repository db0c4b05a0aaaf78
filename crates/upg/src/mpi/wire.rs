//! Messages between the processes, over MPI.

use super::neighbours::{self, Introduction};
use mpi::ffi;
use mpi::raw::AsRaw;
use mpi::topology::SimpleCommunicator;
use mpi::traits::Communicator as _;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::thread;
use std::time::{Duration, Instant};
use upg_train::peers::{Communicator, Farewell, GRACE, Parting};

/// Messages, and the last one of a process.
const DATA: c_int = 1;
const FAREWELL: c_int = 2;
/// Most bytes of one message of MPI, which counts them by 31 bits.
const MOST: usize = 1 << 30;
/// Most bytes of a farewell: few enough to be sent at once.
const MOST_WORDS: usize = 2000;

/// How long a message is waited for without a pause: MPI moves large ones piece by piece, and only when it is asked.
const AWAKE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_micros(50);
/// How often other processes are looked for.
const LOOK: Duration = Duration::from_millis(50);
/// How long a process that isn't stopped takes from one look to the next, at most.
const STOPPED_FOR: Duration = Duration::from_secs(1);
/// How long a farewell may take to be under way.
const PARTING: Duration = Duration::from_millis(100);

/// The first byte of a farewell; an exit status, the number of the process that it is about, of four bytes, and words come after it.
const STOPPED: u8 = 0;
const FAILED: u8 = 1;
const LOST: u8 = 2;
const HEAD: usize = 6;

/// The connections of a process to the others.
pub struct Wire {
    /// Not freed, which all processes would have to do together.
    world: ManuallyDrop<SimpleCommunicator>,
    processes: Vec<Introduction>,
    patience: Duration,
    /// Messages to every process, and from every process. Those that are the same for several are kept once.
    to: Vec<Vec<u8>>,
    from: Vec<Vec<u8>>,
    /// Messages under way: with whom.
    under_way: Vec<(usize, ffi::MPI_Request)>,
    /// What processes have said as they left. It counts where something is awaited from them or they await something, and from others for a while more:
    /// one that has ended after a step that others are still at has done its part of it.
    farewells: Vec<Option<Parting>>,
}

// SAFETY: MPI was asked to be called by one thread at a time, which a `&mut Wire` sees to, and handles of MPI belong to no thread.
unsafe impl Send for Wire {}

impl Wire {
    /// Connects this process with the others of `world`, which do the same.
    pub fn connect(world: &SimpleCommunicator, patience: Duration) -> Result<Self, Parting> {
        let (world, size) = (ManuallyDrop::new(world.duplicate()), world.size() as usize);
        // SAFETY: a communicator, and a handler that MPI defines.
        unsafe { ffi::MPI_Comm_set_errhandler(world.as_raw(), ffi::RSMPI_ERRORS_RETURN) };
        let own = Introduction::own();
        let nothing = || vec![vec![]; size];
        let mut wire = Self {
            world,
            processes: vec![own.clone(); size],
            patience,
            to: nothing(),
            from: nothing(),
            under_way: vec![],
            farewells: vec![None; size],
        };
        let (message, mut all) = (own.to_bytes(), vec![[0; neighbours::LENGTH]; size]);
        let mut incoming: Vec<&mut [u8]> = all.iter_mut().map(|bytes| &mut bytes[..]).collect();
        wire.exchange(&vec![&message[..]; size], &mut incoming, &|| false).inspect_err(|parting| wire.part(parting))?;
        let rank = wire.rank();
        for (process, bytes) in all.iter().enumerate().filter(|&(process, _)| process != rank) {
            wire.processes[process] = Introduction::from_bytes(bytes);
        }
        Ok(wire)
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let rank = self.rank();
        (0..self.size()).filter(move |&process| process != rank)
    }

    fn receive(&mut self, process: usize, length: usize) -> Result<(), Parting> {
        self.from[process].resize(length, 0);
        for chunk in self.from[process].chunks_mut(MOST) {
            // SAFETY: a handle of no request, which the call replaces. The memory is this wire's, isn't touched while the request is under way, and
            // is given up with it where it stays so.
            let (request, code) = unsafe {
                let mut request = ffi::RSMPI_REQUEST_NULL;
                let (to, bytes) = (chunk.as_mut_ptr().cast(), chunk.len() as c_int);
                let world = self.world.as_raw();
                let code = ffi::MPI_Irecv(to, bytes, ffi::RSMPI_UINT8_T, process as c_int, DATA, world, &mut request);
                (request, code)
            };
            check(process, code)?;
            self.under_way.push((process, request));
        }
        Ok(())
    }

    /// Sends what `to` has for process `kept`, to `process`.
    fn send(&mut self, process: usize, kept: usize) -> Result<(), Parting> {
        for chunk in self.to[kept].chunks(MOST) {
            let request = start(&self.world, chunk, process, DATA)?;
            self.under_way.push((process, request));
        }
        Ok(())
    }

    /// Takes out the messages that are there, or sent.
    fn advance(&mut self) -> Result<(), Parting> {
        let mut failed = None;
        self.under_way.retain_mut(|(process, request)| match is_done(request) {
            Ok(done) => !done,
            Err(code) => {
                failed = Some((*process, code));
                true
            }
        });
        failed.map_or(Ok(()), |(process, code)| check(process, code))
    }

    /// Waits for the messages under way.
    fn wait(&mut self, asked: &dyn Fn() -> bool) -> Result<(), Parting> {
        let (mut watch, mut parted) = (Watch::begin(self.patience), None);
        loop {
            self.hear(); // before messages are looked for: those that were sent before a farewell are there with it
            self.advance()?;
            let Some(&(process, _)) = self.under_way.first() else { return Ok(()) };
            let mut farewells = self.under_way.iter().filter_map(|&(process, _)| self.farewells[process].as_ref());
            if let Some(parting) = farewells.next() {
                return Err(parting.clone());
            }
            self.settle(None, &mut parted)?;
            watch.look(|| self.gone(self.under_way.iter().map(|&(process, _)| process)))?;
            watch.go_on(asked, process)?;
        }
    }

    /// Fails where a process parted a while ago, whoever it is: what is awaited from another, which may be waiting for it, would have come by now.
    fn settle(&self, gone: Option<Parting>, parted: &mut Option<(Instant, Parting)>) -> Result<(), Parting> {
        if let Some(parting) = self.farewells.iter().flatten().next().cloned().or(gone) {
            parted.get_or_insert((Instant::now(), parting));
        }
        match parted.as_ref().filter(|(since, _)| since.elapsed() > GRACE) {
            Some((_, parting)) => Err(parting.clone()),
            None => Ok(()),
        }
    }

    /// Keeps the farewells that have come.
    fn hear(&mut self) {
        if let Some((from, parting)) = self.farewell() {
            self.farewells[from] = Some(parting);
        }
    }

    /// One of these processes that is seen to be gone.
    fn gone(&self, mut processes: impl Iterator<Item = usize>) -> Option<usize> {
        let own = &self.processes[self.rank()];
        processes.find(|&process| self.processes[process].is_gone(own))
    }

    /// The farewell of a process, if one has come, and of which.
    fn farewell(&self) -> Option<(usize, Parting)> {
        let mut words = [0_u8; HEAD + MOST_WORDS];
        let (mut there, world) = (0, self.world.as_raw());
        // SAFETY: MPI writes a flag and a status that are there.
        let process = unsafe {
            let mut status = std::mem::zeroed::<ffi::MPI_Status>();
            ffi::MPI_Iprobe(ffi::RSMPI_ANY_SOURCE, FAREWELL, world, &mut there, &mut status);
            status.MPI_SOURCE
        };
        if there == 0 {
            return None;
        }
        // SAFETY: it has come, and isn't longer than the memory for it.
        unsafe {
            let (to, bytes) = (words.as_mut_ptr().cast(), words.len() as c_int);
            ffi::MPI_Recv(to, bytes, ffi::RSMPI_UINT8_T, process, FAREWELL, world, ffi::RSMPI_STATUS_IGNORE);
        }
        Some((process as usize, read(&words)))
    }

    /// Sends last words to everyone.
    fn say(&self, [kind, status]: [u8; 2], process: usize, words: &str) {
        let (process, words) = ((process as u32).to_le_bytes(), words.as_bytes());
        let message = [&[kind, status], &process[..], &words[..words.len().min(MOST_WORDS)]].concat();
        let message: &'static [u8] = message.leak(); // the program ends
        let begin = |process| start(&self.world, message, process, FAREWELL).ok();
        let mut under_way: Vec<_> = self.others().filter_map(begin).collect();
        let begun = Instant::now();
        while !under_way.is_empty() && begun.elapsed() < PARTING {
            under_way.retain_mut(|request| is_done(request) == Ok(false));
        }
    }
}

impl Communicator for Wire {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn local_rank(&self) -> usize {
        let (rank, own) = (self.rank(), &self.processes[self.rank()]);
        self.processes[..rank].iter().filter(|process| process.is_beside(own)).count()
    }

    fn exchange(
        &mut self,
        outgoing: &[&[u8]],
        incoming: &mut [&mut [u8]],
        asked: &dyn Fn() -> bool,
    ) -> Result<(), Parting> {
        assert!(self.under_way.is_empty(), "processes that have parted exchange nothing");
        self.begin(outgoing, incoming).and_then(|()| self.wait(asked))?;
        self.others().for_each(|process| incoming[process].copy_from_slice(&self.from[process]));
        Ok(())
    }

    fn wait_for(&mut self, done: &mut dyn FnMut() -> bool, asked: &dyn Fn() -> bool) -> Result<(), Parting> {
        let (mut watch, mut parted) = (Watch::begin(self.patience), None);
        loop {
            if done() {
                return Ok(());
            }
            self.hear();
            let gone = watch.look(|| self.gone(self.others())).err();
            self.settle(gone, &mut parted)?;
            watch.go_on(asked, (self.rank() + 1) % self.size())?;
        }
    }

    fn part(&mut self, why: &Parting) {
        match why {
            Parting::Left { process, farewell: Farewell::Stopped(signal) } => self.say([STOPPED, 1], *process, signal),
            Parting::Left { process, farewell: Farewell::Failed { status, why } } => {
                self.say([FAILED, *status], *process, why);
            }
            Parting::Lost { process, how } => self.say([LOST, 1], *process, how),
            Parting::Asked | Parting::Stopped(_) | Parting::Ended => {}
        }
    }

    fn is_gone(&mut self, process: usize) -> bool {
        if self.gone([process].into_iter()).is_none() {
            return false;
        }
        let seen = Instant::now();
        while self.farewells[process].is_none() && seen.elapsed() < PARTING {
            self.hear(); // what it said before is on its way
        }
        self.farewells[process].is_none()
    }
}

/// What ends a waiting that may come to nothing.
struct Watch {
    /// Without the time in which this process was stopped itself: it is no judge of others then.
    begun: Instant,
    patience: Duration,
    /// When this process last did something.
    awake: Instant,
    looked: Instant,
    /// The process that was gone when it was looked for.
    missed: Option<usize>,
    /// When this process was asked to stop.
    asked_at: Option<Instant>,
}

impl Watch {
    fn begin(patience: Duration) -> Self {
        let now = Instant::now();
        Self { begun: now, patience, awake: now, looked: now, missed: None, asked_at: None }
    }

    /// Now and then looks for one that is `gone`. What it sent before it ended may still come: it is missed when it is looked for once more.
    fn look(&mut self, gone: impl FnOnce() -> Option<usize>) -> Result<(), Parting> {
        if self.looked.elapsed() <= LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        let gone = gone();
        match gone.filter(|_| gone == self.missed) {
            Some(process) => Err(Parting::Lost { process, how: "it has ended".into() }),
            None => {
                self.missed = gone;
                Ok(())
            }
        }
    }

    /// Fails where this process was asked to stop a while ago, or `process` hasn't answered for too long; else pauses.
    fn go_on(&mut self, asked: &dyn Fn() -> bool, process: usize) -> Result<(), Parting> {
        let now = Instant::now();
        let pause = now - self.awake;
        self.awake = now;
        if pause > STOPPED_FOR {
            self.begun += pause;
        }
        if asked() && now - *self.asked_at.get_or_insert(now) > GRACE {
            return Err(Parting::Asked);
        }
        let waited = now - self.begun;
        if waited > self.patience {
            let how = format!("no answer in {} s (--patience)", self.patience.as_secs());
            return Err(Parting::Lost { process, how });
        }
        if waited < AWAKE {
            thread::yield_now()
        } else {
            thread::sleep(PAUSE)
        }
        Ok(())
    }
}

impl Wire {
    fn begin(&mut self, outgoing: &[&[u8]], incoming: &[&mut [u8]]) -> Result<(), Parting> {
        for process in self.others() {
            self.receive(process, incoming[process].len())?;
        }
        let mut kept = None;
        for process in self.others() {
            let is_kept = kept.is_some_and(|kept: usize| std::ptr::eq(outgoing[kept], outgoing[process]));
            let from = kept.filter(|_| is_kept).unwrap_or(process);
            if !is_kept {
                self.to[process].clear();
                self.to[process].extend_from_slice(outgoing[process]);
            }
            self.send(process, from)?;
            kept = Some(from);
        }
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if !self.under_way.is_empty() {
            self.to.drain(..).chain(self.from.drain(..)).for_each(std::mem::forget);
        }
    }
}

/// Starts to send.
fn start(world: &SimpleCommunicator, message: &[u8], process: usize, tag: c_int) -> Result<ffi::MPI_Request, Parting> {
    // SAFETY: a handle of no request, which the call replaces. The callers keep the memory as it is while the request is under way.
    let (request, code) = unsafe {
        let mut request = ffi::RSMPI_REQUEST_NULL;
        let (from, bytes) = (message.as_ptr().cast(), message.len() as c_int);
        let raw = world.as_raw();
        let code = ffi::MPI_Isend(from, bytes, ffi::RSMPI_UINT8_T, process as c_int, tag, raw, &mut request);
        (request, code)
    };
    check(process, code).map(|()| request)
}

/// Whether a message is there, or sent.
fn is_done(request: &mut ffi::MPI_Request) -> Result<bool, c_int> {
    let mut done = 0;
    // SAFETY: the handle of a request under way, or of none.
    let code = unsafe { ffi::MPI_Test(request, &mut done, ffi::RSMPI_STATUS_IGNORE) };
    if code == 0 { Ok(done != 0) } else { Err(code) }
}

/// What MPI says of messages to or from a process; a code of 0 is none.
fn check(process: usize, code: c_int) -> Result<(), Parting> {
    if code == 0 {
        return Ok(());
    }
    let (mut words, mut length) = (vec![0_u8; 1024], 0);
    // SAFETY: there is room for more than MPI_MAX_ERROR_STRING bytes.
    unsafe { ffi::MPI_Error_string(code, words.as_mut_ptr().cast(), &mut length) };
    words.truncate(length as usize);
    Err(Parting::Lost { process, how: String::from_utf8_lossy(&words).into_owned() })
}

/// A farewell.
fn read(words: &[u8]) -> Parting {
    let text = String::from_utf8_lossy(&words[HEAD..]).trim_end_matches('\0').to_owned();
    let process = u32::from_le_bytes(words[2..HEAD].try_into().expect("four bytes")) as usize;
    let left = |farewell| Parting::Left { process, farewell };
    match words[0] {
        STOPPED => left(Farewell::Stopped(text)),
        LOST => Parting::Lost { process, how: text },
        _ => left(Farewell::Failed { status: words[1], why: text }),
    }
}
