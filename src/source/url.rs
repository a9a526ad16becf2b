//! Sources as they are written: `files:/path`, `neo4j:/home#database`, `postgres://user@host:port/database?mode=physical`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Error;

use super::password::Password;

/// The scheme of a file that names several sources.
const ENVIRONMENT: &str = "env";

/// Where an instance's data is. Shown without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrl {
    scheme: String,
    address: Address,
    password: Option<Password>,
}

/// What stands behind the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A folder or file, and perhaps something in it, behind `#`.
    Path {
        /// The folder or file.
        path: PathBuf,
        /// What in it.
        part: Option<String>,
    },
    /// Something that answers on a socket.
    Server(Server),
}

/// A server's address, with escapes decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// Who to log in as.
    pub user: Option<String>,
    /// Its name or address; a folder of sockets begins with `/`. Empty: the database's own default.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// What is behind the slash: a database. Empty where nothing is.
    pub database: String,
    /// `?name=value&…`.
    pub options: BTreeMap<String, String>,
}

impl SourceUrl {
    /// What stands before the colon.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether it names a file of several sources.
    pub fn is_environment(&self) -> bool {
        self.scheme == ENVIRONMENT
    }

    /// What stands behind it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The folder or file; an error for a server.
    pub fn path(&self) -> Result<&Path, Error> {
        match &self.address {
            Address::Path { path, .. } => Ok(path),
            Address::Server(_) => Err(Error::Usage(format!("{self}: a path is needed, {}:/path", self.scheme))),
        }
    }

    /// The server; an error for a path.
    pub fn server(&self) -> Result<&Server, Error> {
        match &self.address {
            Address::Server(server) => Ok(server),
            Address::Path { .. } => {
                Err(Error::Usage(format!("{self}: a server is needed, {}://user@host:port/…", self.scheme)))
            }
        }
    }

    /// The password that stands in it.
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// The same without its password, and the password.
    pub fn without_password(mut self) -> (Self, Option<Password>) {
        let password = self.password.take();
        (self, password)
    }

    /// The same source with an absolute path, so that it means the same wherever snaphold is started.
    pub fn absolute(self) -> std::io::Result<Self> {
        Ok(match self.address {
            Address::Path { path, part } => {
                Self { address: Address::Path { path: std::path::absolute(path)?, part }, ..self }
            }
            Address::Server(_) => self,
        })
    }
}

impl FromStr for SourceUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // The text may hold a password, so errors do not repeat it.
        let (scheme, rest) = text
            .split_once(':')
            .filter(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .ok_or_else(|| Error::Usage("a source begins with its kind: files:/path, postgres://…".into()))?;
        if rest.is_empty() {
            return Err(Error::Usage(format!("the source {scheme}: has no path")));
        }
        let scheme = scheme.to_string();
        let Some(rest) = rest.strip_prefix("//") else {
            // A folder may have any name; only Neo4j's have something in them.
            let (path, part) = match rest.rsplit_once('#') {
                Some((path, part)) if scheme == "neo4j" => (path, Some(part.to_string())),
                _ => (rest, None),
            };
            return Ok(Self { scheme, address: Address::Path { path: path.into(), part }, password: None });
        };
        let (server, password) = server(rest).map_err(|why| Error::Usage(format!("the source {scheme}://… {why}")))?;
        Ok(Self { scheme, address: Address::Server(server), password })
    }
}

/// What stands behind `//`.
fn server(rest: &str) -> Result<(Server, Option<Password>), String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?).filter(|text| !text.is_empty())),
        None => (None, None),
    };
    let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("")),
        None => place.rsplit_once(':').unwrap_or((place, "")),
    };
    let port = match port {
        "" => None,
        digits => Some(digits.parse().map_err(|_| format!("has a port that is no number: {digits:?}"))?),
    };
    let mut options = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| "has an option without a value".to_string())?;
        if options.insert(decoded(name)?, decoded(value)?).is_some() {
            return Err(format!("says {name} twice"));
        }
    }
    // As libpq has it: a folder of sockets can be an option.
    let host = match options.remove("host") {
        Some(host) if host_is_free(&decoded(place)?) => host,
        Some(_) => return Err("names two hosts".into()),
        None => decoded(host)?,
    };
    let user = user.filter(|user| !user.is_empty());
    let password = options.remove("password").or(password);
    Ok((Server { user, host, port, database: decoded(database)?, options }, password.map(Password::new)))
}

fn host_is_free(place: &str) -> bool {
    place.is_empty() || place.starts_with(':')
}

fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => (high * 16 + low) as u8,
                _ => return Err("has a % without two hexadecimal digits behind it".into()),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "holds what is not UTF-8".into())
}

fn encoded(text: &str, keep: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.as_bytes().contains(&byte) {
            true => out.push(char::from(byte)),
            false => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = &self.scheme;
        match &self.address {
            Address::Path { path, part: None } => write!(f, "{scheme}:{}", path.display()),
            Address::Path { path, part: Some(part) } => write!(f, "{scheme}:{}#{part}", path.display()),
            Address::Server(server) => {
                write!(f, "{scheme}://")?;
                if let Some(user) = &server.user {
                    write!(f, "{}@", encoded(user, ""))?;
                }
                match server.host.contains(':') {
                    true => write!(f, "[{}]", server.host)?,
                    false => f.write_str(&encoded(&server.host, ""))?,
                }
                if let Some(port) = server.port {
                    write!(f, ":{port}")?;
                }
                write!(f, "/{}", encoded(&server.database, "/"))?;
                for (number, (name, value)) in server.options.iter().enumerate() {
                    let mark = if number == 0 { '?' } else { '&' };
                    write!(f, "{mark}{}={}", encoded(name, ""), encoded(value, "/"))?;
                }
                Ok(())
            }
        }
    }
}
