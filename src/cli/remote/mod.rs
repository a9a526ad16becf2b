//! A service as who does what commands ask: `--server`.
//!
//! What it answers is read into the same objects that a repository of this machine gives, so that a command shows both in
//! the same way.

mod care;
mod client;
mod contents;
mod export;
mod instances;
mod jobs;
mod load;
mod office;
mod policies;
mod restores;
mod snapshots;
mod waiting;

use snaphold::clock::Surroundings;
use snaphold::error::{Error, Result};
use snaphold::ops::Progress;
use snaphold::source::access::Password;

use client::Client;
use waiting::Waiting;

use super::progress::Teller;

/// A service, asked by one who has a token.
pub struct Remote {
    client: Client,
    waiting: Waiting,
    /// The password of an instance's source, which goes with what defines one.
    source_password: Option<Password>,
}

impl Remote {
    /// The service at `server`.
    pub fn new(
        server: &str,
        token: &str,
        account: Option<&str>,
        source_password: Option<Password>,
        surroundings: Surroundings,
    ) -> Result<Self> {
        let client = Client::new(server, token, account, surroundings)?;
        Ok(Self { client, waiting: Waiting::default(), source_password })
    }

    /// What the user should know about how the service is asked.
    pub fn warn(&self, teller: &Teller) {
        if self.client.is_exposed() {
            teller.notice("the token goes over the network as plain text; use an https URL");
        }
    }

    /// From here on a signal ends this program with a word about the job that goes on.
    pub fn tell_on_signals(&self) -> Result<()> {
        self.waiting.tell_on_signals()
    }
}

const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// A service keeps snapshots for whole days.
fn days(retain_ns: i64) -> Result<i64> {
    match retain_ns {
        DAY_NS.. if retain_ns % DAY_NS == 0 => Ok(retain_ns / DAY_NS),
        _ => Err(Error::Usage("a service keeps snapshots for whole days; write it as 30d".into())),
    }
}

/// What a service has no word for.
fn only_here(what: &str) -> Error {
    Error::Usage(format!("{what} is for a repository of this machine; leave it out, for a service has no such choice"))
}

/// A path, for JSON has nothing but text.
fn text_of(path: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(path).map(str::to_string);
    text.map_err(|_| Error::Usage("a service takes only paths that are UTF-8 text".into()))
}
