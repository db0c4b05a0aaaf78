//! Bytes, multiply-adds and launches, counted.

use crate::support::*;
use upg_gpu::emulator::{Counts, Emulator};

const KERNEL: &str = "
KERNEL(32) test(float* x) {
    SHARED(float, all, 32);
    float mine[4];
    for (int i = 0; i < 4; i++) mine[i] = x[4 * THREAD + i];
    all[threadIdx.x] = mine[threadIdx.x % 4];
    BARRIER();
    for (int i = 0; i < 3; i++) x[4 * THREAD + i] = MAD(mine[i], all[31 - threadIdx.x], 1.0f);
}";

#[test]
fn a_kernel_is_counted_exactly() {
    let gpu = Emulator::counting().unwrap();
    changed(&gpu, KERNEL, 2, 32, &[1.0; 256]);
    let expected =
        Counts { launches: 1, kernel_multiply_adds: 64 * 3, loaded: 64 * 16, stored: 64 * 12, ..Counts::default() };
    assert_eq!(gpu.counts(), expected);
    changed(&gpu, KERNEL, 2, 32, &[1.0; 256]);
    let twice = |count| 2 * count;
    let expected = Counts {
        launches: 2,
        kernel_multiply_adds: twice(expected.kernel_multiply_adds),
        loaded: twice(expected.loaded),
        stored: twice(expected.stored),
        ..expected
    };
    assert_eq!(gpu.counts(), expected);
    gpu.reset_counts();
    assert_eq!(gpu.counts(), Counts::default());
}

#[test]
fn without_care_only_launches_are_counted() {
    let gpu = Emulator::new().unwrap();
    changed(&gpu, KERNEL, 2, 32, &[1.0; 256]);
    changed(&gpu, KERNEL, 2, 32, &[1.0; 256]);
    assert_eq!(gpu.counts(), Counts { launches: 2, ..Counts::default() });
}
