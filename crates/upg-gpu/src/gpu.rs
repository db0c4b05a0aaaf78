//! All that this crate asks of a GPU: memory, kernels compiled from text, launches in order, matrix products.
//!
//! Everything above this trait is the same code on a card and where there is none. Work is done in the order in which it is asked for
//! (one stream); [`Gpu::read`] waits for it.

use std::fmt;
use upg_core::DeviceError;
use upg_core::device::Wait;

/// A place in the memory of a GPU; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(pub u64);

impl Address {
    /// The place so many bytes further.
    pub fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// A GPU, or what stands for one.
pub trait Gpu: Send + Sync + 'static {
    /// Kernels compiled from one text.
    type Module: Send + Sync + 'static;

    /// What it is.
    fn facts(&self) -> &Facts;

    /// How it has worked so far, in words for a report; empty where there is nothing to say.
    fn remarks(&self) -> String {
        String::new()
    }

    /// Memory of so many bytes (more than 0), aligned to 256; its content is unspecified.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or [`DeviceError::Lost`].
    fn allocate(&self, bytes: usize) -> Result<Address, DeviceError>;

    /// Gives memory back, once all work asked for so far is done with it.
    fn free(&self, address: Address);

    /// Copies from the host; `from` may be changed as soon as this returns.
    ///
    /// # Errors
    /// [`DeviceError::Lost`], as in all that follow.
    fn write(&self, from: &[u8], to: Address) -> Result<(), DeviceError>;

    /// Waits for all work asked for so far, and copies to the host.
    ///
    /// # Errors
    /// [`DeviceError::Lost`].
    fn read(&self, from: Address, to: &mut [u8]) -> Result<(), DeviceError>;

    /// Copies within the device; the places don't overlap.
    ///
    /// # Errors
    /// [`DeviceError::Lost`].
    fn copy(&self, from: Address, to: Address, bytes: usize) -> Result<(), DeviceError>;

    /// Compiles a text, or finds what was compiled of it before.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] with the compiler's words, or [`DeviceError::Lost`].
    fn compile(&self, source: &Source) -> Result<Self::Module, DeviceError>;

    /// Runs a kernel.
    ///
    /// # Errors
    /// [`DeviceError::Lost`].
    ///
    /// # Panics
    /// If the module has no such kernel.
    fn launch(&self, module: &Self::Module, launch: &Launch<'_>) -> Result<(), DeviceError>;

    /// A matrix product.
    ///
    /// # Errors
    /// [`DeviceError::Lost`], or [`DeviceError::Unavailable`] where the library of products is missing.
    fn product(&self, product: &Product) -> Result<(), DeviceError>;

    /// The way to the GPUs of other processes, if there is one.
    fn links(&self) -> Option<&dyn Links> {
        None
    }
}

/// The way from a GPU to those of other processes.
pub trait Links {
    /// Whether there is what it takes.
    ///
    /// # Errors
    /// [`DeviceError::Unavailable`] that says what is missing, or that it isn't wanted.
    fn check(&self) -> Result<(), DeviceError>;

    /// By what the GPUs find each other: made by one, given to all.
    ///
    /// # Errors
    /// Why there is nothing.
    fn invite(&self) -> Result<Vec<u8>, DeviceError>;

