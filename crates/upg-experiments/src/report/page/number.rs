//! Numbers with errors as physicists write them.

use crate::report::plot::{minus, not_finite, power_of_ten, significant};

/// `value` with the last two digits of its error behind it: −12.345(12) is −12.345 ± 0.012, 8.3(1.2) is 8.3 ± 1.2.
///
/// The error is rounded to two digits, the value to the same place. An error of zero isn't written; one that is not
/// finite, or negative, is written `(?)`.
pub fn with_error(value: f64, error: f64) -> String {
    if !value.is_finite() {
        return not_finite(value).into();
    }
    if !(error.is_finite() && error >= 0.0) {
        return significant(value, 6) + "(?)";
    }
    let ((digits, first), lead) = (two_digits(error), decade(value).max(decade(error)));
    if error == 0.0 || lead - first > 13 {
        return significant(value, if error == 0.0 { 6 } else { 15 });
    }
    if (-4..7).contains(&lead) {
        return to_place(value, 1 - first) + &in_brackets(digits, 1 - first);
    }
    let decimals = lead - first + 1;
    // In two steps: the power itself may be out of range.
    let mantissa = value / 10f64.powi(lead / 2) / 10f64.powi(lead - lead / 2);
    format!("{}{}×{}", to_place(mantissa, decimals), in_brackets(digits, decimals), power_of_ten(lead))
}

/// An exact number to one digit more than a measurement with `error` has.
pub(super) fn exact(value: f64, error: Option<f64>) -> String {
    let digits =
        error.filter(|error| error.is_finite() && *error > 0.0).map(|error| decade(value) - two_digits(error).1 + 3);
    significant(value, digits.map_or(6, |digits| digits.clamp(1, 15) as usize))
}

/// `number`, to be rounded to two digits, as those digits and the power of ten of the first.
fn two_digits(number: f64) -> (u32, i32) {
    let rounded = format!("{number:.1e}");
    let (mantissa, exponent) = rounded.split_once('e').expect("scientific notation has an exponent");
    let digits = mantissa.replace('.', "").parse().expect("two digits");
    (digits, exponent.parse().expect("exponents are integers"))
}

/// The power of ten of the first digit; the least there is for 0.
fn decade(number: f64) -> i32 {
    if number == 0.0 { i32::MIN / 4 } else { two_digits(number.abs()).1 }
}

/// `value` rounded to `decimals` places behind the point; negative ones stand before it.
fn to_place(value: f64, decimals: i32) -> String {
    let rounded = match 10f64.powi(-decimals.min(0)) {
        1.0 => format!("{value:.*}", decimals as usize),
        unit => format!("{:.0}", (value / unit).round_ties_even() * unit),
    };
    let zero = rounded.chars().all(|c| matches!(c, '-' | '0' | '.'));
    if zero { rounded.replace('-', "") } else { minus(&rounded) }
}

/// Two digits of which the second is at place `decimals`.
fn in_brackets(digits: u32, decimals: i32) -> String {
    match decimals {
        2.. => format!("({digits})"),
        1 => format!("({}.{})", digits / 10, digits % 10),
        _ => format!("({digits}{})", "0".repeat(-decimals as usize)),
    }
}

