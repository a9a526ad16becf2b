//! What a URL says: `redis://user@host:6379/0?via=file`.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::source::access::Settings;
use crate::source::url::SourceUrl;

use super::resp::{Address, Endpoint};

const PORT: u16 = 6379;

/// How the data set is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// As a replica is given it; as a file where the server allows no replicas.
    Any,
    /// As a replica is given it.
    Replication,
    /// Out of the file that the server saves.
    File,
}

/// How the data set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// The server becomes a replica of this process for a moment.
    Replication,
    /// Key by key.
    Keys,
}

/// What a URL says beside the endpoint.
#[derive(Debug, Clone)]
pub struct Options {
    /// `via`
    pub via: Via,
    /// `file`: where the server's file is, seen from here.
    pub file: Option<PathBuf>,
    /// `restore`
    pub restore: Restore,
    /// `announce`: the address, and perhaps the port, that the server reaches this process at.
    pub announce: Option<(String, u16)>,
}

/// Reads a URL.
pub fn of_url(url: &SourceUrl, settings: &Settings) -> Result<(Endpoint, Options)> {
    let wrong = |why: &str| Error::Usage(format!("{url}: {why}"));
    if url.scheme() == "rediss" {
        return Err(wrong("TLS is not spoken; use a tunnel (stunnel, ssh), or the server's socket"));
    }
    let server = url.server()?;
    // An RDB holds all databases, and a restore replaces all: half of that would be a trap.
    if !["", "0"].contains(&server.database.as_str()) {
        return Err(wrong("a snapshot holds all databases of the server; end the URL with /0, which means all"));
    }
    let address = match server.host.as_str() {
        path if path.starts_with('/') => Address::Unix(path.into()),
        "" => Address::Tcp("127.0.0.1".into(), server.port.unwrap_or(PORT)),
        host => Address::Tcp(host.into(), server.port.unwrap_or(PORT)),
    };
    let mut options = Options { via: Via::Any, file: None, restore: Restore::Replication, announce: None };
    for (name, value) in &server.options {
        match (name.as_str(), value.as_str()) {
            ("via", "replication") => options.via = Via::Replication,
            ("via", "file") => options.via = Via::File,
            ("via", _) => return Err(wrong("via is replication or file")),
            ("file", path) => options.file = Some(path.into()),
            ("restore", "replication") => options.restore = Restore::Replication,
            ("restore", "keys") => options.restore = Restore::Keys,
            ("restore", _) => return Err(wrong("restore is replication or keys")),
            ("announce", text) => {
                options.announce = Some(announced(text).ok_or_else(|| wrong("announce is HOST or HOST:PORT"))?);
            }
            _ => return Err(wrong("options are via, file, restore and announce")),
        }
    }
    let password = url.password().or(settings.password.as_ref()).cloned();
    if server.user.is_some() && password.is_none() {
        return Err(wrong(
            "a user needs a password; give it in the URL, by --password-file or SNAPHOLD_SOURCE_PASSWORD",
        ));
    }
    let shown = url.clone().without_password().0.to_string();
    Ok((Endpoint { address, user: server.user.clone(), password, shown }, options))
}

/// A host, and 0 where any port will do.
fn announced(text: &str) -> Option<(String, u16)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => Some((host.to_string(), port.parse().ok()?)),
        _ => Some((text.trim_matches(['[', ']']).to_string(), 0)),
    }
    .filter(|(host, _)| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_addresses_may_have_a_port() {
        assert_eq!(announced("backup.example"), Some(("backup.example".into(), 0)));
        assert_eq!(announced("10.0.0.1:7000"), Some(("10.0.0.1".into(), 7000)));
        assert_eq!(announced("fe80::1"), Some(("fe80::1".into(), 0)));
        assert_eq!(announced("host:port"), None);
        assert_eq!(announced(""), None);
    }
}
