//! What the first process has read, drawn or found in the folder of the run, for the others.

use super::train::signals::Signals;
use crate::Error;
use crate::config::Place;
use crate::io::console::say;
use crate::io::data::{DataError, DataRequest};
use crate::io::output::clean_up_on_signals;
use ndarray::Array2;
use std::io;
use upg_core::{DeviceError, Real};
use upg_train::trainer::Summed;
use upg_train::{Peers, Purpose, Trainer};

/// From now on a signal to any of the processes ends all of them where they meet next, and nothing of theirs is kept; it is told once.
///
/// # Errors
/// If the system refuses.
pub fn answer_signals(peers: &Peers) -> io::Result<()> {
    if peers.is_alone() { clean_up_on_signals() } else { Signals::listen_among(peers, "").map(drop) }
}

/// Refuses processes that were given something else than the first one.
///
/// # Errors
/// If there are such, in a line that names the first of them; if the processes part.
pub fn agree(peers: &Peers, what: &str, own: &[u8]) -> Result<(), Error> {
    if peers.is_alone() {
        return Ok(());
    }
    let mut first = own.to_vec();
    peers.broadcast(&mut first)?;
    let same = peers.gather(&[f64::from(u8::from(first == own))], |_| 1)?;
    same.iter().position(|&same| same == 0.0).map_or(Ok(()), |process| {
        let accepted = "accepted is the same for all";
        Err(Error::Usage(format!("process {process} has another {what} than the first: {accepted}")))
    })
}

/// Samples of the target for one purpose: those `given` to the first process or kept in its folder, which it hands to the others; or else all processes
/// draw them together.
///
/// # Errors
/// If they can't be read, drawn or kept, or the processes part.
pub(super) fn samples<T: Real>(
    peers: &Peers,
    request: &DataRequest<'_, T>,
    purpose: Purpose,
    given: Option<Array2<T>>,
) -> Result<Array2<T>, DataError> {
    let to_be_drawn = if given.is_some() { None } else { request.to_be_drawn(purpose) };
    let mut word = vec![u8::from(to_be_drawn.is_some())];
    peers.broadcast(&mut word)?;
    match to_be_drawn.filter(|_| word == [DRAWN]) {
        Some(samples) => request.draw(peers, samples, purpose),
        None if peers.is_first() => {
            let samples = given.map_or_else(|| request.fetch(purpose), Ok)?;
            Ok(share_samples(peers, Some(samples))?.expect("there are some"))
        }
        None => Ok(share_samples(peers, None)?.expect("the first process has some")),
    }
}

/// The word that all have to draw.
const DRAWN: u8 = 1;

/// Samples that the first process has, if it has some.
///
/// # Errors
/// If the processes part.
fn share_samples<T: Real>(peers: &Peers, samples: Option<Array2<T>>) -> Result<Option<Array2<T>>, DeviceError> {
    if peers.is_alone() {
        return Ok(samples);
    }
    let shape = samples.as_ref().map(|samples| [samples.nrows(), samples.ncols()]);
    let mut told: Vec<u8> = shape.iter().flatten().flat_map(|&side| (side as u64).to_le_bytes()).collect();
    peers.broadcast(&mut told)?;
    let mut sides = told.chunks_exact(8).map(|side| u64::from_le_bytes(side.try_into().expect("eight bytes")) as usize);
    let (Some(rows), Some(columns)) = (sides.next(), sides.next()) else { return Ok(None) };
    let mut samples = samples.unwrap_or_else(|| Array2::default((rows, columns))).as_standard_layout().into_owned();
    peers.broadcast_numbers(samples.as_slice_mut().expect("standard layout"))?;
    Ok(Some(samples))
}

/// The state of the first process's trainer, that of the checkpoint it goes on from, if there is one; and their devices are connected, where they can be.
///
/// # Errors
/// If the processes part.
pub(super) fn share_state<D: Place>(peers: &Peers, trainer: &mut Trainer<D>) -> Result<(), Error> {
    if peers.is_alone() {
        return Ok(());
    }
    let mut state = trainer.state(); // of the same plan, so of the same lengths everywhere
    for values in [&mut state.theta].into_iter().chain(&mut state.moments).chain(&mut state.ema) {
        peers.broadcast_numbers(values)?;
    }
    let mut progress = ron::to_string(&state.progress).expect("names and numbers").into_bytes();
    peers.broadcast(&mut progress)?;
    state.progress = ron::de::from_bytes(&progress).expect("what the first process wrote");
    if !peers.is_first() {
        trainer.restore(&state)?;
    }
    match trainer.join_devices()? {
        Summed::OnDevices { by } => say(format_args!("note: gradients are summed from device to device, by {by}")),
        Summed::OnHosts { why: Some(why) } => say(format_args!("note: gradients are summed on hosts: {why}")),
        Summed::OnHosts { why: None } => {}
    }
    Ok(())
}
