//! Real numbers as the text dump writes them: up to twenty significant digits.
//!
//! The `sqlite3` shell up to 3.42 (Debian 12 ships 3.40) finds the digits with the 80-bit arithmetic of x86
//! processors, so its last digits are not those of the exact decimal expansion: 9.3e18 becomes
//! `9300000000000000000.1`. To give the same bytes on every machine, the same steps are done here on integers.
//! Every such text reads back as the number that it was made from.

use std::cmp::Ordering;

/// Significant digits of a real.
const DIGITS: usize = 20;

/// A positive number `mantissa · 2^exponent`, rounded after every operation to 64 bits, half to even.
/// The highest bit of `mantissa` is set unless the number is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extended {
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    const ONE: Extended = Extended { mantissa: 1 << 63, exponent: -63 };

    /// The number nearest to `value · 2^exponent`. `inexact` says that bits below `value` were lost that were not zero.
    fn round(value: u128, exponent: i32, inexact: bool) -> Self {
        if value == 0 {
            return Self { mantissa: 0, exponent: 0 };
        }
        let leading = value.leading_zeros();
        let value = value << leading;
        let exponent = exponent - leading as i32 + 64;
        let (high, low) = ((value >> 64) as u64, value as u64);
        let up = match low.cmp(&(1 << 63)) {
            Ordering::Less => false,
            Ordering::Equal => inexact || high & 1 == 1,
            Ordering::Greater => true,
        };
        match high.checked_add(u64::from(up)) {
            Some(mantissa) => Self { mantissa, exponent },
            None => Self { mantissa: 1 << 63, exponent: exponent + 1 },
        }
    }

    /// A finite number that is not negative.
    fn from_f64(value: f64) -> Self {
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        match (bits >> 52 & 0x7ff) as i32 {
            0 => Self::round(fraction.into(), -1074, false),
            biased => Self::round((fraction | 1 << 52).into(), biased - 1075, false),
        }
    }

    fn times(self, other: Self) -> Self {
        Self::round(u128::from(self.mantissa) * u128::from(other.mantissa), self.exponent + other.exponent, false)
    }

    /// `self / divisor`; the divisor is not zero.
    fn over(self, divisor: Self) -> Self {
        let by = u128::from(divisor.mantissa);
        let dividend = u128::from(self.mantissa) << 64;
        let (quotient, rest) = (dividend / by, (dividend % by) << 2);
        // Two more bits below the quotient, so that there is always one to round on.
        Self::round((quotient << 2) | (rest / by), self.exponent - divisor.exponent - 66, rest % by != 0)
    }

    /// `self + other`, where `other` is not the larger one.
    fn plus(self, other: Self) -> Self {
        let (large, small) = (u128::from(self.mantissa) << 63, u128::from(other.mantissa) << 63);
        let shift = (i64::from(self.exponent) - i64::from(other.exponent)).clamp(0, 127) as u32;
        Self::round(large + (small >> shift), self.exponent - 63, small & ((1u128 << shift) - 1) != 0)
    }

    /// Whether `self >= other`; neither is zero.
    fn reaches(self, other: Self) -> bool {
        (self.exponent, self.mantissa) >= (other.exponent, other.mantissa)
    }

    /// Takes the whole part off a number below 16 and gives it.
    fn take_digit(&mut self) -> u8 {
        // With its highest bit set, a mantissa of exponent −60 is 8 to 16; below −63 the number is less than one.
        let places = self.exponent.saturating_neg();
        if self.mantissa == 0 || places > 63 {
            return 0;
        }
        let places = places.clamp(60, 63) as u32;
        let digit = (self.mantissa >> places) as u8;
        *self = Self::round((self.mantissa & ((1 << places) - 1)).into(), self.exponent, false);
        digit
    }
}

/// The digits of a finite number above zero, the first not zero, and the power of ten of the first.
fn decimal(value: f64) -> ([u8; DIGITS], i32) {
    let power = |text: f64| Extended::from_f64(text);
    let ten = power(10.0);
    let mut number = Extended::from_f64(value);
    let mut exponent = 0;
    let mut scale = Extended::ONE;
    for (step, digits) in [(power(1e100), 100), (power(1e10), 10), (ten, 1)] {
        while number.reaches(step.times(scale)) {
            scale = scale.times(step);
            exponent += digits;
        }
    }
    number = number.over(scale);
    while !number.reaches(power(1e-8)) {
        number = number.times(power(1e8));
        exponent -= 8;
    }
    while !number.reaches(Extended::ONE) {
        number = number.times(ten);
        exponent -= 1;
    }
    number = number.plus(Extended::from_f64(5e-10).times(power(1e-10)));
    if number.reaches(ten) {
        number = number.times(power(0.1));
        exponent += 1;
    }
    let mut digits = [0; DIGITS];
    for digit in &mut digits {
        *digit = number.take_digit();
        number = number.times(ten);
    }
    (digits, exponent)
}

/// Appends the SQL literal of a real: `0.5`, `1.0e+20`, `1e999` for infinity. What is not a number is `NULL`, as SQLite
/// stores it.
pub(super) fn append_real(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NULL");
        return;
    }
    const INTEGERS: std::ops::Range<f64> = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    if INTEGERS.contains(&value) && value.trunc() == value {
        // Whole numbers of 64 bits are exact. The sign of a negative zero is not written.
        out.extend_from_slice(format!("{}.0", value as i64).as_bytes());
        return;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    if value.is_infinite() {
        out.extend_from_slice(b"1e999");
        return;
    }
    let (digits, exponent) = decimal(value.abs());
    let kept = digits.iter().rposition(|&digit| digit != 0).map_or(1, |last| last + 1);
    let digit = |place: usize| b'0' + digits.get(place).filter(|_| place < kept).copied().unwrap_or(0);
    let scientific = !(-4..DIGITS as i32).contains(&exponent);
    let whole = if scientific { 1 } else { (exponent + 1).max(0) as usize };
    match whole {
        0 => out.push(b'0'),
        _ => out.extend((0..whole).map(digit)),
    }
    out.push(b'.');
    if !scientific {
        out.extend((exponent + 1..0).map(|_| b'0'));
    }
    match kept > whole {
        true => out.extend((whole..kept).map(digit)),
        false => out.push(b'0'),
    }
    if scientific {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("e{sign}{:02}", exponent.unsigned_abs()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        append_real(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn reals_look_as_the_shell_of_3_40_writes_them() {
        for (value, expected) in [
            (0.1, "0.10000000000000000555"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (f64::INFINITY, "1e999"),
            (f64::NEG_INFINITY, "-1e999"),
            (f64::NAN, "NULL"),
            (1e15, "1000000000000000.0"),
            (1e19, "10000000000000000000.0"),
            (1e20, "1.0e+20"),
            (6355583.0, "6355583.0"),
            (-9223372036854775808.0, "-9223372036854775808.0"),
            (9223372036854775808.0, "9223372036854775807.8"),
            (1e100, "1.0e+100"),
            (9.3e18, "9300000000000000000.1"),
            (123456.789, "123456.7890000000043"),
            (std::f64::consts::PI, "3.1415926535897931159"),
            (1e-4, "0.00010000000000000000479"),
            (1e-5, "1.0000000000000000817e-05"),
            (5e-324, "4.9406564584124654428e-324"),
            (f64::MAX, "1.7976931348623156223e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072013834e-308"),
        ] {
            assert_eq!(text(value), expected, "{value:e}");
        }
    }

    proptest! {
        #[test]
        fn every_real_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text(value).parse::<f64>().unwrap(), value, "{:e}", value);
        }
    }
}
