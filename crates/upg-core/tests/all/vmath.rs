//! Elementary functions of `vmath` against a double-double reference, in both precisions and every instruction set here.

use std::f64::consts::FRAC_PI_2;
use upg_core::Real;
use upg_core::vmath::{self, InstructionSet, Kernel, MulAdd, dispatch_to, scalar};
use upg_testkit::reference::{self, Double};

/// The instruction sets this processor has.
fn sets() -> Vec<InstructionSet> {
    use InstructionSet::{Avx2, Avx512, Baseline};
    match InstructionSet::detect() {
        Baseline => vec![Baseline],
        Avx2 => vec![Baseline, Avx2],
        Avx512 => vec![Baseline, Avx2, Avx512],
    }
}

/// A function of one number, run over a slice in a given instruction set.
type OnSlice<T> = fn(InstructionSet, &mut [T]);

/// `scalar::$name` as an [`OnSlice`].
macro_rules! on_slice {
    ($name:ident, $T:ty) => {{
        struct Loop<'a>(&'a mut [$T]);
        impl Kernel for Loop<'_> {
            type Output = ();
            #[inline(always)]
            fn run<M: MulAdd>(self) {
                self.0.iter_mut().for_each(|x| *x = scalar::$name::<$T, M>(*x));
            }
        }
        let on_slice: OnSlice<$T> = |set, row| dispatch_to(set, Loop(row));
        on_slice
    }};
}

/// `scalar::$name` of several numbers, for single ones, as an [`OnSlice`].
macro_rules! one_of {
    ($name:ident, $T:ty) => {{
        struct Loop<'a>(&'a mut [$T]);
        impl Kernel for Loop<'_> {
            type Output = ();
            #[inline(always)]
            fn run<M: MulAdd>(self) {
                self.0.iter_mut().for_each(|x| [*x] = scalar::$name::<$T, M, 1>([*x]));
            }
        }
        let on_slice: OnSlice<$T> = |set, row| dispatch_to(set, Loop(row));
        on_slice
    }};
}

/// One half of a function with two results, `scalar::$name(x).$half`, as an [`OnSlice`].
macro_rules! half_of {
    ($name:ident.$half:tt, $T:ty) => {{
        struct Loop<'a>(&'a mut [$T]);
        impl Kernel for Loop<'_> {
            type Output = ();
            #[inline(always)]
            fn run<M: MulAdd>(self) {
                self.0.iter_mut().for_each(|x| *x = scalar::$name::<$T, M>(*x).$half);
            }
        }
        let on_slice: OnSlice<$T> = |set, row| dispatch_to(set, Loop(row));
        on_slice
    }};
}

/// Points in [low, high]: evenly spaced, at magnitudes from 1e-10 on, and around odd multiples of ½ ln 2, where the
/// argument reduction of exp changes its mind.
fn grid<T: Real>(low: f64, high: f64) -> Vec<T> {
    let even = (0..=60_000).map(|i| low + (high - low) * f64::from(i) / 60_000.0);
    let magnitudes = (0..20_000).map(|i| 10_f64.powf(-10.0 + 13.0 * f64::from(i) / 20_000.0)).flat_map(|m| [m, -m]);
    let step = 0.5 * std::f64::consts::LN_2;
    let halves = (-2049..2049_i32).step_by(2).map(|n| f64::from(n) * step);
    let ticks = (-3..=3).map(|k| 1.0 + f64::from(k) * T::epsilon().wide());
    let edges = halves.flat_map(|h| ticks.clone().map(move |t| h * t));
    let all = even.chain(magnitudes).chain(edges).filter(|x| (low..=high).contains(x));
    all.map(T::of).filter(|x| (low..=high).contains(&x.wide())).collect()
}

