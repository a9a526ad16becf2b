//! The files that a run measures on: made, or found in the user's folder and copied.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ops::Progress;

use super::data::{self, Random};
use super::sample::{Chosen, sum};
use super::stop::Stop;

/// What is written, read or compared in one go, bytes.
const PIECE: usize = 1 << 20;
/// Database files that are made, bytes each.
const DATABASE_FILE: u64 = 16 << 20;
/// Of a longer file this many bytes in each [`CHANGED_EVERY`] are changed for the next version.
const CHANGED_LEN: usize = 60;
/// 3 in 100 chunks of 16 KiB.
const CHANGED_EVERY: u64 = (16 << 10) * 100 / 3;
/// Files below this length are changed whole or not at all: 3 in 100 of them.
const SMALL: u64 = 16 << 10;

/// A file below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path below the folder.
    pub relative: PathBuf,
    /// Its length, bytes.
    pub len: u64,
}

/// The files that are measured on.
pub struct Data {
    pub root: PathBuf,
    pub files: Vec<Found>,
    pub in_place: bool,
}

impl Data {
    /// Bytes of all.
    pub fn bytes(&self) -> u64 {
        sum(self.files.iter().map(|found| found.len))
    }
}

/// All regular files below a folder, sorted by path, and how much could not be read.
pub fn find(root: &Path, progress: &dyn Progress) -> Result<(Vec<Found>, u64)> {
    let mut files = Vec::new();
    let mut unreadable = 0;
    let mut left_out = |path: &Path, error: io::Error| {
        unreadable += 1;
        progress.notice(&format!("left out: cannot read {}: {error}", path.display()));
    };
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries = match fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if folder.as_os_str().is_empty() => return Err(Error::source(path, error)),
            Err(error) => {
                left_out(&path, error);
                continue;
            }
        };
        for entry in entries {
            let relative = folder.join(entry.file_name());
            // A link's own metadata: what it leads to is not part of the folder.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(relative),
                Ok(metadata) if metadata.is_file() => match File::open(entry.path()) {
                    Ok(_) => files.push(Found { relative, len: metadata.len() }),
                    Err(error) => left_out(&entry.path(), error),
                },
                Ok(_) => {}
                Err(error) => left_out(&entry.path(), error),
            }
        }
    }
    files.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok((files, unreadable))
}

/// Makes about `bytes` of data below `root`: an eighth in small texts, three eighths in a dump and in database files
/// each, an eighth of noise.
pub fn make(root: &Path, bytes: u64, progress: &dyn Progress, stop: &Stop) -> Result<()> {
    progress.stage("making data", Some(bytes));
    let mut random = Random::new(9);
    let (mut done, mut number) = (0, 0u64);
    while done < bytes / 8 {
        let len = 500 + random.below(20_000) as u64;
        put(root, &format!("source/{}/{number}.c", number / 50), len, progress, stop, |_, len| {
            data::text(number, len)
        })?;
        done += len;
        number += 1;
    }
    let most = bytes / 8 * 3;
    put(root, "dump.sql", most, progress, stop, |piece, len| data::text(1000 + piece, len))?;
    let pages = |len: u64| len / data::PAGE as u64 * data::PAGE as u64;
    let (mut rest, mut number) = (pages(most), 0);
    while rest > 0 {
        let len = rest.min(DATABASE_FILE);
        let name = format!("base/5/{}", 16_384 + number);
        put(root, &name, len, progress, stop, |piece, len| data::pages(number * 1000 + piece, len))?;
        rest -= len;
        number += 1;
    }
    put(root, "noise.bin", bytes / 8, progress, stop, |piece, len| data::random(5000 + piece, len))
}

fn put(
    root: &Path,
    relative: &str,
    len: u64,
    progress: &dyn Progress,
    stop: &Stop,
    mut piece: impl FnMut(u64, usize) -> Vec<u8>,
) -> Result<()> {
    let path = root.join(relative);
    let mut file = create(&path)?;
    for (number, start) in (0..len).step_by(PIECE).enumerate() {
        stop.check()?;
        let bytes = piece(number as u64, (len - start).min(PIECE as u64) as usize);
        file.write_all(&bytes).map_err(|error| Error::target(&path, error))?;
        progress.advance(bytes.len() as u64);
    }
    Ok(())
}

