//! The words of kernels' texts: threads, barriers, shared memory, bits, counts of zeros.

use crate::support::*;
use upg_core::DeviceError;
use upg_gpu::emulator::Emulator;
use upg_gpu::gpu::{Argument, Gpu, Launch, Source};

/// Sums 64 numbers of a block by halves.
pub const SUM: &str = "
KERNEL(64) test(float* x) {
    SHARED(float, part, 64);
    int t = threadIdx.x;
    part[t] = x[THREAD];
    for (int half = 32; half > 0; half /= 2) {
        BARRIER();
        if (t < half) part[t] += part[t + half];
    }
    BARRIER();
    x[THREAD] = part[0];
}";

#[test]
fn threads_meet_at_barriers() {
    let values: Vec<_> = (0..192).map(|i| i as f32).collect();
    for gpu in both_orders().into_iter().chain([Emulator::counting().unwrap()]) {
        let sums = changed(&gpu, SUM, 3, 64, &values);
        let expected: Vec<_> = (0..192).map(|i| (2016 + 4096 * (i / 64)) as f32).collect();
        assert_eq!(sums, expected);
    }
}

#[test]
fn one_module_runs_in_several_threads_at_once() {
    let work = |k: usize| {
        let gpu = Emulator::new().unwrap();
        for _ in 0..20 {
            assert_eq!(changed(&gpu, SUM, 9, 64, &[k as f32; 576]), [64.0 * k as f32; 576]);
        }
    };
    std::thread::scope(|scope| (0..6).for_each(|k| drop(scope.spawn(move || work(k)))));
}

#[test]
fn places_in_the_grid() {
    let text = "KERNEL(6) test(int* x) {
        int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        int thread = threadIdx.y * blockDim.x + threadIdx.x;
        x[block * 6 + thread] = block * 100 + thread + 10 * (int)(gridDim.z * blockDim.y * blockDim.z);
    }";
    for gpu in both_orders() {
        let x = gpu.allocate(4 * 24 * 6).unwrap();
        let module = gpu.compile(&source(text)).unwrap();
        let arguments = [Argument::Address(x)];
        let launch = Launch { kernel: "test", grid: [2, 3, 4], block: [3, 2], shared: 0, arguments: &arguments };
        gpu.launch(&module, &launch).unwrap();
        let out: Vec<_> = download(&gpu, x, 24 * 6).into_iter().map(f32::to_bits).collect();
        let expected: Vec<_> = (0..144).map(|i| i / 6 * 100 + i % 6 + 80).collect();
        assert_eq!(out, expected);
    }
}

#[test]
fn shared_memory_of_both_kinds() {
    let text = "KERNEL(32) test(float* x) {
        DYNAMIC_SHARED(double, all);
        SHARED(float, one, 32);
        SHARED(unsigned char, two, 3);
        int t = threadIdx.x;
        all[t] = x[t];
        one[t] = 2 * x[t];
        if (t < 3) two[t] = t;
        BARRIER();
        x[t] = all[31 - t] + one[(t + 1) % 32] + two[t % 3];
    }";
    for gpu in both_orders() {
        let values: Vec<_> = (0..32).map(|i| i as f32).collect();
        let x = upload(&gpu, &values);
        let module = gpu.compile(&source(text)).unwrap();
        let arguments = [Argument::Address(x)];
        let launch = Launch { kernel: "test", grid: [1, 1, 1], block: [32, 1], shared: 256, arguments: &arguments };
        gpu.launch(&module, &launch).unwrap();
        let expected: Vec<_> = (0..32).map(|t| (31 - t + 2 * ((t + 1) % 32) + t % 3) as f32).collect();
        assert_eq!(download(&gpu, x, 32), expected);
    }
}

