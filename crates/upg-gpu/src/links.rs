//! Whether GPUs of several processes are connected with each other.

use std::env;

/// The variable of the environment that chooses.
const VARIABLE: &str = "UPG_NCCL";

/// Whether there are links, and when gradients go over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// None.
    Off,
    /// As soon as parts of them are whole.
    On,
    /// When all of them is.
    After,
}

impl Wanted {
    /// What `UPG_NCCL` says: `on`, as where it isn't set, `after`, or `off`.
    ///
    /// # Errors
    /// One line, if it says something else.
    pub fn from_environment() -> Result<Self, String> {
        match env::var_os(VARIABLE).unwrap_or_default().to_string_lossy().as_ref() {
            "" | "on" => Ok(Self::On),
            "after" => Ok(Self::After),
            "off" => Ok(Self::Off),
            other => Err(format!("{VARIABLE} = {other}: accepted are on, after and off")),
        }
    }

    /// The same with what the GPUs find each other by, so that all do as the first.
    pub fn invite(self, by: impl IntoIterator<Item = u8>) -> Vec<u8> {
        [u8::from(self == Self::After)].into_iter().chain(by).collect()
    }

    /// What the first wants, and by what the GPUs find each other.
    pub fn invited(invitation: &[u8]) -> (Self, &[u8]) {
        let (&after, by) = invitation.split_first().unwrap_or((&0, &[]));
        (if after == 1 { Self::After } else { Self::On }, by)
    }

    /// Whether there are links, or why not.
    pub fn check(self) -> Result<(), String> {
        if self == Self::Off { Err(format!("{VARIABLE} = off")) } else { Ok(()) }
    }

    /// Bytes from which on a part of a gradient is sent while the rest is at work, of which messages are worth it from so many bytes on.
    pub fn piece(self, worth: usize) -> usize {
        if self == Self::After { usize::MAX } else { worth }
    }

    /// By what the GPUs are connected, and when they use it.
    pub fn words(self, by: String) -> String {
        if self == Self::After { format!("{by}, after each gradient") } else { by }
    }
}
