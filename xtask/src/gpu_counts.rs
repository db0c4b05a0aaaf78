//! `cargo xtask gpu-counts`: what the gradients of Table 2 ask of a card, as a table for docs/GPU.md.

use clap::Args;
use std::error::Error;
use std::process::ExitCode;
use upg_experiments::gpu_check::counts;
use upg_experiments::io::console::{print, say};
use upg_experiments::paper::table2;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Rows of these flows only, as they are named in the table.
    #[arg(long, value_name = "FLOWS", value_delimiter = ',')]
    only: Vec<String>,
    /// Samples of a gradient.
    #[arg(long, default_value_t = 64)]
    batch: usize,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match count(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

fn count(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut all = vec![];
    for case in table2::only(table2::cases(), &arguments.only)? {
        match counts::of(&case, arguments.batch, |_| true) {
            Ok(counted) => all.extend(counted),
            Err(error) => say(format_args!("{}: {error}", case.flow)),
        }
    }
    Ok(print(counts::table(&all))?)
}
