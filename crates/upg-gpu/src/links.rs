//! Whether GPUs of several processes are connected with each other.

use std::env;

/// The variable of the environment that chooses.
const VARIABLE: &str = "UPG_NCCL";

/// What `UPG_NCCL` says: `on`, as where it isn't set, or `off`.
///
/// # Errors
/// One line, if it says something else.
pub(crate) fn are_wanted() -> Result<bool, String> {
    match env::var_os(VARIABLE).unwrap_or_default().to_string_lossy().as_ref() {
        "" | "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("{VARIABLE} = {other}: accepted are on and off")),
    }
}

/// Why there are none where they aren't wanted.
pub(crate) const NOT_WANTED: &str = "UPG_NCCL = off";
