//! `cargo xtask reproduce-figures`: trains with ordinary and with path gradients, prints the table, writes JSON and plots.

pub(crate) mod problems;

use clap::Args;
use problems::{Chosen, list};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use upg_experiments::commands::arguments::threads_parser;
use upg_experiments::io::console::{print, say};
use upg_experiments::io::output::Provenance;
use upg_experiments::paper::figures::{self, Extent, Figures, FiguresError};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Small problems, and a quarter of the steps of those of `configs/`: about two minutes on two cores.
    #[arg(long)]
    quick: bool,
    /// These problems only, as `--list` names them: `--only funnel,phi4_32x32`. By default the paper's, one by splines and one by a continuous flow.
    #[arg(long, value_name = "PROBLEMS", value_delimiter = ',')]
    only: Vec<String>,
    /// Lists the problems there are, and trains nothing.
    #[arg(long)]
    list: bool,
    /// Threads; by default one per core.
    #[arg(long, value_parser = threads_parser())]
    threads: Option<usize>,
    /// Folder for `figures.json` and `figures.html`; made if it is missing.
    #[arg(long, default_value = "figures-out")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match train_and_write(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

fn train_and_write(arguments: &Arguments) -> Result<(), FiguresError> {
    let threads = arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let extent = if arguments.quick { Extent::Quick } else { Extent::Full };
    if arguments.list {
        return Ok(print(format_args!("{}", list(extent)))?);
    }
    let chosen = Chosen::new(extent, &arguments.only)?;
    let folder = |source| FiguresError::Folder { path: arguments.out.clone(), source };
    std::fs::create_dir_all(&arguments.out).map_err(folder)?;
    let configs: Vec<_> = chosen.all().map(|problem| problem.config.to_ron()).collect();
    let provenance =
        Provenance::new(threads, "f32", Some(*extent.seeds().start()), format!("[{}]", configs.join(", ")));
    let (begin, mut shown) = (Instant::now(), Figures::default());
    let tell = |what: &str| say(format_args!("{:6.0} s  {what}", begin.elapsed().as_secs_f64()));
    for problem in &chosen.problems {
        shown.studies.push(figures::compare(problem, extent.seeds(), threads, tell)?);
        figures::write(&arguments.out, &shown, &provenance)?; // what there is so far, should it be interrupted
    }
    if let Some(few_data) = &chosen.few_data {
        shown.regularising = Some(figures::regularising(few_data, extent.seeds_of_few_data(), threads, tell)?);
        figures::write(&arguments.out, &shown, &provenance)?;
    }
    let (text, out) = (figures::text(&shown), arguments.out.display());
    Ok(print(format_args!("{text}written to {out}/figures.json and {out}/figures.html\n"))?)
}
