//! The processes that `mpirun` or `srun` has started for one run, connected by MPI.
//!
//! A message is sent and received without waiting, and then asked about: a call that waits could wait for ever. What can end the waiting besides the
//! message is a farewell, a process of the same machine that is gone, a signal, an error of MPI, and the end of patience.
//!
//! The memory of messages under way is this module's own, and is given up with them where processes part: MPI may still look at it.

pub mod measure;
mod neighbours;
mod wire;

use mpi::Threading;
use mpi::environment::Universe;
use mpi::traits::Communicator as _;
use std::thread;
use std::time::Duration;
use upg_experiments::io::console::be_silent;
use upg_experiments::io::signals::exit_at_once;
use upg_train::Peers;
use upg_train::peers::Parting;
use wire::Wire;

/// What a launcher of MPI tells a process in its environment: Open MPI; MPICH and others with its manager, Slurm among them; those of PMIx.
const LAUNCHED: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"];

/// How long a process that isn't the first stays, where one is lost, so that its end doesn't end the first one's writing.
const LINGER: Duration = Duration::from_secs(10);

/// A process among those of a run, or a program that nobody launched as such.
pub struct Launched {
    universe: Option<Universe>,
    peers: Peers,
    /// Why it isn't connected with the others.
    parted: Option<Parting>,
    patience: Duration,
}

impl Launched {
    /// Joins the others, if this process was started as one of several. Of those only the first speaks from here on.
    pub fn join() -> Self {
        let alone = Self { universe: None, peers: Peers::alone(), parted: None, patience: Duration::MAX };
        if !LAUNCHED.iter().any(|name| std::env::var_os(name).is_some()) {
            return alone;
        }
        let Some((universe, _)) = mpi::initialize_with_threading(Threading::Serialized) else { return alone };
        be_silent(universe.world().rank() != 0);
        Self { universe: Some(universe), ..alone }
    }

    /// Connects the processes; none waits for another longer than its `patience`.
    ///
    /// # Errors
    /// If another has ended already. A process that goes on by itself then would make a run of its own.
    pub fn connect(&mut self, patience: Duration) -> Result<Peers, Parting> {
        if let Some(universe) = self.universe.as_ref().filter(|universe| universe.world().size() > 1) {
            self.patience = patience;
            let connected = Wire::connect(&universe.world(), patience);
            self.peers = Peers::of(connected.inspect_err(|parting| self.parted = Some(parting.clone()))?);
        }
        Ok(self.peers.clone())
    }

    /// Whether this process has to speak, as the first one is lost.
    pub fn speaks_for_the_first(&self) -> bool {
        self.peers.rank() == 1 && matches!(self.peers.parted(), Some(Parting::Lost { process: 0, .. }))
    }

    /// Ends this process with `status`, together with the others where there are others: a launcher ends all that are left when one ends badly.
    pub fn leave(self, status: u8) -> u8 {
        let Some(universe) = self.universe else { return status };
        if let Some(Parting::Lost { process, .. }) = self.parted.or_else(|| self.peers.parted()) {
            if universe.world().rank() != 0 && process != 0 {
                thread::sleep(LINGER);
            }
            exit_at_once(i32::from(status)); // MPI would wait for the one that is lost
        }
        let patience = self.patience;
        thread::spawn(move || {
            thread::sleep(patience);
            exit_at_once(i32::from(status));
        });
        drop(self.peers);
        drop(universe);
        status
    }
}