#[test]
fn arguments_of_all_kinds() {
    let text =
        "KERNEL(1) test(float* __restrict__ x, const int n, u64 l, float f, const double d, const double* none) {
        x[0] = n; x[1] = (float)(l >> 40); x[2] = f; x[3] = (float)d; x[4] = none == 0;
    }";
    let gpu = Emulator::new().unwrap();
    let x = upload(&gpu, &[0.0; 5]);
    let none = upg_gpu::gpu::Address(0);
    let arguments = [
        Argument::Address(x),
        Argument::Int(-7),
        Argument::Long(5 << 40),
        Argument::Single(0.3),
        Argument::Double(-0.25),
        Argument::Address(none),
    ];
    run(&gpu, text, 1, 1, &arguments);
    assert_eq!(download(&gpu, x, 5), [-7.0, 5.0, 0.3, -0.25, 1.0]);
}

#[test]
fn functions_that_cards_have() {
    let text = "KERNEL(1) test(float* x) {
        x[0] = fma(3.0f, 4.0f, 5.0f) + MAD(1.0f, 2.0f, 3.0f);
        x[1] = sqrt(2.0f); x[2] = (float)floor(-1.5); x[3] = rint(2.5f); x[4] = fabs(-3.0f); x[5] = min(3, 2) + max(2.5f, 7.0f);
        x[6] = __clzll(1); x[7] = from_bits(bits_of(1.0f) + 1); x[8] = (float)from_bits(bits_of(2.0) - 1) == 2.0f;
        x[9] = __umulhi(1u << 31, 6u); x[10] = (float)(__umul64hi(1ull << 63, 10ull)); x[11] = __popcll(255) + __clz(0);
        x[12] = isnan(x[12]) + 2 * isfinite(x[1]);
    }";
    let out = changed(&Emulator::new().unwrap(), text, 1, 1, &[f32::NAN; 13]);
    let after_one = f32::from_bits(1.0f32.to_bits() + 1);
    assert_eq!(out, [22.0, 2f32.sqrt(), -2.0, 2.0, 3.0, 9.0, 63.0, after_one, 1.0, 3.0, 5.0, 40.0, 3.0]);
}

#[test]
fn macros_and_kernels_behind_conditions() {
    let text = "
        #ifdef TWICE
        KERNEL(WIDTH * 2) test(REAL* x) { x[THREAD] *= 2; }
        #else
        KERNEL(WIDTH) test(REAL* x, int n) { x[THREAD] *= n; }
        #endif";
    let gpu = Emulator::new().unwrap();
    let x = gpu.allocate(16 * 8).unwrap();
    gpu.write(&1.5f64.to_ne_bytes().repeat(16), x).unwrap();
    let defines = [("REAL_IS_DOUBLE", "1"), ("TWICE", ""), ("WIDTH", "8")].map(|(key, value)| (key, value.to_string()));
    let module = gpu.compile(&Source { defines: defines.into(), ..source(text) }).unwrap();
    let arguments = [Argument::Address(x)];
    let launch = Launch { kernel: "test", grid: [1, 1, 1], block: [16, 1], shared: 0, arguments: &arguments };
    gpu.launch(&module, &launch).unwrap();
    let mut out = [0; 16 * 8];
    gpu.read(x, &mut out).unwrap();
    assert_eq!(out[120..], 3f64.to_ne_bytes());
}

#[test]
fn a_text_that_does_not_compile() {
    let gpu = Emulator::new().unwrap();
    let text = "KERNEL(1) test(float* x) {\n  x[0] = nothing;\n}";
    let Err(DeviceError::Unavailable { device, reason }) = gpu.compile(&source(text)) else { panic!("it compiled") };
    assert_eq!(device, "emulated:0");
    let line = source("").text.lines().count() + 2;
    assert!(reason.contains(&format!("test.cu:{line}:")) && reason.contains("nothing"), "{reason}");
    let Err(error) = gpu.compile(&source("KERNEL(1) test(short n) {}")) else { panic!("it compiled") };
    assert!(error.to_string().contains("arguments are pointers, int, u64, float or double"), "{error}");
}
