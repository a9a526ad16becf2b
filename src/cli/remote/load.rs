//! Data that goes to a service: a file in pieces, each sent until it has arrived; and new instances of snapshots.

use std::io::Read;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use snaphold::error::{Error, Result};
use snaphold::server::actions::loads::Load;
use snaphold::service::{
    CloneOutcome, CloneRequest, ExportOutcome, ExportRequest, ExportTarget, InstanceSpec, LoadOutcome, LoadRequest,
    check_instance_name,
};

use super::export::pause;
use super::{Remote, days};
use crate::cli::backend::{Files, Instances};
use crate::cli::confirm::RESTORE;
use crate::cli::progress::Teller;

/// Bytes that are held until they have arrived. A piece that was cut is sent again from where it was.
const PIECE: usize = 16 << 20;
const OFFSET: &str = "upload-offset";
const KIND: &str = "application/offset+octet-stream";

/// How much of an upload is there.
#[derive(Deserialize)]
struct Reached {
    received: u64,
}

impl Files for Remote {
    fn load_overwrites(&self, instance: &str) -> Result<Option<String>> {
        match self.instance(instance) {
            Ok(view) => Ok(view.source),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn load(&self, request: LoadRequest, length: Option<u64>, confirmed: bool, teller: &Teller) -> Result<LoadOutcome> {
        let LoadRequest { instance, input, file_name, no_safety, run: _, options } = request;
        check_instance_name(&instance)?;
        let retention_days = options.retain_ns.map(days).transpose()?;
        let begin = || {
            self.client
                .post::<Load>(&["instances", &instance, "loads"], &json!({ "file_name": file_name, "length": length }))
        };
        let load = match begin() {
            Err(Error::NotFound(_)) => {
                self.add_instance(&instance, InstanceSpec::default())?;
                begin()?
            }
            begun => begun?,
        };
        self.send(&load.id, input, length, teller)?;
        let body = json!({
            "confirm": confirmed.then_some(RESTORE),
            "description": options.description,
            "retention_days": retention_days,
            "no_safety": no_safety,
        });
        self.run(&["loads", &load.id, "complete"], &body, teller)
    }

    fn export(&self, request: ExportRequest, target: ExportTarget<'_>, teller: &Teller) -> Result<ExportOutcome> {
        self.download(request, target, teller)
    }

    fn clone_snapshot(&self, request: CloneRequest, teller: &Teller) -> Result<CloneOutcome> {
        let CloneRequest { snapshot, name, source, settings, copy: _ } = request;
        let id = self.id(&snapshot)?;
        let mut body = self.source_body(source, settings);
        body.insert("name".into(), name.into());
        self.run(&["snapshots", &id, "clone"], &body.into(), teller)
    }
}

impl Remote {
    /// Sends all of `input`.
    fn send(&self, load: &str, mut input: Box<dyn Read + Send>, length: Option<u64>, teller: &Teller) -> Result<()> {
        let mut sent = 0;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut input).take(PIECE as u64).read_to_end(&mut piece);
            let read = read.map_err(|error| Error::source("what is loaded", error))?;
            if read == 0 {
                teller.done();
                return Ok(());
            }
            self.send_piece(load, piece, sent, (length, teller))?;
            sent += read as u64;
        }
    }

    /// Sends a piece that begins at `start`, from wherever the service has come in it.
    fn send_piece(&self, load: &str, piece: Vec<u8>, start: u64, told: (Option<u64>, &Teller)) -> Result<()> {
        let (mut at, end, mut cuts) = (start, start + piece.len() as u64, 0);
        let (length, teller) = told;
        while at < end {
            teller.reached("uploading", at, length);
            let rest = usize::try_from(at - start).ok().and_then(|from| piece.get(from..)).unwrap_or_default().to_vec();
            let sent = self.client.stream(Method::PATCH, &["loads", load], |request| {
                request.header(OFFSET, at).header("content-type", KIND).body(rest)
            });
            match sent {
                Ok(_) => at = end,
                Err(error) => {
                    // Where a piece was cut, a part of it may have arrived: the service says how much.
                    let refused = !matches!(error, Error::Busy(_));
                    let reached = self.client.get::<Reached>(&["loads", load], &[]);
                    let received = match reached {
                        Ok(Reached { received }) => received,
                        Err(Error::Failed(_) | Error::Busy(_)) => at,
                        Err(error) => return Err(error),
                    };
                    if received < start || received > end || (refused && received == at) {
                        return Err(error);
                    }
                    if received > at {
                        cuts = 0;
                    }
                    at = received;
                    if at < end {
                        pause(&mut cuts, error.to_string())?;
                    }
                }
            }
        }
        teller.reached("uploading", end, length);
        Ok(())
    }
}
