//! A data set out of the file that the server saves.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};

use super::endpoint::Options;
use super::resp::{Client, Endpoint, Reply};
use super::server::{Info, setting};

/// How often a server is asked whether it is done.
const PAUSE: Duration = Duration::from_millis(100);

/// A file that the server is about to write.
pub struct Saving {
    client: Client,
    shown: String,
    place: Option<Written>,
    file: Option<PathBuf>,
}

/// How it is written.
enum Written {
    /// Beside the server, under its usual name.
    Background,
    /// It was written before this was returned, under a name of its own.
    Named(String),
}

/// Tells the server to save. Its point in time is fixed when this returns.
pub fn begin(endpoint: &Endpoint, options: &Options, name: &str) -> Result<Saving> {
    let mut client = Client::connect(endpoint)?;
    let info = Info::of(&mut client)?;
    let place = match info.is_dragonfly() {
        // Without a word it would write its own format, which is several files.
        true => {
            client.call(&[b"SAVE", b"RDB", name.as_bytes()])?;
            Written::Named(name.to_string())
        }
        false => {
            begin_background(&mut client)?;
            Written::Background
        }
    };
    Ok(Saving { client, shown: endpoint.shown.clone(), place: Some(place), file: options.file.clone() })
}

/// A save that runs already shows an older state: this one comes after it.
fn begin_background(client: &mut Client) -> Result<()> {
    let words: [&[u8]; 1] = [b"BGSAVE"];
    loop {
        match client.ask(&words)? {
            Reply::Error(text) if text.contains("already in progress") || text.contains("can't BGSAVE right now") => {
                sleep(PAUSE);
            }
            Reply::Error(text) => return Err(client.refused(&words, &text)),
            _ => return Ok(()),
        }
    }
}

impl Saving {
    /// Waits for the end, and opens the file.
    pub fn finish(mut self, cancelled: &AtomicBool) -> Result<File> {
        let folder = |client: &mut Client| setting(client, "dir").map(Option::unwrap_or_default);
        match self.place.take() {
            Some(Written::Named(name)) => {
                let paths = match self.file.take() {
                    Some(path) => vec![path],
                    None => {
                        let folder = PathBuf::from(folder(&mut self.client)?);
                        vec![folder.join(format!("{name}.rdb")), folder.join(&name)]
                    }
                };
                let found = paths.iter().find(|path| path.exists()).or(paths.first());
                let path = found.ok_or_else(|| Error::Failed(format!("{} names no file", self.shown)))?;
                let file = self.open(path)?;
                // It was made for this alone. What is open stays readable.
                let _ = fs::remove_file(path);
                Ok(file)
            }
            _ => {
                self.wait(cancelled)?;
                let path = match self.file.take() {
                    Some(path) => path,
                    None => {
                        let name = setting(&mut self.client, "dbfilename")?.unwrap_or_default();
                        Path::new(&folder(&mut self.client)?).join(name)
                    }
                };
                self.open(&path)
            }
        }
    }

    fn wait(&mut self, cancelled: &AtomicBool) -> Result<()> {
        loop {
            let info = Info::of(&mut self.client)?;
            if info.get("rdb_bgsave_in_progress") == "0" {
                return match info.get("rdb_last_bgsave_status") {
                    "ok" => Ok(()),
                    _ => Err(Error::Failed(format!("{} could not save; its log says why", self.shown))),
                };
            }
            if cancelled.load(Ordering::Relaxed) {
                return Err(Error::Failed("the snapshot was broken off".into()));
            }
            sleep(PAUSE);
        }
    }

    fn open(&self, path: &Path) -> Result<File> {
        File::open(path).map_err(|error| {
            Error::Refused(format!(
                "{} has saved its data, but {} cannot be read here ({error}); say ?file=PATH, or let this user replicate: \
                 ACL SETUSER … +psync +replconf",
                self.shown,
                path.display()
            ))
        })
    }
}
