//! The `upg` command line; what it does is in the library of this crate.

use std::process::ExitCode;
use upg_experiments::io::memory::OrEnd;

#[global_allocator]
static ALLOCATOR: OrEnd = OrEnd;

fn main() -> ExitCode {
    ExitCode::from(upg::run(std::env::args_os()))
}