/// The largest error in ulp and where.
fn worst<T: Real>(on_slice: OnSlice<T>, set: InstructionSet, exact: fn(f64) -> Double, x: &[T]) -> (f64, T) {
    let mut y = x.to_vec();
    on_slice(set, &mut y);
    let error = |x: T, y: T| Some(exact(x.wide()).error_in_ulp(y)).filter(|e| e.is_finite()).unwrap_or(f64::MAX);
    let errors = x.iter().zip(&y).map(|(&x, &y)| (error(x, y), x));
    errors.fold((0.0, T::zero()), |worst, next| if next.0 > worst.0 { next } else { worst })
}

/// Asserts that a function is within the stated errors (f32 and f64, in ulp) on a range or a grid (for f32 and f64).
macro_rules! accurate {
    ($test:ident: $name:ident, $exact:expr, f32 $range32:expr => $bound32:expr, f64 $range64:expr => $bound64:expr) => {
        accurate!($test: on_slice!($name), |x| $exact(x.into()), $bound32, $bound64,
            grid::<f32>($range32.0, $range32.1), grid::<f64>($range64.0, $range64.1));
    };
    ($test:ident: $on_slice:ident!($($name:tt)*), $exact:expr, $bound32:expr, $bound64:expr, $grid32:expr, $grid64:expr) => {
        #[test]
        fn $test() {
            let (x32, x64) = ($grid32, $grid64);
            for set in sets() {
                let (error, x) = worst($on_slice!($($name)*, f32), set, $exact, &x32);
                println!("{} {set:?} f32: {error:.3} ulp at {x:e}", stringify!($($name)*));
                assert!(error <= $bound32, "{set:?} f32: {error} ulp at {x:e}, allowed {}", $bound32);
                let (error, x) = worst($on_slice!($($name)*, f64), set, $exact, &x64);
                println!("{} {set:?} f64: {error:.3} ulp at {x:e}", stringify!($($name)*));
                assert!(error <= $bound64, "{set:?} f64: {error} ulp at {x:e}, allowed {}", $bound64);
            }
        }
    };
}

// Measured on a grid thirty times denser: 1.04, 2.40, 2.23, 2.56, 1.92 and, for log cosh, 2.52 ulp.
accurate!(exp_is_accurate: exp, reference::exp, f32 (-86.59, 88.7228) => 1.25, f64 (-700.0, 709.78) => 1.25);
accurate!(tanh_is_accurate: tanh, reference::tanh, f32 (-30.0, 30.0) => 2.75, f64 (-50.0, 50.0) => 2.75);
accurate!(sigmoid_is_accurate: sigmoid, reference::sigmoid, f32 (-86.59, 90.0) => 2.5, f64 (-700.0, 700.0) => 2.5);
accurate!(softplus_is_accurate: softplus, reference::softplus, f32 (-86.59, 200.0) => 2.75, f64 (-700.0, 1e4) => 2.75);
accurate!(ln_1p_is_accurate: ln_1p_unit, reference::ln_1p, f32 (0.0, 1.0) => 2.25, f64 (0.0, 1.0) => 2.25);
accurate!(ln_1p_without_a_division_is_accurate: one_of!(ln_1p_units), |u| reference::ln_1p(u.into()), 2.25, 2.25,
    grid::<f32>(0.0, 1.0), grid::<f64>(0.0, 1.0));
accurate!(ln_cosh_is_accurate_from_1_on: ln_cosh, reference::ln_cosh, f32 (1.0, 200.0) => 3.0, f64 (1.0, 1e4) => 3.0);

/// Positive normal numbers: 400 to an octave in every octave, and numbers close to 1 and to odd powers of √2, where the
/// argument reduction of log changes its mind.
fn positive_grid<T: Real>() -> Vec<T> {
    let (low, high) = (T::min_positive_value(), T::max_value());
    let octaves = low.wide().log2() as i32..=high.wide().log2() as i32;
    let even = octaves.clone().flat_map(|n| (0..400).map(move |i| (f64::from(n) + f64::from(i) / 400.0).exp2()));
    let ticks = (-3..=3).map(|k| 1.0 + f64::from(k) * T::epsilon().wide());
    let roots = octaves.flat_map(|n| ticks.clone().map(move |t| (f64::from(n) + 0.5).exp2() * t));
    let near_one =
        (0..20_000).map(|i| 2_f64.powf(-52.0 * f64::from(i) / 20_000.0)).flat_map(|d| [1.0 + d, 1.0 - 0.5 * d]);
    let all = even.chain(roots).chain(near_one).chain([low.wide(), high.wide()]);
    all.map(T::of).filter(|&x| x >= low && x <= high).collect()
}