    /// Connects GPU number `rank` with the others of `size`, which do the same.
    ///
    /// # Errors
    /// Why they can't be connected.
    fn join(&self, invitation: &[u8], rank: usize, size: usize, wait: Wait<'_>) -> Result<Box<dyn Link>, DeviceError>;
}

/// A GPU among others that it is connected with. Dropped, it leaves them, whatever they are doing.
pub trait Link: Send {
    /// Begins to send to other GPUs and to receive from them, once the work of this GPU asked for so far is done; what is asked for from now on goes on
    /// meanwhile. Several messages to one GPU arrive in their order. What is sent has to stay as it is, and what is received isn't there, until
    /// [`arrived`](Self::arrived) returns.
    ///
    /// # Errors
    /// [`DeviceError::Lost`], or what `wait` says.
    fn begin(&mut self, messages: &[Message], wait: Wait<'_>) -> Result<(), DeviceError>;

    /// Waits until all messages that were begun are sent and received.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn arrived(&mut self, wait: Wait<'_>) -> Result<(), DeviceError>;

    /// Bytes of a gradient from which on it is worth while to send a part of it before the rest is there.
    fn piece(&self) -> usize;

    /// By what the GPUs are connected, in words for a report.
    fn words(&self) -> String;
}

/// What goes to another GPU, and what comes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The number of the other.
    pub other: usize,
    /// What is sent, and its bytes; it may be nothing.
    pub send: (Address, usize),
    /// Where what it sends goes, and its bytes; it may be nothing.
    pub receive: (Address, usize),
}

/// What a GPU is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its place among the devices of the machine, e.g. `cuda:0`; errors name it.
    pub device: String,
    /// The card, e.g. `NVIDIA A100-SXM4-80GB`.
    pub name: String,
    /// Compute capability, e.g. (8, 0).
    pub capability: (u32, u32),
    /// Bytes of memory, all of it.
    pub memory: usize,
    /// Bytes of shared memory that a block can have.
    pub shared_memory: usize,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Their highest clock in Hz; 0 where it isn't told.
    pub clock: u64,
    /// Bytes a second that its memory can move at most; 0 where it isn't told.
    pub bandwidth: u64,
    /// Versions of the driver and the libraries, e.g. `driver 13.0, NVRTC 12.9, cuBLAS 13.0`.
    pub versions: String,
}

impl Facts {
    /// Floating-point operations a second at the highest clock, two a multiply-add: in f32, and on tensor cores in TF32; none where clock or
    /// architecture isn't known.
    ///
    /// Source: multiply-adds a clock of a multiprocessor, tables of the CUDA programming guide and of NVIDIA's papers on the A100 and the H100.
    pub fn peaks(&self) -> Option<[f64; 2]> {
        let a_clock = match self.capability {
            (8, 0) => [64, 512],
            (9, 0) => [128, 1024],
            _ => return None,
        };
        let peak = |adds: u64| 2.0 * (adds * u64::from(self.multiprocessors)) as f64 * self.clock as f64;
        (self.clock > 0).then(|| a_clock.map(peak))
    }
}

/// A text of kernels and what specialises it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Name of the file.
    pub name: &'static str,
    /// CUDA C++ without headers, the common prelude in front.
    pub text: String,
    /// Macros, e.g. ("REAL_IS_DOUBLE", "1").
    pub defines: Vec<(&'static str, String)>,
}

/// A number that a kernel gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// A pointer.
    Address(Address),
    /// `int`.
    Int(i32),
    /// `unsigned long long`.
    Long(u64),
    /// `float`.
    Single(f32),
    /// `double`.
    Double(f64),
}

/// One run of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Blocks in x, y and z; none of them 0.
    pub grid: [u32; 3],
    /// Threads of a block, in x and y.
    pub block: [u32; 2],
    /// Bytes of shared memory beside those that the kernel declares.
    pub shared: u32,
    /// What it gets.
    pub arguments: &'a [Argument],
}

/// A matrix of a product, rows contiguous.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix {
    /// The first element.
    pub at: Address,
    /// Elements from one row to the next, as it lies in memory.
    pub stride: usize,
    /// Whether the product takes its transpose.
    pub transposed: Transposed,
}

impl Matrix {
    /// The matrix that lies there, with so many elements from one row to the next.
    pub fn new(at: Address, stride: usize) -> Self {
        Self { at, stride, transposed: Transposed::No }
    }

    /// Its transpose.
    pub fn t(self) -> Self {
        let transposed = match self.transposed {
            Transposed::No => Transposed::Yes,
            Transposed::Yes => Transposed::No,
        };
        Self { transposed, ..self }
    }
}

/// Whether a product takes the transpose of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transposed {
    /// As it lies.
    No,
    /// Its transpose.
    Yes,
}

/// The numbers of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// f32.
    Single,
    /// f64.
    Double,
}

/// How products of f32 are computed; those of f64 are always full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Products {
    /// In f32.
    #[default]
    Full,
    /// Factors rounded to TF32, which has ten bits of mantissa, and sums in f32.
    Tf32,
}

impl fmt::Display for Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Tf32 => "TF32",
        })
    }
}

/// C ← α op(A) op(B) + β C, with op(A) of shape [m, k], op(B) [k, n], C [m, n], each with contiguous rows. With β = 0 the old C isn't read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product {
    /// The numbers of all three matrices.
    pub numbers: Numbers,
    /// How they are multiplied.
    pub products: Products,
    /// Rows of C, its columns, and the terms of a sum; none of them 0.
    pub shape: [usize; 3],
    /// α.
    pub alpha: f64,
    /// A.
    pub a: Matrix,
    /// B.
    pub b: Matrix,
    /// β.
    pub beta: f64,
    /// First element of C.
    pub c: Address,
    /// Elements from one row of C to the next.
    pub c_stride: usize,
}
