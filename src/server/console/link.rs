//! The console's addresses.

use std::fmt::Write;

/// The page after signing in.
pub const HOME: &str = "/console/instances";

/// An instance's page: `tab` is `""` for its snapshots, or `schedule`, `usage`, `settings`, `take` ….
pub fn instance(name: &str, tab: &str) -> String {
    below("/console/instances/", name, tab)
}

/// A snapshot's page: `tab` is `""`, or `restore`, `export`, `clone` ….
pub fn snapshot(id: &str, tab: &str) -> String {
    below("/console/snapshots/", id, tab)
}

/// A job's page: `tab` is `""`, or `cancel`.
pub fn job(id: &str, tab: &str) -> String {
    below("/console/jobs/", id, tab)
}

fn below(folder: &str, name: &str, tab: &str) -> String {
    let slash = if tab.is_empty() { "" } else { "/" };
    format!("{folder}{}{slash}{tab}", encoded(name))
}

/// A text as one part of an address.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing into a string cannot fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

/// An address with a query: pairs with an empty value are left out.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = path.to_string();
    let mut mark = if path.contains('?') { '&' } else { '?' };
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(mark);
        out.push_str(name);
        out.push('=');
        out.push_str(&encoded(value));
        mark = '&';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_letter_is_encoded() {
        assert_eq!(instance("a b/<ü", "take"), "/console/instances/a%20b%2F%3C%C3%BC/take");
        assert_eq!(with_query("/x", &[("a", "1&2"), ("b", ""), ("c", "d")]), "/x?a=1%262&c=d");
    }
}
