//! Command lines, an argument a line: they are understood or refused in a line; nothing is done.

use super::texts;
use crate::check;
use std::ffi::OsString;

pub fn load(bytes: &[u8]) {
    let arguments = bytes.split(|&byte| byte == b'\n').map(argument);
    check(upg::understood(std::iter::once(OsString::from("upg")).chain(arguments)));
}

#[cfg(unix)]
fn argument(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn argument(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

pub fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "train --config a.ron --set training.batch=500 --set flow.hidden=[32] --steps 20 --out runs/a --threads 2 --seed 3",
        "train --resume --out runs/a --device cpu --steps 1000000",
        "evaluate --run runs/a --samples 20000 --weights ema --threads 4 --seed 18446744073709551615 --out b",
        "sample --run runs/a -n 1000 --out x.npy --log-weights w.npy --metropolis",
        "calibrate --run runs/a --samples 200,2000,20000 --runs 100 --force --ode-steps 40",
        "gradient --config a.ron --params p.safetensors --samples z.npy --estimator path-fast --divergence reverse --dtype f64 --out g.safetensors",
        "log-prob --run runs/a --samples x.npy --out l.npy",
        "variance --run runs/a --batch 100 --device cuda:1",
        "hmc --run runs/a --samples 400",
        "report --run a b c --out page.html",
        "flows RealNvp --lattice 16,8 --json",
        "config check a.ron",
        "config schema",
        "--help",
    ];
    texts(lines.map(|line| line.replace(' ', "\n")))
}
