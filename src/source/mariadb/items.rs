//! What is in a stored component, as the database has it; and its export where that is no more than the stored text.

use std::collections::BTreeMap;
use std::io::Write;

use crate::error::{Error, Result};
use crate::format::tree::{Entry, Node};
use crate::source::kind::{Export, Exported, Holds, Item, Only};
use crate::source::stored::Stored;

use super::feed::{copy_part, order_of, path_of};
use super::origin::{database_of, not_written};
use super::parts::Part;

/// Tables, sequences, views; and all routines, and all events, as one thing each.
pub fn logical(stored: &Stored<'_>) -> Result<Vec<Item>> {
    let database = database_of(stored);
    let mut items = Vec::new();
    for read in order_of(stored)?.0 {
        let (kind, name) = match &read.part {
            Part::Table(name) => ("table", format!("{database}.{name}")),
            Part::Sequence(name) => ("sequence", format!("{database}.{name}")),
            Part::View(name) => ("view", format!("{database}.{name}")),
            // No table's name has a blank and brackets behind it, but by intent.
            Part::Routines => ("routines", format!("{database} (routines)")),
            Part::Events => ("events", format!("{database} (events)")),
            Part::Begin | Part::Stub(_) | Part::End => continue,
        };
        let path = path_of(&read.part);
        let bytes = stored.file(&path)?.len();
        let rows = if kind == "table" { read.rows } else { None };
        items.push(Item { kind, name, bytes, rows, holds: Holds::Files(vec![path]) });
    }
    items.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok(items)
}

/// Tables by their files. Views have none but their definition.
pub fn physical(stored: &Stored<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in stored.folder(b"")? {
        if !matches!(entry.node, Node::Directory { .. }) {
            continue;
        }
        let database = name_of_table(&entry.name);
        let mut tables: BTreeMap<String, (u64, Vec<Vec<u8>>, bool)> = BTreeMap::new();
        for Entry { name, node, .. } in stored.folder(&entry.name)? {
            let Node::File { content, .. } = node else { continue };
            let Some((table, ending)) = table_of(&name) else { continue };
            let (bytes, files, has_data) = tables.entry(table).or_default();
            *bytes += content.len();
            *has_data |= ending != b"frm";
            files.push([entry.name.as_slice(), &name].join(&b'/'));
        }
        items.extend(tables.into_iter().map(|(table, (bytes, files, has_data))| Item {
            kind: if has_data { "table" } else { "view" },
            name: format!("{database}.{table}"),
            bytes,
            rows: None,
            holds: Holds::Files(files),
        }));
    }
    items.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok(items)
}

/// The table that a file is of, and the file's ending. Partitions (`name#P#…`) are their table's.
fn table_of(file: &[u8]) -> Option<(String, &[u8])> {
    const ENDINGS: [&[u8]; 13] =
        [b"frm", b"ibd", b"new", b"MAD", b"MAI", b"MYD", b"MYI", b"CSV", b"CSM", b"ARZ", b"MRG", b"TRG", b"par"];
    let at = file.iter().rposition(|&byte| byte == b'.')?;
    let (name, ending) = (file.get(..at)?, file.get(at + 1..)?);
    if !ENDINGS.contains(&ending) {
        return None;
    }
    let end = name.windows(3).position(|three| three.eq_ignore_ascii_case(b"#P#")).unwrap_or(name.len());
    Some((name_of_table(name.get(..end)?), ending))
}

/// A table's name from its file's, where characters that a file system might not take are written `@` and four
/// hexadecimal digits. What is written otherwise (letters with accents) stays as the file has it.
pub fn name_of_table(file: &[u8]) -> String {
    let text = String::from_utf8_lossy(file);
    let mut out = String::new();
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('@') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let digits = rest.get(at + 1..at + 5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let char = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match char {
            Some(char) => {
                out.push(char);
                rest = rest.get(at + 5..).unwrap_or_default();
            }
            None => {
                out.push('@');
                rest = rest.get(at + 1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// Writes a stored dump, or one item of it between what begins and ends a session.
pub fn export_logical(job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
    let order = order_of(job.stored)?;
    let database = database_of(job.stored);
    let wanted = |part: &Part| match job.only {
        None => true,
        Some(only) => matches!(part, Part::Begin | Part::End) || is_named(part, only, database),
    };
    if let Some(only) = job.only
        && !order.0.iter().any(|read| is_named(&read.part, only, database))
    {
        return Err(none_such(only, database));
    }
    let mut exported = Exported::default();
    let mut out = Failing { out, failed: None };
    for read in order.0.iter().filter(|read| wanted(&read.part)) {
        let copied = copy_part(job.stored, &read.part, &mut out);
        if let Some(error) = out.failed.take() {
            return Err(not_written(error));
        }
        let bytes = copied?;
        exported.bytes += bytes;
        exported.files += u64::from(!matches!(read.part, Part::Begin | Part::End));
        job.progress.advance(bytes);
    }
    Ok(exported)
}

/// Keeps the reason why something could not be written.
struct Failing<'o> {
    out: &'o mut dyn Write,
    failed: Option<std::io::Error>,
}

impl Write for Failing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            if kind != std::io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn is_named(part: &Part, only: Only<'_>, database: &str) -> bool {
    let name = match (only.kind, part) {
        ("table", Part::Table(name) | Part::Sequence(name))
        | ("sequence", Part::Sequence(name))
        | ("view" | "table", Part::View(name)) => name,
        ("routines", Part::Routines) | ("events", Part::Events) => return true,
        _ => return false,
    };
    only.name == name || only.name.strip_prefix(database).and_then(|rest| rest.strip_prefix('.')) == Some(name)
}

/// The error about a name that nothing has.
pub fn none_such(only: Only<'_>, database: &str) -> Error {
    match only.kind {
        "table" | "view" | "sequence" | "routines" | "events" => Error::NotFound(format!(
            "the snapshot has no {} {:?}; `snaphold snapshot ls` names them: {database}.NAME",
            only.kind, only.name
        )),
        kind => Error::Usage(format!("a MariaDB database has no {kind}s to export; say --only table={database}.NAME")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_known_by_their_files() {
        let of = |file: &[u8]| table_of(file).map(|(name, _)| name);
        assert_eq!(of(b"accounts.ibd").as_deref(), Some("accounts"));
        assert_eq!(of(b"we@0060ird@0020na@002eme.frm").as_deref(), Some("we`ird na.me"));
        assert_eq!(of(b"sales#P#p2024.ibd").as_deref(), Some("sales"));
        assert_eq!(of(b"db.opt"), None);
        assert_eq!(name_of_table(b"@1o@00e"), "@1o@00e");
    }
}