/// Angles up to ±100: evenly spaced, small, and the numbers closest to multiples of π/4, where sine or cosine vanishes
/// or the argument reduction changes its mind.
fn angle_grid<T: Real>() -> Vec<T> {
    let multiples = (-127..=127).map(|n| f64::from(n) * std::f64::consts::FRAC_PI_4);
    let ticks = (-3..=3).map(|k| 1.0 + f64::from(k) * T::epsilon().wide());
    let close = multiples.flat_map(|m| ticks.clone().map(move |t| m * t));
    grid::<T>(-100.0, 100.0).into_iter().chain(close.map(T::of)).collect()
}

/// Numbers of either sign at all magnitudes, and close to tan(π/8) and tan(3π/8), where the argument reduction changes.
fn atan_grid<T: Real>() -> Vec<T> {
    let largest = T::max_value().wide().log2();
    let magnitudes = (0..=40_000).map(|i| (largest * (f64::from(i) / 20_000.0 - 1.0)).exp2());
    let ticks = (-3..=3).map(|k| 1.0 + f64::from(k) * T::epsilon().wide());
    let edges = [1.0, -1.0].into_iter().flat_map(|e| ticks.clone().map(move |t| (2_f64.sqrt() + e) * t));
    let positive: Vec<T> = magnitudes.chain(edges).map(T::of).filter(|x| x.is_finite() && x.is_normal()).collect();
    grid::<T>(-10.0, 10.0).into_iter().chain(positive.iter().flat_map(|&x| [x, -x])).collect()
}

/// atan x by one Newton step from the library's: tan(atan x − a) = (x cos a − sin a)/(cos a + x sin a).
fn exact_atan(x: f64) -> Double {
    let (start, x) = (x.atan(), Double::from(x));
    let (sin, cos) = reference::sin_cos(start);
    Double::from(start) + (x * cos - sin) / (cos + x * sin)
}

accurate!(ln_is_accurate: on_slice!(ln), reference::ln, 1.0, 1.0, positive_grid::<f32>(), positive_grid::<f64>());
accurate!(atan_is_accurate: on_slice!(atan), exact_atan, 2.75, 2.75, atan_grid::<f32>(), atan_grid::<f64>());
accurate!(sin_is_accurate: half_of!(sin_cos.0), |x| reference::sin_cos(x).0, 2.0, 2.0, angle_grid::<f32>(), angle_grid::<f64>());
accurate!(cos_is_accurate: half_of!(sin_cos.1), |x| reference::sin_cos(x).1, 2.0, 2.0, angle_grid::<f32>(), angle_grid::<f64>());
accurate!(exp_both_ways_is_accurate_one_way: half_of!(exp_both_ways.0), |x| reference::exp(x.into()), 1.75, 1.75,
    grid::<f32>(-86.59, 86.59), grid::<f64>(-700.0, 700.0));
accurate!(exp_both_ways_is_accurate_the_other_way: half_of!(exp_both_ways.1), |x| reference::exp((-x).into()), 1.75, 1.75,
    grid::<f32>(-86.59, 86.59), grid::<f64>(-700.0, 700.0));

