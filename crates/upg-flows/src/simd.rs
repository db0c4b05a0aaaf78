//! Explicit SIMD: one register, for AVX-512, for AVX2 with FMA and for any processor, and the run-time choice between them.
//!
//! A tile is 64 bytes of samples, [`lanes`] of them; a register holds all or a part of it, `V::LANES` numbers. The code is written once over
//! `V: Vector`; `run` compiles it for every instruction set. Everything called from `Task::run` must be `#[inline(always)]`
//! and free of closures, so that it ends up in the function that has the target features.

#[cfg(target_arch = "x86_64")]
mod x86;

use upg_core::{Real, vmath::InstructionSet};

/// Bytes of one number of all samples of a tile.
pub(crate) const TILE: usize = 64;

/// Samples in a tile of 64 bytes: 16 in single precision, 8 in double precision.
///
/// ```
/// assert_eq!((upg_flows::simd::lanes::<f32>(), upg_flows::simd::lanes::<f64>()), (16, 8));
/// ```
pub const fn lanes<T: Real>() -> usize {
    TILE / size_of::<T>()
}

/// A register of numbers.
///
/// # Safety
/// All methods need a processor with the instruction set of the register; `load`, `store` and `sum_rows` need pointers
/// to as many numbers as they say, of any alignment.
pub(crate) trait Vector<T: Real>: Copy {
    /// Numbers in a register; divides [`lanes`].
    const LANES: usize;
    /// Whether there are 32 registers rather than 16.
    const MANY: bool;

    /// All lanes equal.
    unsafe fn splat(value: T) -> Self;
    /// Reads `LANES` numbers.
    unsafe fn load(from: *const T) -> Self;
    /// Writes `LANES` numbers.
    unsafe fn store(self, to: *mut T);
    /// self + other.
    unsafe fn add(self, other: Self) -> Self;
    /// self − other.
    unsafe fn sub(self, other: Self) -> Self;
    /// self·factor + term.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// self where `test` > 0, else slope·self.
    unsafe fn leaky(self, test: Self, slope: Self) -> Self;
    /// sums[j] = Σ rows[j] for [`lanes`] rows, one after the other, of as many numbers each. The sums may replace the first row.
    unsafe fn sum_rows(rows: *const T, sums: *mut T);
}

/// Work written over a register type.
pub(crate) trait Task<T: Real> {
    /// Does it.
    ///
    /// # Safety
    /// The processor must have the instruction set of `V`.
    unsafe fn run<V: Vector<T>>(self);
}

/// Runs `task` as compiled for what the processor has.
#[inline]
pub(crate) fn run<T: Real>(task: impl Task<T>) {
    run_on(InstructionSet::detect(), task);
}

/// Runs `task` as compiled for `set`.
///
/// # Panics
/// If the processor lacks `set`.
#[inline]
pub(crate) fn run_on<T: Real>(set: InstructionSet, task: impl Task<T>) {
    match set {
        // SAFETY: plain arrays need nothing.
        InstructionSet::Baseline => unsafe { task.run::<Plain<T>>() },
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => {
            assert_ne!(InstructionSet::detect(), InstructionSet::Baseline, "AVX2 is missing");
            // SAFETY: detect() found AVX2 and FMA.
            unsafe { x86::avx2(task) }
        }
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => {
            assert_eq!(InstructionSet::detect(), InstructionSet::Avx512, "AVX-512 is missing");
            // SAFETY: detect() found AVX-512 F, VL, DQ, BW, AVX2 and FMA.
            unsafe { x86::avx512(task) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        other => panic!("{other:?} is missing"),
    }
}

/// Four numbers in an array: the compiler's own vectors, on any processor.
#[derive(Clone, Copy)]
struct Plain<T>([T; 4]);

impl<T: Real> Vector<T> for Plain<T> {
    const LANES: usize = 4;
    const MANY: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller hands in four numbers.
        Self(unsafe { from.cast::<[T; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller hands in room for four numbers.
        unsafe { to.cast::<[T; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for i in 0..4 {
            self.0[i] += other.0[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for i in 0..4 {
            self.0[i] -= other.0[i];
        }
        self
    }

    #[inline(always)]
    unsafe fn mul_add(mut self, factor: Self, term: Self) -> Self {
        for i in 0..4 {
            self.0[i] = mul_add(self.0[i], factor.0[i], term.0[i]);
        }
        self
    }

    #[inline(always)]
    unsafe fn leaky(mut self, test: Self, slope: Self) -> Self {
        for i in 0..4 {
            let scaled = self.0[i] * slope.0[i];
            self.0[i] = if test.0[i] > T::zero() { self.0[i] } else { scaled };
        }
        self
    }

    #[inline(always)]
    unsafe fn sum_rows(rows: *const T, sums: *mut T) {
        for j in 0..lanes::<T>() {
            // SAFETY: the caller hands in lanes² numbers, and room for lanes.
            unsafe {
                let row = std::slice::from_raw_parts(rows.add(j * lanes::<T>()), lanes::<T>());
                *sums.add(j) = row.iter().copied().sum();
            }
        }
    }
}

/// a·b + c, fused where every processor of the architecture does it.
#[inline(always)]
fn mul_add<T: Real>(a: T, b: T, c: T) -> T {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, c) } else { a * b + c }
}
