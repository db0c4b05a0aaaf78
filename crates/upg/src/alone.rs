//! A program that is built without MPI: it is alone.

use std::time::Duration;
use upg_train::Peers;
use upg_train::peers::Parting;

/// A program that nobody launched as one of several.
pub struct Launched;

impl Launched {
    /// There is nobody to join.
    pub fn join() -> Self {
        Self
    }

    /// There is nobody to wait for.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unnecessary_wraps, reason = "that of several can fail")]
    pub fn connect(&mut self, _: Duration) -> Result<Peers, Parting> {
        Ok(Peers::alone())
    }

    /// There is no other first.
    pub fn speaks_for_the_first(&self) -> bool {
        false
    }

    /// There is nobody who holds it to be lost.
    pub fn is_held_to_be_lost(&self) -> bool {
        false
    }

    /// Ends with `status`.
    pub fn leave(self, status: u8) -> u8 {
        status
    }
}
