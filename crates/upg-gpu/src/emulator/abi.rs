//! The runtime in C++: fibers, barriers, shared memory, products; and its structures as it lays them out.

use super::compiler::{Compiler, Library};
use super::mode::{Care, Order};
use crate::gpu::{Facts, Launch, Numbers, Product, Products, Transposed};
use std::ffi::{CStr, c_char, c_int};

const TEXT: &[&str] = &[
    include_str!("state.h"),
    include_str!("fibers.cpp"),
    include_str!("blocks.cpp"),
    include_str!("careful.cpp"),
    include_str!("products.cpp"),
];
// Sums may be fused in products, not in kernels, which say where.
const FLAGS: &[&str] = &["-O3", "-ffp-contract=fast"];

/// Addresses of an allocation, the last one exclusive.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub from: u64,
    pub to: u64,
}

/// A kernel of a module.
#[repr(C)]
pub struct Kernel {
    pub kinds: *const c_char,
    pub bound: c_int,
    call: unsafe extern "C" fn(*const u64),
}

/// A launch and what came of it.
#[repr(C)]
pub struct Run {
    kernel: *const Kernel,
    arguments: *const u64,
    grid: [u32; 3],
    block: [u32; 2],
    reverse: u32,
    careful: u32,
    dynamic_bytes: u64,
    shared_limit: u64,
    ranges: *const Range,
    range_count: u64,
    pub multiply_adds: u64,
    pub loaded: u64,
    pub stored: u64,
    message: [u8; 512],
}

impl Run {
    pub fn new(launch: &Launch<'_>, facts: &Facts, order: Order, care: Care) -> Self {
        Self {
            kernel: std::ptr::null(),
            arguments: std::ptr::null(),
            grid: launch.grid,
            block: launch.block,
            reverse: u32::from(order == Order::Reverse),
            careful: u32::from(care == Care::Counting),
            dynamic_bytes: u64::from(launch.shared),
            shared_limit: facts.shared_memory as u64,
            ranges: std::ptr::null(),
            range_count: 0,
            multiply_adds: 0,
            loaded: 0,
            stored: 0,
            message: [0; 512],
        }
    }
}

/// A product, as `products.cpp` has it.
#[repr(C)]
struct PlainProduct {
    double_numbers: u32,
    tf32: u32,
    a_transposed: u32,
    b_transposed: u32,
    shape: [u64; 3],
    alpha: f64,
    beta: f64,
    a: u64,
    b: u64,
    c: u64,
    a_stride: u64,
    b_stride: u64,
    c_stride: u64,
}

impl PlainProduct {
    fn of(product: &Product) -> Self {
        let single = product.numbers == Numbers::Single;
        Self {
            double_numbers: u32::from(!single),
            tf32: u32::from(single && product.products == Products::Tf32),
            a_transposed: u32::from(product.a.transposed == Transposed::Yes),
            b_transposed: u32::from(product.b.transposed == Transposed::Yes),
            shape: product.shape.map(|size| size as u64),
            alpha: product.alpha,
            beta: product.beta,
            a: product.a.at.0,
            b: product.b.at.0,
            c: product.c.0,
            a_stride: product.a.stride as u64,
            b_stride: product.b.stride as u64,
            c_stride: product.c_stride as u64,
        }
    }
}

/// The functions of the runtime.
#[derive(Clone, Copy, Debug)]
pub struct Runtime {
    run: unsafe extern "C" fn(*mut Run) -> c_int,
    product: unsafe extern "C" fn(*const PlainProduct),
    close: unsafe extern "C" fn(*const u8, usize),
    open: unsafe extern "C" fn(*const u8, usize),
}

impl Runtime {
    /// Compiles and loads it, once in a process: kernels find its functions by name.
    pub fn load(compiler: &Compiler) -> Result<Self, String> {
        let library = compiler.library("runtime", &TEXT.concat(), &compiler.flags(FLAGS), Library::Global, Ok)?;
        // SAFETY: these are the types that the text above gives them.
        unsafe {
            Ok(Self {
                run: library.symbol("emulator_run")?,
                product: library.symbol("emulator_product")?,
                close: library.symbol("emulator_close")?,
                open: library.symbol("emulator_open")?,
            })
        }
    }

    /// Runs a kernel; its arguments are those of its signature, and what they point to is in memory of the heap, which is locked.
    pub fn run(&self, run: &mut Run, kernel: &Kernel, arguments: &[u64], ranges: &[Range]) -> Result<(), String> {
        run.kernel = kernel;
        run.arguments = arguments.as_ptr();
        run.ranges = ranges.as_ptr();
        run.range_count = ranges.len() as u64;
        // SAFETY: number and kinds of the arguments were checked; a kernel that leaves its memory is what the emulator is here to find.
        let failed = unsafe { (self.run)(run) };
        if failed == 0 {
            return Ok(());
        }
        Err(CStr::from_bytes_until_nul(&run.message).map_or_else(|_| "?".into(), |text| text.to_string_lossy().into()))
    }

    /// Computes a product whose matrices are in memory of the heap.
    pub fn product(&self, product: &Product) {
        // SAFETY: the extent of each matrix was checked.
        unsafe { (self.product)(&PlainProduct::of(product)) }
    }

    /// Tells a sanitizer, where there is one, that memory may not be touched.
    pub fn close(&self, from: *const u8, bytes: usize) {
        // SAFETY: nothing but the sanitizer's table is changed.
        unsafe { (self.close)(from, bytes) }
    }

    /// Tells it that memory may be touched.
    pub fn open(&self, from: *const u8, bytes: usize) {
        // SAFETY: as above.
        unsafe { (self.open)(from, bytes) }
    }
}
