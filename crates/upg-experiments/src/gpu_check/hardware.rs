//! The card: what it is, how fast it copies, how fast it multiplies.

use super::card::Card;
use super::finding::Findings;
use std::time::Instant;
use upg_core::DeviceError;
use upg_gpu::catalogue::catalogue;
use upg_gpu::driver::nvrtc::{self, CompileError};
use upg_gpu::gpu::Gpu;
use upg_gpu::{Cuda, Precision};

/// What is measured with: the rows of square matrices, the bytes of a copy, and how often.
struct Size {
    rows: usize,
    bytes: usize,
    repetitions: usize,
}

/// Libraries, card, bandwidth, rates of products.
///
/// # Errors
/// The device's.
pub(super) fn look<G: Gpu>(card: &Card<G>, findings: &mut Findings) -> Result<(), DeviceError> {
    let device = Cuda::<f32, G>::new(card.open()?)?;
    let facts = device.gpu().facts().clone();
    findings.say("card", &facts.name);
    findings.say("versions", &facts.versions);
    findings.say("compute capability", format!("{}.{}", facts.capability.0, facts.capability.1));
    findings.figure("memory", facts.memory as f64 / 1e9, "GB");
    findings.figure("multiprocessors", f64::from(facts.multiprocessors), "");
    for (name, path) in upg_gpu::driver::libraries::found() {
        findings.say(name, path);
    }
    if !card.emulated {
        compile(facts.capability, findings);
    }
    let size = match card.emulated {
        false => Size { rows: 4096, bytes: 1 << 28, repetitions: 10 },
        true => Size { rows: 160, bytes: 1 << 16, repetitions: 2 },
    };
    // A copy reads and writes each byte.
    let seconds = device.time_copies(size.bytes, size.repetitions)?;
    let moved = 2.0 * size.bytes as f64 / seconds;
    findings.figure("copies", moved / 1e9, "GB/s");
    if facts.bandwidth > 0 {
        findings.figure("peak of the memory, by its clock", facts.bandwidth as f64 / 1e9, "GB/s");
        findings.figure("copies: share of that peak", moved / facts.bandwidth as f64, "");
    }
    let peaks = facts.peaks();
    for (peak, name) in peaks.iter().flatten().zip(["f32", "TF32"]) {
        findings.figure(format!("peak of {name}, by the highest clock"), peak / 1e12, "TFLOP/s");
    }
    for precision in [Precision::Full, Precision::Split, Precision::Tf32] {
        let device = device.clone().with_precision(precision)?;
        let rate = rate(&size, device.time_products(size.rows, size.repetitions)?);
        findings.figure(format!("products of f32, {precision}"), rate, "TFLOP/s");
        if let Some([single, tf32]) = peaks {
            let of = if precision == Precision::Full { single } else { tf32 };
            findings.figure(format!("products of f32, {precision}: share of the peak"), 1e12 * rate / of, "");
        }
    }
    let double = Cuda::<f64, G>::new(card.open()?)?;
    let rate = rate(&size, double.time_products(size.rows, size.repetitions)?);
    findings.figure("products of f64", rate, "TFLOP/s");
    Ok(())
}

/// NVRTC at a large text, whether or not the kernels of the check were compiled before.
fn compile(capability: (u32, u32), findings: &mut Findings) {
    let begin = Instant::now();
    let compiled = nvrtc::architecture(capability).map_err(CompileError::Missing).and_then(|architecture| {
        let largest = catalogue().into_iter().max_by_key(|source| source.text.len()).expect("there are kernels");
        nvrtc::compile(&largest, &architecture, &[])
    });
    match compiled {
        Ok(_) => findings.figure("NVRTC, one large text", begin.elapsed().as_secs_f64(), "s"),
        Err(CompileError::Missing(missing)) => findings.not_run("NVRTC", missing.to_string()),
        Err(refused) => findings.holds("NVRTC", false, refused.to_string()),
    }
}

/// A multiply-add is two operations.
fn rate(size: &Size, seconds: f64) -> f64 {
    2.0 * (size.rows as f64).powi(3) / seconds / 1e12
}
