//! Restoring by replication: the server becomes a replica of this process, takes the data set, and is its own master
//! again.
//!
//! The replication id that we give is made of the restore's id. A server that has loaded our data shows it, as its own id
//! while it is our replica and as its second one afterwards: so after a crash it is known how far a restore came.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::access::{Password, Place};
use crate::source::kind::{Attempt, Staged};

use super::endpoint::Options;
use super::master::Master;
use super::resp::{Client, Endpoint, Reply};
use super::server::{Info, set, setting};

const PAUSE: Duration = Duration::from_millis(50);
/// How often a server is asked before it counts as not reaching us.
const ASKED_UNTIL_CONNECTED: usize = 600;

/// How the server loads from a master: beside what it has, then in its place.
const DISKLESS: &str = "repl-diskless-load";
const SWAPDB: &str = "swapdb";
const MASTERAUTH: &str = "masterauth";

/// Where a server is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has not begun, or was set back.
    Before,
    /// It is our replica, and has what it had.
    Asking,
    /// It has the new data, as our replica.
    Loaded,
    /// It has the new data, and is its own master.
    Done,
}

/// The replication id of a restore: forty hexadecimal digits. The safety snapshot that is put back is restored under the
/// same id, so what is restored belongs to it.
fn replication_id(attempt: &Attempt) -> String {
    blake3::hash(format!("snaphold restore {} of {}", attempt.id, attempt.of).as_bytes())
        .to_hex()
        .chars()
        .take(40)
        .collect()
}

/// Where the server is.
fn stage_of(info: &Info, attempt: &Attempt, host: &str) -> Result<Stage> {
    let id = replication_id(attempt);
    match info.is_replica() {
        true if info.get("master_replid") == id && info.get("master_sync_in_progress") == "0" => Ok(Stage::Loaded),
        true if info.get("master_host") == host => Ok(Stage::Asking),
        true => Err(Error::Refused(format!(
            "the server has become a replica of {}; restore that one",
            info.get("master_host")
        ))),
        false if info.get("master_replid2") == id => Ok(Stage::Done),
        false => Ok(Stage::Before),
    }
}

/// What is wrong with the server for this way, or what has to be remembered of it.
pub fn prepare(client: &mut Client, info: &Info, options: &Options) -> Result<Vec<(&'static str, String)>> {
    let keys = "`?restore=keys` in the URL restores key by key";
    if info.is_cluster() {
        return Err(Error::Refused(format!("a server of a cluster can be no replica of ours; {keys}")));
    }
    let asked = |setting: Result<Option<String>>| {
        setting.map_err(|error| error.with_context(&format!("CONFIG is needed to restore ({keys})")))
    };
    if asked(setting(client, "tls-replication"))?.as_deref() == Some("yes") {
        return Err(Error::Refused(format!(
            "the server replicates by TLS only (tls-replication), which is not spoken; {keys}"
        )));
    }
    let diskless = asked(setting(client, DISKLESS))?;
    if diskless.is_none() && !info.is_dragonfly() {
        return Err(Error::Refused(format!(
            "the server is too old to load beside what it has (before Redis 6); {keys}"
        )));
    }
    let has_masterauth = asked(setting(client, MASTERAUTH))?.is_some_and(|value| is_own(&value));
    let host = match (&options.announce, client.stream().local()) {
        (Some((host, _)), _) => host.clone(),
        (None, Some(address)) => address.ip().to_string(),
        // Who is reached by a socket is on this machine.
        (None, None) => Ipv4Addr::LOCALHOST.to_string(),
    };
    Ok(vec![
        ("host", host),
        ("diskless", diskless.unwrap_or_default()),
        ("masterauth", if has_masterauth { "kept" } else { "empty" }.to_string()),
    ])
}

/// Hands the file over. May be called again after a crash.
pub fn run(
    endpoint: &Endpoint,
    options: &Options,
    (attempt, staged): (&Attempt, &Staged),
    file: PathBuf,
    place: &Place,
    loaded: &dyn Fn(&Info) -> Result<()>,
    progress: &dyn Progress,
) -> Result<()> {
    let mut client = Client::connect(endpoint)?;
    let host = fact(staged, "host");
    let info = Info::of(&mut client)?;
    match stage_of(&info, attempt, host)? {
        Stage::Done => {}
        Stage::Loaded => {
            loaded(&info)?;
            promote(&mut client)?;
        }
        Stage::Before | Stage::Asking => {
            let done = transfer(&mut client, options, (attempt, host), file, place, progress);
            let done = done.and_then(|info| loaded(&info));
            if done.is_err() {
                // Whatever became of it, it is to be its own master again; the error that counts is the first.
                let _ = promote(&mut client);
                let _ = put_back(&mut client, staged);
                return done;
            }
            promote(&mut client)?;
        }
    }
    put_back(&mut client, staged)
}

