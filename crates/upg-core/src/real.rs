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
    /// A precision as [`vmath`](crate::vmath) sees it: its bit layout and its coefficients.
    pub trait Lane: Copy + 'static {
        /// 1.5·2^m with m mantissa bits: adding it rounds to the nearest integer, which then stands in the low bits.
        const ROUNDER: Self;
        /// That of the exponent in the bits of a number.
        const EXPONENT_BIAS: Self;
        /// The leading part of ln 2, with enough trailing zeros that n·LN2_HI is exact for every exponent n.
        const LN2_HI: Self;
        /// ln 2 − LN2_HI.
        const LN2_LO: Self;
        /// 1/k! for k = 2, 3, …: e^r − 1 − r = Σ r^k/k! to round-off on |r| ≤ ½ ln 2.
        const INVERSE_FACTORIALS: &'static [Self];
        /// 1/(2k+1) for k = 1, 2, …: atanh(s)/s − 1 = Σ s^{2k}/(2k+1) to round-off on |s| ≤ 1/3.
        const ATANH: &'static [Self];
        /// P with |1 + f P(f) − 2^f| < 2^−28 (f32), 2^−57 (f64) relative, |f| ≤ ½: minimax, as all that follow.
        const EXP2: &'static [Self];
        /// P with |u P(u) − log(1 + u)| < 2^−24 (f32), 2^−56 (f64) relative, 0 ≤ u ≤ 1.
        const LN_1P: &'static [Self];
        /// exp overflows above.
        const EXP_MAX: Self;
        /// exp is flushed to zero below.
        const EXP_MIN: Self;
        /// tanh is ±1 to round-off beyond.
        const TANH_MAX: Self;
        /// P with |1 + w P(w)/2 − atanh(s)/s| < 2^−29 (f32), 2^−58 (f64) relative, w = s², |s| ≤ (√2 − 1)/(√2 + 1).
        const LN: &'static [Self];
        /// π/2 in three parts; the first two have so many trailing zeros that their multiples by up to 2⁷ are exact.
        const HALF_PI: [Self; 3];
        /// P with |1 + w P(w) − sin(r)/r| < 2^−26 (f32), 2^−56 (f64) relative, w = r², |r| ≤ π/4.
        const SIN: &'static [Self];
        /// P with |1 + w P(w) − cos r| < 2^−32 (f32), 2^−59 (f64) relative, w = r², |r| ≤ π/4; P(0) = −1/2.
        const COS: &'static [Self];
        /// P with |1 + w P(w) − atan(z)/z| < 2^−30 (f32), 2^−59 (f64) relative, w = z², |z| ≤ tan(π/8).
        const ATAN: &'static [Self];

        /// n + ROUNDER for n < 2²⁰.
        fn rounded(n: u32) -> Self;
        /// 2^n for `rounded` = n + ROUNDER, n an integer within the range of the exponent.
        fn pow2_of_rounded(rounded: Self) -> Self;
        /// 2^n for `biased` = n + EXPONENT_BIAS + ROUNDER.
        fn pow2_of_biased(biased: Self) -> Self;
        /// |magnitude| with the sign bit of `of`.
        fn with_sign(magnitude: Self, of: Self) -> Self;
        /// x = 2^n·m with √½ ≤ m < √2 for a positive normal x; returns n and m.
        fn split(x: Self) -> (Self, Self);
        /// (sin, cos) of an angle, turned by n quarters of a full turn, for `rounded` = n + ROUNDER.
        fn turned(rounded: Self, sin: Self, cos: Self) -> (Self, Self);
    }

    impl Lane for f32 {
        const ROUNDER: f32 = 12_582_912.0;
        const EXPONENT_BIAS: f32 = 127.0;
        const LN2_HI: f32 = 0.693_145_75;
        const LN2_LO: f32 = 1.428_606_8e-6;
        const INVERSE_FACTORIALS: &'static [f32] =
            &[1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0];
        const ATANH: &'static [f32] = &[1.0 / 3.0, 1.0 / 5.0, 1.0 / 7.0, 1.0 / 9.0, 1.0 / 11.0, 1.0 / 13.0, 1.0 / 15.0];
        const EXP2: &'static [f32] =
            &[std::f32::consts::LN_2, 0.240_226_49, 0.055_503_584, 0.009_618_442_5, 0.001_339_036_6, 0.000_153_375_79];
        const LN_1P: &'static [f32] = &[
            0.999_999_94,
            -0.499_994_93,
            0.333_190_98,
            -0.248_429_82,
            0.191_060_05,
            -0.136_632_43,
            0.078_225_92,
            -0.029_505_22,
            0.005_232_69,
        ];
        const EXP_MAX: f32 = 88.722_83;
        const EXP_MIN: f32 = -86.6;
        const TANH_MAX: f32 = 10.0;
        const LN: &'static [f32] = &[0.666_667_76, 0.399_775_42, 0.298_717_3];
        const HALF_PI: [f32; 3] = [1.570_785_5, 1.080_427_3e-5, 6.077_100_5e-11];
        const SIN: &'static [f32] = &[-0.166_666_55, 0.008_332_16, -0.000_195_152_82];
        const COS: &'static [f32] = &[-0.5, 0.041_666_646, -0.001_388_731_6, 2.443_315_7e-5];
        const ATAN: &'static [f32] = &[-0.333_333_15, 0.199_984_72, -0.142_435_33, 0.105_938_14, -0.060_782_217];

        #[inline(always)]
        fn rounded(n: u32) -> f32 {
            f32::from_bits(Self::ROUNDER.to_bits() + n)
        }

        #[inline(always)]
        fn pow2_of_rounded(rounded: f32) -> f32 {
            f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
        }

        #[inline(always)]
        fn pow2_of_biased(biased: f32) -> f32 {
            f32::from_bits(biased.to_bits() << 23)
        }

        #[inline(always)]
        fn with_sign(magnitude: f32, of: f32) -> f32 {
            magnitude.copysign(of)
        }

        #[inline(always)]
        fn split(x: f32) -> (f32, f32) {
            const BIAS: u32 = 127;
            let bits = x.to_bits();
            let biased = bits.wrapping_add((BIAS << 23) - std::f32::consts::FRAC_1_SQRT_2.to_bits()) >> 23;
            let n = f32::from_bits(Self::ROUNDER.to_bits() + biased) - (Self::ROUNDER + BIAS as f32);
            (n, f32::from_bits(bits.wrapping_sub(biased.wrapping_sub(BIAS) << 23)))
        }

        #[inline(always)]
        fn turned(rounded: f32, sin: f32, cos: f32) -> (f32, f32) {
            let n = rounded.to_bits();
            let (s, c) = if n & 1 == 0 { (sin, cos) } else { (cos, sin) };
            let flip = |value: f32, n: u32| f32::from_bits(value.to_bits() ^ (n & 2) << 30);
            (flip(s, n), flip(c, n.wrapping_add(1)))
        }
    }

    impl Lane for f64 {
        const ROUNDER: f64 = 6_755_399_441_055_744.0;
        const EXPONENT_BIAS: f64 = 1023.0;
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
        const EXP2: &'static [f64] = &[
            std::f64::consts::LN_2,
            0.240_226_506_959_100_97,
            0.055_504_108_664_820_82,
            0.009_618_129_107_607_535,
            0.001_333_355_814_666_566_2,
            0.000_154_035_304_408_030_94,
            1.525_273_355_034_131e-5,
            1.321_544_308_617_805e-6,
            1.017_819_053_067_322_5e-7,
            7.072_497_280_446_962e-9,
            4.434_427_686_135_237_5e-10,
        ];
        const LN_1P: &'static [f64] = &[
            1.0,
            -0.499_999_999_999_991_84,
            0.333_333_333_332_112_57,
            -0.249_999_999_927_222_83,
            0.199_999_997_694_608_7,
            -0.166_666_621_782_438_02,
            0.142_856_556_785_251_5,
            -0.124_994_563_526_509_38,
            0.111_073_811_402_205_3,
            -0.099_805_056_606_252_22,
            0.090_115_505_200_805_83,
            -0.080_772_780_565_130_11,
            0.070_279_830_593_203_88,
            -0.057_388_229_861_259_25,
            0.042_166_641_587_864_12,
            -0.026_623_351_109_287_305,
            0.013_756_321_106_727_28,
            -0.005_502_167_939_270_794,
            0.001_581_721_325_531_658_4,
            -0.000_288_809_019_915_233_15,
            2.504_186_891_151_085_8e-5,
        ];
        const EXP_MAX: f64 = 709.782_712_893_384;
        const EXP_MIN: f64 = -707.7;
        const TANH_MAX: f64 = 20.0;
        const LN: &'static [f64] = &[
            0.666_666_666_666_673_4,
            0.399_999_999_994_146_7,
            0.285_714_287_423_890_2,
            0.222_221_985_730_211_96,
            0.181_835_643_354_986_8,
            0.153_140_502_914_252_35,
            0.147_959_525_021_327_23,
        ];
        const HALF_PI: [f64; 3] = [1.570_796_326_794_891_2, 5.390_302_858_158_031e-15, 8.843_720_566_135_701e-29];
        const SIN: &'static [f64] = &[
            -0.166_666_666_666_666_3,
            0.008_333_333_333_322_118,
            -0.000_198_412_698_295_894_3,
            2.755_731_362_134_660_2e-6,
            -2.505_074_775_652_613_6e-8,
            1.589_622_978_103_492e-10,
        ];
        const COS: &'static [f64] = &[
            -0.5,
            0.041_666_666_666_666_595,
            -0.001_388_888_888_887_305_6,
            2.480_158_728_885_163e-5,
            -2.755_731_417_927_431_5e-7,
            2.087_570_083_881_772e-9,
            -1.135_853_635_174_524_5e-11,
        ];
        const ATAN: &'static [f64] = &[
            -0.333_333_333_333_332,
            0.199_999_999_999_532_47,
            -0.142_857_142_801_666_1,
            0.111_111_107_821_571_78,
            -0.090_908_977_253_084_89,
            0.076_920_597_183_548_11,
            -0.066_630_992_134_538_12,
            0.058_478_593_385_875_27,
            -0.050_391_906_997_016_615,
            0.038_062_146_401_950_27,
            -0.017_905_046_193_505_667,
        ];

        #[inline(always)]
        fn rounded(n: u32) -> f64 {
            f64::from_bits(Self::ROUNDER.to_bits() + u64::from(n))
        }

        #[inline(always)]
        fn pow2_of_rounded(rounded: f64) -> f64 {
            f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52)
        }

        #[inline(always)]
        fn pow2_of_biased(biased: f64) -> f64 {
            f64::from_bits(biased.to_bits() << 52)
        }

        #[inline(always)]
        fn with_sign(magnitude: f64, of: f64) -> f64 {
            magnitude.copysign(of)
        }

        #[inline(always)]
        fn split(x: f64) -> (f64, f64) {
            const BIAS: u64 = 1023;
            let bits = x.to_bits();
            let biased = bits.wrapping_add((BIAS << 52) - std::f64::consts::FRAC_1_SQRT_2.to_bits()) >> 52;
            let n = f64::from_bits(Self::ROUNDER.to_bits() + biased) - (Self::ROUNDER + BIAS as f64);
            (n, f64::from_bits(bits.wrapping_sub(biased.wrapping_sub(BIAS) << 52)))
        }

        #[inline(always)]
        fn turned(rounded: f64, sin: f64, cos: f64) -> (f64, f64) {
            let n = rounded.to_bits();
            let (s, c) = if n & 1 == 0 { (sin, cos) } else { (cos, sin) };
            let flip = |value: f64, n: u64| f64::from_bits(value.to_bits() ^ (n & 2) << 62);
            (flip(s, n), flip(c, n.wrapping_add(1)))
        }
    }
}
