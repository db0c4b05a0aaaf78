//! The two precisions, `f32` and `f64`.

use num_traits::{Float, NumAssign};
use std::fmt::{Debug, Display};
use std::iter::Sum;

/// A floating-point number the engine computes in: `f32` or `f64`, nothing else.
pub trait Real: Float + NumAssign + Sum + Default + Debug + Display + Send + Sync + sealed::Lane + 'static {
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The nearest number of this precision.
    fn of(value: f64) -> Self;

    /// The same number in double precision (exact).
    fn wide(self) -> f64;
}

impl Real for f32 {
    const NAME: &'static str = "f32";

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const NAME: &'static str = "f64";

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

pub(crate) mod sealed {
    /// What [`vmath`](crate::vmath) needs to know of a precision: its bit layout and its coefficients.
    pub trait Lane: Copy + 'static {
        /// 1.5·2^m with m mantissa bits: adding it rounds to the nearest integer, which then stands in the low bits.
        const ROUNDER: Self;
        /// The leading part of ln 2, with enough trailing zeros that n·LN2_HI is exact for every exponent n.
        const LN2_HI: Self;
        /// ln 2 − LN2_HI.
        const LN2_LO: Self;
        /// 1/k! for k = 2, 3, …: e^r − 1 − r = Σ r^k/k! to round-off on |r| ≤ ½ ln 2.
        const INVERSE_FACTORIALS: &'static [Self];
        /// 1/(2k+1) for k = 1, 2, …: atanh(s)/s − 1 = Σ s^{2k}/(2k+1) to round-off on |s| ≤ 1/3.
        const ATANH: &'static [Self];
        /// exp overflows above.
        const EXP_MAX: Self;
        /// exp is flushed to zero below.
        const EXP_MIN: Self;
        /// tanh is ±1 to round-off beyond.
        const TANH_MAX: Self;

        /// 2^n for `rounded` = n + ROUNDER, n an integer within the range of the exponent.
        fn pow2_of_rounded(rounded: Self) -> Self;
        /// |magnitude| with the sign bit of `of`.
        fn with_sign(magnitude: Self, of: Self) -> Self;
    }

    impl Lane for f32 {
        const ROUNDER: f32 = 12_582_912.0;
        const LN2_HI: f32 = 0.693_145_75;
        const LN2_LO: f32 = 1.428_606_8e-6;
        const INVERSE_FACTORIALS: &'static [f32] =
            &[1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0];
        const ATANH: &'static [f32] = &[1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0];
        const EXP_MAX: f32 = 88.722_83;
        const EXP_MIN: f32 = -86.6;
        const TANH_MAX: f32 = 10.0;

        #[inline(always)]
        fn pow2_of_rounded(rounded: f32) -> f32 {
            f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
        }

        #[inline(always)]
        fn with_sign(magnitude: f32, of: f32) -> f32 {
            magnitude.copysign(of)
        }
    }

    impl Lane for f64 {
        const ROUNDER: f64 = 6_755_399_441_055_744.0;
        const LN2_HI: f64 = 0.693_147_180_369_123_8;
        const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
        const INVERSE_FACTORIALS: &'static [f64] = &[
            1.0 / 2.0,
            1.0 / 6.0,
            1.0 / 24.0,
            1.0 / 120.0,
            1.0 / 720.0,
            1.0 / 5_040.0,
            1.0 / 40_320.0,
            1.0 / 362_880.0,
            1.0 / 3_628_800.0,
            1.0 / 39_916_800.0,
            1.0 / 479_001_600.0,
            1.0 / 6_227_020_800.0,
        ];
        const ATANH: &'static [f64] = &[
            1.0 / 3.0,
            1.0 / 5.0,
            1.0 / 7.0,
            1.0 / 9.0,
            1.0 / 11.0,
            1.0 / 13.0,
            1.0 / 15.0,
            1.0 / 17.0,
            1.0 / 19.0,
            1.0 / 21.0,
            1.0 / 23.0,
            1.0 / 25.0,
            1.0 / 27.0,
            1.0 / 29.0,
            1.0 / 31.0,
            1.0 / 33.0,
        ];
        const EXP_MAX: f64 = 709.782_712_893_384;
        const EXP_MIN: f64 = -707.7;
        const TANH_MAX: f64 = 20.0;

        #[inline(always)]
        fn pow2_of_rounded(rounded: f64) -> f64 {
            f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52)
        }

        #[inline(always)]
        fn with_sign(magnitude: f64, of: f64) -> f64 {
            magnitude.copysign(of)
        }
    }
}
