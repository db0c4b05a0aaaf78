//! Texts of kernels, and their runs.

use upg_gpu::emulator::{Emulator, Order};
use upg_gpu::gpu::{Address, Argument, Gpu, Launch, Source};

/// The prelude and a text.
pub fn source(text: &str) -> Source {
    let text = format!("{}\n{text}", include_str!("../../src/kernels/prelude.cu"));
    Source { name: "test.cu", text, defines: vec![] }
}

/// An emulator of each order.
pub fn both_orders() -> [Emulator; 2] {
    [Order::Forward, Order::Reverse].map(|order| Emulator::new().unwrap().order(order))
}

pub fn upload(gpu: &Emulator, values: &[f32]) -> Address {
    let address = gpu.allocate(4 * values.len()).unwrap();
    gpu.write(&values.iter().flat_map(|x| x.to_ne_bytes()).collect::<Vec<_>>(), address).unwrap();
    address
}

pub fn download(gpu: &Emulator, from: Address, count: usize) -> Vec<f32> {
    let mut bytes = vec![0; 4 * count];
    gpu.read(from, &mut bytes).unwrap();
    bytes.chunks_exact(4).map(|x| f32::from_ne_bytes(x.try_into().unwrap())).collect()
}

/// Runs the one kernel of a text, `test`.
pub fn run(gpu: &Emulator, text: &str, grid: u32, block: u32, arguments: &[Argument]) {
    let module = gpu.compile(&source(text)).unwrap();
    let launch = Launch { kernel: "test", grid: [grid, 1, 1], block: [block, 1], shared: 0, arguments };
    gpu.launch(&module, &launch).unwrap();
}

/// What the one kernel of a text makes of numbers, which it gets and writes to as `float* x`.
pub fn changed(gpu: &Emulator, text: &str, grid: u32, block: u32, values: &[f32]) -> Vec<f32> {
    let x = upload(gpu, values);
    run(gpu, text, grid, block, &[Argument::Address(x)]);
    let out = download(gpu, x, values.len());
    gpu.free(x);
    out
}

/// What a panic says.
pub fn panic_of(work: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).expect_err("no panic");
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into())).unwrap()
}

/// That work panics with a text that has all these in it.
#[track_caller]
pub fn assert_panics(parts: &[&str], work: impl FnOnce()) {
    let said = panic_of(work);
    for part in parts {
        assert!(said.contains(part), "`{part}` isn't in: {said}");
    }
}
