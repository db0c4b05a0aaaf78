//! `cargo xtask gpu-check`: looks whether flows on a card are right, and how fast they are; or makes the folder that does so elsewhere.

use clap::Args;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use upg_experiments::commands::arguments::device_parser;
use upg_experiments::config::DeviceName;
use upg_experiments::gpu_check::{Card, Step, bundle, cubins, supervise};
use upg_experiments::io::console::say;
use upg_experiments::io::output::Provenance;
use upg_gpu::driver::libraries::Library;
use upg_gpu::driver::{Driver, Graphs};
use upg_gpu::gpu::Gpu;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The card: cuda, or cuda:N.
    #[arg(long, default_value = "cuda:0", value_parser = device_parser(), conflicts_with = "emulated")]
    device: DeviceName,
    /// On the emulator: every step but those that need a card.
    #[arg(long)]
    emulated: bool,
    /// These steps only.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Step>,
    /// Folder for `gpu-check.json`, `gpu-check.html` and the findings of each step.
    #[arg(long, default_value = "gpu-check-out")]
    out: PathBuf,
    /// Makes a folder with all that a machine with a card needs for the check, without network or cargo, instead of checking here.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// A folder of golden cases; several may be given. By default those of this repository.
    #[arg(long)]
    golden: Vec<PathBuf>,
    /// Makes one step in this process.
    #[arg(long, hide = true)]
    step: Option<Step>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let outcome = match (&arguments.bundle, arguments.step) {
        (Some(_), _) if arguments.emulated || !arguments.only.is_empty() => {
            Err("--bundle: accepted without --emulated and --only: a bundle has every step".into())
        }
        (Some(folder), _) => make_bundle(folder, arguments).map(|()| true),
        (None, Some(step)) => make_step(step, arguments),
        (None, None) => check(arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// The folders of golden cases of this repository.
fn golden(arguments: &Arguments) -> Vec<PathBuf> {
    if !arguments.golden.is_empty() {
        return arguments.golden.clone();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    ["crates/upg-experiments/tests/golden", "tests/reference/cases"].map(|folder| root.join(folder)).to_vec()
}

/// All steps, each in a process of its own.
fn check(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let (program, emulated, out) = (std::env::current_exe()?, arguments.emulated, &arguments.out);
    if !emulated {
        // Without a card there is nothing to look at.
        drop(Driver::new(card(arguments)?).map_err(|error| format!("--device = {error}"))?);
    }
    for folder in golden(arguments) {
        folder.read_dir().map_err(|error| format!("--golden = {}: {error}", folder.display()))?;
    }
    let is_asked_for = |step: &Step| arguments.only.is_empty() || arguments.only.contains(step);
    let steps: Vec<Step> = Step::ALL.into_iter().filter(is_asked_for).collect();
    if emulated && steps.iter().all(|step| step.needs_card()) {
        return Err(
            "--only: accepted with --emulated are steps that need no card: hardware, numbers, agreement, costs".into(),
        );
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let provenance = Provenance::new(threads, "f32", None, String::new());
    let start = |step: Step| {
        let mut command = Command::new(&program);
        command.args(["gpu-check", "--step", step.name()]);
        command.arg("--out").arg(out);
        golden(arguments).iter().for_each(|folder| {
            command.arg("--golden").arg(folder);
        });
        match emulated {
            true => command.arg("--emulated"),
            false => command.args(["--device", &arguments.device.to_string()]),
        };
        command
    };
    let check = supervise::run(&steps, emulated, out, &provenance, start)
        .map_err(|error| format!("--out = {}: {error}", out.display()))?;
    say(format_args!(
        "{}: written to {}",
        if check.passed() { "all is as it has to be" } else { "something isn't as it has to be" },
        out.join("gpu-check.json").display()
    ));
    Ok(check.passed())
}

fn make_step(step: Step, arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    std::fs::create_dir_all(&arguments.out)?;
    if arguments.emulated {
        return emulated(step, arguments);
    }
    let number = card(arguments)?;
    let open = move |graphs| match graphs {
        Graphs::Repeated => Driver::new(number),
        Graphs::Never => Driver::with_graphs(number, graphs),
    };
    on(open, step, arguments)
}

/// The number of the card.
fn card(arguments: &Arguments) -> Result<usize, String> {
    match arguments.device {
        DeviceName::Cuda(number) => Ok(number),
        other => Err(format!("--device = {other}: accepted is cuda, or cuda:N for the card number N")),
    }
}

fn on<G: Gpu>(
    open: impl Fn(Graphs) -> Result<G, upg_core::DeviceError> + 'static,
    step: Step,
    arguments: &Arguments,
) -> Result<bool, Box<dyn Error>> {
    Card::new(open, arguments.emulated, golden(arguments), arguments.out.clone()).make(step)
}

fn emulated(step: Step, arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    on(|_| upg_gpu::emulator::Emulator::new(), step, arguments)
}

fn make_bundle(folder: &Path, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let golden = golden(arguments);
    let failed = |error: io::Error| format!("--bundle = {}: {error}", folder.display());
    bundle::begin(folder).map_err(failed)?;
    bundle::write(folder, &small_program()?, &golden).map_err(failed)?;
    match Library::Nvrtc.find() {
        Ok(()) => {
            let kernels = cubins::compile(&folder.join(bundle::CUBINS), &golden)?;
            say(format_args!("{kernels} texts of kernels compiled for sm_80 and sm_90"));
        }
        Err(missing) => say(format_args!("no kernels are compiled, so that a card needs NVRTC there: {missing}")),
    }
    bundle::pack(folder).map_err(failed)?;
    let megabytes = bundle::size(folder).map_err(failed)? as f64 / 1e6;
    say(format_args!("{}: {megabytes:.1} MB; `sh run.sh` there", folder.display()));
    Ok(())
}

/// This program without what only a debugger reads, built by cargo.
fn small_program() -> Result<PathBuf, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&root)
        .args(["build", "--quiet", "--profile", "bundle", "--package", "xtask", "--target-dir"])
        .arg(&target);
    match cargo.status().map_err(|error| format!("cargo, which builds the program of the bundle: {error}"))? {
        status if status.success() => Ok(target.join("bundle").join("xtask")),
        status => Err(format!("cargo, which builds the program of the bundle: {status}").into()),
    }
}
