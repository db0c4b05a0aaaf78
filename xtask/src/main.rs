//! Tasks of the workspace, `cargo xtask NAME`. Exit status: 0 done, 1 the run failed, 2 the input is wrong.

use clap::{Parser, Subcommand, error::ErrorKind};
use std::process::ExitCode;
use upg_experiments::commands::arguments::refusal;
use upg_experiments::io::console::say;
use upg_experiments::io::memory::OrEnd;
use upg_experiments::io::output::tell_commit;

mod gpu_check;
mod gpu_counts;
mod python;
mod python_classes;
mod reproduce_figures;
mod reproduce_paper;
mod reproduce_table2;
mod scaling;
#[cfg(unix)]
mod soak;
mod test_mpi;

/// That of `upg`, which `soak` runs as a part of this program.
#[global_allocator]
static ALLOCATOR: OrEnd = OrEnd;

/// Tasks of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measures the cost of the estimators on this machine, as in Table 2 of arXiv:2403.15881.
    ReproduceTable2(reproduce_table2::Arguments),
    /// Trains the paper's problems with ordinary and with path gradients, at equal steps and at equal seconds.
    ReproduceFigures(reproduce_figures::Arguments),
    /// Measures all of arXiv:2403.15881 whose setting is known, and says claim by claim what holds.
    ReproducePaper(reproduce_paper::Arguments),
    /// Looks whether flows on a card are right, and how fast they are: within six minutes.
    GpuCheck(gpu_check::Arguments),
    /// Kills, full disks, damaged files, signals, random configurations and files, for hours.
    #[cfg(unix)]
    Soak(soak::Arguments),
    /// Loads altered files, for soak.
    #[cfg(unix)]
    #[command(hide = true)]
    SoakLoads(soak::fuzz::Arguments),
    /// Builds the Python package into target/wheels.
    Wheel(python::Arguments),
    /// Builds the Python package, and runs its tests and mypy in a virtual environment under target/.
    TestPython(python::TestArguments),
    /// How long a step takes on many processes, by what is counted.
    Scaling,
    /// Builds the program for several processes, installing MPI where there is none, and tests it on one to four.
    TestMpi(test_mpi::Arguments),
    /// Writes the classes of the Python package anew, from what configurations may say.
    PythonClasses,
    /// Counts what the gradients of Table 2 ask of a card, on the emulator.
    GpuCounts(gpu_counts::Arguments),
}

fn main() -> ExitCode {
    if let Some(commit) = option_env!("UPG_COMMIT") {
        tell_commit(commit);
    }
    if std::env::args_os().nth(1).is_some_and(|task| task == "upg") {
        return ExitCode::from(upg::run(std::env::args_os().skip(1)));
    }
    let cli = match Cli::try_parse() {
        Err(error) if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say(refusal(&error));
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
        Ok(cli) => cli,
    };
    match cli.task {
        Task::ReproduceTable2(arguments) => reproduce_table2::run(&arguments),
        Task::ReproduceFigures(arguments) => reproduce_figures::run(&arguments),
        Task::ReproducePaper(arguments) => reproduce_paper::run(&arguments),
        Task::GpuCheck(arguments) => gpu_check::run(&arguments),
        #[cfg(unix)]
        Task::Soak(arguments) => soak::run(&arguments),
        #[cfg(unix)]
        Task::SoakLoads(arguments) => soak::fuzz::load(&arguments),
        Task::Wheel(arguments) => python::wheel(&arguments),
        Task::TestPython(arguments) => python::test(&arguments),
        Task::Scaling => scaling::run(),
        Task::TestMpi(arguments) => test_mpi::run(&arguments),
        Task::PythonClasses => python_classes::run(),
        Task::GpuCounts(arguments) => gpu_counts::run(&arguments),
    }
}
