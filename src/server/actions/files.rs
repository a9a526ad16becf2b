//! The files of uploads and exports.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// An upload's file, which nobody else writes meanwhile.
pub struct Receiving {
    file: File,
    path: PathBuf,
    /// Bytes that are there.
    pub received: u64,
}

impl Receiving {
    /// Opens it to go on after `received` bytes. What a killed process wrote behind them is cut off. `Error::Busy` where
    /// somebody else is at it, in this process or another.
    pub fn open(path: &Path, received: u64) -> Result<Self> {
        let failed = |error| Error::target(path, error);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Error::Busy(
                    "another request is sending this upload; ask for its offset when that is over".into(),
                ));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let there = file.metadata().map_err(failed)?.len();
        if there < received {
            return Err(Error::damaged(path.display(), format!("it has {there} bytes, and should have {received}")));
        }
        file.set_len(received).map_err(failed)?;
        file.seek(SeekFrom::Start(received)).map_err(failed)?;
        Ok(Self { file, path: path.to_path_buf(), received })
    }

    /// Writes what comes next.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::target(&self.path, error))?;
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Sees to it that what was written stays.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| Error::target(&self.path, error))
    }
}

/// Opens a finished export, and says how long it is. `NotFound` where its file is gone.
pub fn open_export(path: &Path) -> Result<(tokio::fs::File, u64)> {
    let opened = File::open(path).and_then(|file| {
        let len = file.metadata()?.len();
        Ok((tokio::fs::File::from_std(file), len))
    });
    opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound("the export's file is gone; export the snapshot again".into()),
        _ => Error::source(path, error),
    })
}