/// The largest error in ulp of `scalar::ln_of_parts` at k·2⁻⁵³ = 2ⁿ(1 + f), f being rounded once.
fn worst_of_ln_of_parts<T: Real>(set: InstructionSet, k: &[u64]) -> f64 {
    struct Loop<'a, T>(&'a [[T; 2]], &'a mut [T]);
    impl<T: Real> Kernel for Loop<'_, T> {
        type Output = ();
        #[inline(always)]
        fn run<M: MulAdd>(self) {
            for (&[n, f], y) in self.0.iter().zip(self.1) {
                *y = scalar::ln_of_parts::<T, M>(n, f);
            }
        }
    }
    let number = |k: u64| k as f64 * 0.5 * f64::EPSILON;
    let parts = |u: f64| {
        let n = u.log2().round();
        [n, u * (-n).exp2() - 1.0].map(T::of)
    };
    let (x, mut y) = (k.iter().map(|&k| parts(number(k))).collect::<Vec<_>>(), vec![T::zero(); k.len()]);
    dispatch_to(set, Loop(&x, &mut y));
    k.iter().zip(&y).map(|(&k, &y)| reference::ln(number(k)).error_in_ulp(y)).fold(0.0, f64::max)
}

/// Numbers in (0, 1): of all magnitudes, evenly spaced, close to 1 at all distances, and around ½ and √½.
#[test]
fn ln_of_parts_is_accurate() {
    let one = 1_u64 << 53;
    let even = (1..40_000).map(|i| one / 40_000 * i);
    let magnitudes = (0..20_000).map(|i| 2_f64.powf(52.9 * f64::from(i) / 20_000.0) as u64);
    let edges = [one / 2, (one as f64 * 0.5_f64.sqrt()) as u64];
    let around =
        edges.into_iter().flat_map(|e| (0..2000).flat_map(move |i| [e - i, e + i, e - (i << 30), e + (i << 30)]));
    let k: Vec<u64> = even.chain(magnitudes.clone()).chain(magnitudes.map(|c| one - c)).chain(around).collect();
    for set in sets() {
        let (single, double) = (worst_of_ln_of_parts::<f32>(set, &k), worst_of_ln_of_parts::<f64>(set, &k));
        println!("{set:?}: {single} ulp in f32, {double} ulp in f64");
        assert!(single <= 1.75 && double <= 1.25, "{set:?}: {single} ulp in f32, {double} ulp in f64");
    }
}

/// Sine and cosine of quarter turns and a rest, and of a full turn and a rest.
#[test]
fn sin_cos_of_quarters_is_accurate() {
    struct Loop<'a, T>(u32, &'a [T], &'a mut [[T; 2]]);
    impl<T: Real> Kernel for Loop<'_, T> {
        type Output = ();
        #[inline(always)]
        fn run<M: MulAdd>(self) {
            for (&r, y) in self.1.iter().zip(self.2) {
                *y = scalar::sin_cos_of_quarters::<T, M>(self.0, r).into();
            }
        }
    }
    fn check<T: Real>(set: InstructionSet, n: u32) {
        let all = grid::<T>(-std::f64::consts::FRAC_PI_4, std::f64::consts::FRAC_PI_4);
        let r: Vec<T> = all.into_iter().step_by(11).collect();
        let mut y = vec![[T::zero(); 2]; r.len()];
        dispatch_to(set, Loop(n, &r, &mut y));
        for (&r, [sin, cos]) in r.iter().zip(y) {
            let exact = reference::sin_cos_of_quarters(n, r.wide().into());
            let errors = [exact.0.error_in_ulp(sin), exact.1.error_in_ulp(cos)];
            assert!(
                errors.iter().all(|&e| e <= 1.75),
                "{n} quarter turns and {r} in {set:?}, {}: {errors:?} ulp",
                T::NAME
            );
        }
    }
    for set in sets() {
        for n in 0..5 {
            check::<f32>(set, n);
            check::<f64>(set, n);
        }
    }
}

