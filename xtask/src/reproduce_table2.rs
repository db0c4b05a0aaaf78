//! `cargo xtask reproduce-table2`: measures, prints the table, writes it as JSON, as a page and for LaTeX.

use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use upg_experiments::Error;
use upg_experiments::commands::arguments::products_parser;
use upg_experiments::commands::place::{self, PlaceArgs, Work};
use upg_experiments::config::{Place, Precision, Products};
use upg_experiments::io::console::{print, say};
use upg_experiments::paper::table2::{self, Case, Row, SEED, TableError};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Batch 64 and 1024 only, with fewer repetitions: within four minutes on two cores.
    #[arg(long)]
    quick: bool,
    /// Rows of these flows only, as they are named in the table: `--only spline,maf`.
    #[arg(long, value_name = "FLOWS", value_delimiter = ',')]
    only: Vec<String>,
    /// Where to compute.
    #[command(flatten)]
    place: PlaceArgs,
    /// How accelerators multiply.
    #[arg(long, default_value = "full", value_parser = products_parser())]
    products: Products,
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
    let mut cases = table2::only(table2::cases(), &arguments.only)?;
    cases.iter_mut().for_each(|case| case.config.precision.products = arguments.products);
    if arguments.place.device.check(arguments.products).is_err() {
        let told = "--products = tf32: accepted is full on cpu, full or tf32 on cuda";
        return Err(Box::new(Error::Usage(told.into())).into());
    }
    let work = Measure { arguments, cases: &cases };
    let rows = place::on(&arguments.place, arguments.products, Precision::F32, work).map_err(Box::new)??;
    let mut table = vec![];
    table2::print(&rows, &mut table).expect("memory takes all");
    let files = table2::FILES.map(|name| arguments.out.join(name).display().to_string()).join(", ");
    Ok(print(format_args!("{}written to {files}\n", String::from_utf8_lossy(&table)))?)
}

/// The table in its folder.
struct Measure<'a> {
    arguments: &'a Arguments,
    cases: &'a [Case],
}

impl Work for Measure<'_> {
    type Outcome = Result<Vec<Row>, TableError>;

    fn on<D: Place>(self, device: D) -> Self::Outcome {
        let configs: Vec<_> = self.cases.iter().map(|case| case.config.to_ron()).collect();
        let provenance = place::provenance(&device, Some(SEED), format!("[{}]", configs.join(", ")));
        let out = table2::Folder::create(&self.arguments.out)?;
        let rows = table2::run(self.cases, &table2::plan(self.arguments.quick), &device)?;
        out.write(&rows, &provenance)?;
        Ok(rows)
    }
}
