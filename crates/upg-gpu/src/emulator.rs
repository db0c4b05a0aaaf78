//! A GPU on the host, for tests: the very text of the kernels, compiled by g++ and run here.
//!
//! Each thread of a block is a fiber, and blocks run one after the other in the thread that launches. What a card would pass over in silence is a
//! panic here: threads that don't all meet a barrier, arguments that aren't what the kernel takes, an address in no allocation, a write
//! beside an allocation or an array in shared memory. Fresh memory, global and shared, holds NaN. What the
//! emulator can't see: the memory model of a card, its rounding of products in TF32, and its speed.
//!
//! Three ways to see more:
//! - [`Order::Reverse`]: threads and blocks run in the opposite order; a result that changes misses a barrier.
//! - [`Emulator::counting`]: every access to memory is followed: [`Counts`] has bytes and multiply-adds, and two threads that meet at one
//!   place without a barrier between them are a panic, as is any access beside an allocation. Memory is followed by words of four bytes, so
//!   two threads may not have bytes in one word. Twenty times slower.
//! - AddressSanitizer, which knows what is an allocation or an array in shared memory, and ends the program where something else is touched:
//!   ```sh
//!   UPG_EMULATOR_FLAGS="-fsanitize=address,undefined -g" ASAN_OPTIONS=detect_leaks=0 \
//!   LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
//!   target/debug/deps/emulator-… --skip writes_beside
//!   ```
//!   with the program of the tests, which `cargo test -p upg-gpu --features emulator --test emulator --no-run` names; the tests left out are those that it would end.
//!
//! Environment: `CXX`, the compiler, by default `g++`; `UPG_EMULATOR_FLAGS`, more flags for it; `UPG_EMULATOR_CACHE`, the folder of what is
//! compiled, by default `upg-emulator-<user>` among the temporary files; `UPG_NCCL`, whether GPUs of several processes are connected, as for cards.

mod abi;
mod compiler;
mod heap;
mod link;
mod mode;
mod module;
mod text;

pub use mode::Order;
pub use module::Module;

use crate::gpu::{Address, Argument, Facts, Gpu, Launch, Links, Matrix, Numbers, Product, Source, Transposed};
use crate::links::Wanted;
use compiler::Compiler;
use heap::Heap;
use mode::Care;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use upg_core::DeviceError;

/// What was done since the emulator was made or [`Emulator::reset_counts`] called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Kernels run.
    pub launches: u64,
    /// Matrix products.
    pub products: u64,
    /// Multiply-adds of those products.
    pub product_multiply_adds: u64,
    /// Multiply-adds by `MAD` in kernels; 0 but by [`Emulator::counting`], as the two that follow.
    pub kernel_multiply_adds: u64,
    /// Bytes of global memory that kernels have read, each as often as it was read.
    pub loaded: u64,
    /// Bytes of global memory that kernels have written.
    pub stored: u64,
}

/// A GPU on the host.
#[derive(Debug)]
pub struct Emulator {
    facts: Facts,
    order: Order,
    care: Care,
    compiler: Compiler,
    runtime: abi::Runtime,
    links: Wanted,
    state: Arc<Mutex<State>>,
}

/// What changes: one launch at a time.
#[derive(Debug)]
struct State {
    heap: Heap,
    counts: Counts,
}

const DEVICE: &str = "emulated:0";
const SHARED_MEMORY: usize = 163 << 10;
const MEMORY: usize = 16 << 30;

impl Emulator {
    /// One that runs kernels as fast as it can.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] without a C++ compiler, with what is missing and where it was looked for; or that says what `UPG_NCCL` may be.
    pub fn new() -> Result<Self, DeviceError> {
        Self::with(Care::Usual)
    }

