//! `snaphold snapshot ls`, `snaphold snapshot diff` and `snaphold stats`.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;
use snaphold::error::{Error, Result};
use snaphold::ops::Silent;
use snaphold::ops::diff::{Aspect, Change, DiffSummary, What};
use snaphold::ops::ls::Listed;
use snaphold::service::{ItemChange, ItemView, Stats};

use crate::cli::args::StatsArgs;
use crate::cli::backend::Backend;
use crate::cli::context::Context;
use crate::cli::output::{Report, cannot_write, print_pieces};
use crate::cli::progress::Teller;
use crate::cli::table::{Columns, Side, Table, count, fields, printable, size, time};

/// A snapshot may hold more files than should be in memory: they are gone through twice, to see that all can be read and
/// how wide the columns are, and to print them.
pub fn ls(context: &Context, snapshot: &str, path: Option<&Path>, recursive: bool, files: bool) -> Result<Report> {
    let by_items = path.is_none() && !recursive && !files;
    let path = path.map(|path| path.as_os_str().as_bytes()).unwrap_or_default();
    let progress = context.progress();
    let backend = context.backend()?;
    // The latest one may be another one the second time.
    let snapshot = backend.snapshot(snapshot)?.id;
    if by_items && let Some(report) = items(context, &*backend, &snapshot)? {
        return Ok(report);
    }
    let mut columns = Columns::new([
        ("MODE", Side::Left),
        ("OWNER", Side::Right),
        ("SIZE", Side::Right),
        ("CHANGED (UTC)", Side::Left),
        ("PATH", Side::Left),
    ]);
    let mut is_empty = true;
    let is_json = context.global.json;
    backend.ls(&snapshot, path, recursive, &progress, &mut |entry| {
        is_empty = false;
        if !is_json {
            columns.measure(&cells(&entry));
        }
        Ok(())
    })?;
    progress.done();
    print_pieces(|out| {
        let mut put = |text: &str| out.write_all(text.as_bytes()).map_err(cannot_write);
        put(&match (is_json, is_empty) {
            (true, _) => "{\"entries\":[".to_string(),
            (false, true) => "the folder is empty\n".to_string(),
            (false, false) => columns.headings(),
        })?;
        let mut comma = "";
        backend.ls(&snapshot, path, recursive, &Silent, &mut |entry| {
            if !is_json {
                return put(&columns.line(&cells(&entry)));
            }
            let failed = |error| Error::Failed(format!("cannot print JSON: {error}"));
            let json = serde_json::to_string(&entry).map_err(failed)?;
            put(std::mem::replace(&mut comma, ","))?;
            put(&json)
        })?;
        put(if is_json { "]}\n" } else { "" })
    })
}

/// What is in a database: tables, keys. `None` where there is nothing but files.
fn items(context: &Context, backend: &dyn Backend, snapshot: &str) -> Result<Option<Report>> {
    let columns = [("KIND", Side::Left), ("ROWS", Side::Right), ("SIZE", Side::Right), ("NAME", Side::Left)];
    let mut columns = Columns::new(columns);
    let progress = context.progress();
    let mut is_empty = true;
    let has_items = backend.items(snapshot, &progress, &mut |item| {
        is_empty = false;
        columns.measure(&item_cells(&item));
        Ok(())
    })?;
    progress.done();
    if !has_items {
        return Ok(None);
    }
    let is_json = context.global.json;
    let printed = print_pieces(|out| {
        let mut put = |text: &str| out.write_all(text.as_bytes()).map_err(cannot_write);
        put(&match (is_json, is_empty) {
            (true, _) => "{\"items\":[".to_string(),
            (false, true) => "the database is empty\n".to_string(),
            (false, false) => columns.headings(),
        })?;
        let mut comma = "";
        backend.items(snapshot, &Silent, &mut |item| {
            if !is_json {
                return put(&columns.line(&item_cells(&item)));
            }
            let failed = |error| Error::Failed(format!("cannot print JSON: {error}"));
            put(std::mem::replace(&mut comma, ","))?;
            put(&serde_json::to_string(&item).map_err(failed)?)
        })?;
        put(if is_json { "]}\n" } else { "" })
    });
    printed.map(Some)
}

fn item_cells(item: &ItemView) -> [String; 4] {
    let ItemView { component, kind, name, bytes, rows } = item;
    let component = component.as_ref().map_or_else(String::new, |component| format!("{component}: "));
    let rows = rows.map_or_else(|| "-".to_string(), count);
    [kind.to_string(), rows, size(*bytes), format!("{component}{}", printable(name))]
}

fn cells(Listed { path, about, .. }: &Listed) -> [String; 5] {
    let target = about.target.as_ref().map_or(String::new(), |target| format!(" -> {target}"));
    let reason = about.reason.as_ref().map_or(String::new(), |reason| format!(" (not read: {reason})"));
    let cells = [
        mode(&about.kind, about.mode),
        format!("{}:{}", about.uid, about.gid),
        size(about.size),
        time(about.mtime),
        format!("{path}{target}{reason}"),
    ];
    cells.map(|cell| printable(&cell))
}

