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
/// How long the end of MPI may take where processes have parted: of the first, which has written all, and of the others, which wait for that.
const FIRST_LEAVES: Duration = Duration::from_secs(2);
const OTHERS_LEAVE: Duration = Duration::from_secs(60);

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

    /// Whether this process has to speak, as one is lost and all before it are gone.
    pub fn speaks_for_the_first(&self) -> bool {
        let Some(Parting::Lost { process, .. }) = self.peers.parted() else { return false };
        let rank = self.peers.rank();
        rank > 0 && (0..rank).all(|before| before == process || self.peers.is_gone(before))
    }

    /// Whether the others hold this process to be lost, and have said so: it has nothing to add.
    pub fn is_held_to_be_lost(&self) -> bool {
        matches!(self.peers.parted(), Some(Parting::Lost { process, .. }) if process == self.peers.rank())
    }

    /// Ends this process with `status`, together with the others where there are others: a launcher ends all that are left when one ends badly.
    pub fn leave(self, status: u8) -> u8 {
        let Some(universe) = self.universe else { return status };
        let (parted, rank) = (self.parted.or_else(|| self.peers.parted()), universe.world().rank());
        self.peers.end(); // a signal that is answered from here on finds MPI ended
        if let Some(Parting::Lost { process, .. }) = parted {
            if rank != 0 && process != 0 {
                thread::sleep(LINGER);
            }
            exit_at_once(i32::from(status)); // MPI would wait for the one that is lost
        }
        let patience = match (parted, rank) {
            (None, _) => self.patience,
            (Some(_), 0) => FIRST_LEAVES,
            (Some(_), _) => OTHERS_LEAVE,
        };
        thread::spawn(move || {
            thread::sleep(patience);
            exit_at_once(i32::from(status));
        });
        drop(self.peers);
        drop(universe);
        status
    }
}
