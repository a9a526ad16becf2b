//! What a user types: ids, times, sources, paths.

use snaphold::chunk::StreamChunker;
use snaphold::codec::Effort;
use snaphold::container::{RelativePath, printable};
use snaphold::id::{ChunkId, SnapshotId};
use snaphold::ops::ls::parse_path;
use snaphold::service::{format_duration, parse_duration};
use snaphold::source::url::SourceUrl;
use snaphold::storage::{ObjectKind, ObjectName};

/// One text, taken for each of them.
pub fn texts(data: &[u8]) -> bool {
    let mut accepted = false;
    if let Ok(path) = RelativePath::parse(data) {
        assert!(path.is_root() || RelativePath::parse(&path.to_bytes()).as_ref() == Ok(&path), "{path}");
        accepted = true;
    }
    let _ = parse_path(data);
    assert!(!printable(data).contains(char::is_control));
    let Ok(text) = std::str::from_utf8(data) else { return accepted };
    if let Ok(nanoseconds) = parse_duration(text) {
        // What is shown is what it is, or close to it; and it can be typed.
        assert!(nanoseconds >= 0, "{text:?}");
        assert!(parse_duration(&format_duration(nanoseconds)).is_ok(), "{text:?}: {}", format_duration(nanoseconds));
        accepted = true;
    }
    if let Ok(url) = text.parse::<SourceUrl>() {
        assert_eq!(url.to_string().parse::<SourceUrl>().unwrap(), url);
        accepted = true;
    }
    if let Ok(id) = text.parse::<SnapshotId>() {
        assert_eq!(id.to_string(), text);
        accepted = true;
    }
    if let Ok(id) = text.parse::<ChunkId>() {
        assert_eq!(id.to_string(), text);
        accepted = true;
    }
    if let Some(name) = ObjectName::new(ObjectKind::Pack, text) {
        let path = name.path();
        assert!(path.starts_with("packs/") && path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
        accepted = true;
    }
    accepted | text.parse::<StreamChunker>().is_ok() | text.parse::<Effort>().is_ok()
}
