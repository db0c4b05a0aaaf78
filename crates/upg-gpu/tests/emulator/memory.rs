//! Memory of the emulator: its limit, copies, and what isn't memory.

use crate::support::*;
use upg_core::DeviceError;
use upg_gpu::emulator::Emulator;
use upg_gpu::gpu::{Address, Gpu};

#[test]
fn memory_has_a_limit() {
    let gpu = Emulator::new().unwrap().memory(1000);
    assert_eq!(gpu.facts().memory, 1000);
    let first = gpu.allocate(600).unwrap();
    let refused = DeviceError::OutOfMemory { bytes: 401, device: "emulated:0".into() };
    assert_eq!(gpu.allocate(401), Err(refused));
    let second = gpu.allocate(400).unwrap();
    assert_eq!((first.0 % 256, second.0 % 256, gpu.allocated()), (0, 0, 1000));
    gpu.free(first);
    assert_eq!(gpu.allocated(), 400);
    gpu.allocate(600).unwrap();
}

#[test]
fn copies() {
    let gpu = Emulator::new().unwrap();
    let x = upload(&gpu, &[1.0, 2.0, 3.0, 4.0]);
    gpu.copy(x, x.offset(8), 8).unwrap();
    assert_eq!(download(&gpu, x, 4), [1.0, 2.0, 1.0, 2.0]);
    let y = gpu.allocate(16).unwrap();
    gpu.copy(x.offset(4), y, 12).unwrap();
    assert_eq!(download(&gpu, y, 3), [2.0, 1.0, 2.0]);
    assert!(download(&gpu, y, 4)[3].is_nan());
    assert_panics(&["copy: 12 bytes from 0x", "overlap"], || gpu.copy(x, x.offset(4), 12).unwrap());
    assert_panics(&["copy: 12 bytes from byte 8 of an allocation of 16 bytes"], || {
        gpu.copy(x, y.offset(8), 12).unwrap()
    });
    assert_panics(&["write: 17 bytes from byte 0 of an allocation of 16"], || gpu.write(&[0; 17], x).unwrap());
    assert_panics(&["read: 8 bytes from byte 12 of an allocation of 16"], || {
        gpu.read(x.offset(12), &mut [0; 8]).unwrap()
    });
    gpu.read(x.offset(16), &mut []).unwrap();
}

#[test]
fn memory_that_is_gone() {
    let gpu = Emulator::new().unwrap();
    let x = upload(&gpu, &[1.0; 4]);
    assert_panics(&["free: 0x", "is in no allocation (of 1)"], || gpu.free(x.offset(4)));
    gpu.free(x);
    assert_panics(&["free: 0x", "is in an allocation of 16 bytes that was freed"], || gpu.free(x));
    assert_panics(&["read: 0x", "that was freed"], || drop(download(&gpu, x, 4)));
    assert_panics(&["write: 0x0 is in no allocation (of 0)"], || gpu.write(&[0; 4], Address(0)).unwrap());
}
