//! The card's one stream, and what is asked for on it, by one thread at a time.
//!
//! Launches, products and copies are held back until something has to come after them: data from or to the host, memory given back, a queue grown
//! long, the end. Then they are issued together, by a graph if it is work of before. A failure then shows in whatever asked for it, or in what
//! is asked for next.

use super::context::Context;
use super::graphs::{Cache, Graphs, Replays};
use super::memory::{self, Memory};
use super::products::Blas;
use super::queue::Queue;
use crate::gpu::Address;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use upg_core::DeviceError;

#[derive(Debug)]
pub struct Stream {
    context: Arc<Context>,
    memory: Memory,
    state: Mutex<State>,
}

/// The graphs go before cuBLAS, whose workspace they use.
#[derive(Debug)]
struct State {
    queue: Queue,
    graphs: Cache,
    /// A failure of work that nobody was told yet.
    failure: Option<DeviceError>,
    blas: Blas,
}

impl Stream {
    pub fn new(context: &Arc<Context>, choice: Graphs) -> Result<Self, DeviceError> {
        let memory = Memory::new(context)?;
        let (graphs, blas) = (Cache::new(choice), Blas::new(context.clone(), memory)?);
        let state = State { queue: Queue::default(), graphs, failure: None, blas };
        Ok(Self { context: context.clone(), memory, state: Mutex::new(state) })
    }

    /// The version of cuBLAS.
    pub fn products(&self) -> String {
        self.state().blas.version()
    }

    pub fn replays(&self) -> Replays {
        self.state().graphs.replays.clone()
    }

    /// Adds work.
    pub fn ask(&self, add: impl FnOnce(&mut Queue)) -> Result<(), DeviceError> {
        let mut state = self.state();
        state.told()?;
        add(&mut state.queue);
        if state.queue.len() >= state.graphs.most() { state.issue(&self.context) } else { Ok(()) }
    }

    /// Issues all work; the failure of work before, if there is one.
    pub fn issue(&self) -> Result<(), DeviceError> {
        self.state().issue(&self.context)
    }

    /// Fresh memory, which no work before knows.
    pub fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        let mut state = self.state();
        state.told()?;
        self.memory.allocate(&self.context, bytes)
    }

    pub fn free(&self, address: Address) {
        let mut state = self.state();
        state.failure = state.issue(&self.context).err();
        self.memory.free(&self.context, address);
    }

    pub fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        let mut state = self.state();
        state.issue(&self.context)?;
        self.memory.write(&self.context, from, to)
    }

    pub fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        let mut state = self.state();
        state.issue(&self.context)?;
        memory::read(&self.context, from, to)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The failure of work before, once.
    fn told(&mut self) -> Result<(), DeviceError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn issue(&mut self, context: &Arc<Context>) -> Result<(), DeviceError> {
        self.told()?;
        let Self { queue, graphs, blas, .. } = self;
        let issued = if graphs.replay(context, queue, blas) { Ok(()) } else { queue.issue(context, blas, |_| Ok(())) };
        queue.clear();
        issued
    }
}
