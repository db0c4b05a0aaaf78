//! Requests to stop: Ctrl-C, SIGTERM, and SIGHUP when the terminal is closed.
//!
//! Before the first step there is nothing to save, and a request ends the program at once. From then on the first request asks the run to save
//! and stop, and a second one stops it at once, unless it comes so soon that it is the same request: `timeout` sends SIGTERM to the
//! process, then to its group, and a shell passes on what the terminal sends.
//!
//! Of several processes all stop where they meet next, so that it is told once: the first waits for that as long as a launcher leaves it, the others longer.

use crate::io::console::say;
use crate::io::output::give_up_writing;
use crate::io::signals::{Caller, ending, known, name};
use signal_hook::iterator::Signals as Incoming;
use signal_hook::low_level::exit;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};
use upg_train::Peers;
use upg_train::peers::Farewell;

/// When a signal comes that ends a training at once.
const BEFORE: &str = " before the first step";

/// How long the first of several processes waits until it meets the others, less than what `mpirun` leaves it, one second; and another one.
const AT_ONCE: Duration = Duration::from_millis(700);
const SOON: Duration = Duration::from_secs(60);

/// How long another signal counts as the same request.
const SAME_REQUEST: Duration = Duration::from_secs(2);

/// Where requests to stop come from.
pub enum Requests<'a> {
    /// From the system, as in a program of its own.
    Signals(Signals),
    /// From the caller.
    Caller(Caller<'a>),
}

impl<'a> Requests<'a> {
    /// Those of the caller, or the signals of the system from now on.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen(caller: Option<Caller<'a>>, peers: &Peers) -> io::Result<Self> {
        caller
            .map_or_else(|| Signals::listen_among(peers, BEFORE).map(Self::Signals), |caller| Ok(Self::Caller(caller)))
    }

    /// From now on a request is to be answered by saving.
    pub fn save_from_now_on(&self) {
        if let Self::Signals(signals) = self {
            signals.save_from_now_on();
        }
    }

    /// Who asked, if someone did: of several processes any, as all of them know.
    pub fn agreed(&self, peers: &Peers) -> Option<&'static str> {
        if peers.is_alone() { self.received() } else { peers.stop().map(|signal| known(&signal)) }
    }

    /// Who asked, if someone did.
    pub fn received(&self) -> Option<&'static str> {
        match self {
            Self::Signals(signals) => signals.received(),
            Self::Caller(ask) => ask(),
        }
    }
}

/// Whether the run was asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Signals(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// There is something to save.
    saves: AtomicBool,
    /// Number of the first signal, 0 before.
    number: AtomicI32,
}

impl Signals {
    /// Listens from now on. A SIGHUP that was ignored when the program began, as under `nohup`, stays ignored.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen() -> io::Result<Self> {
        Self::listen_among(&Peers::alone(), BEFORE)
    }

    /// As one of several processes, which learn of a signal that this one gets where they meet next; `when` it came is said where there is nothing to save.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn listen_among(peers: &Peers, when: &'static str) -> io::Result<Self> {
        let (signals, mut incoming) = (Self::default(), Incoming::new(ending())?);
        let until_they_meet = match (peers.is_alone(), peers.is_first()) {
            (true, _) => Duration::ZERO,
            (_, true) => AT_ONCE,
            (_, false) => SOON,
        };
        let told = signals.clone();
        peers.heed(move || told.received());
        let (heard, peers) = (Arc::clone(&signals.0), peers.clone());
        Builder::new().name("upg-signals".into()).spawn(move || {
            let mut first = None;
            for number in incoming.forever() {
                if !heard.saves.load(Ordering::SeqCst) && !until_they_meet.is_zero() {
                    heard.number.store(number, Ordering::SeqCst);
                    thread::sleep(until_they_meet);
                }
                if !heard.saves.load(Ordering::SeqCst) {
                    if peers.parted().is_some() {
                        continue; // as they know, and it is told
                    }
                    let missing = peers.missing(); // a launcher has told this one then to end
                    peers.part(&Farewell::Stopped(name(number).into()));
                    let _nothing_begins = give_up_writing();
                    match missing {
                        Some(lost) => say(format_args!("error: {lost}")),
                        None => say(format_args!("stopped by {}{when}: nothing is lost", name(number))),
                    }
                    exit(1);
                }
                match first {
                    None => {
                        first = Some(Instant::now());
                        heard.number.store(number, Ordering::SeqCst);
                    }
                    Some(first) if Instant::now() - first < SAME_REQUEST => {}
                    Some(_) => {
                        let _nothing_begins = give_up_writing();
                        exit(1);
                    }
                }
            }
        })?;
        Ok(signals)
    }

    /// From now on a request is to be answered by saving.
    pub fn save_from_now_on(&self) {
        self.0.saves.store(true, Ordering::SeqCst);
    }

    /// Name of the signal that came, if one did.
    pub fn received(&self) -> Option<&'static str> {
        match self.0.number.load(Ordering::Relaxed) {
            0 => None,
            number => Some(name(number)),
        }
    }
}
