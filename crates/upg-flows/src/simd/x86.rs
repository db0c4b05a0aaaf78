//! The registers of x86-64: zmm of AVX-512, ymm of AVX2 with FMA.
//!
//! A precision is told by its size: [`Real`] is `f32` or `f64`, nothing else. The registers are typed as single precision; casts are free.

use super::{Task, Vector, lanes};
use std::arch::x86_64::*;
use std::marker::PhantomData;
use upg_core::Real;

/// Runs `task` with AVX-512.
///
/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,bmi1,bmi2")]
pub(super) unsafe fn avx512<T: Real>(task: impl Task<T>) {
    // SAFETY: the features are those of Zmm.
    unsafe { task.run::<Zmm<T>>() }
}

/// Runs `task` with AVX2 and FMA.
///
/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
pub(super) unsafe fn avx2<T: Real>(task: impl Task<T>) {
    // SAFETY: the features are those of Ymm.
    unsafe { task.run::<Ymm<T>>() }
}

/// 64 bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Zmm<T>(__m512, PhantomData<T>);

/// 32 bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Ymm<T>(__m256, PhantomData<T>);

/// The expression for single precision or, cast to the register type by `$cast`, that for double precision.
macro_rules! by_precision {
    ($T:ty, $single:expr, $cast:ident($double:expr)) => {
        // SAFETY: the caller of the method vouches for the instruction set and for pointers.
        Self(unsafe { if size_of::<$T>() == size_of::<f32>() { $single } else { $cast($double) } }, PhantomData)
    };
}

/// The same bits as another type of the same size.
#[inline(always)]
fn number<T: Real, F: Real>(value: T) -> F {
    // SAFETY: any bits are a number, and the sizes are equal where the result is used (see by_precision).
    if size_of::<T>() == size_of::<F>() { unsafe { std::mem::transmute_copy(&value) } } else { F::zero() }
}

impl<T: Real> Zmm<T> {
    #[inline(always)]
    unsafe fn wide(self) -> __m512d {
        // SAFETY: a cast of a register the caller has.
        unsafe { _mm512_castps_pd(self.0) }
    }

    /// Adds the halves of each 128-bit lane: the lane of the result holds those of `a`, then those of `b`, in single
    /// precision interleaved.
    #[inline(always)]
    unsafe fn pair(a: Self, b: Self) -> Self {
        by_precision!(
            T,
            _mm512_add_ps(_mm512_unpacklo_ps(a.0, b.0), _mm512_unpackhi_ps(a.0, b.0)),
            _mm512_castpd_ps(_mm512_add_pd(
                _mm512_unpacklo_pd(a.wide(), b.wide()),
                _mm512_unpackhi_pd(a.wide(), b.wide())
            ))
        )
    }

    /// A vector whose 128-bit lanes hold partial sums of the rows, one number a row: 4 rows in single precision, 2 in double.
    #[inline(always)]
    unsafe fn fold(rows: *const T) -> Self {
        // SAFETY: the caller hands in so many rows.
        unsafe {
            let n = lanes::<T>();
            let first = Self::pair(Self::load(rows), Self::load(rows.add(n)));
            if size_of::<T>() == size_of::<f64>() {
                return first;
            }
            let second = Self::pair(Self::load(rows.add(2 * n)), Self::load(rows.add(3 * n)));
            let low = _mm512_castpd_ps(_mm512_unpacklo_pd(first.wide(), second.wide()));
            let high = _mm512_castpd_ps(_mm512_unpackhi_pd(first.wide(), second.wide()));
            Self(_mm512_add_ps(low, high), PhantomData)
        }
    }

    /// The sums of neighbouring 128-bit lanes of `a`, then of `b`.
    #[inline(always)]
    unsafe fn halve(a: Self, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let even = Self(_mm512_shuffle_f32x4::<0x88>(a.0, b.0), PhantomData);
            even.add(Self(_mm512_shuffle_f32x4::<0xdd>(a.0, b.0), PhantomData))
        }
    }
}

