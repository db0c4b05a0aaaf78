//! Memory, compiling and launches: arguments and order of the calls.

use crate::stubs::{ALL, Setup, log, run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use upg_core::DeviceError;
use upg_gpu::driver::{Driver, Graphs};
use upg_gpu::gpu::{Argument, Gpu, Launch, Source};

const STUBS: Setup<'static> = Setup { libraries: ALL, damaged: &[], options: &[], variables: &[] };

fn source(text: &str) -> Source {
    Source { name: "some.cu", text: text.into(), defines: vec![("REAL_IS_DOUBLE", "1".into())] }
}

fn launch<'a>(kernel: &'static str, shared: u32, arguments: &'a [Argument]) -> Launch<'a> {
    Launch { kernel, grid: [2, 3, 4], block: [32, 8], shared, arguments }
}

/// Lines of the log that begin with one of these words.
fn said(words: &[&str]) -> Vec<String> {
    log().into_iter().filter(|line| words.iter().any(|word| line.starts_with(word))).collect()
}

#[test]
fn facts() {
    run("calls::facts", Setup { variables: &[("STUB_DEVICES", "2")], ..STUBS }, || {
        let facts = Driver::new(1).unwrap().facts().clone();
        assert_eq!((facts.device.as_str(), facts.name.as_str(), facts.capability), ("cuda:1", "Stub 41", (8, 0)));
        assert_eq!((facts.memory, facts.shared_memory, facts.multiprocessors), (1 << 20, 166_912, 108));
        // An A100's 19.5 TFLOP/s in f32, 156 in TF32, and 1555 GB/s.
        let [single, tf32] = facts.peaks().unwrap().map(|peak| (peak / 1e11).round());
        assert_eq!((single, tf32, facts.bandwidth / 1_000_000_000), (195.0, 1559.0, 1555));
        assert_eq!(facts.versions, "driver 12.9, NVRTC 12.9, cuBLAS 13.0");
    });
}

#[test]
fn memory_is_written_copied_and_read_from_any_thread() {
    run("calls::memory_is_written_copied_and_read_from_any_thread", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let (from, to) = (driver.allocate(1000).unwrap(), driver.allocate(1000).unwrap());
        assert!([from, to].iter().all(|address| address.0 % 256 == 0));
        let (bytes, mut back): (Vec<u8>, _) = ((0..1000).map(|i| i as u8).collect(), vec![0; 990]);
        std::thread::scope(|scope| {
            let work = scope.spawn(|| driver.write(&bytes, from).and_then(|()| driver.copy(from.offset(5), to, 990)));
            work.join().unwrap().unwrap();
        });
        driver.read(to, &mut back).unwrap();
        assert_eq!(back, bytes[5..995]);
        [from, to].into_iter().for_each(|address| driver.free(address));
        assert_eq!(said(&["pool", "wait", "free"]), ["pool 4 ffffffffffffffff", "wait", "free", "free"]);
    });
}

#[test]
fn without_a_pool_the_card_is_waited_for() {
    let test = "calls::without_a_pool_the_card_is_waited_for";
    run(test, Setup { variables: &[("STUB_POOLS", "0"), ("STUB_PAGEABLE", "1")], ..STUBS }, || {
        let driver = Driver::new(0).unwrap();
        let address = driver.allocate(1000).unwrap();
        driver.write(&[1; 10], address).unwrap();
        assert_eq!(said(&["pool", "wait"]), ["wait"], "a card that reads the host's memory itself");
        driver.free(address);
        assert_eq!(said(&["pool", "wait", "free"]), ["wait", "wait", "free"]);
    });
}

#[test]
fn too_much_memory() {
    run("calls::too_much_memory", STUBS, || {
        let error = Driver::new(0).unwrap().allocate(1 << 41).unwrap_err();
        assert_eq!(error, DeviceError::OutOfMemory { bytes: 1 << 41, device: "cuda:0".into() });
    });
}

