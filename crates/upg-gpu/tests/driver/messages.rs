//! What is said where a card can't be used: one line that names the device, what is missing and where it was looked for.

use crate::stubs::{ALL, Setup, run, system_has};
use upg_core::DeviceError;
use upg_gpu::driver::{Driver, libraries::Library};

/// The words of a card that can't be used, without its name.
fn reason(index: usize) -> String {
    match Driver::new(index).unwrap_err() {
        error @ DeviceError::Unavailable { .. } => {
            let words = error.to_string();
            assert!(!words.contains('\n'), "{words}");
            words.strip_prefix(&format!("cuda:{index}: ")).unwrap_or_else(|| panic!("{words}")).to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_driver() {
    if system_has(Library::Driver) {
        return;
    }
    run("messages::no_driver", Setup::default(), || {
        let path = std::env::var("LD_LIBRARY_PATH").unwrap();
        let place = format!("in the system's library folders and in LD_LIBRARY_PATH, which is {path}");
        let driver = "no driver: libcuda.so and libcuda.so.1 were looked for";
        assert_eq!(reason(0), format!("{driver} {place}; it is part of NVIDIA's driver"));
    });
}

#[test]
fn an_empty_path() {
    if system_has(Library::Driver) {
        return;
    }
    run("messages::an_empty_path", Setup { variables: &[("LD_LIBRARY_PATH", "")], ..Setup::default() }, || {
        assert!(reason(0).contains("and in LD_LIBRARY_PATH, which isn't set; "), "{}", reason(0));
    });
}

#[test]
fn no_nvrtc() {
    if system_has(Library::Nvrtc) {
        return;
    }
    run("messages::no_nvrtc", Setup { libraries: &["libcuda.so", "libcublas.so"], ..Setup::default() }, || {
        let words = reason(0);
        let start =
            "no NVRTC: libnvrtc.so, libnvrtc.so.13 and libnvrtc.so.12 were looked for in the system's library folders";
        assert!(words.starts_with(start) && words.contains("nvidia-cuda-nvrtc-cu12"), "{words}");
    });
}

#[test]
fn no_cublas() {
    if system_has(Library::Cublas) {
        return;
    }
    run("messages::no_cublas", Setup { libraries: &["libcuda.so", "libnvrtc.so"], ..Setup::default() }, || {
        let words = reason(0);
        assert!(words.starts_with("no cuBLAS: libcublas.so, ") && words.contains("nvidia-cublas-cu12"), "{words}");
    });
}

#[test]
fn a_damaged_library() {
    if system_has(Library::Cublas) {
        return;
    }
    let [others, damaged] = [&["libcuda.so", "libnvrtc.so"][..], &["libcublas.so.12"]];
    run("messages::a_damaged_library", Setup { libraries: others, damaged, ..Setup::default() }, || {
        let words = reason(0);
        assert!(
            words.starts_with("cuBLAS can't be loaded: ") && words.contains("libcublas.so.12: file too short"),
            "{words}"
        );
    });
}

#[test]
fn an_old_driver() {
    run("messages::an_old_driver", Setup { libraries: ALL, options: &["-DOLD"], ..Setup::default() }, || {
        assert!(reason(0).starts_with("driver too old (/"), "{}", reason(0));
        assert!(reason(0).contains("): it has no cuMemAllocAsync"), "{}", reason(0));
    });
}

#[test]
fn no_start() {
    run("messages::no_start", Setup { libraries: ALL, variables: &[("STUB_INIT", "100")], ..Setup::default() }, || {
        let words = "CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected)";
        assert_eq!(reason(0), format!("the driver doesn't start: {words}"));
    });
}

#[test]
fn a_number_beyond_the_devices() {
    let test = "messages::a_number_beyond_the_devices";
    run(test, Setup { libraries: ALL, variables: &[("STUB_DEVICES", "2")], ..Setup::default() }, || {
        for index in [2, 3, usize::MAX] {
            assert_eq!(reason(index), "this machine has 2 devices, cuda:0 to cuda:1");
        }
    });
}

#[test]
fn one_device_and_none() {
    run("messages::one_device_and_none", Setup { libraries: ALL, ..Setup::default() }, || {
        assert_eq!(reason(1), "this machine has one device, cuda:0");
        // SAFETY: the only thread that looks at the environment.
        unsafe { std::env::set_var("STUB_DEVICES", "0") };
        assert_eq!(reason(0), "this machine has no device");
    });
}

#[test]
fn an_old_card() {
    run(
        "messages::an_old_card",
        Setup { libraries: ALL, variables: &[("STUB_CAPABILITY", "75")], ..Setup::default() },
        || {
            assert_eq!(reason(0), "Stub 40 is of compute capability 7.5, and 8.0 is the oldest that is used");
        },
    );
}
