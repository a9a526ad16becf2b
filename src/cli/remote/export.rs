//! Exports of a service: made by a job, then downloaded; a download that is cut goes on where it was.

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::Duration;

use reqwest::header::{IF_RANGE, RANGE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use snaphold::error::{Error, Result};
use snaphold::ops::export::{ExportFormat, ExportReport, Neo4jFormat, check_target, export_to_file};
use snaphold::server::actions::jobs::Job;
use snaphold::service::{ExportOutcome, ExportRequest, ExportTarget, ExportWritten};

use super::{Remote, text_of};
use crate::cli::progress::Teller;

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// So often in a row a transfer may be cut before anything more has come over.
pub const CUTS: u32 = 9;
const PAUSE_MAX: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Exporting {
    job: Job,
    export: Export,
}

#[derive(Deserialize)]
struct Export {
    id: String,
}

/// What the job says of the file that it made.
#[derive(Deserialize)]
struct Made {
    bytes: u64,
    blake3: String,
    files: Option<u64>,
    bytes_plain: Option<u64>,
}

impl Remote {
    /// Has a snapshot exported, and downloads it.
    pub fn download(&self, request: ExportRequest, target: ExportTarget<'_>, teller: &Teller) -> Result<ExportOutcome> {
        let ExportRequest { snapshot, format, neo4j_format, component, path, item } = request;
        if format == ExportFormat::Dir {
            let advice = "export tar, and unpack that: --format tar --output - | tar -xf -";
            return Err(Error::Usage(format!("a service exports files, no folders; {advice}")));
        }
        if let ExportTarget::Path { path, overwrite } = &target {
            // Before the job rather than after it.
            check_target(path, *overwrite)?;
        }
        let snapshot = self.id(&snapshot)?;
        let body = json!({
            "format": format,
            "component": component,
            "path": path.as_deref().map(text_of).transpose()?,
            "only": item.map(|item| format!("{}={}", item.kind, item.name)),
            "neo4j_format": (neo4j_format == Neo4jFormat::Neo4j4).then_some("4"),
        });
        let Exporting { job, export } = self.client.post(&["snapshots", &snapshot, "exports"], &body)?;
        let made: Made = self.result(job, teller)?;
        let fetch = |out: &mut dyn Write| self.fetch(&export.id, &made, out, teller);
        let output = match target {
            ExportTarget::Path { path, overwrite } => {
                export_to_file(path, overwrite, fetch)?;
                path.display().to_string()
            }
            ExportTarget::Stream(out) => {
                fetch(out)?;
                "-".to_string()
            }
        };
        let (files, bytes_plain) = (made.files.unwrap_or_default(), made.bytes_plain.unwrap_or_default());
        let report = ExportWritten::File(ExportReport { format, files, bytes_plain, bytes_written: made.bytes });
        Ok(ExportOutcome { snapshot, output, report })
    }

    /// Writes an export's bytes to `out`, and sees to it that they are those that were made.
    fn fetch(&self, export: &str, made: &Made, out: &mut dyn Write, teller: &Teller) -> Result<()> {
        let (mut hasher, mut done, mut cuts) = (blake3::Hasher::new(), 0u64, 0);
        let mut buffer = vec![0; PIECE];
        while done < made.bytes {
            teller.reached("downloading", done, Some(made.bytes));
            let asked = self.client.stream(Method::GET, &["exports", export, "content"], |request| match done {
                0 => request,
                _ => request.header(RANGE, format!("bytes={done}-")).header(IF_RANGE, format!("\"{}\"", made.blake3)),
            });
            let mut response = match asked {
                Ok(response) => response,
                Err(Error::Busy(why)) => {
                    pause(&mut cuts, why)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if done > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
                return Err(Error::Failed("the service does not go on where the download was cut; begin anew".into()));
            }
            let before = done;
            let cut = loop {
                let read = match response.read(&mut buffer) {
                    Ok(0) => break "it ended too early".to_string(),
                    Ok(read) => read,
                    Err(error) => break error.to_string(),
                };
                let bytes = buffer.get(..read).unwrap_or_default();
                hasher.update(bytes);
                out.write_all(bytes).map_err(|error| Error::target("the export", error))?;
                done += read as u64;
                teller.reached("downloading", done, Some(made.bytes));
            };
            if done > before {
                cuts = 0;
            }
            if done < made.bytes {
                pause(&mut cuts, format!("the download was cut: {cut}"))?;
            }
        }
        teller.done();
        match done == made.bytes && hasher.finalize().to_hex().as_str() == made.blake3 {
            true => Ok(()),
            false => Err(Error::damaged(
                format!("the download of export {export}"),
                "its bytes are not those that were made",
            )),
        }
    }
}

/// Waits before a transfer goes on; longer each time that nothing has come over in between.
pub fn pause(cuts: &mut u32, why: String) -> Result<()> {
    *cuts += 1;
    if *cuts > CUTS {
        return Err(Error::Failed(format!("{why}; that was tried {CUTS} times")));
    }
    sleep(Duration::from_millis(100 << *cuts).min(PAUSE_MAX));
    Ok(())
}