/// A count, in groups of three digits.
pub(super) fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let group = |(i, digit): (usize, char)| {
        let left = digits.len() - i;
        let space = (i > 0 && left.is_multiple_of(3) && digits.len() > 4).then_some('\u{202f}');
        space.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_the_literature() {
        for (value, error, written) in [
            (-12.345, 0.012, "−12.345(12)"),
            (0.0996, 0.001, "0.0996(10)"),
            (0.0996, 0.000_996, "0.0996(10)"),
            (0.099_96, 0.000_994, "0.09996(99)"),
            (0.099_96, 0.000_996, "0.1000(10)"),
            (9.999, 0.095, "9.999(95)"),
            (9.999, 0.0996, "10.00(10)"),
            (8.28, 1.2, "8.3(1.2)"),
            (8.28, 0.996, "8.3(1.0)"),
            (8.28, 9.96, "8(10)"),
            (12_345.6, 12.0, "12346(12)"),
            (12_345.6, 123.0, "12350(120)"),
            (-12_345.6, 99_700.0, "−10000(100000)"),
            (1_346.831_8, 0.000_12, "1346.83180(12)"),
            (287.983_851_155_5, 1.5e-9, "287.9838511555(15)"),
            (0.001, 0.12, "0.00(12)"),
            (-0.001, 0.12, "0.00(12)"),
            (-0.4, 25.0, "0(25)"),
            (0.0, 3e-3, "0.0000(30)"),
            (1.234_567e9, 1.2e6, "1.2346(12)×10⁹"),
            (-3.456e-7, 2.1e-9, "−3.456(21)×10⁻⁷"),
            (1e8, 1.26e8, "1.0(1.3)×10⁸"),
            (0.0, 2.5e-12, "0.0(2.5)×10⁻¹²"),
        ] {
            assert_eq!(with_error(value, error), written, "{value} ± {error}");
        }
    }

    #[test]
    fn odd_errors() {
        assert_eq!(with_error(1.5, 0.0), "1.50000");
        assert_eq!(with_error(-0.5, f64::NAN), "−0.500000(?)");
        assert_eq!(with_error(2.0, f64::INFINITY), "2.00000(?)");
        assert_eq!(with_error(2.0, -1.0), "2.00000(?)");
        assert_eq!(with_error(f64::NAN, 0.1), "NaN");
        assert_eq!(with_error(f64::NEG_INFINITY, 0.1), "−∞");
        assert_eq!(with_error(1.0, 1e-18), "1.00000000000000");
        assert_eq!(with_error(0.0, 0.0), "0");
        assert_eq!(with_error(1e308, 1e307), "1.00(10)×10³⁰⁸");
        assert_eq!(with_error(1e-320, 1e-310), "0.0(1.0)×10⁻³¹⁰");
    }

    /// Reads the notation back; digits in brackets count from the last place of the value.
    fn read(written: &str) -> (f64, f64) {
        let (number, power) = written.split_once("×10").unwrap_or((written, "⁰"));
        let digit = |c| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().position(|raised| raised == c).map_or('-', |d| char::from(b'0' + d as u8));
        let power: i32 = power.chars().map(digit).collect::<String>().parse().unwrap();
        let (value, error) = number.trim_end_matches(')').split_once('(').unwrap();
        let decimals = value.split_once('.').map_or(0, |(_, behind)| behind.len() as i32);
        let unit = if error.contains('.') { 0 } else { -decimals };
        let parse = |text: &str| text.replace('−', "-").parse::<f64>().unwrap();
        (parse(value) * 10f64.powi(power), parse(error) * 10f64.powi(power + unit))
    }

    #[test]
    fn what_is_written_is_the_number_to_its_error() {
        let random = |i: u32, salt: f64| (f64::from(i) * salt).fract();
        for i in 1..5000 {
            let error = 10f64.powf(24.0 * random(i, 0.618_034) - 12.0);
            let value = (random(i, 0.754_877) - 0.5) * 10f64.powf(9.0 * random(i, 0.569_84)) * error;
            let (told, told_error) = read(&with_error(value, error));
            let half = 0.5001 * 10f64.powf((told_error * 1.000_001).log10().floor() - 1.0);
            assert!((told_error - error).abs() < half, "{value} ± {error}: {told_error}");
            assert!((told - value).abs() < half, "{value} ± {error}: {told}");
        }
    }

    #[test]
    fn exact_numbers_have_a_digit_more() {
        assert_eq!(exact(287.983_851_155, Some(0.012)), "287.9839");
        assert_eq!(exact(-0.697_774_658, Some(0.0012)), "−0.69777");
        assert_eq!(exact(0.697_774_658, None), "0.697775");
        assert_eq!(exact(0.0, Some(0.1)), "0");
        assert_eq!(exact(1e-9, Some(0.1)), "1×10⁻⁹");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(
            [0.0, 1000.0, 12_345.0, 1e7].map(grouped),
            ["0", "1000", "12\u{202f}345", "10\u{202f}000\u{202f}000"]
        );
    }
}
