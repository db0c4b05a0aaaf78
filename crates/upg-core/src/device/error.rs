//! Failures of a device.

use std::fmt;

/// A device failed; its results since then mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// Memory of the device that could not be had.
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
        /// The device, e.g. `cuda:0`.
        device: String,
    },
    /// The device can't be used at all.
    Unavailable {
        /// The device.
        device: String,
        /// The system's words.
        reason: String,
    },
    /// The device is gone, or doesn't answer any more.
    Lost {
        /// The device.
        device: String,
        /// Its driver's words.
        reason: String,
    },
    /// The action of a target could not be computed, wherever it is.
    Target {
        /// The target.
        target: String,
        /// Its own words.
        reason: String,
    },
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory { bytes, device } => write!(f, "{device}: {bytes} bytes of its memory could not be had"),
            Self::Unavailable { device, reason } => write!(f, "{device}: {reason}"),
            Self::Target { target, reason } => write!(f, "{target}: {reason}"),
            Self::Lost { device, reason } => write!(f, "{device}: lost: {reason}"),
        }
    }
}

impl std::error::Error for DeviceError {}