/// Beyond the range where both are normal numbers the two exponentials stay at its ends; NaN stays NaN.
#[test]
fn exp_both_ways_is_clamped() {
    fn check<T: Real>(ways: [OnSlice<T>; 2], set: InstructionSet, end: f64) {
        for beyond in [end + 1.0, 2.0 * end, f64::INFINITY].map(T::of) {
            for [up, down] in [ways, [ways[1], ways[0]]] {
                assert_eq!(at(up, set, beyond), at(up, set, T::of(end)), "{beyond} in {set:?}");
                assert_eq!(at(down, set, beyond), at(down, set, T::of(end)), "{beyond} in {set:?}");
            }
        }
        assert!(ways.iter().all(|&way| at(way, set, T::nan()).is_nan()), "NaN in {set:?}");
        assert!(at(ways[1], set, T::infinity()) > T::zero() && at(ways[0], set, T::infinity()).is_finite());
    }
    for set in sets() {
        check([half_of!(exp_both_ways.0, f32), half_of!(exp_both_ways.1, f32)], set, 86.6);
        check([half_of!(exp_both_ways.0, f64), half_of!(exp_both_ways.1, f64)], set, 707.7);
    }
}

/// Its error is at most (1 + |x|) ε relative to e^x, and ¾ ε in absolute terms.
#[test]
fn exp_beside_one_is_accurate_beside_one() {
    fn largest<T: Real>(on_slice: OnSlice<T>, set: InstructionSet, low: f64) -> [f64; 2] {
        let x = grid::<T>(low, 0.0);
        let mut y = x.clone();
        on_slice(set, &mut y);
        x.iter().zip(&y).fold([0.0; 2], |[relative, absolute], (x, &y)| {
            let error = reference::exp(x.wide().into()).distance(y) / T::epsilon().wide();
            [relative.max(error / y.wide() / (1.0 + x.wide().abs())), absolute.max(error)]
        })
    }
    for set in sets() {
        for [relative, absolute] in
            [largest(one_of!(exp_beside_one, f32), set, -86.59), largest(one_of!(exp_beside_one, f64), set, -707.7)]
        {
            println!("{set:?}: {relative} (1 + |x|) ε, {absolute} ε");
            assert!(relative < 1.0 && absolute < 0.75, "{set:?}: {relative} (1 + |x|) ε, {absolute} ε");
        }
    }
}

/// Several at a time are what they are alone, to the bit.
#[test]
fn exponentials_together_are_those_alone() {
    struct Both([f32; 4]);
    impl Kernel for Both {
        type Output = ([f32; 4], [f32; 4]);
        #[inline(always)]
        fn run<M: MulAdd>(self) -> Self::Output {
            let mut alone = self.0;
            for x in &mut alone {
                [*x] = scalar::exp_beside_one::<f32, M, 1>([*x]);
            }
            (scalar::exp_beside_one::<f32, M, 4>(self.0), alone)
        }
    }
    for set in sets() {
        for x in grid::<f32>(-90.0, 0.0).chunks_exact(4).step_by(97) {
            let (together, alone) = dispatch_to(set, Both([x[0], x[1], x[2], x[3]]));
            assert_eq!(together, alone, "{set:?} at {x:?}");
        }
    }
}

/// Below the range where e^x is a normal number it stays at that of its end; NaN stays NaN, whatever its payload.
#[test]
fn exp_beside_one_is_clamped() {
    fn check<T: Real>(on_slice: OnSlice<T>, set: InstructionSet, end: f64, nans: &[T]) {
        let last = at(on_slice, set, T::of(end));
        assert!(last >= T::min_positive_value() && last < T::of(8.0) * T::min_positive_value(), "{last} in {set:?}");
        for beyond in [end - 1.0, 2.0 * end, f64::NEG_INFINITY].map(T::of) {
            assert_eq!(at(on_slice, set, beyond), last, "{beyond} in {set:?}");
        }
        assert_eq!(at(on_slice, set, T::zero()), T::one(), "e⁰ in {set:?}");
        assert!(nans.iter().all(|&nan| at(on_slice, set, nan).is_nan()), "NaN in {set:?}");
    }
    for set in sets() {
        let singles: Vec<f32> = (0..9).map(|bit| f32::from_bits(0x7fc0_0000 | 1 << bit)).chain([-f32::NAN]).collect();
        let doubles: Vec<f64> =
            (0..12).map(|bit| f64::from_bits(0x7ff8_0000_0000_0000 | 1 << bit)).chain([-f64::NAN]).collect();
        check(one_of!(exp_beside_one, f32), set, -86.7, &singles);
        check(one_of!(exp_beside_one, f64), set, -708.0, &doubles);
    }
}