fn create(path: &Path) -> Result<File> {
    let failed = |error| Error::target(path, error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    File::create(path).map_err(failed)
}

/// Copies what was chosen of the files below `from` to `to`. Returns what is there then; a file that became shorter
/// since it was found is as short there.
pub fn copy(
    from: &Path,
    files: &[Found],
    chosen: &[Chosen],
    to: &Path,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<Vec<Found>> {
    progress.stage("copying", Some(sum(chosen.iter().map(Chosen::len))));
    let mut copied = Vec::with_capacity(chosen.len());
    for part in chosen {
        let Some(found) = files.get(part.file) else { continue };
        let source = from.join(&found.relative);
        let target = to.join(&found.relative);
        let mut out = create(&target)?;
        let mut len = 0;
        each_piece(&source, part, stop, |bytes| {
            len += bytes.len() as u64;
            progress.advance(bytes.len() as u64);
            out.write_all(bytes).map_err(|error| Error::target(&target, error))
        })?;
        copied.push(Found { relative: found.relative.clone(), len });
    }
    Ok(copied)
}

/// Reads what was chosen of a file, a piece at a time.
pub fn each_piece(path: &Path, part: &Chosen, stop: &Stop, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let failed = |error| Error::source(path, error);
    let file = File::open(path).map_err(failed)?;
    let mut buffer = vec![0; PIECE];
    for range in &part.ranges {
        let mut at = range.start;
        while at < range.end {
            stop.check()?;
            let wanted = (range.end - at).min(PIECE as u64) as usize;
            let read = file.read_at(buffer.get_mut(..wanted).unwrap_or_default(), at).map_err(failed)?;
            if read == 0 {
                break;
            }
            take(buffer.get(..read).unwrap_or_default())?;
            at += read as u64;
        }
    }
    Ok(())
}

/// Changes a few per cent of the files below `root` in place, as a day does. Returns how many files were changed.
pub fn change(root: &Path, files: &[Found], stop: &Stop) -> Result<u64> {
    let mut random = Random::new(31);
    let mut changed = 0;
    for (number, found) in files.iter().enumerate() {
        stop.check()?;
        let path = root.join(&found.relative);
        let failed = |error| Error::target(&path, error);
        let mut row = [0; CHANGED_LEN];
        if found.len < SMALL {
            if number.is_multiple_of(33) {
                random.fill(&mut row);
                let mut file = fs::OpenOptions::new().append(true).open(&path).map_err(failed)?;
                file.write_all(&row).map_err(failed)?;
                changed += 1;
            }
            continue;
        }
        let file = fs::OpenOptions::new().write(true).open(&path).map_err(failed)?;
        for start in (0..found.len).step_by(CHANGED_EVERY as usize) {
            let room = (found.len - start).min(CHANGED_EVERY).saturating_sub(CHANGED_LEN as u64);
            random.fill(&mut row);
            if room > 0 {
                file.write_all_at(&row, start + random.below(room as usize) as u64).map_err(failed)?;
            }
        }
        changed += 1;
    }
    Ok(changed)
}

/// Whether each file below one folder is the same below the other.
pub fn is_equal(files: &[Found], one: &Path, other: &Path, stop: &Stop) -> Result<bool> {
    let (mut left, mut right) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
    for found in files {
        let (one, other) = (one.join(&found.relative), other.join(&found.relative));
        let Ok(mut theirs) = File::open(&other) else { return Ok(false) };
        let mut ours = File::open(&one).map_err(|error| Error::source(&one, error))?;
        loop {
            stop.check()?;
            fill(&mut ours, &mut left).map_err(|error| Error::source(&one, error))?;
            fill(&mut theirs, &mut right).map_err(|error| Error::source(&other, error))?;
            if left != right {
                return Ok(false);
            }
            if left.is_empty() {
                break;
            }
        }
    }
    Ok(true)
}

fn fill(file: &mut File, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    file.take(PIECE as u64).read_to_end(buffer).map(|_| ())
}
