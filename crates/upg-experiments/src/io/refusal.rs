//! Whose fault it is when the system refuses: that of what was asked for, or that of the machine's state.

use std::io;

/// Whether it is for lack of space that the system refuses.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the state of the machine is at fault, not the name or the content of a file: the same command may work later, or elsewhere.
pub(crate) fn is_of_machine(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    is_full(error) || (cfg!(unix) && matches!(error.raw_os_error(), Some(EIO | ENOMEM | ENFILE | EMFILE)))
}

/// The exit status for a file that can't be read: 1 if the machine is at fault, else 2.
pub(crate) fn status_of_unreadable(error: &io::Error) -> u8 {
    if is_of_machine(error) { 1 } else { 2 }
}