/// Below 1 log cosh is a small difference of terms of order one: its error is absolute, a few ε.
#[test]
fn ln_cosh_of_small_numbers_has_a_small_absolute_error() {
    fn largest<T: Real>(on_slice: OnSlice<T>, set: InstructionSet) -> f64 {
        let x = grid::<T>(-1.0, 1.0);
        let mut y = x.clone();
        on_slice(set, &mut y);
        let errors =
            x.iter().zip(&y).map(|(x, &y)| reference::ln_cosh(x.wide().into()).distance(y) / T::epsilon().wide());
        errors.fold(0.0, f64::max)
    }
    for set in sets() {
        let (single, double) = (largest(on_slice!(ln_cosh, f32), set), largest(on_slice!(ln_cosh, f64), set));
        assert!(single < 2.0 && double < 2.0, "{set:?}: {single} ε in f32, {double} ε in f64");
    }
}

/// Runs `check` on every function in every instruction set, in both precisions.
macro_rules! for_every_function {
    ($check:ident) => {
        for set in sets() {
            for_every_function!($check, set, exp, tanh, sigmoid, softplus, ln_cosh, ln, atan);
        }
    };
    ($check:ident, $set:ident, $($name:ident),*) => {$(
        $check::<f32>(stringify!($name), $set, on_slice!($name, f32));
        $check::<f64>(stringify!($name), $set, on_slice!($name, f64));
    )*};
}

/// The value at one point.
fn at<T: Real>(on_slice: OnSlice<T>, set: InstructionSet, x: T) -> T {
    let mut row = [x];
    on_slice(set, &mut row);
    row[0]
}

#[test]
fn nan_stays_nan() {
    fn check<T: Real>(name: &str, set: InstructionSet, on_slice: OnSlice<T>) {
        assert!(at(on_slice, set, T::nan()).is_nan(), "{name}(NaN) in {set:?}, {}", T::NAME);
    }
    for_every_function!(check);
}

/// Limits at ±∞, and far beyond the range where the result rounds to the limit.
#[test]
fn extremes() {
    fn check<T: Real>(name: &str, set: InstructionSet, on_slice: OnSlice<T>) {
        let (zero, one, infinity) = (T::zero(), T::one(), T::infinity());
        let (low, high) = match name {
            "exp" | "softplus" => (zero, infinity),
            "tanh" => (-one, one),
            "sigmoid" => (zero, one),
            "atan" => (-T::of(FRAC_PI_2), T::of(FRAC_PI_2)),
            "ln" => return, // its own test below
            _ => (infinity, infinity),
        };
        assert_eq!(at(on_slice, set, -infinity), low, "{name}(−∞) in {set:?}, {}", T::NAME);
        assert_eq!(at(on_slice, set, infinity), high, "{name}(∞) in {set:?}, {}", T::NAME);
        let huge = T::max_value();
        let grown = if name == "softplus" || name == "ln_cosh" { huge } else { high };
        assert_eq!(at(on_slice, set, huge), grown, "{name}(max) in {set:?}, {}", T::NAME);
    }
    for_every_function!(check);
}

