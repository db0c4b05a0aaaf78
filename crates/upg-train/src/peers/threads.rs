//! Threads of one process in the place of processes: for tests of what processes do together.

use super::{Communicator, Farewell, GRACE, Parting};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// One of several threads that exchange messages.
pub struct Threads {
    rank: usize,
    to: Vec<Sender<Message>>,
    from: Vec<Receiver<Message>>,
}

enum Message {
    Bytes(Vec<u8>),
    Farewell(Farewell),
}

impl Threads {
    /// So many that are connected, each for a thread of its own.
    pub fn team(size: usize) -> Vec<Self> {
        let mut team: Vec<_> = (0..size).map(|rank| Self { rank, to: vec![], from: vec![] }).collect();
        for receiver in 0..size {
            for sender in &mut team {
                sender.to.push(channel().0);
            }
            for sender in 0..size {
                let (to, from) = channel();
                team[sender].to[receiver] = to;
                team[receiver].from.push(from);
            }
        }
        team
    }

    fn next_from(&self, process: usize, asked: &dyn Fn() -> bool) -> Result<Vec<u8>, Parting> {
        let mut asked_since: Option<Instant> = None;
        loop {
            match self.from[process].recv_timeout(Duration::from_millis(5)) {
                Ok(Message::Bytes(bytes)) => return Ok(bytes),
                Ok(Message::Farewell(farewell)) => return Err(Parting::Left { process, farewell }),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Parting::Lost { process, how: "its thread has ended".into() });
                }
                Err(RecvTimeoutError::Timeout) if asked() => {
                    if asked_since.get_or_insert_with(Instant::now).elapsed() > GRACE {
                        return Err(Parting::Asked);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Communicator for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn local_rank(&self) -> usize {
        self.rank
    }

    fn exchange(
        &mut self,
        outgoing: &[&[u8]],
        incoming: &mut [&mut [u8]],
        asked: &dyn Fn() -> bool,
    ) -> Result<(), Parting> {
        let is_other = |&process: &usize| process != self.rank;
        for process in (0..self.size()).filter(is_other).filter(|&process| !outgoing[process].is_empty()) {
            let _ = self.to[process].send(Message::Bytes(outgoing[process].to_vec())); // one that is gone is missed below
        }
        for process in (0..self.size()).filter(is_other) {
            if !incoming[process].is_empty() {
                incoming[process].copy_from_slice(&self.next_from(process, asked)?);
            }
        }
        Ok(())
    }

    fn part(&mut self, farewell: &Farewell) {
        for process in (0..self.size()).filter(|&process| process != self.rank) {
            let _ = self.to[process].send(Message::Farewell(farewell.clone()));
        }
    }
}
