//! Names of keys as they are shown, and the order that all keys are in.

/// The name of a key of database `db`: `0:user:17`. Every key has one of its own, and the order of the names' bytes is the
/// order of keys in the canonical form.
pub fn shown_name(db: u64, key: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    put_shown_name(db, key, &mut name);
    name
}

/// Appends the [`shown_name`].
pub(super) fn put_shown_name(db: u64, key: &[u8], out: &mut Vec<u8>) {
    out.extend(db.to_string().bytes());
    out.push(b':');
    show(key, out);
}

/// A key as it is shown: text as it is; a backslash doubled; control characters and what is no UTF-8 as `\x00`.
pub fn shown_key(key: &[u8]) -> String {
    let mut shown = Vec::with_capacity(key.len());
    show(key, &mut shown);
    String::from_utf8_lossy(&shown).into_owned()
}

fn show(key: &[u8], out: &mut Vec<u8>) {
    for chunk in key.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'\\' => out.extend(b"\\\\"),
                0..32 | 127 => hexadecimal(byte, out),
                _ => out.push(byte),
            }
        }
        chunk.invalid().iter().for_each(|byte| hexadecimal(*byte, out));
    }
}

fn hexadecimal(byte: u8, out: &mut Vec<u8>) {
    out.extend(format!("\\x{byte:02x}").bytes());
}

/// Whether a shown name is like `pattern`, in which `*` stands for any bytes and `?` for any one.
pub fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    let (mut name_at, mut pattern_at) = (0, 0);
    // Behind the last star, and how much of the name it had taken.
    let mut again: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(name_at) {
        match pattern.get(pattern_at) {
            Some(b'*') => {
                pattern_at += 1;
                again = Some((pattern_at, name_at));
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                pattern_at += 1;
                name_at += 1;
            }
            _ => match again {
                Some((behind, taken)) => {
                    again = Some((behind, taken + 1));
                    (pattern_at, name_at) = (behind, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(pattern_at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_no_two_keys_have_the_same() {
        let keys: [&[u8]; 6] = [b"user:1", "\u{fc}".as_bytes(), b"\xff", b"\\xff", b"a\nb", b""];
        let names: Vec<String> = keys.iter().map(|key| String::from_utf8(shown_name(3, key)).unwrap()).collect();
        assert_eq!(names, ["3:user:1", "3:\u{fc}", "3:\\xff", "3:\\\\xff", "3:a\\x0ab", "3:"]);
    }

    #[test]
    fn patterns_find_what_they_are_like() {
        for (pattern, like) in [
            ("0:user:1", true),
            ("0:*", true),
            ("*", true),
            ("0:us?r:1", true),
            ("*:1", true),
            ("*er*1*", true),
            ("0:user", false),
            ("user*", false),
            ("*2", false),
            ("", false),
            ("0:user:1?", false),
        ] {
            assert_eq!(is_like(b"0:user:1", pattern.as_bytes()), like, "{pattern}");
        }
    }
}
