//! Calls of a library's functions, with the samples of a batch.

use super::abi::{Functions, Request};
use super::{Calls, LibraryConfig};
use crate::config::foreign::{Compute, Failure};
use crate::config::invalid::Invalid;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Samples of a call where several are made at once.
const PIECE: usize = 64;

/// The functions of a library, and how they may be called.
pub(super) struct Computer {
    functions: Functions,
    dof: usize,
    calls: Calls,
    /// Held during a call where only one may be made at a time.
    one: Mutex<()>,
}

impl Computer {
    /// Loads the library.
    ///
    /// # Errors
    /// What is missing, or what the library says.
    pub fn load(config: &LibraryConfig) -> Result<Self, Invalid> {
        let LibraryConfig { path, symbol, options, dof, calls, .. } = config;
        let functions = Functions::load(&Request { path, symbol, options, dof: *dof })?;
        Ok(Self { functions, dof: *dof, calls: *calls, one: Mutex::new(()) })
    }

    fn in_pieces(&self, x: &[f64], action: &mut [f64], force: Option<&mut [f64]>) -> Result<(), Failure> {
        let piece = |n, x, action, force| {
            let in_batch = |failure: Failure| Failure { sample: failure.sample.map(|i| n * PIECE + i), ..failure };
            self.functions.compute(x, action, force).map_err(in_batch)
        };
        let pieces = x.par_chunks(PIECE * self.dof).zip(action.par_chunks_mut(PIECE)).enumerate();
        match force {
            None => pieces.try_for_each(|(n, (x, action))| piece(n, x, action, None)),
            Some(force) => pieces
                .zip(force.par_chunks_mut(PIECE * self.dof))
                .try_for_each(|((n, (x, action)), force)| piece(n, x, action, Some(force))),
        }
    }
}

impl Compute for Computer {
    fn compute(&self, x: &mut Vec<f64>, action: &mut Vec<f64>, force: Option<&mut Vec<f64>>) -> Result<(), Failure> {
        match self.calls {
            Calls::OneAtATime => {
                let _alone = self.one.lock().unwrap_or_else(PoisonError::into_inner);
                self.functions.compute(x, action, force.map(Vec::as_mut_slice))
            }
            Calls::Parallel => self.in_pieces(x, action, force.map(Vec::as_mut_slice)),
        }
    }
}