    /// One that counts bytes and multiply-adds, and finds threads that meet at one place of memory.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn counting() -> Result<Self, DeviceError> {
        Self::with(Care::Counting)
    }

    fn with(care: Care) -> Result<Self, DeviceError> {
        let links = Wanted::from_environment().map_err(unavailable)?;
        let made = Compiler::find().and_then(|compiler| Ok((abi::Runtime::load(&compiler)?, compiler)));
        let (runtime, compiler) = made.map_err(unavailable)?;
        let facts = Facts {
            device: DEVICE.into(),
            name: "emulated on the host".into(),
            capability: (8, 0),
            memory: MEMORY,
            shared_memory: SHARED_MEMORY,
            multiprocessors: 1,
            clock: 0,
            bandwidth: 0,
            versions: compiler.version().into(),
        };
        let state = Arc::new(Mutex::new(State { heap: Heap::new(MEMORY, runtime), counts: Counts::default() }));
        Ok(Self { facts, order: Order::Forward, care, compiler, runtime, links, state })
    }

    /// The same with another order of threads and blocks.
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The same with so many bytes of memory; 16 GiB by default.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.facts.memory = bytes;
        self.state().heap.set_limit(bytes);
        self
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Begins to count anew.
    pub fn reset_counts(&self) {
        self.state().counts = Counts::default();
    }

    /// Bytes of all that is allocated and not given back.
    pub fn allocated(&self) -> usize {
        self.state().heap.allocated()
    }

    /// A panic of an earlier launch leaves nothing half done here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gpu for Emulator {
    type Module = Module;

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError> {
        let allocated = self.state().heap.allocate(bytes);
        allocated.ok_or_else(|| DeviceError::OutOfMemory { bytes, device: DEVICE.into() })
    }

    #[track_caller]
    fn free(&self, address: Address) {
        let freed = self.state().heap.free(address);
        // What a test leaves while it panics is no news.
        if !std::thread::panicking() {
            freed.unwrap_or_else(|fault| panic!("free: {fault}"));
        }
    }

    #[track_caller]
    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError> {
        let written = self.state().heap.write(from, to);
        written.unwrap_or_else(|fault| panic!("write: {fault}"));
        Ok(())
    }

    #[track_caller]
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError> {
        let read = self.state().heap.read(from, to);
        read.unwrap_or_else(|fault| panic!("read: {fault}"));
        Ok(())
    }

    #[track_caller]
    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError> {
        let copied = self.state().heap.copy(from, to, bytes);
        copied.unwrap_or_else(|fault| panic!("copy: {fault}"));
        Ok(())
    }

    fn compile(&self, source: &Source) -> Result<Module, DeviceError> {
        Module::compile(&self.compiler, source, self.care).map_err(unavailable)
    }

    #[track_caller]
    fn launch(&self, module: &Module, launch: &Launch<'_>) -> Result<(), DeviceError> {
        let launched = self.try_launch(module, launch);
        launched.unwrap_or_else(|fault| panic!("{}, kernel {}: {fault}", module.name(), launch.kernel));
        Ok(())
    }

    #[track_caller]
    fn product(&self, product: &Product) -> Result<(), DeviceError> {
        let computed = self.try_product(product);
        computed.unwrap_or_else(|fault| panic!("product of {:?}: {fault}", product.shape));
        Ok(())
    }

    fn links(&self) -> Option<&dyn Links> {
        Some(self)
    }
}

impl Emulator {
    fn try_launch(&self, module: &Module, launch: &Launch<'_>) -> Result<(), String> {
        let kernel = module.kernel(launch)?;
        kernel.check(launch, self.facts.shared_memory)?;
        let mut state = self.state();
        let places = || launch.arguments.iter().filter_map(place);
        for address in places() {
            state.heap.holds(address, 0)?;
        }
        let mut run = abi::Run::new(launch, &self.facts, self.order, self.care);
        let values: Vec<u64> = launch.arguments.iter().map(bits).collect();
        let ranges = if self.care == Care::Counting { state.heap.ranges() } else { Vec::new() };
        self.runtime.run(&mut run, kernel, &values, &ranges)?;
        state.counts.launches += 1;
        state.counts.kernel_multiply_adds += run.multiply_adds;
        state.counts.loaded += run.loaded;
        state.counts.stored += run.stored;
        places().try_for_each(|address| state.heap.check_margins(address))
    }

    fn try_product(&self, product: &Product) -> Result<(), String> {
        let mut state = self.state();
        let [m, n, k] = product.shape;
        let c = Matrix { at: product.c, stride: product.c_stride, transposed: Transposed::No };
        for (name, matrix, rows, columns) in [("A", product.a, m, k), ("B", product.b, k, n), ("C", c, m, n)] {
            let bytes = extent(product.numbers, &matrix, rows, columns).map_err(|fault| format!("{name}: {fault}"))?;
            state.heap.holds(matrix.at, bytes).map_err(|fault| format!("{name}: {fault}"))?;
        }
        self.runtime.product(product);
        state.counts.products += 1;
        state.counts.product_multiply_adds += (m * n * k) as u64;
        state.heap.check_margins(product.c)
    }
}

/// Bytes from the first element of a matrix of which the product takes a shape, to behind its last one.
fn extent(numbers: Numbers, matrix: &Matrix, rows: usize, columns: usize) -> Result<usize, String> {
    let (rows, columns) = match matrix.transposed {
        Transposed::No => (rows, columns),
        Transposed::Yes => (columns, rows),
    };
    if rows == 0 || columns == 0 || matrix.stride < columns {
        return Err(format!("{rows} rows of {columns} elements, a row every {} elements", matrix.stride));
    }
    let size = match numbers {
        Numbers::Single => 4,
        Numbers::Double => 8,
    };
    Ok(((rows - 1) * matrix.stride + columns) * size)
}

/// The place in memory that an argument is, if it is one.
fn place(argument: &Argument) -> Option<Address> {
    match *argument {
        Argument::Address(address) if address != Address(0) => Some(address),
        _ => None,
    }
}

/// An argument as the runtime takes it.
fn bits(argument: &Argument) -> u64 {
    match *argument {
        Argument::Address(Address(value)) | Argument::Long(value) => value,
        Argument::Int(value) => u64::from(value.cast_unsigned()),
        Argument::Single(value) => u64::from(value.to_bits()),
        Argument::Double(value) => value.to_bits(),
    }
}

fn unavailable(reason: String) -> DeviceError {
    DeviceError::Unavailable { device: DEVICE.into(), reason }
}
