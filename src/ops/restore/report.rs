//! What a restore did.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::format::tree::{Entry, Node};

/// What a restore did. Bytes are plain content; a file with several names counts once in them.
///
/// `bytes_total` = `bytes_written` + `bytes_unchanged` + `bytes_zeroed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Names of regular files in what was restored.
    pub files: u64,
    /// Folders, the target itself not counted.
    pub directories: u64,
    /// Symbolic links, FIFOs, devices.
    pub others: u64,
    /// Length of all files.
    pub bytes_total: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
    /// Bytes that were there already and were left alone.
    pub bytes_unchanged: u64,
    /// Bytes that became zero without being written: holes.
    pub bytes_zeroed: u64,
    /// Files that were made, or whose content or length was changed.
    pub files_changed: u64,
    /// Entries with the right content whose owner, mode, times or attributes were set.
    pub metadata_changed: u64,
    /// Entries that were removed, because the snapshot has none of that name or one of another kind. A folder counts
    /// as one, with all it holds.
    pub removed: u64,
}

impl RestoreReport {
    /// What restoring `entry` into nothing writes.
    pub fn of_new(entry: &Entry) -> Self {
        match &entry.node {
            Node::Directory { summary, .. } => Self {
                files: summary.files,
                directories: summary.directories,
                others: summary.others,
                bytes_total: summary.bytes,
                bytes_written: summary.bytes,
                files_changed: summary.files,
                ..Self::default()
            },
            Node::File { content, .. } => Self {
                files: 1,
                bytes_total: content.len(),
                bytes_written: content.len(),
                files_changed: 1,
                ..Self::default()
            },
            _ => Self { others: 1, ..Self::default() },
        }
    }

    /// Two parts of one restore together.
    pub fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.directories += other.directories;
        self.others += other.others;
        self.bytes_total += other.bytes_total;
        self.bytes_written += other.bytes_written;
        self.bytes_unchanged += other.bytes_unchanged;
        self.bytes_zeroed += other.bytes_zeroed;
        self.files_changed += other.files_changed;
        self.metadata_changed += other.metadata_changed;
        self.removed += other.removed;
    }
}

/// Byte counts that many threads add to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    written: AtomicU64,
    zeroed: AtomicU64,
}

impl Tally {
    pub(super) fn written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn zeroed(&self, bytes: u64) {
        self.zeroed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Fills in the byte counts of a report whose total is known.
    pub(super) fn fill(&self, report: &mut RestoreReport) {
        report.bytes_written = self.written.load(Ordering::Relaxed);
        report.bytes_zeroed = self.zeroed.load(Ordering::Relaxed);
        report.bytes_unchanged =
            report.bytes_total.saturating_sub(report.bytes_written).saturating_sub(report.bytes_zeroed);
    }
}
