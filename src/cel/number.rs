//! Numbers as texts, read and written as Go does.

/// A decimal number, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decimal {
    Infinite {
        negative: bool,
    },
    /// `digits × 10^exponent`, the digits without zeros at either end; zero has none.
    Finite {
        negative: bool,
        digits: String,
        exponent: i64,
    },
}

impl Decimal {
    /// Reads a number as Go's `big.ParseFloat` does in base 10, without its binary exponents.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if matches!(unsigned, "Inf" | "inf") {
            return Some(Self::Infinite { negative });
        }
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        let exponent = exponent - i64::try_from(fraction.len()).ok()?
            + i64::try_from(digits.len() - significant.len()).ok()?;
        let digits = significant.trim_start_matches('0').to_owned();
        Some(Self::Finite { negative, exponent: if digits.is_empty() { 0 } else { exponent }, digits })
    }

    /// The whole number that it is, cut to 64 bits; `None` if it is not whole.
    pub(super) fn to_int(&self) -> Option<i64> {
        let Self::Finite { negative, digits, exponent } = self else { return None };
        let zeros = usize::try_from(*exponent).ok()?;
        // More digits than this do not fit 64 bits.
        const DIGITS_MAX: usize = 20;
        let magnitude = if digits.len() + zeros > DIGITS_MAX {
            i128::MAX
        } else {
            format!("0{digits}{}", "0".repeat(zeros)).parse().ok()?
        };
        let signed = if *negative { -magnitude } else { magnitude };
        Some(i64::try_from(signed).unwrap_or(if *negative { i64::MIN } else { i64::MAX }))
    }

    /// The number, if a `f64` can represent it exactly.
    pub(super) fn to_double(&self) -> Option<f64> {
        let (negative, digits, exponent) = match self {
            Self::Infinite { negative } => {
                return Some(if *negative { f64::NEG_INFINITY } else { f64::INFINITY });
            }
            Self::Finite { negative, digits, exponent } => (*negative, digits, *exponent),
        };
        let sign = if negative { "-" } else { "" };
        let nearest: f64 = format!("{sign}0{digits}e{exponent}").parse().ok()?;
        // Rust writes all digits of a `f64` where asked to: 1074 after the point at most.
        let exact = Self::parse(&format!("{nearest:.1100}"))?;
        (exact == *self).then_some(nearest)
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // What is beyond is as large or as small as it gets.
    const BOUND: i64 = 1_000_000_000;
    let bound = if text.starts_with('-') { -BOUND } else { BOUND };
    Some(text.parse().unwrap_or(bound).clamp(-BOUND, BOUND))
}

/// Reads a number as Go's `strconv.ParseFloat` does.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("nan") {
        return (unsigned.len() == text.len()).then_some(f64::NAN);
    }
    if ["inf", "infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)) {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let is_hexadecimal = unsigned.starts_with("0x") || unsigned.starts_with("0X");
    let is_digit = |b: u8| if is_hexadecimal { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
    let separates_digits = |index: usize| {
        let byte = |index: Option<usize>| index.and_then(|index| text.as_bytes().get(index)).copied();
        // One may stand behind the prefix, too.
        byte(index.checked_sub(1)).is_some_and(|b| is_digit(b) || is_hexadecimal && matches!(b, b'x' | b'X'))
            && byte(index.checked_add(1)).is_some_and(is_digit)
    };
    if text.match_indices('_').any(|(index, _)| !separates_digits(index)) {
        return None;
    }
    let plain = text.replace('_', "");
    let number = if is_hexadecimal { parse_hexadecimal(&plain) } else { plain.parse().ok() };
    number.filter(|number: &f64| number.is_finite())
}

/// Reads a number such as `-0x1.8p3`, to the nearest double, the even one of two; infinite if it is beyond them.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.get(2..)?.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let digits = digits.trim_start_matches('0');
    // More than a double can tell apart; of what follows counts only whether it is nothing.
    const DIGITS_MAX: usize = 28;
    let (kept, rest) = digits.split_at(digits.len().min(DIGITS_MAX));
    let remainder = u128::from(rest.bytes().any(|b| b != b'0'));
    let exponent = parse_exponent(exponent)? + 4 * i64::try_from(rest.len()).ok()?
        - 4 * i64::try_from(fraction.len()).ok()?;
    match kept {
        "" => Some(sign * 0.0),
        kept => {
            let mantissa = u128::from_str_radix(kept, 16).ok()? << 1 | remainder;
            Some(sign * nearest_double(mantissa, exponent - 1))
        }
    }
}

