//! Sine and cosine of one number without branches, to be used inside a [`vmath::Kernel`](upg_core::vmath::Kernel).
//!
//! x = n π/2 + r with |r| ≤ π/4, where π/2 is a sum of numbers of which all but the last have so many trailing zeros that
//! their products with n are exact for |n| ≤ 8. Then the Taylor series of sin r and cos r to round-off, exchanged and
//! signed by n mod 4. For |x| ≤ 4π each result is within 2 ulp of the C library's in double precision (checked by the
//! tests); for larger n, up to 2^13, r is off by less than n ε².

use upg_core::{Real, vmath::MulAdd};

/// What a precision needs: π/2 as a sum, and how many terms of the series reach its round-off.
struct Constants {
    half_pi: &'static [f64],
    /// 1.5·2^m with m mantissa bits: adding it rounds to the nearest integer.
    rounder: f64,
    terms: usize,
}

const SINGLE: Constants = Constants {
    half_pi: &[1.570_312_5, 4.837_512_969_970_703e-4, 7.549_789_415_861_596e-8, 5.390302953474238e-15],
    rounder: 12_582_912.0,
    terms: 5,
};

const DOUBLE: Constants = Constants {
    half_pi: &[1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21],
    rounder: 6_755_399_441_055_744.0,
    terms: 8,
};

/// (−1)^k/(2k+1)! for k = 1, 2, …: sin r = r + r³ Σ.
const SINE: [f64; 7] = [
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5_040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
];

/// (−1)^k/(2k)! for k = 2, 3, …: cos r = 1 − r²/2 + r⁴ Σ.
const COSINE: [f64; 7] = [
    1.0 / 24.0,
    -1.0 / 720.0,
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 20_922_789_888_000.0,
];

/// (sin x, cos x). NaN and infinities give NaN.
#[inline(always)]
pub(crate) fn sin_cos<T: Real, M: MulAdd>(x: T) -> (T, T) {
    let constants = if size_of::<T>() == 4 { SINGLE } else { DOUBLE };
    let rounder = T::of(constants.rounder);
    let n = M::mul_add(x, T::of(std::f64::consts::FRAC_2_PI), rounder) - rounder;
    let mut r = x;
    for &part in constants.half_pi {
        r = M::mul_add(n, T::of(-part), r);
    }
    let square = r * r;
    let sine = M::mul_add(r * square, polynomial::<T, M>(&SINE[..constants.terms - 1], square), r);
    let tail = square * square * polynomial::<T, M>(&COSINE[..constants.terms - 1], square);
    let cosine = one_minus_half::<T>(square) + tail;
    turn(n, rounder, sine, cosine)
}

/// 1 − s/2.
#[inline(always)]
fn one_minus_half<T: Real>(s: T) -> T {
    T::one() - s * T::of(0.5)
}

/// Σ_k c_k s^k.
#[inline(always)]
fn polynomial<T: Real, M: MulAdd>(coefficients: &[f64], s: T) -> T {
    let mut sum = T::zero();
    for &coefficient in coefficients.iter().rev() {
        sum = M::mul_add(sum, s, T::of(coefficient));
    }
    sum
}

/// Turns (sin r, cos r) by n quarters of the circle.
#[inline(always)]
fn turn<T: Real>(n: T, rounder: T, sine: T, cosine: T) -> (T, T) {
    let four = T::of(4.0);
    let quarters = n - four * ((n * T::of(0.25) + rounder) - rounder); // n mod 4 in −2 … 2
    let odd = quarters.abs() == T::one();
    let (sine, cosine) = if odd { (cosine, sine) } else { (sine, cosine) };
    let half_turn = quarters.abs() > T::of(1.5);
    let sine = if half_turn || quarters == -T::one() { -sine } else { sine };
    let cosine = if half_turn || quarters == T::one() { -cosine } else { cosine };
    (sine, cosine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{FRAC_PI_2, PI};
    use upg_core::vmath::{InstructionSet, Kernel, dispatch_to};

    struct Both<'a, T>(&'a [T], &'a mut [T], &'a mut [T]);

    impl<T: Real> Kernel for Both<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<M: MulAdd>(self) {
            for ((x, sine), cosine) in self.0.iter().zip(self.1).zip(self.2) {
                (*sine, *cosine) = sin_cos::<T, M>(*x);
            }
        }
    }

    /// Multiples of π/2 as this precision rounds them, their neighbours, and a dense grid on [−4π, 4π].
    fn arguments<T: Real>() -> Vec<T> {
        let near = (-8..=8).flat_map(|n| {
            let at = T::of(f64::from(n) * FRAC_PI_2);
            let step = at.abs().max(T::one()) * T::epsilon();
            (-3..=3).map(move |k| at + T::of(f64::from(k)) * step)
        });
        let grid = (-200_000..=200_000).map(|k| T::of(4.0 * PI * f64::from(k) / 200_000.0));
        near.chain(grid).chain([1e-30, -1e-30, 0.0].map(T::of)).collect()
    }

    fn sets() -> Vec<InstructionSet> {
        match InstructionSet::detect() {
            InstructionSet::Avx512 => vec![InstructionSet::Baseline, InstructionSet::Avx2, InstructionSet::Avx512],
            InstructionSet::Avx2 => vec![InstructionSet::Baseline, InstructionSet::Avx2],
            InstructionSet::Baseline => vec![InstructionSet::Baseline],
        }
    }

    /// The largest errors in ulp, on every instruction set, where `exact` is the C library in double precision.
    fn errors<T: Real>(ulp: impl Fn(f64) -> f64) -> f64 {
        let x = arguments::<T>();
        let (mut sine, mut cosine) = (vec![T::zero(); x.len()], vec![T::zero(); x.len()]);
        let mut largest = 0.0_f64;
        for set in sets() {
            dispatch_to(set, Both(&x, &mut sine, &mut cosine));
            for (i, x) in x.iter().enumerate() {
                let (s, c) = x.wide().sin_cos();
                largest = largest.max((sine[i].wide() - s).abs() / ulp(s)).max((cosine[i].wide() - c).abs() / ulp(c));
            }
        }
        largest
    }

    #[test]
    fn errors_are_as_stated() {
        let single = errors::<f32>(|v| f64::from((v as f32).next_up_size()));
        let double = errors::<f64>(|v| f64::max(v.abs().next_up() - v.abs(), f64::MIN_POSITIVE));
        println!("f32: {single} ulp, f64: {double} ulp");
        assert!(single <= 2.0, "f32: {single} ulp");
        // The C library's own error of up to one ulp is in here.
        assert!(double <= 2.0, "f64: {double} ulp");
    }

    trait NextUpSize {
        fn next_up_size(self) -> f32;
    }

    impl NextUpSize for f32 {
        fn next_up_size(self) -> f32 {
            f32::max(self.abs().next_up() - self.abs(), f32::MIN_POSITIVE)
        }
    }

    #[test]
    fn what_is_not_finite_gives_nan() {
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let (sine, cosine) = sin_cos::<f64, upg_core::vmath::Separate>(x);
            assert!(sine.is_nan() && cosine.is_nan());
        }
    }
}
