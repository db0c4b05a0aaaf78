//! Emulated GPUs of several threads or processes of one machine, connected by sockets, in the place of NCCL.
//!
//! As with NCCL, a GPU that is gone isn't noticed here: what waits for it is never done. Until it has arrived, what is to be received is NaN; to change it, or
//! what is sent, is a panic.

use super::{DEVICE, Emulator, State};
use crate::gpu::{Address, Link, Links, Message};
use crate::links::Wanted;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use upg_core::DeviceError;
use upg_core::device::Wait;

impl Links for Emulator {
    fn check(&self) -> Result<(), DeviceError> {
        self.links.check().map_err(super::unavailable)
    }

    /// A folder of the sockets.
    fn invite(&self) -> Result<Vec<u8>, DeviceError> {
        let folder = tempfile::Builder::new().prefix("upg-emulated-").tempdir().map_err(lost)?;
        Ok(self.links.invite(folder.keep().into_os_string().into_vec()))
    }

    fn join(&self, invitation: &[u8], rank: usize, size: usize, wait: Wait<'_>) -> Result<Box<dyn Link>, DeviceError> {
        let (wanted, folder) = Wanted::invited(invitation);
        let folder = PathBuf::from(OsStr::from_bytes(folder));
        let listener = UnixListener::bind(folder.join(rank.to_string())).map_err(lost)?;
        listener.set_nonblocking(true).map_err(lost)?;
        let mut others: Vec<_> = (0..size).map(|_| None).collect();
        let sockets = waited(wait, || {
            meet(&folder, &listener, rank, &mut others)?;
            Ok(others.iter().flatten().count() + 1 == size)
        });
        let (state, folder) = (self.state.clone(), (rank == 0).then_some(folder));
        let link = Sockets { state, wanted, others, under_way: vec![], folder };
        sockets.map(|()| Box::new(link) as Box<dyn Link>)
    }
}

/// Goes to those before, and lets those after come, as far as they are there.
fn meet(folder: &Path, listener: &UnixListener, rank: usize, others: &mut [Option<UnixStream>]) -> io::Result<()> {
    for (other, socket) in others[..rank].iter_mut().enumerate().filter(|(_, socket)| socket.is_none()) {
        if let Ok(mut found) = UnixStream::connect(folder.join(other.to_string())) {
            found.write_all(&(rank as u32).to_ne_bytes())?;
            found.set_nonblocking(true)?;
            *socket = Some(found);
        }
    }
    while let Some((mut came, _)) = unless_later(listener.accept())? {
        let mut other = [0; 4];
        came.set_nonblocking(false)?;
        came.read_exact(&mut other)?;
        came.set_nonblocking(true)?;
        others[u32::from_ne_bytes(other) as usize] = Some(came);
    }
    Ok(())
}

/// Bytes of a piece of a gradient: few, so that gradients of tests have several.
const PIECE: usize = 1 << 8;

/// What is there of memory to which a message is under way: NaN.
const NOTHING: u8 = 0xff;

/// The sockets to the others.
struct Sockets {
    state: Arc<Mutex<State>>,
    wanted: Wanted,
    others: Vec<Option<UnixStream>>,
    /// Messages that were begun, in their order.
    under_way: Vec<UnderWay>,
    /// The folder of the sockets, which the first gives up.
    folder: Option<PathBuf>,
}

/// A message under way.
struct UnderWay {
    message: Message,
    out: Vec<u8>,
    sent: usize,
    into: Vec<u8>,
    received: usize,
}

impl Link for Sockets {
    #[track_caller]
    fn begin(&mut self, messages: &[Message], _: Wait<'_>) -> Result<(), DeviceError> {
        for &message in messages {
            let out = self.content(message.send);
            let into = vec![NOTHING; message.receive.1];
            self.change(&into, message.receive.0);
            self.under_way.push(UnderWay { message, out, sent: 0, into, received: 0 });
        }
        self.advance().map(drop).map_err(lost)
    }

    #[track_caller]
    fn arrived(&mut self, wait: Wait<'_>) -> Result<(), DeviceError> {
        waited(wait, || self.advance())?;
        for UnderWay { message, out, into, .. } in mem::take(&mut self.under_way) {
            assert!(self.content(message.send) == out, "changed while it was sent: {message:?}");
            let before = self.content(message.receive);
            assert!(before.iter().all(|&byte| byte == NOTHING), "written while it was received: {message:?}");
            self.change(&into, message.receive.0);
        }
        Ok(())
    }

    fn piece(&self) -> usize {
        self.wanted.piece(PIECE)
    }

    fn words(&self) -> String {
        self.wanted.words("sockets of emulated GPUs".into())
    }
}

impl Sockets {
    /// Sends and receives what can be now; whether that is all.
    fn advance(&mut self) -> io::Result<bool> {
        let mut open = vec![[true; 2]; self.others.len()];
        for one in &mut self.under_way {
            let other = one.message.other;
            let socket = self.others[other].as_mut().expect("a message goes to another");
            let [sends, receives] = &mut open[other];
            *sends = *sends && one.send(socket)?;
            *receives = *receives && one.receive(socket)?;
        }
        Ok(open.iter().flatten().all(|&open| open))
    }

    #[track_caller]
    fn content(&self, (at, bytes): (Address, usize)) -> Vec<u8> {
        let mut content = vec![0; bytes];
        if bytes > 0 {
            self.memory(|state| state.heap.read(at, &mut content));
        }
        content
    }

    #[track_caller]
    fn change(&self, to: &[u8], at: Address) {
        if !to.is_empty() {
            self.memory(|state| state.heap.write(to, at));
        }
    }

    #[track_caller]
    fn memory(&self, work: impl FnOnce(&mut State) -> Result<(), String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut state).unwrap_or_else(|fault| panic!("exchange: {fault}"));
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl UnderWay {
    /// Whether all is sent.
    fn send(&mut self, socket: &mut UnixStream) -> io::Result<bool> {
        while self.sent < self.out.len() {
            match unless_later(socket.write(&self.out[self.sent..]))? {
                Some(sent) => self.sent += sent,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether all is received.
    fn receive(&mut self, socket: &mut UnixStream) -> io::Result<bool> {
        while self.received < self.into.len() {
            match unless_later(socket.read(&mut self.into[self.received..]))? {
                Some(received) if received > 0 => self.received += received,
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Waits until `done` says so, or fails.
fn waited(wait: Wait<'_>, mut done: impl FnMut() -> io::Result<bool>) -> Result<(), DeviceError> {
    let mut failed = None;
    wait(&mut || {
        done().unwrap_or_else(|error| {
            failed = Some(error);
            true
        })
    })?;
    failed.map_or(Ok(()), |error| Err(lost(error)))
}

/// What can't be done now, or with one that is gone, is none.
fn unless_later<R>(outcome: io::Result<R>) -> io::Result<Option<R>> {
    use ErrorKind::{BrokenPipe, ConnectionReset, Interrupted, WouldBlock};
    match outcome {
        Ok(result) => Ok(Some(result)),
        Err(error) if matches!(error.kind(), WouldBlock | Interrupted | BrokenPipe | ConnectionReset) => Ok(None),
        Err(error) => Err(error),
    }
}

fn lost(error: io::Error) -> DeviceError {
    DeviceError::Lost { device: DEVICE.into(), reason: error.to_string() }
}
