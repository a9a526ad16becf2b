//! Sizes and counts as people read them.

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size in binary units, such as `1.5 GiB`.
pub fn format_size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut unit, mut tenths) = ("", bytes);
    for name in UNITS {
        // Whole tenths, so that 1023.96 KiB becomes 1.0 MiB and not 1024.0 KiB.
        (unit, tenths) = (name, (u128::from(tenths) * 10 / 1024) as u64);
        if tenths < 10_240 {
            break;
        }
        tenths /= 10;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A count with a mark between thousands, such as `78,600`.
pub fn format_count(number: u64) -> String {
    let digits = number.to_string();
    let mut marked = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            marked.push(',');
        }
        marked.push(digit);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_binary_units() {
        let expected = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (1_400_000_000, "1.3 GiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (bytes, text) in expected {
            assert_eq!(format_size(bytes), text);
        }
    }

    #[test]
    fn counts_have_marks_between_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (78_600, "78,600"), (1_234_567, "1,234,567")] {
            assert_eq!(format_count(number), text);
        }
    }
}
