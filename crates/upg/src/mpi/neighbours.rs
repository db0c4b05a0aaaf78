//! The other processes on this machine, which can be seen to be gone: their messages would just not come.

use std::fs;

/// Bytes of an introduction.
pub const LENGTH: usize = 160;

/// What a process tells the others of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Its number in its system.
    pid: u32,
    /// The start of its machine, which no other has.
    machine: String,
    /// The space of such numbers that it lives in: containers have their own.
    numbers: String,
}

impl Introduction {
    /// That of this process; where the system doesn't tell, its machine has the name that MPI knows.
    pub fn own() -> Self {
        let told = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let machine = told("/proc/sys/kernel/random/boot_id").or_else(|_| mpi::environment::processor_name());
        let numbers = fs::read_link("/proc/self/ns/pid").map(|path| path.to_string_lossy().into_owned());
        Self { pid: std::process::id(), machine: machine.unwrap_or_default(), numbers: numbers.unwrap_or_default() }
    }

    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let text = format!("{}\n{}\n{}\n", self.pid, self.machine, self.numbers);
        let mut bytes = [0; LENGTH];
        bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = text.lines().map(str::to_owned);
        let pid = lines.next().and_then(|pid| pid.parse().ok()).unwrap_or_default();
        Self { pid, machine: lines.next().unwrap_or_default(), numbers: lines.next().unwrap_or_default() }
    }

    /// Whether it is one of a machine with another.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.machine == other.machine
    }

    /// Whether it is seen to be gone, from `own` process.
    pub fn is_gone(&self, own: &Self) -> bool {
        let is_seen = self.is_beside(own) && self.numbers == own.numbers && !own.numbers.is_empty();
        is_seen && !lives(self.pid)
    }
}

/// Whether a process is there, and not only the rest of one that its parent hasn't asked about.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