/// log of what is no positive normal number.
#[test]
fn ln_of_zero_infinity_and_negative_numbers() {
    fn check<T: Real>(on_slice: OnSlice<T>, set: InstructionSet) {
        let smallest = T::min_positive_value();
        for zero in [T::zero(), -T::zero(), smallest / T::of(2.0), smallest * (T::one() - T::epsilon())] {
            assert_eq!(at(on_slice, set, zero), T::neg_infinity(), "log({zero}) in {set:?}, {}", T::NAME);
        }
        for negative in [-smallest, -T::one(), T::neg_infinity()] {
            assert!(at(on_slice, set, negative).is_nan(), "log({negative}) in {set:?}, {}", T::NAME);
        }
        assert_eq!(at(on_slice, set, T::infinity()), T::infinity(), "log(∞) in {set:?}, {}", T::NAME);
        assert_eq!(at(on_slice, set, T::one()), T::zero(), "log(1) in {set:?}, {}", T::NAME);
    }
    for set in sets() {
        check(on_slice!(ln, f32), set);
        check(on_slice!(ln, f64), set);
    }
}

/// atan(y/x) doesn't need y/x to be representable, and knows the axes.
#[test]
fn atan_of_ratio_agrees_with_atan() {
    fn check<T: Real>() {
        type Fused = upg_core::vmath::Fused;
        let ratio = |y: T, x: T| scalar::atan_of_ratio::<T, Fused>(y, x);
        for exponent in -30..=30 {
            for mantissa in [1.0, 1.3, 1.7, -1.1] {
                let y = T::of(mantissa * 2_f64.powi(exponent));
                for scale in [1.0, 2_f64.powi(-60), 2_f64.powi(90)].map(T::of) {
                    assert_eq!(ratio(y * scale, scale), scalar::atan::<T, Fused>(y), "{y}, scaled by {scale}");
                }
            }
        }
        assert_eq!([ratio(T::one(), T::zero()), ratio(-T::one(), T::zero())], [T::of(FRAC_PI_2), -T::of(FRAC_PI_2)]);
        assert_eq!(ratio(T::zero(), T::one()), T::zero());
    }
    check::<f32>();
    check::<f64>();
}

/// Sine and cosine on slices are those of one number; NaN stays NaN; sin is odd and cos even, to the bit.
#[test]
fn sin_cos_on_slices() {
    fn check<T: Real>(best: [OnSlice<T>; 2]) {
        let mut angles = angle_grid::<T>();
        angles.push(T::nan());
        let [mut sin, mut cos, mut mirrored_sin, mut mirrored_cos] =
            std::array::from_fn(|_| vec![T::zero(); angles.len()]);
        vmath::sin_cos(&angles, &mut sin, &mut cos);
        let mirrored: Vec<T> = angles.iter().map(|&x| -x).collect();
        vmath::sin_cos(&mirrored, &mut mirrored_sin, &mut mirrored_cos);
        for (i, &x) in angles.iter().enumerate() {
            let [expected_sin, expected_cos] = best.map(|on_slice| at(on_slice, InstructionSet::detect(), x));
            let same = sin[i] == expected_sin && cos[i] == expected_cos;
            let parity = sin[i] == -mirrored_sin[i] && cos[i] == mirrored_cos[i];
            assert!(x.is_nan() && sin[i].is_nan() && cos[i].is_nan() || same && parity, "{x}: {} {}", sin[i], cos[i]);
        }
    }
    check::<f32>([half_of!(sin_cos.0, f32), half_of!(sin_cos.1, f32)]);
    check::<f64>([half_of!(sin_cos.0, f64), half_of!(sin_cos.1, f64)]);
}

