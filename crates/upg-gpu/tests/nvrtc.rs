//! Every text of kernels compiles for the cards it is written for, in both precisions, without spilled registers, and within the limits that
//! stand above each kernel: `// limits: 64 registers, 4224 bytes shared`, and `// limits f64: …` where those of f64 are others.
//!
//! NVRTC needs no card. It is looked for in `UPG_NVRTC_DIR`, then where the system looks for libraries. Without it nothing is checked, which
//! is said on standard error, or is a failure if `UPG_REQUIRE_NVRTC` is set.

use std::env;
use std::fmt;
use std::io::Write;
use std::path::Path;
use upg_gpu::catalogue::catalogue;
use upg_gpu::driver::libraries::Library;
use upg_gpu::driver::nvrtc::{self, CompileError};
use upg_gpu::gpu::Source;

const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90"];

/// What a kernel takes of a multiprocessor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    /// Of a thread.
    registers: usize,
    /// Bytes of a block that the kernel declares itself.
    shared: usize,
    /// Bytes of a thread in slow memory, for what doesn't fit into registers.
    spilled: usize,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} registers, {} bytes shared, {} bytes spilled", self.registers, self.shared, self.spilled)
    }
}

/// Whether NVRTC is there; says so if it isn't.
fn has_nvrtc() -> bool {
    if let Some(folder) = env::var_os("UPG_NVRTC_DIR") {
        load(Path::new(&folder));
    }
    let Err(missing) = Library::Nvrtc.find() else { return true };
    let words = format!("{missing}; or UPG_NVRTC_DIR names that folder");
    assert!(env::var_os("UPG_REQUIRE_NVRTC").is_none(), "{words}");
    // Not through `eprintln`, which tests that pass don't show.
    std::io::stderr().write_all(format!("NOT CHECKED, {words}\n").as_bytes()).unwrap();
    false
}

/// A library that is loaded already is found by its name wherever it lies.
fn load(folder: &Path) {
    for name in ["libnvrtc.so.13", "libnvrtc.so.12"] {
        // SAFETY: the library's initialiser has no preconditions.
        if let Ok(library) = unsafe { libloading::Library::new(folder.join(name)) } {
            std::mem::forget(library);
            return;
        }
    }
    panic!("UPG_NVRTC_DIR = {}: neither libnvrtc.so.13 nor libnvrtc.so.12 is there", folder.display());
}

/// The kernels of a compiler's log, as `--ptxas-options=-v` makes it.
fn usages(log: &str) -> Vec<(String, Usage)> {
    let mut kernels: Vec<(String, Usage)> = vec![];
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            kernels.push((rest.split('\'').next().unwrap_or(rest).to_owned(), Usage::default()));
        }
        let Some((_, usage)) = kernels.last_mut() else { continue };
        usage.registers += before(line, " registers");
        usage.shared += before(line, " bytes smem");
        usage.spilled += before(line, " bytes spill stores") + before(line, " bytes spill loads");
    }
    kernels
}

