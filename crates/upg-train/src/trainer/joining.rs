//! How the devices of several processes are connected with each other.

use crate::peers::Peers;
use std::time::{Duration, Instant};
use upg_core::device::{Connect, Joined};
use upg_core::{Device, DeviceError};

/// Where the gradients of several processes are summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Summed {
    /// On the hosts, where those of other devices are brought and fetched from.
    OnHosts {
        /// What keeps devices from being connected that could be.
        why: Option<String>,
    },
    /// On the devices.
    OnDevices {
        /// By what they are connected.
        by: String,
    },
}

/// How long devices may take to find each other.
const MEETING: Duration = Duration::from_secs(60);

/// A device among those of the other processes, or why it isn't.
pub type Meeting<D> = Result<Box<dyn Joined<D>>, Summed>;

/// Whether a process can go on, or why not, in words where there are some.
type Can = Result<(), Option<String>>;

/// Connects the devices of all processes, or none.
pub fn meet<D: Device>(device: &D, peers: &Peers) -> Result<Meeting<D>, DeviceError> {
    if peers.is_alone() {
        return Ok(Err(Summed::OnHosts { why: None }));
    }
    let connect = device.connect();
    let checked = connect.as_ref().map(|connect| connect.check());
    let own = match &checked {
        None => Err(None),
        Some(Err(error)) => Err(Some(error.to_string())),
        Some(Ok(())) => Ok(()),
    };
    if let Some(failed) = agree(peers, own)? {
        return Ok(Err(failed));
    }
    let connect = connect.expect("all can be connected");
    let (invitation, own) = invite(&*connect, peers)?;
    if let Some(failed) = agree(peers, own)? {
        return Ok(Err(failed));
    }
    let joined = join(&*connect, peers, &invitation);
    let own = joined.as_ref().map(drop).map_err(|error| Some(error.to_string()));
    Ok(match agree(peers, own)? {
        Some(failed) => Err(failed),
        None => Ok(joined.expect("all are connected")),
    })
}

/// Tells all whether this process can go on, and why not; says what keeps them if one can't.
fn agree(peers: &Peers, own: Can) -> Result<Option<Summed>, DeviceError> {
    let all = peers.gather(&[f64::from(own.is_ok())], |_| 1)?;
    let Some(other) = all.iter().position(|&can| can == 0.0) else { return Ok(None) };
    let why = own.err().unwrap_or_else(|| Some(format!("process {other} can't be connected")));
    Ok(Some(Summed::OnHosts { why }))
}

/// What the first process's device tells all, and whether there was something.
fn invite<D: Device>(connect: &dyn Connect<D>, peers: &Peers) -> Result<(Vec<u8>, Can), DeviceError> {
    let made = if peers.is_first() { connect.invite() } else { Ok(vec![]) };
    let own = made.as_ref().map(drop).map_err(|error| Some(error.to_string()));
    let mut invitation = made.unwrap_or_default();
    peers.broadcast(&mut invitation)?;
    Ok((invitation, own))
}

fn join<D: Device>(
    connect: &dyn Connect<D>,
    peers: &Peers,
    invitation: &[u8],
) -> Result<Box<dyn Joined<D>>, DeviceError> {
    let begun = Instant::now();
    let is_late = || begun.elapsed() > MEETING;
    let late = || DeviceError::Unavailable {
        device: "the devices of the processes".into(),
        reason: format!("not connected after {} s", MEETING.as_secs()),
    };
    connect.join(invitation, peers.rank(), peers.size(), &mut |done| {
        let mut is_done = false;
        peers.wait_for(&mut || {
            is_done = done();
            is_done || is_late()
        })?;
        if is_done { Ok(()) } else { Err(late()) }
    })
}
