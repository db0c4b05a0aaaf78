//! Numbers as people write them.

/// `number` with a minus sign for a hyphen.
pub(crate) fn minus(number: &str) -> String {
    number.replace('-', "−")
}

/// 10ᵏ in letters.
pub(crate) fn power_of_ten(exponent: i32) -> String {
    let raise = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    };
    format!("10{}", exponent.to_string().chars().map(raise).collect::<String>())
}

/// `value` to `digits` significant digits; large integers are written out.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return not_finite(value).into();
    }
    let scientific = format!("{value:.*e}", digits.max(1) - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("scientific notation has an exponent");
    let exponent: i32 = exponent.parse().expect("exponents are integers");
    if value == 0.0 {
        "0".into()
    } else if (-4..digits.max(6) as i32).contains(&exponent) {
        minus(&format!("{value:.*}", (digits as i32 - 1 - exponent).max(0) as usize))
    } else {
        format!("{}×{}", minus(mantissa), power_of_ten(exponent))
    }
}

/// The name of a value that isn't finite.
pub(crate) fn not_finite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "∞",
        f64::NEG_INFINITY => "−∞",
        _ => "NaN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        let written = |value| significant(value, 3);
        assert_eq!(written(0.123_456), "0.123");
        assert_eq!(written(-0.099_96), "−0.100");
        assert_eq!(written(9.996), "10.0");
        assert_eq!(written(-123_456.0), "−123456");
        assert_eq!(written(1_234_567.0), "1.23×10⁶");
        assert_eq!(written(-2e-14), "−2.00×10⁻¹⁴");
        assert_eq!(written(-0.0), "0");
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(written), ["NaN", "∞", "−∞"]);
    }

    #[test]
    fn all_digits_can_be_raised() {
        assert_eq!(power_of_ten(-1_234_567_890), "10⁻¹²³⁴⁵⁶⁷⁸⁹⁰");
    }
}
