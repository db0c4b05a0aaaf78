//! How kernels are launched: how they are spread, and what they get.

use crate::gpu::{Address, Argument};

/// How a kernel is spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    /// Blocks in x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block, in x and y.
    pub block: [u32; 2],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

impl Spread {
    /// One thread an element, 256 a block.
    pub fn elements(count: usize) -> Self {
        Self { grid: [count.div_ceil(THREADS as usize) as u32, 1, 1], block: [THREADS, 1], shared: 0 }
    }

    /// So many blocks of 256 threads, e.g. one a row.
    pub fn blocks(count: usize) -> Self {
        Self { grid: [count as u32, 1, 1], block: [THREADS, 1], shared: 0 }
    }

    /// One block of 256 threads.
    pub fn one_block() -> Self {
        Self::blocks(1)
    }

    /// Blocks of 32 samples and 8 groups of rows.
    pub fn rows(samples: usize) -> Self {
        Self { grid: [samples.div_ceil(32) as u32, 1, 1], block: [32, 8], shared: 0 }
    }
}

/// Threads of a block of most kernels.
pub(crate) const THREADS: u32 = 256;

/// The arguments of a kernel: `arguments![x.at(), n, 0.5_f64]`.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { &[$($crate::gpu::Argument::from($argument)),*] };
}
pub(crate) use arguments;

impl From<Address> for Argument {
    fn from(at: Address) -> Self {
        Self::Address(at)
    }
}

impl From<usize> for Argument {
    /// A size, as `int`.
    fn from(size: usize) -> Self {
        Self::Int(i32::try_from(size).expect("sizes are below 2^31"))
    }
}

impl From<i32> for Argument {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Argument {
    fn from(word: u64) -> Self {
        Self::Long(word)
    }
}

impl From<f64> for Argument {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}
