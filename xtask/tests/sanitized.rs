//! Every kernel once with g++'s sanitizers, which only a program of its own can have.

use std::process::Command;

/// Where g++ has one of its libraries.
fn library(name: &str) -> String {
    let asked = Command::new("g++").arg(format!("-print-file-name={name}")).output().expect("g++ is there");
    String::from_utf8(asked.stdout).expect("a path").trim().to_owned()
}

#[test]
fn kernels_do_nothing_undefined() {
    let found = tempfile::tempdir().unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["gpu-check", "--emulated", "--step", "smallest", "--out"])
        .arg(found.path())
        .env("UPG_EMULATOR_FLAGS", "-fsanitize=address,undefined -fno-sanitize-recover=undefined -O0")
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env("LD_PRELOAD", ["libasan.so", "libubsan.so"].map(library).join(" "))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}\n{}", run.status, String::from_utf8_lossy(&run.stderr));
    assert!(found.path().join("smallest.jsonl").exists(), "the step hasn't run");
}
