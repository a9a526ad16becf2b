//! What of an output may differ between two runs: ids, times, folders, and how much was stored.

use serde_json::Value;

/// Numbers that depend on how much the repository had already, how it is encrypted, and where its own key has files cut.
const LOOSE: &[&str] = &[
    "bytes_stored",
    "bytes_freed",
    "bytes_dead_left",
    "bytes_added",
    "bytes_new",
    "bytes_gone",
    "bytes_read",
    "chunks",
    "chunks_new",
    "chunks_delta",
    "delta",
    "delta_bytes",
    "delta_payload_bytes",
    "full",
    "full_bytes",
    "location",
    "meta",
    "meta_stored_bytes",
    "packs",
    "packs_read",
    "ratio",
];

/// Text with ids as `ID`, times as `TIME`, `folder` as `PLACE`, and runs of blanks as one.
pub fn text(text: &str, folder: &str) -> String {
    let mut lines = Vec::new();
    for line in text.replace(folder, "PLACE").lines() {
        let words: Vec<String> = line.split_whitespace().map(word).collect();
        let line = words.join(" ").replace("DATE TIME", "TIME");
        lines.push(stored(&line));
    }
    lines.join("\n")
}

fn word(word: &str) -> String {
    let letters = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != ':';
    let core = word.trim_matches(letters);
    let kind = match core {
        _ if is_id(core) => "ID",
        _ if is_shaped(core, "0000-00-00") => "DATE",
        _ if is_shaped(core, "00:00:00") => "TIME",
        _ => return word.to_string(),
    };
    word.replacen(core, kind, 1)
}

fn is_id(word: &str) -> bool {
    let digits = word.strip_prefix(['a', 'j', 't', 'i', 'e', 'l']).filter(|_| word.len() == 17).unwrap_or(word);
    digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_shaped(word: &str, shape: &str) -> bool {
    word.len() == shape.len()
        && word
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
}

/// What was stored, and how much less that is, is passed over.
fn stored(line: &str) -> String {
    for (before, after) in [("read, ", " stored"), ("snapshots, ", " checked"), ("gone for good; ", " freed")] {
        if let Some((head, rest)) = line.split_once(before)
            && let Some((_, tail)) = rest.split_once(after)
        {
            return format!("{head}{before}SIZE{after}{tail}");
        }
    }
    if let Some(name) = ["repository ", "metadata ", "stored ", "new ", "whole chunks ", "deltas "]
        .into_iter()
        .find(|name| line.starts_with(name))
    {
        return name.to_string();
    }
    // In the rows of tables the last size is what was stored.
    let words: Vec<&str> = line.split(' ').collect();
    let units: Vec<usize> = (1..words.len()).filter(|at| matches!(words[*at], "B" | "KiB" | "MiB")).collect();
    match units.last() {
        Some(last) if line.starts_with("ID ") || units.len() == 3 => {
            let (head, tail) = (words[..last - 1].join(" "), words[last + 1..].join(" "));
            format!("{head} SIZE {tail}")
        }
        _ => line.to_string(),
    }
}

/// JSON with the same passed over; times as `TIME`.
pub fn json(value: &Value, folder: &str) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match LOOSE.contains(&name.as_str()) && !value.is_object() {
                    true => Value::from("LOOSE"),
                    false => json(value, folder),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(values) => values.iter().map(|value| json(value, folder)).collect(),
        Value::String(string) => {
            string.parse::<jiff::Timestamp>().map_or_else(|_| text(string, folder), |_| "TIME".into()).into()
        }
        other => other.clone(),
    }
}