/// As `ls` of coreutils writes it.
fn mode(kind: &str, mode: u32) -> String {
    let first = match kind {
        "file" => '-',
        "directory" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "char_device" => 'c',
        "block_device" => 'b',
        _ => '?',
    };
    let mut text = String::from(first);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[derive(Serialize)]
struct Differences {
    #[serde(flatten)]
    summary: DiffSummary,
    changes: Vec<Change>,
}

pub fn diff(context: &Context, a: &str, b: &str, files: bool) -> Result<Report> {
    let progress = context.progress();
    let backend = context.backend()?;
    if !files && let Some(report) = diff_items(&*backend, a, b, &progress)? {
        progress.done();
        return Ok(report);
    }
    let mut changes = Vec::new();
    let summary = backend.diff(a, b, &progress, &mut |change| {
        changes.push(change);
        Ok(())
    })?;
    progress.done();
    let mut text: String = changes.iter().map(change_line).collect();
    text.push_str(&format!(
        "{} added, {} removed, {} changed, {} with other metadata; {} new, {} gone\n",
        count(summary.added),
        count(summary.removed),
        count(summary.changed),
        count(summary.metadata_changed),
        size(summary.bytes_new),
        size(summary.bytes_gone)
    ));
    Report::new(&Differences { summary, changes }, text)
}

#[derive(Serialize)]
struct ItemDifferences {
    items: Vec<ItemChange>,
}

/// Tables and keys that differ. `None` where there is nothing but files.
fn diff_items(backend: &dyn Backend, a: &str, b: &str, progress: &Teller) -> Result<Option<Report>> {
    let mut items = Vec::new();
    let has_items = backend.diff_items(a, b, progress, &mut |change| {
        items.push(change);
        Ok(())
    })?;
    if !has_items {
        return Ok(None);
    }
    let mut text: String = items.iter().map(item_line).collect();
    if items.is_empty() {
        text.push_str("nothing differs\n");
    }
    Report::new(&ItemDifferences { items }, text).map(Some)
}

fn item_line(change: &ItemChange) -> String {
    let mark = match change.change {
        What::Added => '+',
        What::Removed => '-',
        What::Changed => 'M',
    };
    let component = change.component.as_ref().map_or_else(String::new, |component| format!("{component}: "));
    let mut about = match (change.change, change.bytes_new) {
        (What::Changed, Some(new)) => format!("{} of {} differ", size(new), size(change.bytes_after)),
        (What::Changed, None) => format!("{}, was {}", size(change.bytes_after), size(change.bytes_before)),
        (What::Added, _) => size(change.bytes_after),
        (What::Removed, _) => size(change.bytes_before),
    };
    if let Some((before, after)) = change.rows.filter(|(before, after)| before != after) {
        about.push_str(&format!("; {} rows, were {}", count(after), count(before)));
    }
    format!("{mark} {component}{} {}  ({about})\n", change.kind, printable(&change.name))
}

/// `+` added, `-` removed, `M` changed, `m` metadata alone.
fn change_line(change: &Change) -> String {
    let mark = match change.change {
        What::Added => '+',
        What::Removed => '-',
        What::Changed if change.differs == [Aspect::Metadata] => 'm',
        What::Changed => 'M',
    };
    let bytes = match (change.bytes_new, change.bytes_gone) {
        (0, 0) => String::new(),
        (new, 0) => format!("  (+{})", size(new)),
        (0, gone) => format!("  (-{})", size(gone)),
        (new, gone) => format!("  (+{}, -{})", size(new), size(gone)),
    };
    format!("{mark} {}{bytes}\n", change.path)
}

pub fn stats(context: &Context, arguments: &StatsArgs) -> Result<Report> {
    let progress = context.progress();
    let stats = context.backend()?.stats(arguments.name.as_deref(), &progress)?;
    progress.done();
    let text = stats_text(&stats);
    Report::new(&stats, text)
}

fn stats_text(stats: &Stats) -> String {
    let chunks = &stats.chunks;
    let mut text = fields(&[
        ("repository", stats.location.clone()),
        ("snapshots", count(stats.snapshots)),
        ("their data", size(stats.bytes_logical)),
        (
            "stored",
            format!("{} in {} packs: {:.1} times less", size(stats.bytes_stored), count(stats.packs), stats.ratio),
        ),
        ("whole chunks", format!("{} of {}", count(chunks.full), size(chunks.full_bytes))),
        (
            "deltas",
            format!(
                "{} of {}, which take {}",
                count(chunks.delta),
                size(chunks.delta_bytes),
                size(chunks.delta_payload_bytes)
            ),
        ),
        ("metadata", format!("{} nodes, {} stored", count(chunks.meta), size(chunks.meta_stored_bytes))),
    ]);
    let mut table = Table::new([
        ("INSTANCE", Side::Left),
        ("SNAPSHOTS", Side::Right),
        ("LATEST", Side::Right),
        ("TOGETHER", Side::Right),
        ("ADDED", Side::Right),
    ]);
    for instance in &stats.instances {
        table.row([
            instance.name.clone(),
            count(instance.snapshots),
            size(instance.bytes_latest),
            size(instance.bytes_logical),
            size(instance.bytes_added),
        ]);
    }
    text.push('\n');
    text.push_str(&table.text("there are no instances"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_look_as_ls_writes_them() {
        let expected = [
            ("file", 0o644, "-rw-r--r--"),
            ("directory", 0o1777, "drwxrwxrwt"),
            ("file", 0o6755, "-rwsr-sr-x"),
            ("file", 0o7000, "---S--S--T"),
            ("symlink", 0o777, "lrwxrwxrwx"),
            ("unreadable", 0, "?---------"),
        ];
        for (kind, bits, text) in expected {
            assert_eq!(mode(kind, bits), text);
        }
    }
}
