//! Emulated GPUs of several threads or processes of one machine, connected by sockets, in the place of NCCL.
//!
//! As with NCCL, a GPU that is gone isn't noticed here: what waits for it is never done.

use super::{DEVICE, Emulator, State};
use crate::gpu::{Link, Links, Message};
use crate::links::NOT_WANTED;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use upg_core::DeviceError;
use upg_core::device::Wait;

impl Links for Emulator {
    fn check(&self) -> Result<(), DeviceError> {
        if self.links { Ok(()) } else { Err(super::unavailable(NOT_WANTED.into())) }
    }

    /// A folder of the sockets.
    fn invite(&self) -> Result<Vec<u8>, DeviceError> {
        let folder = tempfile::Builder::new().prefix("upg-emulated-").tempdir().map_err(lost)?;
        Ok(folder.keep().into_os_string().into_vec())
    }

    fn join(&self, invitation: &[u8], rank: usize, size: usize, wait: Wait<'_>) -> Result<Box<dyn Link>, DeviceError> {
        let folder = PathBuf::from(OsStr::from_bytes(invitation));
        let listener = UnixListener::bind(folder.join(rank.to_string())).map_err(lost)?;
        listener.set_nonblocking(true).map_err(lost)?;
        let mut others: Vec<_> = (0..size).map(|_| None).collect();
        let sockets = waited(wait, || {
            meet(&folder, &listener, rank, &mut others)?;
            Ok(others.iter().flatten().count() + 1 == size)
        });
        let link = Sockets { state: self.state.clone(), others, folder: (rank == 0).then_some(folder) };
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

/// The sockets to the others.
struct Sockets {
    state: Arc<Mutex<State>>,
    others: Vec<Option<UnixStream>>,
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
    fn exchange(&mut self, messages: &[Message], wait: Wait<'_>) -> Result<(), DeviceError> {
        let begin = |&message: &Message| {
            let (mut out, into) = (vec![0; message.send.1], vec![0; message.receive.1]);
            if !out.is_empty() {
                self.memory(|state| state.heap.read(message.send.0, &mut out));
            }
            UnderWay { message, out, sent: 0, into, received: 0 }
        };
        let mut all: Vec<_> = messages.iter().map(begin).collect();
        let others = &mut self.others;
        waited(wait, || {
            let mut is_done = true;
            for one in &mut all {
                let socket = others[one.message.other].as_mut().expect("a message goes to another");
                is_done &= one.advance(socket)?;
            }
            Ok(is_done)
        })?;
        for one in all.iter().filter(|one| !one.into.is_empty()) {
            self.memory(|state| state.heap.write(&one.into, one.message.receive.0));
        }
        Ok(())
    }

    fn finish(&mut self, wait: Wait<'_>) -> Result<(), DeviceError> {
        wait(&mut || true)
    }

    fn words(&self) -> String {
        "sockets of emulated GPUs".into()
    }
}

impl Sockets {
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
    /// Whether all is sent and received.
    fn advance(&mut self, socket: &mut UnixStream) -> io::Result<bool> {
        while self.sent < self.out.len() {
            match unless_later(socket.write(&self.out[self.sent..]))? {
                Some(sent) => self.sent += sent,
                None => break,
            }
        }
        while self.received < self.into.len() {
            match unless_later(socket.read(&mut self.into[self.received..]))? {
                Some(received) if received > 0 => self.received += received,
                _ => break,
            }
        }
        Ok(self.sent == self.out.len() && self.received == self.into.len())
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
