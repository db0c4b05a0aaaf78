//! `upg peers`: what it costs that processes bring their numbers together, on the machines where it is called.

use std::time::Instant;
use upg_core::DeviceError;
use upg_train::Peers;

/// Bytes of the sums: those of a small flow and of a large one, and some between.
const SIZES: [usize; 5] = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
/// The time given to each.
const SECONDS: f64 = 1.0;

/// Measures; a line for each size, by the first process.
///
/// # Errors
/// If the processes part.
pub fn run(peers: &Peers) -> Result<String, DeviceError> {
    let mut lines = vec![format!("{} processes; the fastest of several", peers.size())];
    let gathered = fastest(peers, || peers.gather(&[0.0], |_| 1).map(drop))?;
    lines.push(format!("a number each, gathered: {:.1} us", 1e6 * gathered));
    for bytes in SIZES {
        let mut values = vec![1.0_f32; bytes / size_of::<f32>()];
        let seconds = fastest(peers, || peers.sum(&mut values))?;
        values.fill(1.0);
        let rate = bytes as f64 / seconds / 1e9;
        lines.push(format!("a sum of {bytes} bytes: {:.1} us, {rate:.3} GB/s", 1e6 * seconds));
    }
    Ok(lines.join("\n"))
}

/// The shortest time of many, of the process that took longest.
fn fastest(peers: &Peers, mut work: impl FnMut() -> Result<(), DeviceError>) -> Result<f64, DeviceError> {
    let (begun, mut shortest, mut times) = (Instant::now(), f64::INFINITY, 0);
    loop {
        peers.gather(&[], |_| 0)?;
        let started = Instant::now();
        work()?;
        let all = peers.gather(&[started.elapsed().as_secs_f64(), begun.elapsed().as_secs_f64()], |_| 2)?;
        let slowest = |which: usize| all.iter().skip(which).step_by(2).copied().fold(0.0, f64::max);
        shortest = f64::min(shortest, slowest(0));
        times += 1;
        if times > 4 && slowest(1) > SECONDS {
            return Ok(shortest);
        }
    }
}