#[test]
fn a_kernel_gets_its_arguments() {
    run("calls::a_kernel_gets_its_arguments", STUBS, || {
        let driver = Driver::with_graphs(0, Graphs::Never).unwrap();
        let module = driver.compile(&source("text")).unwrap();
        let out = driver.allocate(32).unwrap();
        let arguments = [
            Argument::Address(out),
            Argument::Int(-7),
            Argument::Long(1 << 40),
            Argument::Single(0.25),
            Argument::Double(-1e300),
        ];
        for shared in [0, 50_000, 40_000, 60_000] {
            driver.launch(&module, &launch("mix", shared, &arguments)).unwrap();
        }
        let mut bytes = [0; 32];
        driver.read(out, &mut bytes).unwrap();
        let numbers: Vec<_> = bytes.chunks(8).map(|x| f64::from_ne_bytes(x.try_into().unwrap())).collect();
        assert_eq!(numbers, [-7.0, (1u64 << 40) as f64, 0.25, -1e300]);
        let lines = said(&["find", "attribute", "launch"]);
        let run = |shared| format!("launch mix 2 3 4, 32 8 1, {shared}");
        let allowed = |shared| format!("attribute 8 {shared}");
        let found = "find mix".to_owned();
        assert_eq!(lines, [found, run(0), allowed(50_000), run(50_000), run(40_000), allowed(60_000), run(60_000)]);
    });
}

#[test]
fn a_kernel_that_is_not_there() {
    run("calls::a_kernel_that_is_not_there", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let module = driver.compile(&source("text")).unwrap();
        let panics = catch_unwind(AssertUnwindSafe(|| driver.launch(&module, &launch("other", 0, &[])))).unwrap_err();
        assert_eq!(panics.downcast_ref::<String>().unwrap(), "some.cu has no kernel other");
    });
}

#[test]
fn a_lost_card() {
    run("calls::a_lost_card", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let module = driver.compile(&source("text")).unwrap();
        let address = driver.allocate(8).unwrap();
        driver.launch(&module, &launch("fault", 0, &[])).unwrap();
        let error = driver.read(address, &mut [0; 8]).unwrap_err().to_string();
        assert_eq!(error, "cuda:0: lost: CUDA_ERROR_LAUNCH_FAILED (unspecified launch failure)");
    });
}

#[test]
fn all_is_given_back() {
    run("calls::all_is_given_back", STUBS, || {
        let driver = Driver::new(0).unwrap();
        let module = driver.compile(&source("text")).unwrap();
        drop(driver);
        drop(module);
        let lines = said(&["retain", "allocate", "destroy", "free", "unload", "release"]);
        let order =
            ["retain 40", "allocate 33554432", "destroy handle", "free", "unload", "destroy stream", "release 40"];
        assert_eq!(lines, order);
    });
}

#[test]
fn texts_are_compiled_once() {
    run("calls::texts_are_compiled_once", STUBS, || {
        let driver = Driver::new(0).unwrap();
        for _ in 0..2 {
            driver.compile(&source("text")).unwrap();
        }
        let options = ["--gpu-architecture=sm_80", "--std=c++17", "--diag-suppress=177", "-DREAL_IS_DOUBLE=1"];
        assert_eq!(said(&["option"]), options.map(|option| format!("option {option}")));
        assert_eq!(said(&["load"]), ["load text of sm_80"; 2]);
        let folder = PathBuf::from(std::env::var_os("UPG_CACHE_DIR").unwrap());
        let files: Vec<_> = folder.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        std::fs::write(&files[0], "damaged").unwrap();
        driver.compile(&source("text")).unwrap();
        driver.compile(&source("other text")).unwrap();
        assert_eq!(said(&["compile"]).len(), 3);
        assert_eq!(said(&["load"])[2..], ["load text of sm_80", "load other text of sm_80"]);
    });
}

#[test]
fn a_text_that_does_not_compile() {
    run("calls::a_text_that_does_not_compile", STUBS, || {
        let error = Driver::new(0).unwrap().compile(&source("wrong")).unwrap_err().to_string();
        let words =
            "cuda:0: NVRTC doesn't compile some.cu for sm_80: NVRTC_ERROR_COMPILATION\nsome.cu(1): error: wrong";
        assert_eq!(error, words);
    });
}

#[test]
fn a_card_newer_than_the_compiler() {
    let test = "calls::a_card_newer_than_the_compiler";
    run(test, Setup { variables: &[("STUB_CAPABILITY", "100")], ..STUBS }, || {
        let driver = Driver::new(0).unwrap();
        driver.compile(&source("text")).unwrap();
        assert_eq!(said(&["load"]), ["load text of compute_90"]);
        let older = "NVRTC 12.9 (kernels for compute_90: it doesn't know the card's own architecture)";
        assert_eq!(driver.facts().versions, format!("driver 12.9, {older}, cuBLAS 13.0"));
    });
}