fn transfer(
    client: &mut Client,
    options: &Options,
    (attempt, host): (&Attempt, &str),
    file: PathBuf,
    place: &Place,
    progress: &dyn Progress,
) -> Result<Info> {
    let (ip, port) = match &options.announce {
        Some((_, port)) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port),
        None => (host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0),
    };
    // The server's own password for its masters is used where there is one: it never leaves the server's memory and ours.
    let secret = match setting(client, MASTERAUTH)?.filter(|secret| is_own(secret)) {
        Some(secret) => Password::new(secret),
        None => {
            let secret = format!("{MARK}{}-{}", attempt.id, place.random_digits(32));
            set(client, MASTERAUTH, &secret)?;
            Password::new(secret)
        }
    };
    if setting(client, DISKLESS)?.is_some() {
        set(client, DISKLESS, SWAPDB)?;
    }
    let id = replication_id(attempt);
    progress.stage("handing over the data set", file.metadata().ok().map(|stat| stat.len()));
    let master = Master::start(ip, port, file, &id, secret)?;
    let port = master.address.port().to_string();
    client.call(&[b"REPLICAOF", host.as_bytes(), port.as_bytes()])?;
    let mut asked = 0;
    let mut told = 0;
    loop {
        let info = Info::of(client)?;
        let is_ours = info.get("master_replid") == id || info.is_dragonfly();
        let is_up = info.get("master_link_status") == "up" && info.get("master_sync_in_progress") != "1";
        if is_ours && is_up && info.get("loading") != "1" && info.get("async_loading") != "1" {
            return Ok(info);
        }
        let state = master.state();
        progress.advance(state.sent - told);
        told = state.sent;
        if let Some(fault) = state.fault {
            return Err(Error::Failed(format!("the server did not take the data set: {fault}")));
        }
        asked += 1;
        if !state.is_connected && asked > ASKED_UNTIL_CONNECTED {
            return Err(Error::Failed(format!(
                "the server does not reach this machine at {host}:{port}; say ?announce=HOST:PORT, or ?restore=keys"
            )));
        }
        sleep(PAUSE);
    }
}

/// A password for masters that a restore has given begins so; one that was cut short may have left it.
const MARK: &str = "snaphold-";

/// Whether a password for masters is the server's own.
fn is_own(secret: &str) -> bool {
    !secret.is_empty() && !secret.starts_with(MARK)
}

/// Makes the server its own master again.
fn promote(client: &mut Client) -> Result<()> {
    loop {
        let words: [&[u8]; 3] = [b"REPLICAOF", b"NO", b"ONE"];
        match client.ask(&words)? {
            // It loads, or still notices that its master is gone.
            Reply::Error(text) if text.starts_with("LOADING") => sleep(PAUSE),
            Reply::Error(text) => return Err(client.refused(&words, &text)),
            _ => return Ok(()),
        }
    }
}

/// Sets settings back to what they were.
fn put_back(client: &mut Client, staged: &Staged) -> Result<()> {
    let diskless = fact(staged, "diskless");
    if !diskless.is_empty() {
        set(client, DISKLESS, diskless)?;
    }
    if fact(staged, "masterauth") == "empty" {
        set(client, MASTERAUTH, "")?;
    }
    Ok(())
}

/// Sets the server back, as far as that can be. Returns where it was.
pub fn undo(endpoint: &Endpoint, attempt: &Attempt, staged: &Staged) -> Result<Stage> {
    let mut client = Client::connect(endpoint)?;
    let host = fact(staged, "host").to_string();
    let before = stage_of(&Info::of(&mut client)?, attempt, &host)?;
    if matches!(before, Stage::Asking | Stage::Loaded) {
        promote(&mut client)?;
    }
    put_back(&mut client, staged)?;
    // It may have loaded all of it between the two questions.
    stage_of(&Info::of(&mut client)?, attempt, &host)
}

/// Whether the server has what this restore gave it, and is its own master.
pub fn is_done(info: &Info, attempt: &Attempt) -> bool {
    info.is_dragonfly() || !info.is_replica() && info.get("master_replid2") == replication_id(attempt)
}

fn fact<'s>(staged: &'s Staged, name: &str) -> &'s str {
    staged.facts.get(name).map_or("", String::as_str)
}
