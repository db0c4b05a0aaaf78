//! Which work is replayed as a CUDA graph.
//!
//! A launch costs some microseconds of the processor, a graph of hundreds hardly more than one. Work of a shape that is seen for the first time is
//! issued plainly, which loads what it needs; at the second sight it is recorded; from then on the graph is given what changed and launched. The
//! driver's results are the same either way: the same kernels get the same arguments in the same order.

use super::context::Context;
use super::graph::{Graph, Recorded};
use super::products::Blas;
use super::queue::Queue;
use std::collections::VecDeque;
use std::sync::Arc;
use std::{env, fmt};
use upg_core::DeviceError;

/// Whether a driver uses CUDA graphs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Graphs {
    /// All work is issued launch by launch, at once.
    Never,
    /// Repeated work is replayed.
    #[default]
    Repeated,
}

/// The variable of the environment that chooses.
const VARIABLE: &str = "UPG_CUDA_GRAPHS";

impl Graphs {
    /// What `UPG_CUDA_GRAPHS` says: `on`, as where it isn't set, or `off`.
    ///
    /// # Errors
    /// One line, if it says something else.
    pub fn from_environment() -> Result<Self, String> {
        match env::var_os(VARIABLE).unwrap_or_default().to_string_lossy().as_ref() {
            "" | "on" => Ok(Self::Repeated),
            "off" => Ok(Self::Never),
            other => Err(format!("{VARIABLE} = {other}: accepted are on and off")),
        }
    }
}

/// What became of graphs so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// Graphs that were made.
    pub made: u64,
    /// Times that one did the work.
    pub launched: u64,
    /// Kernels in them that were given other arguments.
    pub changed: u64,
    /// Why there are none (any more).
    pub none: Option<String>,
}

impl fmt::Display for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, launched, changed, none } = self;
        if *made > 0 || none.is_none() {
            write!(f, "{made} graphs, launched {launched} times, {changed} of their kernels with other arguments")?;
        }
        match (made, none) {
            (_, None) => Ok(()),
            (0, Some(why)) => write!(f, "no graphs: {why}"),
            (_, Some(why)) => write!(f, "; then no more: {why}"),
        }
    }
}

/// Launches, products and copies that are worth a graph, at least.
const LEAST: usize = 8;
/// Work that is held back, at most, where there are graphs.
const MOST: usize = 1024;
/// Graphs that are kept, and shapes of work without one that are remembered.
const KEPT: usize = 16;
const SEEN: usize = 32;

/// The graphs of a driver.
#[derive(Debug)]
pub struct Cache {
    recorded: Option<Recorded>,
    kept: Vec<Kept>,
    /// Shapes of work that has no graph, and which piece it was; the latest at the end.
    seen: VecDeque<(Vec<u64>, u64)>,
    /// Pieces of work so far that were worth a graph.
    pieces: u64,
    pub replays: Replays,
}

#[derive(Debug)]
struct Kept {
    shape: Vec<u64>,
    graph: Graph,
    /// The piece of work that was its last.
    last: u64,
}

impl Cache {
    pub fn new(choice: Graphs) -> Self {
        let recorded = match choice {
            Graphs::Never => Err("not wanted".into()),
            Graphs::Repeated => Recorded::find().map_err(|missing| format!("the driver has no {missing}")),
        };
        let none = recorded.as_ref().err().cloned();
        let replays = Replays { none, ..Replays::default() };
        Self { recorded: recorded.ok(), kept: vec![], seen: VecDeque::new(), pieces: 0, replays }
    }

    /// How much work may be held back until it is issued together.
    pub fn most(&self) -> usize {
        if self.recorded.is_some() { MOST } else { 1 }
    }

    /// Has a graph do the work of a queue, if there is one or it is time to make it; says whether the work is issued. After a failure there are no
    /// more graphs.
    pub fn replay(&mut self, context: &Arc<Context>, queue: &Queue, blas: &mut Blas) -> bool {
        let Some(recorded) = self.recorded.filter(|_| queue.len() >= LEAST) else { return false };
        self.pieces += 1;
        let issued = match self.kept.iter().position(|kept| kept.shape == queue.shape()) {
            Some(place) => self.again(place, queue).map(|()| true),
            None if self.makes_room(queue.shape()) => self.make(context, recorded, queue, blas).map(|()| true),
            None => {
                self.remember(queue.shape());
                Ok(false)
            }
        };
        issued.unwrap_or_else(|error| {
            self.give_up(&error);
            false
        })
    }

    fn again(&mut self, place: usize, queue: &Queue) -> Result<(), DeviceError> {
        let kept = &mut self.kept[place];
        kept.last = self.pieces;
        self.replays.changed += kept.graph.update(queue)?;
        kept.graph.launch()?;
        self.replays.launched += 1;
        Ok(())
    }

    fn make(
        &mut self,
        context: &Arc<Context>,
        recorded: Recorded,
        queue: &Queue,
        blas: &mut Blas,
    ) -> Result<(), DeviceError> {
        let graph = Graph::record(context, recorded, queue, blas)?;
        graph.launch()?;
        self.replays.made += 1;
        self.replays.launched += 1;
        self.seen.retain(|(seen, _)| seen != queue.shape());
        self.kept.push(Kept { shape: queue.shape().to_vec(), graph, last: self.pieces });
        Ok(())
    }

    fn remember(&mut self, shape: &[u64]) {
        self.seen.retain(|(seen, _)| seen != shape);
        if self.seen.len() == SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back((shape.to_vec(), self.pieces));
    }

    /// Whether work was seen before and there is room, now, for a graph of it. A graph goes for it if its own work hasn't come since then: so none is made
    /// over and over where many pieces of work take turns, of which some have graphs.
    fn makes_room(&mut self, shape: &[u64]) -> bool {
        let Some(&(_, before)) = self.seen.iter().find(|(seen, _)| seen == shape) else { return false };
        if self.kept.len() < KEPT {
            return true;
        }
        let oldest = (0..KEPT).min_by_key(|&place| self.kept[place].last).expect("there are some");
        let rests = self.kept[oldest].last < before;
        if rests {
            self.kept.swap_remove(oldest);
        }
        rests
    }

    fn give_up(&mut self, error: &DeviceError) {
        self.recorded = None;
        self.kept.clear();
        self.seen.clear();
        self.replays.none = Some(error.to_string());
    }
}
