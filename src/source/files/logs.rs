//! The logs of a PostgreSQL data folder: which of them are looked through for images of pages.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::chunk::{Cutting, cutting_of};
use crate::error::Result;
use crate::ops::capture::{LOGS_MAX, Log, RandomRead};

use crate::source::open_file::{OpenFile, open};

/// What a data folder has, whatever else is there.
const VERSION_FILE: &str = "PG_VERSION";
/// The folder of the logs.
pub const LOG_FOLDER: &str = "pg_wal";

/// Whether a folder with these names in it is a data folder.
pub fn is_data_folder(names: &[&OsStr]) -> bool {
    [VERSION_FILE, LOG_FOLDER].iter().all(|wanted| names.iter().any(|name| name == wanted))
}

struct LogFile {
    file: File,
    path: PathBuf,
}

impl RandomRead for LogFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        OpenFile { file: &self.file, path: &self.path }.read_at(offset, buffer)
    }
}

/// The log segments in `folder` that `is_wanted`, those of the lowest names first. What cannot be read is passed over:
/// its own capture will tell.
pub fn logs_in(folder: &Path, is_wanted: impl Fn(&[u8], &fs::Metadata) -> bool) -> Vec<Log> {
    // A link to a folder elsewhere is kept as a link, and its logs are not.
    if !fs::symlink_metadata(folder).is_ok_and(|stat| stat.is_dir()) {
        return Vec::new();
    }
    let mut names: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    names
        .into_iter()
        .filter_map(|name| {
            let path = folder.join(&name);
            let stat = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
            let shown = Path::new(LOG_FOLDER).join(&name);
            if cutting_of(&shown, &[], stat.len()) != Cutting::Log || !is_wanted(name.as_encoded_bytes(), &stat) {
                return None;
            }
            let log: Box<dyn RandomRead + Send> = Box::new(LogFile { file: open(&path).ok()?, path });
            Some((log, stat.len()))
        })
        .take(LOGS_MAX)
        .collect()
}
