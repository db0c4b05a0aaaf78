//! Callers of this library, who answer signals themselves: whether they want what is done for them to end.

use crate::Error;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

pub use crate::io::signals::{Caller, nobody};

/// Asks the caller.
///
/// # Errors
/// [`Error::Cancelled`] if it is to end.
pub fn go_on(caller: Caller<'_>) -> Result<(), Error> {
    caller().map_or(Ok(()), |who| Err(Error::Cancelled(who)))
}

/// How often the caller is asked while another thread works.
const EVERY: Duration = Duration::from_millis(20);

/// Does `work` in another thread, which may ask whether to go on, and asks the caller meanwhile in this one: where work is done by threads that the
/// caller can't be asked in.
pub(super) fn watched<O: Send>(
    caller: Caller<'_>,
    work: impl FnOnce(&(dyn Fn() -> Result<(), Error> + Sync)) -> O + Send,
) -> O {
    let (ended_by, here) = (OnceLock::new(), thread::current());
    let ask = || ended_by.get().map_or(Ok(()), |&who| Err(Error::Cancelled(who)));
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let outcome = work(&ask);
            here.unpark();
            outcome
        });
        while !worker.is_finished() {
            thread::park_timeout(EVERY);
            if let Some(who) = caller() {
                let _ = ended_by.set(who);
            }
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn work_ends_when_the_caller_asks_for_it() {
        let asked = AtomicU32::new(0);
        let caller = || (asked.fetch_add(1, Ordering::Relaxed) >= 2).then_some("a test");
        let outcome = watched(&caller, |ask| {
            loop {
                if let Err(error) = ask() {
                    return error.to_string();
                }
            }
        });
        assert_eq!(outcome, "stopped by a test");
        assert_eq!(watched(&nobody, |ask| ask().map(|()| 3)).unwrap(), 3);
    }
}
