//! How this program is called once more, for work that is done by processes of their own.

use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::OnceLock;

static CALLED: OnceLock<Vec<OsString>> = OnceLock::new();

/// Tells the words that call the program `upg`, where it isn't a file of its own: `python -m upg`. The first ones that are told count.
pub fn tell_call(words: Vec<OsString>) {
    CALLED.get_or_init(|| words);
}

/// The program, not yet started, without arguments.
///
/// # Errors
/// If the system doesn't tell where it is.
pub fn once_more() -> io::Result<Command> {
    match CALLED.get().and_then(|words| words.split_first()) {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            Ok(command)
        }
        None => Ok(Command::new(std::env::current_exe()?)),
    }
}
