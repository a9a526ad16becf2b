//! PAX records: what does not fit a tar header's fields, as `LEN KEY=VALUE` lines before it.

use super::tar_header::OCTAL_12_MAX;
use crate::limits;

const XATTR: &[u8] = b"SCHILY.xattr.";
const SECOND_NS: i128 = 1_000_000_000;

/// What PAX records say of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
    /// Nanoseconds since 1970.
    pub mtime_ns: Option<i64>,
    /// Sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keywords of things that a snapshot does not keep.
    pub not_kept: Vec<String>,
}

impl Extended {
    /// What the records in `bytes` say; in one line, what is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut extended = Self::default();
        let mut keys: Vec<&[u8]> = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (key, value, after) = split_record(rest).ok_or("a PAX record is malformed")?;
            rest = after;
            keys.push(key);
            if !value.is_empty() || key.starts_with(XATTR) {
                extended.note(key, value)?;
            } else if matches!(key, b"path" | b"linkpath" | b"size") {
                return Err(format!("a PAX record has no {}", key.escape_ascii()));
            }
        }
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair.first() == pair.last()) {
            let key = pair.first().map(|key| key.escape_ascii().to_string()).unwrap_or_default();
            return Err(format!("a PAX header says {key} twice"));
        }
        extended.xattrs.sort();
        Ok(extended)
    }

    fn note(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let bad = |what: &str| format!("a PAX header's {what} is no number in range");
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value).ok_or_else(|| bad("size"))?),
            b"uid" => self.uid = Some(decimal(value).ok_or_else(|| bad("uid"))?),
            b"gid" => self.gid = Some(decimal(value).ok_or_else(|| bad("gid"))?),
            b"mtime" => self.mtime_ns = Some(parse_time(value).ok_or_else(|| bad("mtime"))?),
            b"SCHILY.realsize" => return Err("it is sparse; write the archive again without --sparse".to_string()),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err("it is sparse; write the archive again without --sparse".to_string());
            }
            key => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.note_xattr(name, value)?;
                } else if [&b"SCHILY.acl."[..], b"LIBARCHIVE.xattr.", b"RHT.security.selinux"]
                    .iter()
                    .any(|kind| key.starts_with(kind))
                {
                    self.not_kept.push(key.escape_ascii().to_string());
                }
                // All else (access times, user names, inode numbers, comments) is nothing that a snapshot keeps.
            }
        }
        Ok(())
    }

    fn note_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        if self.xattrs.len() >= limits::XATTRS_MAX {
            return Err(format!("it has more than {} extended attributes", limits::XATTRS_MAX));
        }
        if value.len() > limits::XATTR_VALUE_MAX {
            return Err(format!("an extended attribute is longer than {} bytes", limits::XATTR_VALUE_MAX));
        }
        let name = unescape(name);
        if name.is_empty() || name.contains(&0) {
            return Err("an extended attribute has no proper name".to_string());
        }
        self.xattrs.push((name, value.to_vec()));
        Ok(())
    }

    /// The records that say this, in a fixed order; empty where there is nothing to say.
    pub fn to_records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut put = |key: &str, value: Option<Vec<u8>>| {
            if let Some(value) = value {
                put_record(&mut records, key.as_bytes(), &value);
            }
        };
        put("path", self.path.clone());
        put("linkpath", self.link.clone());
        put("size", self.size.map(|size| size.to_string().into_bytes()));
        put("uid", self.uid.map(|uid| uid.to_string().into_bytes()));
        put("gid", self.gid.map(|gid| gid.to_string().into_bytes()));
        put("mtime", self.mtime_ns.map(|time| format_time(time).into_bytes()));
        for (name, value) in &self.xattrs {
            put_record(&mut records, &[XATTR, &escape(name)].concat(), value);
        }
        records
    }

    /// The member's size, where its header's size field says `field`: two sizes that differ are refused, unless the
    /// field could not hold the larger one and says so in one of the usual ways (0, or the most that it holds).
    pub fn size_beside(&self, field: u64) -> Option<u64> {
        match self.size {
            None => Some(field),
            Some(size) if size == field => Some(size),
            Some(size) if size > OCTAL_12_MAX && (field == 0 || field == OCTAL_12_MAX) => Some(size),
            Some(_) => None,
        }
    }
}

/// The first record's key and value, and what comes after it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(21).position(|&byte| byte == b' ')?;
    let len: usize = decimal(bytes.get(..space)?)?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let pair = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    let (key, value) = pair.split_at_checked(equals)?;
    if key.is_empty() { None } else { Some((key, value.get(1..)?, rest)) }
}

/// Appends a record. Its length counts its own digits.
fn put_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let without = key.len() + value.len() + 3;
    let mut len = without + 1;
    while len != without + len.to_string().len() {
        len = without + len.to_string().len();
    }
    records.extend([len.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat());
}

fn decimal<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    // `parse` alone would take a plus sign too.
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)?.parse().ok()
}

