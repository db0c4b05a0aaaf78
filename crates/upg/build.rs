//! Hands the commit the program is built from to the compiler, as `UPG_COMMIT`: for `upg` and for `xtask`, the only places where it is known.
//!
//! A source tree without its repository (a published crate, a tarball, someone else's repository around it) has none:
//! the variable is then not set.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Only a repository that tracks this very package says where the package comes from.
    if git(&["ls-files", "--error-unmatch", "Cargo.toml"]).is_none() {
        return;
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|lines| !lines.is_empty());
    println!("cargo::rustc-env=UPG_COMMIT={commit}{}", if changed { "-modified" } else { "" });
    // Any source of the workspace can make the difference between a commit and a modified one.
    for sources in ["crates", "xtask"] {
        if let Some(root) = git(&["rev-parse", "--show-toplevel"]) {
            println!("cargo::rerun-if-changed={root}/{sources}");
        }
    }
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The output of git, trimmed; `None` if it fails or isn't there. Runs in the package's directory, as build scripts do.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
