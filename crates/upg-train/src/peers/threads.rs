//! Threads of one process in the place of processes: for tests of what processes do together.

use super::{Communicator, GRACE, Parting};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// One of several threads that exchange messages.
pub struct Threads {
    rank: usize,
    to: Vec<Sender<Message>>,
    from: Vec<Receiver<Message>>,
    /// What has come before it was asked for.
    early: Vec<VecDeque<Vec<u8>>>,
    /// Those that have left or are gone, and were seen to.
    parted: Option<Parting>,
}

enum Message {
    Bytes(Vec<u8>),
    Parted(Parting),
}

impl Threads {
    /// So many that are connected, each for a thread of its own.
    pub fn team(size: usize) -> Vec<Self> {
        let mut team: Vec<_> = (0..size)
            .map(|rank| Self { rank, to: vec![], from: vec![], early: vec![VecDeque::new(); size], parted: None })
            .collect();
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

    fn next_from(&mut self, process: usize, asked: &dyn Fn() -> bool) -> Result<Vec<u8>, Parting> {
        if let Some(bytes) = self.early[process].pop_front() {
            return Ok(bytes);
        }
        if let Some(parting) = &self.parted {
            return Err(parting.clone());
        }
        let mut asked_since: Option<Instant> = None;
        loop {
            match self.from[process].recv_timeout(Duration::from_millis(5)) {
                Ok(Message::Bytes(bytes)) => return Ok(bytes),
                Ok(Message::Parted(why)) => return Err(why),
                Err(RecvTimeoutError::Disconnected) => return Err(gone(process)),
                Err(RecvTimeoutError::Timeout) if asked() => {
                    if asked_since.get_or_insert_with(Instant::now).elapsed() > GRACE {
                        return Err(Parting::Asked);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Looks for messages, and for who has parted.
    fn look(&mut self) {
        for process in (0..self.size()).filter(|&process| process != self.rank) {
            match self.from[process].try_recv() {
                Ok(Message::Bytes(bytes)) => self.early[process].push_back(bytes),
                Ok(Message::Parted(why)) => self.parted = Some(why),
                Err(TryRecvError::Disconnected) => _ = self.parted.get_or_insert(gone(process)),
                Err(TryRecvError::Empty) => {}
            }
        }
    }
}

fn gone(process: usize) -> Parting {
    Parting::Lost { process, how: "its thread has ended".into() }
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
        let rank = self.rank;
        let is_other = |&process: &usize| process != rank;
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

    fn wait_for(&mut self, done: &mut dyn FnMut() -> bool, asked: &dyn Fn() -> bool) -> Result<(), Parting> {
        let mut since: Option<Instant> = None;
        while !done() {
            self.look();
            if (self.parted.is_some() || asked()) && since.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return Err(self.parted.clone().unwrap_or(Parting::Asked));
            }
            thread::yield_now();
        }
        Ok(())
    }

    fn part(&mut self, why: &Parting) {
        for process in (0..self.size()).filter(|&process| process != self.rank) {
            let _ = self.to[process].send(Message::Parted(why.clone()));
        }
    }
}
