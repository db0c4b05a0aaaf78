//! `cargo xtask reproduce-table2`: measures, prints the table, writes it as JSON, as a page and for LaTeX.

use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use upg_experiments::commands::arguments::threads_parser;
use upg_experiments::io::console::{print, say};
use upg_experiments::io::output::Provenance;
use upg_experiments::paper::table2::{self, SEED, TableError};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Batch 64 and 1024 only, with fewer repetitions: within four minutes on two cores.
    #[arg(long)]
    quick: bool,
    /// Rows of these flows only, as they are named in the table: `--only spline,maf`.
    #[arg(long, value_name = "FLOWS", value_delimiter = ',')]
    only: Vec<String>,
    /// Threads; by default one per core.
    #[arg(long, value_parser = threads_parser())]
    threads: Option<usize>,
    /// Folder for `table2.json`, `table2.html`, `table2.tex` and `provenance.json`; made if it is missing.
    #[arg(long, default_value = "table2-out")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match measure_and_write(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

fn measure_and_write(arguments: &Arguments) -> Result<(), TableError> {
    let threads = arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let cases = table2::only(table2::cases(), &arguments.only)?;
    let configs: Vec<_> = cases.iter().map(|case| case.config.to_ron()).collect();
    let provenance = Provenance::new(threads, "f32", Some(SEED), format!("[{}]", configs.join(", ")));

    let out = table2::Folder::create(&arguments.out)?;
    let rows = table2::run(&cases, &table2::plan(arguments.quick), threads)?;
    out.write(&rows, &provenance)?;
    let mut table = vec![];
    table2::print(&rows, &mut table).expect("memory takes all");
    let files = table2::FILES.map(|name| arguments.out.join(name).display().to_string()).join(", ");
    Ok(print(format_args!("{}written to {files}\n", String::from_utf8_lossy(&table)))?)
}
