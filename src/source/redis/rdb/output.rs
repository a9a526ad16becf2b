//! The bytes of an RDB, written in one way only.

use super::CRC;

/// Marks a library of functions.
pub const FUNCTION2: u8 = 245;

/// Appends a length.
pub fn put_length(out: &mut Vec<u8>, len: u64) {
    match len {
        0..64 => out.push(len as u8),
        64..16_384 => out.extend([0x40 | (len >> 8) as u8, len as u8]),
        16_384..=0xffff_ffff => {
            out.push(0x80);
            out.extend((len as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend(len.to_be_bytes());
        }
    }
}

/// Appends a string: as an integer where Redis would write one, never compressed.
pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    match integer(bytes) {
        Some(number) if i8::try_from(number).is_ok() => out.extend([0xc0, number as u8]),
        Some(number) if i16::try_from(number).is_ok() => {
            out.push(0xc1);
            out.extend((number as i16).to_le_bytes());
        }
        Some(number) => {
            out.push(0xc2);
            out.extend(number.to_le_bytes());
        }
        None => {
            put_length(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
    }
}

/// The integer that `bytes` is the decimal text of, in its only form.
fn integer(bytes: &[u8]) -> Option<i32> {
    let (negative, digits) = match bytes.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, bytes),
    };
    let is_only_form = match digits {
        [b'0'] => !negative,
        [b'1'..=b'9', ..] => digits.len() <= 10,
        _ => false,
    };
    if !is_only_form {
        return None;
    }
    let number = digits
        .iter()
        .try_fold(0_i64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))?;
    i32::try_from(if negative { -number } else { number }).ok()
}

/// What the command `RESTORE` takes for a value of type `kind`: the value, the version, the sum.
pub fn dump_payload(kind: u8, value: &[u8], version: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 11);
    out.push(kind);
    out.extend_from_slice(value);
    signed(out, version)
}

/// What the command `FUNCTION RESTORE` takes for `libraries`.
pub fn function_payload(libraries: &[Vec<u8>], version: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for code in libraries {
        out.push(FUNCTION2);
        put_string(&mut out, code);
    }
    signed(out, version)
}

fn signed(mut out: Vec<u8>, version: u32) -> Vec<u8> {
    out.extend((version as u16).to_le_bytes());
    let sum = CRC.checksum(&out);
    out.extend(sum.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_back_as_it_was_becomes_an_integer() {
        for (text, number) in [
            ("0", Some(0)),
            ("-0", None),
            ("00", None),
            ("7", Some(7)),
            ("-7", Some(-7)),
            ("+7", None),
            ("", None),
            ("-", None),
            ("2147483647", Some(i32::MAX)),
            ("-2147483648", Some(i32::MIN)),
            ("2147483648", None),
            ("99999999999999999999", None),
            ("1a", None),
            (" 1", None),
            ("1.0", None),
        ] {
            assert_eq!(integer(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn the_sum_is_the_one_redis_has() {
        assert_eq!(CRC.checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