impl<T: Real> Vector<T> for Zmm<T> {
    const LANES: usize = lanes::<T>();
    const MANY: bool = true;

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        by_precision!(T, _mm512_set1_ps(number(value)), _mm512_castpd_ps(_mm512_set1_pd(number(value))))
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller hands in 64 bytes.
        Self(unsafe { _mm512_loadu_ps(from.cast()) }, PhantomData)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller hands in room for 64 bytes.
        unsafe { _mm512_storeu_ps(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        by_precision!(T, _mm512_add_ps(self.0, other.0), _mm512_castpd_ps(_mm512_add_pd(self.wide(), other.wide())))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        by_precision!(T, _mm512_sub_ps(self.0, other.0), _mm512_castpd_ps(_mm512_sub_pd(self.wide(), other.wide())))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        by_precision!(
            T,
            _mm512_fmadd_ps(self.0, factor.0, term.0),
            _mm512_castpd_ps(_mm512_fmadd_pd(self.wide(), factor.wide(), term.wide()))
        )
    }

    #[inline(always)]
    unsafe fn leaky(self, test: Self, slope: Self) -> Self {
        by_precision!(
            T,
            {
                let not_positive = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(test.0, _mm512_setzero_ps());
                _mm512_mask_mul_ps(self.0, not_positive, self.0, slope.0)
            },
            _mm512_castpd_ps({
                let not_positive = _mm512_cmp_pd_mask::<_CMP_NGT_UQ>(test.wide(), _mm512_setzero_pd());
                _mm512_mask_mul_pd(self.wide(), not_positive, self.wide(), slope.wide())
            })
        )
    }

    #[inline(always)]
    unsafe fn sum_rows(rows: *const T, sums: *mut T) {
        // SAFETY: the caller hands in lanes² numbers, and room for lanes.
        unsafe {
            let quarter = lanes::<T>() * lanes::<T>() / 4;
            let low = Self::halve(Self::fold(rows), Self::fold(rows.add(quarter)));
            let high = Self::halve(Self::fold(rows.add(2 * quarter)), Self::fold(rows.add(3 * quarter)));
            Self::halve(low, high).store(sums);
        }
    }
}

impl<T: Real> Ymm<T> {
    #[inline(always)]
    unsafe fn wide(self) -> __m256d {
        // SAFETY: a cast of a register the caller has.
        unsafe { _mm256_castps_pd(self.0) }
    }

    /// Sums of neighbouring numbers of `a` and `b`, within each 128-bit lane.
    #[inline(always)]
    unsafe fn pair(a: Self, b: Self) -> Self {
        by_precision!(T, _mm256_hadd_ps(a.0, b.0), _mm256_castpd_ps(_mm256_hadd_pd(a.wide(), b.wide())))
    }

    /// The two halves of a row added.
    #[inline(always)]
    unsafe fn row(row: *const T) -> Self {
        // SAFETY: the caller hands in a row, 64 bytes.
        unsafe { Self::load(row).add(Self::load(row.add(Self::LANES))) }
    }

    /// A vector whose 128-bit lanes hold partial sums of the rows, one number a row: 4 rows in single precision, 2 in double.
    #[inline(always)]
    unsafe fn fold(rows: *const T) -> Self {
        // SAFETY: the caller hands in so many rows.
        unsafe {
            let n = lanes::<T>();
            let first = Self::pair(Self::row(rows), Self::row(rows.add(n)));
            if size_of::<T>() == size_of::<f64>() {
                return first;
            }
            Self::pair(first, Self::pair(Self::row(rows.add(2 * n)), Self::row(rows.add(3 * n))))
        }
    }

    /// The sum of the two 128-bit lanes of `a`, then of `b`.
    #[inline(always)]
    unsafe fn halve(a: Self, b: Self) -> Self {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let low = Self(_mm256_permute2f128_ps::<0x20>(a.0, b.0), PhantomData);
            low.add(Self(_mm256_permute2f128_ps::<0x31>(a.0, b.0), PhantomData))
        }
    }
}

impl<T: Real> Vector<T> for Ymm<T> {
    const LANES: usize = lanes::<T>() / 2;
    const MANY: bool = false;

    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        by_precision!(T, _mm256_set1_ps(number(value)), _mm256_castpd_ps(_mm256_set1_pd(number(value))))
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller hands in 32 bytes.
        Self(unsafe { _mm256_loadu_ps(from.cast()) }, PhantomData)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller hands in room for 32 bytes.
        unsafe { _mm256_storeu_ps(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        by_precision!(T, _mm256_add_ps(self.0, other.0), _mm256_castpd_ps(_mm256_add_pd(self.wide(), other.wide())))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        by_precision!(T, _mm256_sub_ps(self.0, other.0), _mm256_castpd_ps(_mm256_sub_pd(self.wide(), other.wide())))
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        by_precision!(
            T,
            _mm256_fmadd_ps(self.0, factor.0, term.0),
            _mm256_castpd_ps(_mm256_fmadd_pd(self.wide(), factor.wide(), term.wide()))
        )
    }

    #[inline(always)]
    unsafe fn leaky(self, test: Self, slope: Self) -> Self {
        by_precision!(
            T,
            {
                let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(test.0, _mm256_setzero_ps());
                _mm256_blendv_ps(_mm256_mul_ps(self.0, slope.0), self.0, positive)
            },
            _mm256_castpd_ps({
                let positive = _mm256_cmp_pd::<_CMP_GT_OQ>(test.wide(), _mm256_setzero_pd());
                _mm256_blendv_pd(_mm256_mul_pd(self.wide(), slope.wide()), self.wide(), positive)
            })
        )
    }

    #[inline(always)]
    unsafe fn sum_rows(rows: *const T, sums: *mut T) {
        // SAFETY: the caller hands in lanes² numbers, and room for lanes.
        unsafe {
            let quarter = lanes::<T>() * lanes::<T>() / 4;
            Self::halve(Self::fold(rows), Self::fold(rows.add(quarter))).store(sums);
            let high = Self::halve(Self::fold(rows.add(2 * quarter)), Self::fold(rows.add(3 * quarter)));
            high.store(sums.add(Self::LANES));
        }
    }
}