/// Nanoseconds of a time in seconds with an optional fraction; what is finer than nanoseconds is cut off.
fn parse_time(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, bytes),
    };
    let mut parts = digits.splitn(2, |&byte| byte == b'.');
    let seconds: u64 = decimal(parts.next()?)?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanoseconds =
        (0..9).fold(0, |sum, at| sum * 10 + fraction.get(at).map_or(0, |&digit| i128::from(digit - b'0')));
    let time = i128::from(seconds) * SECOND_NS + nanoseconds;
    i64::try_from(if negative { -time } else { time }).ok()
}

/// A time in seconds with as many decimals as it needs.
fn format_time(time_ns: i64) -> String {
    let time = i128::from(time_ns).unsigned_abs();
    let (seconds, nanoseconds) = (time / SECOND_NS.unsigned_abs(), time % SECOND_NS.unsigned_abs());
    let sign = if time_ns < 0 { "-" } else { "" };
    let fraction = format!(".{nanoseconds:09}");
    format!("{sign}{seconds}{}", fraction.trim_end_matches('0').trim_end_matches('.'))
}

/// A key ends at its first `=`, so one in an attribute's name is written as `%3D`, and `%` as `%25`.
fn escape(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'=' => escaped.extend(b"%3D"),
            b'%' => escaped.extend(b"%25"),
            byte => escaped.push(byte),
        }
    }
    escaped
}

fn unescape(mut name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    while let Some((&first, rest)) = name.split_first() {
        if let Some(after) = name.strip_prefix(b"%3D") {
            plain.push(b'=');
            name = after;
        } else if let Some(after) = name.strip_prefix(b"%25") {
            plain.push(b'%');
            name = after;
        } else {
            plain.push(first);
            name = rest;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_counts_its_own_digits() {
        for value in 0..2000 {
            let mut records = Vec::new();
            put_record(&mut records, b"k", &vec![b'v'; value]);
            assert_eq!(split_record(&records), Some((&b"k"[..], &vec![b'v'; value][..], &b""[..])), "{value}");
        }
        let mut records = Vec::new();
        put_record(&mut records, b"path", b"a\nb=c");
        assert_eq!(records, b"14 path=a\nb=c\n");
    }

    #[test]
    fn times_have_nanoseconds_and_a_sign() {
        for (text, time) in [
            ("0", 0),
            ("1700000000.25", 1_700_000_000_250_000_000),
            ("1.000000001", 1_000_000_001),
            ("-0.5", -500_000_000),
            ("-1.5", -1_500_000_000),
            ("-9223372036.854775808", i64::MIN),
        ] {
            assert_eq!(parse_time(text.as_bytes()), Some(time), "{text}");
            assert_eq!(format_time(time), text);
        }
        assert_eq!(parse_time(b"1.0000000019"), Some(1_000_000_001));
        for text in ["", "-", ".5", "1.x", "+1", "1e9", "99999999999", "--1"] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for (records, detail) in [
            (&b"9 path=a\n8 path=\n"[..], "a PAX record has no path"),
            (b"11 path=a\n", "malformed"),
            (b"9 path=a", "malformed"),
            (b"8 path=a\n", "malformed"),
            (b"99999999999999999999999 path=a\n", "malformed"),
            (b"-9 path=a\n", "malformed"),
            (b"5 =a\n", "malformed"),
            (b"9 path=a\n9 path=b\n", "says path twice"),
            (b"9 size=x\n", "size is no number"),
            (b"11 size=-1\n", "size is no number"),
            (b"22 GNU.sparse.major=1\n", "sparse"),
        ] {
            let problem = Extended::parse(records).unwrap_err();
            assert!(problem.contains(detail), "{}: {problem}", records.escape_ascii());
        }
        let kept = Extended::parse(b"29 SCHILY.acl.access=user::r\n14 comment=hi\n").unwrap();
        assert_eq!(kept.not_kept, ["SCHILY.acl.access"]);
    }

    #[test]
    fn two_sizes_must_agree() {
        let says = |size| Extended { size, ..Extended::default() };
        let large = OCTAL_12_MAX + 1;
        assert_eq!(says(None).size_beside(5), Some(5));
        assert_eq!(says(Some(5)).size_beside(5), Some(5));
        assert_eq!(says(Some(5)).size_beside(0), None);
        assert_eq!(says(Some(0)).size_beside(5), None);
        assert_eq!(says(Some(large)).size_beside(0), Some(large));
        assert_eq!(says(Some(large)).size_beside(OCTAL_12_MAX), Some(large));
        assert_eq!(says(Some(large)).size_beside(5), None);
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(
            path in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..300)),
            size in any::<Option<u64>>(),
            uid in proptest::option::of(0..i64::MAX),
            mtime_ns in any::<Option<i64>>(),
            xattrs in proptest::collection::btree_map(
                proptest::collection::vec(1..=255u8, 1..20), proptest::collection::vec(any::<u8>(), 0..20), 0..4),
        ) {
            let xattrs = xattrs.into_iter().collect();
            let extended = Extended { path, size, uid, mtime_ns, xattrs, ..Extended::default() };
            prop_assert_eq!(Extended::parse(&extended.to_records()), Ok(extended));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Extended::parse(&bytes);
        }
    }
}
