//! What of an output may differ between two runs: ids, times, folders, and how much was stored.

use serde_json::Value;

/// Numbers that depend on how much the repository had already, or on how it is encrypted.
const LOOSE: &[&str] =
    &["bytes_stored", "bytes_freed", "bytes_dead_left", "ratio", "meta_stored_bytes", "bytes_added", "packs", "inode"];

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
    for (before, after) in [("new, ", " stored"), ("stored ", " packs"), ("gone for good; ", " freed")] {
        if let Some((head, rest)) = line.split_once(before)
            && let Some((_, tail)) = rest.split_once(after)
        {
            return format!("{head}{before}SIZE{after}{}", tail.split(" times less").next().unwrap_or(tail));
        }
    }
    if line.starts_with("stored: ") || line.starts_with("metadata: ") {
        return line.split(':').next().unwrap_or_default().to_string();
    }
    line.to_string()
}

/// JSON with the same passed over; times as `TIME`.
pub fn json(value: &Value, folder: &str) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = if LOOSE.contains(&name.as_str()) { Value::from("LOOSE") } else { json(value, folder) };
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
