//! Arguments that several commands have.

use crate::Error;
use crate::config::{DeviceName, Precision, Products};
use crate::text::one_line;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::num::NonZeroUsize;
use upg_core::Cpu;
use upg_train::method::{Divergence, Estimator};

/// Accepts a number of threads.
pub fn threads_parser() -> impl TypedValueParser<Value = usize> {
    |text: &str| {
        let threads = text.parse().ok().filter(|threads| (1..=1024_usize).contains(threads));
        threads.ok_or("accepted is a whole number from 1 to 1024")
    }
}

/// Accepts a number that things are counted by.
pub fn from_one_on() -> impl TypedValueParser<Value = NonZeroUsize> {
    |text: &str| text.parse().map_err(|_| "accepted is a whole number from 1 on")
}

/// Accepts the name of a device.
pub fn device_parser() -> impl TypedValueParser<Value = DeviceName> {
    |text: &str| text.parse::<DeviceName>()
}

/// The processor with so many threads, by default one per core.
///
/// # Errors
/// If the system refuses to start them.
pub fn processor<T>(threads: Option<usize>) -> Result<Cpu<T>, Error> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Cpu::try_new(threads.unwrap_or_else(cores))?)
}

/// Accepts the name of a precision.
pub fn precision_parser() -> impl TypedValueParser<Value = Precision> {
    let values = [("f32", "Single precision"), ("f64", "Double precision")];
    let values = values.map(|(name, explained)| PossibleValue::new(name).help(explained));
    PossibleValuesParser::new(values).map(|name| if name == "f32" { Precision::F32 } else { Precision::F64 })
}

/// Accepts the precision of products.
pub fn products_parser() -> impl TypedValueParser<Value = Products> {
    let values = [("full", "That of f32"), ("tf32", "TF32, on cuda alone")];
    let values = values.map(|(name, explained)| PossibleValue::new(name).help(explained));
    PossibleValuesParser::new(values).map(|name| if name == "full" { Products::Full } else { Products::Tf32 })
}

/// Accepts the name of an estimator.
pub fn estimator_parser() -> impl TypedValueParser<Value = Estimator> {
    let explained = |estimator| match estimator {
        Estimator::Reparam => "Ordinary total gradient of the reverse KL",
        Estimator::PathFast => "Path gradient in one pass, Algorithm 1; reverse and forward KL",
        Estimator::PathTwoPass => "Path gradient of the reverse KL in two passes, Algorithm 2",
        Estimator::PathTwoPassLean => "Algorithm 2, keeping the tape of the sampling pass",
        Estimator::MaxLikelihood => "Ordinary gradient of the forward KL",
        Estimator::Gdreg => "Path gradient of the forward KL, Algorithm 3",
    };
    let values = Estimator::ALL.map(|estimator| PossibleValue::new(estimator.name()).help(explained(estimator)));
    PossibleValuesParser::new(values).map(|name| name.parse().expect("one of the names"))
}

/// Accepts the name of a divergence.
pub fn divergence_parser() -> impl TypedValueParser<Value = Divergence> {
    let explained = |divergence| match divergence {
        Divergence::Reverse => "KL(q‖p), from base samples",
        Divergence::Forward => "KL(p‖q), from data",
    };
    let values = Divergence::ALL.map(|divergence| PossibleValue::new(divergence.name()).help(explained(divergence)));
    PossibleValuesParser::new(values).map(|name| name.parse().expect("one of the names"))
}

/// Characters that are told of arguments; each may be of any length.
const LONGEST: usize = 1000;

/// What is wrong with arguments, in one line that a terminal doesn't obey.
pub fn refusal(error: &clap::Error) -> String {
    let text = error.to_string();
    let about =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    one_line(&about.collect::<Vec<_>>().join(" "), LONGEST)
}
