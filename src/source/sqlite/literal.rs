//! Names and values as SQL text, in the spelling of the `sqlite3` shell.

use rusqlite::types::ValueRef;

use super::real::append_real;

/// SQLite's 147 keywords, sorted: a name among them is quoted.
#[rustfmt::skip]
const KEYWORDS: [&str; 147] = [
    "ABORT", "ACTION", "ADD", "AFTER", "ALL", "ALTER", "ALWAYS", "ANALYZE", "AND", "AS", "ASC", "ATTACH",
    "AUTOINCREMENT", "BEFORE", "BEGIN", "BETWEEN", "BY", "CASCADE", "CASE", "CAST", "CHECK", "COLLATE", "COLUMN",
    "COMMIT", "CONFLICT", "CONSTRAINT", "CREATE", "CROSS", "CURRENT", "CURRENT_DATE", "CURRENT_TIME",
    "CURRENT_TIMESTAMP", "DATABASE", "DEFAULT", "DEFERRABLE", "DEFERRED", "DELETE", "DESC", "DETACH", "DISTINCT",
    "DO", "DROP", "EACH", "ELSE", "END", "ESCAPE", "EXCEPT", "EXCLUDE", "EXCLUSIVE", "EXISTS", "EXPLAIN", "FAIL",
    "FILTER", "FIRST", "FOLLOWING", "FOR", "FOREIGN", "FROM", "FULL", "GENERATED", "GLOB", "GROUP", "GROUPS",
    "HAVING", "IF", "IGNORE", "IMMEDIATE", "IN", "INDEX", "INDEXED", "INITIALLY", "INNER", "INSERT", "INSTEAD",
    "INTERSECT", "INTO", "IS", "ISNULL", "JOIN", "KEY", "LAST", "LEFT", "LIKE", "LIMIT", "MATCH", "MATERIALIZED",
    "NATURAL", "NO", "NOT", "NOTHING", "NOTNULL", "NULL", "NULLS", "OF", "OFFSET", "ON", "OR", "ORDER", "OTHERS",
    "OUTER", "OVER", "PARTITION", "PLAN", "PRAGMA", "PRECEDING", "PRIMARY", "QUERY", "RAISE", "RANGE", "RECURSIVE",
    "REFERENCES", "REGEXP", "REINDEX", "RELEASE", "RENAME", "REPLACE", "RESTRICT", "RETURNING", "RIGHT", "ROLLBACK",
    "ROW", "ROWS", "SAVEPOINT", "SELECT", "SET", "TABLE", "TEMP", "TEMPORARY", "THEN", "TIES", "TO", "TRANSACTION",
    "TRIGGER", "UNBOUNDED", "UNION", "UNIQUE", "UPDATE", "USING", "VACUUM", "VALUES", "VIEW", "VIRTUAL", "WHEN",
    "WHERE", "WINDOW", "WITH", "WITHOUT",
];

/// `name` as an identifier, in double quotes whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `name` as an identifier, in double quotes only where it needs them: it is not made of ASCII letters, digits and
/// `_`, begins with a digit, or is a keyword.
pub(super) fn identifier(name: &str) -> String {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let plain = name.bytes().all(word) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    let keyword = KEYWORDS.binary_search(&name.to_ascii_uppercase().as_str()).is_ok();
    if plain && !keyword { name.to_owned() } else { quoted(name) }
}

/// Appends `text` between single quotes.
pub(super) fn append_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'\'');
    for &byte in text {
        if byte == b'\'' {
            out.push(b'\'');
        }
        out.push(byte);
    }
    out.push(b'\'');
}

/// Appends a value as an SQL literal. Gives whether it was a text that does not survive: one with a NUL, which the
/// shell cuts there.
pub(super) fn append_value(out: &mut Vec<u8>, value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Null => out.extend_from_slice(b"NULL"),
        ValueRef::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        ValueRef::Real(number) => append_real(out, number),
        ValueRef::Blob(bytes) => append_blob(out, bytes),
        ValueRef::Text(text) => {
            let kept = text.split(|&byte| byte == 0).next().unwrap_or_default();
            append_text(out, kept);
            return kept.len() < text.len();
        }
    }
    false
}

fn append_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    let hex = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    out.reserve(bytes.len() * 2 + 3);
    out.extend_from_slice(b"X'");
    out.extend(bytes.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]));
    out.push(b'\'');
}

/// Line breaks must not stand in the text, so that a statement is one line: they become a stand-in that
/// `replace()` turns back.
fn append_text(out: &mut Vec<u8>, text: &[u8]) {
    let feed = stand_in(text, b'\n', ["\\n", "\\012"]);
    let carriage = stand_in(text, b'\r', ["\\r", "\\015"]);
    for _ in feed.iter().chain(&carriage) {
        out.extend_from_slice(b"replace(");
    }
    out.push(b'\'');
    for &byte in text {
        match (byte, &feed, &carriage) {
            (b'\'', ..) => out.extend_from_slice(b"''"),
            (b'\n', Some(feed), _) => out.extend_from_slice(feed.as_bytes()),
            (b'\r', _, Some(carriage)) => out.extend_from_slice(carriage.as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
    for (stand_in, code) in [(carriage, 13), (feed, 10)] {
        if let Some(stand_in) = stand_in {
            out.extend_from_slice(format!(",'{stand_in}',char({code}))").as_bytes());
        }
    }
}

/// A word that `text` does not hold, to stand for `byte`; `None` where `text` does not hold the byte.
fn stand_in(text: &[u8], byte: u8, usual: [&str; 2]) -> Option<String> {
    if !text.contains(&byte) {
        return None;
    }
    let [short, octal] = usual;
    let free = |word: &str| !text.windows(word.len()).any(|window| window == word.as_bytes());
    if free(short) {
        return Some(short.to_owned());
    }
    if free(octal) {
        return Some(octal.to_owned());
    }
    // A text of n bytes holds fewer than n of these.
    (0..=text.len()).map(|number| format!("({short}{number})")).find(|word| free(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        let mut out = Vec::new();
        append_value(&mut out, ValueRef::Text(value.as_bytes()));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn names_are_quoted_where_they_need_it() {
        for plain in ["a", "_x9", "Table1", "rowid"] {
            assert_eq!(identifier(plain), plain);
        }
        for (name, expected) in [
            ("", "\"\""),
            ("1a", "\"1a\""),
            ("a b", "\"a b\""),
            ("é", "\"é\""),
            ("Last", "\"Last\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(identifier(name), expected);
        }
    }

    #[test]
    fn line_breaks_get_a_stand_in_that_the_text_does_not_hold() {
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("a\nb"), r"replace('a\nb','\n',char(10))");
        assert_eq!(text("\\n\n"), r"replace('\n\012','\012',char(10))");
        assert_eq!(text("\n\\n\\012(\\n0)"), r"replace('(\n1)\n\012(\n0)','(\n1)',char(10))");
        assert_eq!(text("\r\n"), r"replace(replace('\r\n','\r',char(13)),'\n',char(10))");
    }

    #[test]
    fn a_text_is_cut_at_a_nul_and_this_is_said() {
        let mut out = Vec::new();
        assert!(append_value(&mut out, ValueRef::Text(b"a\0b")));
        assert_eq!(out, b"'a'");
        assert!(!append_value(&mut out, ValueRef::Blob(b"\0\xfe")));
        assert_eq!(out, b"'a'X'00fe'");
    }
}