/// The double nearest to `mantissa × 2^exponent`, the even one of two; infinite if it is beyond them. The mantissa is
/// neither zero nor longer than 120 bits.
fn nearest_double(mantissa: u128, exponent: i64) -> f64 {
    const LEAST_BIT: i64 = -1074;
    const GREATEST_BIT: i64 = 1023;
    const FRACTION_BITS: i64 = 52;
    let first_bit = exponent + i64::from(mantissa.ilog2());
    if first_bit > GREATEST_BIT {
        return f64::INFINITY;
    }
    let last_bit = (first_bit - FRACTION_BITS).max(LEAST_BIT);
    let rounded = match u32::try_from(last_bit - exponent) {
        // It is shorter than a double may be.
        Err(_) => mantissa << (exponent - last_bit),
        // Less than half of the least double.
        Ok(u128::BITS..) => 0,
        Ok(0) => mantissa,
        Ok(cut) => {
            let (quotient, half) = (mantissa >> cut, 1 << (cut - 1));
            let remainder = mantissa - (quotient << cut);
            let up = remainder > half || remainder == half && quotient % 2 == 1;
            quotient + u128::from(up)
        }
    };
    // Both factors and the product are exact: 53 bits, and a power of two that may be subnormal.
    const BIAS: i64 = 1023;
    let power = match u64::try_from(last_bit + BIAS) {
        Ok(biased @ 1..) => biased << FRACTION_BITS,
        _ => 1 << (last_bit - LEAST_BIT),
    };
    rounded as f64 * f64::from_bits(power)
}

/// Reads a whole number as Go's `strconv.ParseInt` does.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Reads a whole number as Go's `strconv.ParseUint` does: without a sign.
pub(super) fn parse_uint(text: &str) -> Option<u64> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Writes a number as Go's `%g` does: the shortest digits, with an exponent where that is below -4 or above 5.
pub(super) fn format_double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-Inf" } else { "+Inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_cut_to_64_bits() {
        let int = |text: &str| Decimal::parse(text).and_then(|decimal| decimal.to_int());
        assert_eq!(int("10"), Some(10));
        assert_eq!(int("-1.50e1"), Some(-15));
        assert_eq!(int("1e3"), Some(1000));
        assert_eq!(int("1e400"), Some(i64::MAX));
        assert_eq!(int("-9223372036854775809"), Some(i64::MIN));
        assert_eq!(int("0e999999999999999999999"), Some(0));
        assert_eq!(int("1.5"), None);
        assert_eq!(int("1e-400"), None);
        assert_eq!(int("Inf"), None);
    }

    #[test]
    fn doubles_given_as_texts_must_be_exact() {
        let double = |text: &str| Decimal::parse(text).and_then(|decimal| decimal.to_double());
        assert_eq!(double("0.5"), Some(0.5));
        assert_eq!(double("-2.50"), Some(-2.5));
        assert_eq!(double("1e22"), Some(1e22));
        assert_eq!(double("inf"), Some(f64::INFINITY));
        assert_eq!(double("0.1"), None);
        assert_eq!(double("1e400"), None);
        assert_eq!(double("1e-400"), None);
        assert_eq!(double("18446744073709551615"), None);
    }

    #[test]
    fn what_is_no_number_is_told() {
        for text in ["", " 1", "1 ", "1e", "e1", ".", "0x1", "1_0", "nan", "infinity", "--1", "１", "1e+-1"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        for text in ["", "+nan", "infin", "1__0", "_1", "1_", "1e400", "0b1", "1p4"] {
            assert_eq!(parse_double(text), None, "{text}");
        }
        assert_eq!(parse_double("1_0.5"), Some(10.5));
        assert_eq!(parse_uint("+5"), None);
        assert_eq!(parse_int("+5"), Some(5));
    }

    #[test]
    fn hexadecimal_doubles_are_read_as_go_does() {
        let cases = [
            ("0x1p4", 16.0),
            ("+0X1P+4", 16.0),
            ("-0x1.8p-1", -0.75),
            ("0x.8p1", 1.0),
            ("0x1.p0", 1.0),
            ("0x1e3p0", 483.0),
            ("0x_1p4", 16.0),
            ("0x1_0p1_0", 16384.0),
            ("0x0000000000000000000000000000001p4", 16.0),
            ("0x0.000000000000000000000000000000000000000001p200", f64::from_bits(0x41f0_0000_0000_0000)),
            ("0x123456789abcdef0123456789p0", f64::from_bits(0x45f2_3456_789a_bcdf)),
            // Halves go to the even one.
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000000000000001p0", f64::from_bits(0x3ff0_0000_0000_0001)),
            ("0x1.00000000000018p0", f64::from_bits(0x3ff0_0000_0000_0002)),
            ("0x1ffffffffffffffffp0", f64::from_bits(0x4400_0000_0000_0000)),
            // The ends of what there is.
            ("0x1.fffffffffffff7p1023", f64::MAX),
            ("-0x1p-1074", f64::from_bits(0x8000_0000_0000_0001)),
            ("0x1.8p-1075", f64::from_bits(1)),
            ("0x1p-1075", 0.0),
            ("0x1p-99999999999", 0.0),
            ("-0x0p99999999999", -0.0),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_double(text).map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
        for text in [
            "0x1p",
            "0x1",
            "0x.p1",
            "0xp1",
            "0x1__0p0",
            "0x1p_4",
            "0x1_p4",
            "0_x1p4",
            "0xgp0",
            "0x1p4 ",
            "0x1.p",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0x1p99999999999",
            "0x-1p4",
            "0x1.1.1p0",
            "0xé1p0",
        ] {
            assert_eq!(parse_double(text), None, "{text}");
        }
    }

    #[test]
    fn doubles_are_written_as_go_does() {
        let cases = [
            (1.0, "1"),
            (-0.0, "-0"),
            (1e5, "100000"),
            (123456789.0, "1.23456789e+08"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
        ];
        for (number, expected) in cases {
            assert_eq!(format_double(number), expected);
        }
    }
}
