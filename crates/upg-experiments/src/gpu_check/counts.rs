//! What a gradient asks of a card, counted by the emulator: launches, products, multiply-adds, bytes.

use crate::config::Model;
use crate::paper::table2::{Case, SEED};
use std::error::Error;
use std::fmt::Write;
use upg_core::{Engine, Memory, SampleStream, Start, Streams};
use upg_gpu::Cuda;
use upg_gpu::emulator::{Counts, Emulator};
use upg_train::method::{Divergence, Estimator, Method};

/// The counts of one gradient.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Name of the flow in the table.
    pub flow: &'static str,
    /// The estimator, of the reverse KL.
    pub estimator: Estimator,
    /// Launches of kernels and products together.
    pub launches: u64,
    /// Multiply-adds of products and of convolutions, a sample.
    pub multiply_adds: f64,
    /// Bytes that kernels read and write, a sample. Those of products aren't among them.
    pub bytes: f64,
    /// F: those of one pass of one sample, by the description of the flow.
    pub of_a_pass: u64,
}

/// Counts some estimators of the reverse KL, in f32, each by a gradient of one micro-batch of `batch` samples, after a first.
///
/// # Errors
/// If the flow can't be made, or the device fails.
pub fn of(case: &Case, batch: usize, wanted: impl Fn(Estimator) -> bool) -> Result<Vec<Counted>, Box<dyn Error>> {
    let device = Cuda::<f32, Emulator>::new(Emulator::counting()?)?;
    let Model { flow, base, target, cut, .. } = case.config.build_on(&device)?;
    let of_a_pass = case.config.flow_spec()?.multiply_adds();
    let mut engine = Engine::new(device.clone(), flow, base, target, cut);
    let theta: Vec<f32> = engine.layout().initialise(&mut Streams::new(SEED).next_stream());
    let theta = device.buffer(&theta);
    let start = Start::Draw { stream: SampleStream::new(SEED, 1, 1), first: 0, samples: batch };
    let mut all = vec![];
    for method in Method::of(Divergence::Reverse).filter(|method| wanted(method.estimator())) {
        let Method::Reverse(how) = method else { unreachable!("a method of the reverse KL") };
        engine.reverse_kl(how, &theta, start)?;
        device.gpu().reset_counts();
        engine.reverse_kl(how, &theta, start)?;
        let Counts { launches, products, product_multiply_adds, kernel_multiply_adds, loaded, stored } =
            device.gpu().counts();
        all.push(Counted {
            flow: case.flow,
            estimator: method.estimator(),
            launches: launches + products,
            multiply_adds: (product_multiply_adds + kernel_multiply_adds) as f64 / batch as f64,
            bytes: (loaded + stored) as f64 / batch as f64,
            of_a_pass,
        });
    }
    Ok(all)
}

/// The counts as a table in Markdown.
pub fn table(counts: &[Counted]) -> String {
    let mut text = String::from(
        "| flow | estimator | launches | multiply-adds a sample | of F | kilobytes a sample |\n|---|---|---|---|---|---|\n",
    );
    for Counted { flow, estimator, launches, multiply_adds, bytes, of_a_pass } in counts {
        let share = multiply_adds / *of_a_pass as f64;
        let _ = writeln!(
            text,
            "| {flow} | {estimator} | {launches} | {:.3} M | {share:.2} | {:.0} |",
            multiply_adds / 1e6,
            bytes / 1e3
        );
    }
    text
}