/// exp to both sides of the largest argument that doesn't overflow, and of the smallest that isn't flushed to zero.
#[test]
fn exp_overflows_and_is_flushed_where_documented() {
    fn check<T: Real>(on_slice: OnSlice<T>, set: InstructionSet, largest: f64, smallest: f64) {
        let above = |x: T| x + x.abs() * T::epsilon();
        let below = |x: T| x - x.abs() * T::epsilon();
        let (nearest, smallest) = (T::of(largest), T::of(smallest));
        let largest = if nearest.wide() > largest { below(nearest) } else { nearest };
        assert!(at(on_slice, set, largest).is_finite(), "exp({largest}) in {set:?}");
        assert_eq!(at(on_slice, set, above(above(largest))), T::infinity(), "above exp({largest}) in {set:?}");
        assert!(at(on_slice, set, smallest) >= T::min_positive_value(), "exp({smallest}) in {set:?}");
        assert_eq!(at(on_slice, set, below(below(smallest))), T::zero(), "below exp({smallest}) in {set:?}");
    }
    for set in sets() {
        check(on_slice!(exp, f32), set, f64::from(f32::MAX).ln(), -86.6);
        check(on_slice!(exp, f64), set, f64::MAX.ln(), -707.7);
        assert!(f32::MIN_POSITIVE.ln() < -86.6 && 2_f64.powi(-125).ln() > -86.65, "what is flushed is below 2^−125");
        assert!(
            f64::MIN_POSITIVE.ln() < -707.7 && 2_f64.powi(-1021).ln() > -707.71,
            "what is flushed is below 2^−1021"
        );
    }
}

/// tanh and atan are odd and log cosh is even, to the bit and for both zeros; exp 0 = 1.
#[test]
fn symmetries_hold_to_the_bit() {
    fn check<T: Real>(name: &str, set: InstructionSet, on_slice: OnSlice<T>) {
        let parity = match name {
            "tanh" | "atan" => -T::one(),
            "ln_cosh" => T::one(),
            _ => return,
        };
        let x = grid::<T>(0.0, 200.0);
        let (mut plus, mut minus) = (x.clone(), x.iter().map(|&x| -x).collect::<Vec<T>>());
        on_slice(set, &mut plus);
        on_slice(set, &mut minus);
        for ((&plus, &minus), x) in plus.iter().zip(&minus).zip(&x) {
            let same = (plus.wide(), (parity * minus).wide());
            assert_eq!(same.0.to_bits(), same.1.to_bits(), "{name}(±{x}) in {set:?}, {}: {plus:?}, {minus:?}", T::NAME);
        }
    }
    for_every_function!(check);
    fn exp_of_zero<T: Real>(name: &str, set: InstructionSet, on_slice: OnSlice<T>) {
        let ok = name != "exp" || at(on_slice, set, T::zero()) == T::one() && at(on_slice, set, -T::zero()) == T::one();
        assert!(ok, "exp(0) in {set:?}, {}", T::NAME);
    }
    for_every_function!(exp_of_zero);
}

/// A value doesn't depend on where in a slice it stands, on the length of the slice, nor on who chose the instruction set.
#[test]
fn values_do_not_depend_on_their_place() {
    fn check<T: Real>(name: &str, set: InstructionSet, on_slice: OnSlice<T>) {
        let shift = if name == "ln" { 0.1 } else { -12.3 };
        let x: Vec<T> = (0..83).map(|i| T::of(0.37 * f64::from(i) + shift)).collect();
        let alone: Vec<T> = x.iter().map(|&x| at(on_slice, set, x)).collect();
        for (first, len) in (0..40).flat_map(|first| [(first, 43), (first, 40 - first)]) {
            let mut row = x[first..first + len].to_vec();
            on_slice(set, &mut row);
            assert_eq!(row, alone[first..first + len], "{name} of {len} numbers in {set:?}, {}", T::NAME);
        }
        if set == InstructionSet::detect() {
            let mut row = x.clone();
            match name {
                "exp" => vmath::exp(&mut row),
                "tanh" => vmath::tanh(&mut row),
                "sigmoid" => vmath::sigmoid(&mut row),
                "softplus" => vmath::softplus(&mut row),
                "ln" => vmath::ln(&mut row),
                "atan" => vmath::atan(&mut row),
                _ => vmath::ln_cosh(&mut row),
            }
            assert_eq!(row, alone, "{name} on a slice, {}", T::NAME);
        }
    }
    for_every_function!(check);
}