/// The number before these words; 0 where they aren't.
fn before(line: &str, words: &str) -> usize {
    let Some((start, _)) = line.split_once(words) else { return 0 };
    start.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The limits in the comment directly above a kernel.
fn limits(source: &Source, kernel: &str) -> Option<Usage> {
    let lines: Vec<&str> = source.text.lines().collect();
    let declares = |line: &&str| line.starts_with("KERNEL(") && line.contains(&format!(" {kernel}("));
    let at = lines.iter().position(declares)?;
    let comment: Vec<&str> = lines[..at].iter().rev().copied().take_while(|line| line.starts_with("//")).collect();
    let after = |start: &str| comment.iter().find_map(|line| line.strip_prefix(start));
    let own = if is_double(source) { after("// limits f64: ") } else { None };
    let line = own.or_else(|| after("// limits: "))?;
    Some(Usage { registers: before(line, " registers"), shared: before(line, " bytes shared"), spilled: 0 })
}

fn is_double(source: &Source) -> bool {
    source.defines.iter().any(|(name, _)| *name == "REAL_IS_DOUBLE")
}

/// What is wrong with a text on an architecture, a line each.
fn faults(source: &Source, architecture: &str) -> Vec<String> {
    let compiled = match nvrtc::compile(source, architecture, &["--ptxas-options=-v"]) {
        Ok(compiled) => compiled,
        Err(error) => return vec![error.to_string()],
    };
    assert!(compiled.image.starts_with(b"\x7fELF"), "no machine code");
    let kernels = usages(&compiled.log);
    let mut faults = warnings(source, &compiled.log);
    // Some kernels are for f32 alone.
    if kernels.is_empty() && !is_double(source) {
        faults.push(format!("{} has no kernels for {architecture}: {}", source.name, compiled.log));
    }
    let precision = if is_double(source) { "f64" } else { "f32" };
    let fault = |(kernel, usage): &(String, Usage)| {
        let place = format!("{} for {architecture} in {precision}: {kernel} takes {usage}", source.name);
        match limits(source, kernel) {
            None => Some(format!("{place}, and no limits stand above it")),
            Some(limits) if !within(usage, &limits) => Some(format!("{place}; its limits: {limits}")),
            Some(_) => None,
        }
    };
    faults.extend(kernels.iter().filter_map(fault));
    faults
}

/// The compiler's warnings and their next lines.
fn warnings(source: &Source, log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().collect();
    let at = (0..lines.len()).filter(|&at| lines[at].contains("warning"));
    at.map(|at| format!("{}: {}", source.name, lines[at..].iter().take(3).copied().collect::<Vec<_>>().join("\n")))
        .collect()
}

fn within(usage: &Usage, limits: &Usage) -> bool {
    usage.registers <= limits.registers && usage.shared <= limits.shared && usage.spilled <= limits.spilled
}

#[test]
fn every_text_compiles_within_its_limits() {
    if !has_nvrtc() {
        return;
    }
    let sources = catalogue();
    assert!(!sources.is_empty());
    let on = &|architecture| sources.iter().flat_map(|source| faults(source, architecture)).collect::<Vec<_>>();
    let faults = std::thread::scope(|scope| {
        let compiling = ARCHITECTURES.map(|architecture| scope.spawn(move || on(architecture)));
        compiling.into_iter().flat_map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// A kernel beyond every limit: it keeps 300 numbers in registers, of which a thread has 255.
const TOO_MUCH: &str = r#"
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
// The sum of 300 numbers, last to first.
// limits: 128 registers, 1000 bytes shared
// limits f64: 255 registers, 1024 bytes shared
KERNEL(256) hoards(const float* x, float* y) {
    __shared__ float last[256];
    float kept[300];
#pragma unroll
    for (int i = 0; i < 300; i++) kept[i] = x[i * 256 + threadIdx.x];
    __syncthreads();
    float sum = 0;
#pragma unroll
    for (int i = 299; i >= 0; i--) sum = sum * kept[i] + kept[299 - i];
    last[threadIdx.x] = sum;
    __syncthreads();
    y[threadIdx.x] = last[255 - threadIdx.x];
}
KERNEL(32) bare(float* y) { y[0] = 1; }
"#;

fn too_much(defines: Vec<(&'static str, String)>) -> Source {
    Source { name: "much.cu", text: TOO_MUCH.into(), defines }
}

#[test]
fn limits_stand_above_kernels() {
    let [single, double] = [too_much(vec![]), too_much(vec![("REAL_IS_DOUBLE", "1".into())])];
    assert_eq!(limits(&single, "hoards"), Some(Usage { registers: 128, shared: 1000, spilled: 0 }));
    assert_eq!(limits(&double, "hoards"), Some(Usage { registers: 255, shared: 1024, spilled: 0 }));
    assert_eq!(limits(&single, "bare"), None);
    assert_eq!(limits(&single, "oards"), None);
}

#[test]
fn what_is_beyond_limits_is_found() {
    if !has_nvrtc() {
        return;
    }
    let faults = faults(&too_much(vec![]), "sm_80");
    let [first, second] = &faults[..] else { panic!("{faults:?}") };
    let (both, found) = if first.contains("hoards") { (first, second) } else { (second, first) };
    assert!(
        both.starts_with("much.cu for sm_80 in f32: hoards takes ") && both.contains(", 1024 bytes shared, "),
        "{both}"
    );
    assert!(both.ends_with("; its limits: 128 registers, 1000 bytes shared, 0 bytes spilled"), "{both}");
    assert!(!both.contains(" shared, 0 bytes spilled; "), "{both}");
    assert!(found.contains("bare takes ") && found.ends_with(", and no limits stand above it"), "{found}");
}

#[test]
fn a_text_that_is_wrong_is_refused_with_the_compilers_words() {
    if !has_nvrtc() {
        return;
    }
    let source = Source { name: "wrong.cu", text: "__global__ void f() { nowhere = 1; }".into(), defines: vec![] };
    let error = nvrtc::compile(&source, "sm_80", &[]).unwrap_err();
    assert!(matches!(&error, CompileError::Refused { status, .. } if status == "NVRTC_ERROR_COMPILATION"), "{error:?}");
    assert!(error.to_string().contains("\nwrong.cu(1): error: identifier \"nowhere\" is undefined"), "{error}");
}

#[test]
fn what_is_compiled_for_fits_the_card_or_is_older() {
    if !has_nvrtc() {
        return;
    }
    assert_eq!(nvrtc::architecture((8, 6)).unwrap(), "sm_86");
    let newer = nvrtc::architecture((99, 0)).unwrap();
    assert!(newer.starts_with("compute_"), "{newer}");
    let source = Source { name: "one.cu", text: "extern \"C\" __global__ void one() {}".into(), defines: vec![] };
    let ptx = nvrtc::compile(&source, &newer, &[]).unwrap().image;
    assert_eq!(ptx.last(), Some(&0));
    assert!(String::from_utf8_lossy(&ptx).contains(".visible .entry one("));
}
