//! A MariaDB server as its own tools reach it: where it listens, who logs in, what it says.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::source::access::{Password, Place, Settings};
use crate::source::program::Programs;
use crate::source::url::{Server as Address, SourceUrl};

use super::version::Version;

/// The Debian names of the packages that have the tools.
const CLIENT_PACKAGE: &str = "mariadb-client";
const BACKUP_PACKAGE: &str = "mariadb-backup";
const SERVER_PACKAGE: &str = "mariadb-server";

/// How a snapshot is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One database, as SQL text.
    Logical,
    /// The whole server's data folder.
    Physical,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Listening {
    /// Where the tools look by themselves: a socket of this machine.
    Default,
    Socket(PathBuf),
    Tcp {
        host: String,
        port: u16,
    },
}

/// A server, and who logs in there.
#[derive(Clone)]
pub struct Server {
    listening: Listening,
    user: Option<String>,
    password: Option<Password>,
    /// `--ssl…`, as the URL asks for it.
    tls: Vec<String>,
    /// As it stands in messages, without a password.
    shown: String,
    /// Runs the tools.
    pub programs: Programs,
    /// A folder that the tools run in: a throw-away server's socket is named relative to it.
    folder: Option<PathBuf>,
}

/// What a URL says of a MariaDB source.
pub struct Target {
    /// The server.
    pub server: Server,
    /// The database; empty where none is named.
    pub database: String,
    /// How it is captured.
    pub mode: Mode,
}

impl Target {
    /// Reads a URL. Errors: [`Error::Usage`].
    pub fn of(url: &SourceUrl, settings: &Settings, place: &Place) -> Result<Self> {
        let address = url.server()?;
        let usage = |why: &str| Error::Usage(format!("{url}: {why}"));
        let mut tls = Vec::new();
        for (name, value) in &address.options {
            match (name.as_str(), value.as_str()) {
                ("mode" | "socket", _) | ("tls", "false") => {}
                ("tls", "true") => tls.push("--ssl".to_string()),
                ("tls_ca", path) => tls.extend([format!("--ssl-ca={path}"), "--ssl-verify-server-cert".to_string()]),
                _ => {
                    return Err(usage(
                        "the options are mode=logical|physical, socket=/path, tls=true and tls_ca=/path",
                    ));
                }
            }
        }
        let mode = match address.options.get("mode").map(String::as_str) {
            None | Some("logical") => Mode::Logical,
            Some("physical") => Mode::Physical,
            Some(_) => return Err(usage("mode is logical or physical")),
        };
        let database = address.database.clone();
        if mode == Mode::Logical && database.is_empty() {
            return Err(usage(
                "which database? Say mariadb://user@host/DATABASE, or ?mode=physical for the whole server",
            ));
        }
        let system = ["mysql", "information_schema", "performance_schema", "sys"];
        if mode == Mode::Logical && system.contains(&database.to_ascii_lowercase().as_str()) {
            return Err(usage("this database is the server's own; a snapshot with mode=physical has it"));
        }
        if database.contains(['/', '\0']) || database.chars().count() > 64 {
            return Err(usage("this is not a name that a database can have"));
        }
        let server = Server {
            listening: listening(address).map_err(usage)?,
            user: address.user.clone(),
            password: settings.password.clone().or_else(|| url.password().cloned()),
            tls,
            shown: url.clone().without_password().0.to_string(),
            programs: place.programs.clone(),
            folder: None,
        };
        Ok(Self { server, database, mode })
    }
}

fn listening(address: &Address) -> Result<Listening, &'static str> {
    let socket = address.options.get("socket").map(String::as_str);
    match (address.host.as_str(), socket, address.port) {
        ("" | "localhost", Some(path), None) if path.starts_with('/') => Ok(Listening::Socket(path.into())),
        (_, Some(_), _) => Err("a socket is an absolute path, and needs neither host nor port"),
        (path, None, None) if path.starts_with('/') => Ok(Listening::Socket(path.into())),
        (path, None, Some(_)) if path.starts_with('/') => Err("a socket has no port"),
        ("" | "localhost", None, None) => Ok(Listening::Default),
        // By name, the tools would take the socket all the same.
        ("" | "localhost", None, Some(port)) => Ok(Listening::Tcp { host: "127.0.0.1".into(), port }),
        (host, None, port) => Ok(Listening::Tcp { host: host.into(), port: port.unwrap_or(3306) }),
    }
}

impl Server {
    /// A throw-away server that listens on `socket` in `folder`, where root needs no password.
    pub fn scratch(programs: &Programs, folder: &Path, socket: &str) -> Self {
        Self {
            listening: Listening::Socket(socket.into()),
            user: Some("root".into()),
            password: None,
            tls: Vec::new(),
            shown: "the throw-away server".into(),
            programs: programs.clone(),
            folder: Some(folder.to_path_buf()),
        }
    }

    /// As it stands in messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Its password, which messages must not have.
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// Whether the tool can read the server's files: it is on this machine as far as one can tell.
    pub fn is_here(&self) -> bool {
        match &self.listening {
            Listening::Default | Listening::Socket(_) => true,
            Listening::Tcp { host, .. } => {
                host == "::1" || host.starts_with("127.") || host == "localhost" || host == "0.0.0.0"
            }
        }
    }

    /// Where `mariadb-dump` is; older packages call it `mysqldump`.
    pub fn dump_tool(&self) -> Result<PathBuf> {
        let found = self.programs.find("mariadb-dump", &[], CLIENT_PACKAGE);
        found.or_else(|error| self.programs.find("mysqldump", &[], CLIENT_PACKAGE).map_err(|_| error))
    }

    /// Where `mariadb-backup` is.
    pub fn backup_tool(&self) -> Result<PathBuf> {
        backup_tool(&self.programs)
    }

    fn client(&self) -> Result<PathBuf> {
        let found = self.programs.find("mariadb", &[], CLIENT_PACKAGE);
        found.or_else(|error| self.programs.find("mysql", &[], CLIENT_PACKAGE).map_err(|_| error))
    }

    /// A command that runs `tool` against this server. Options of `~/.my.cnf` and the like could change what a dump
    /// holds, so none is read.
    pub fn command(&self, tool: &Path) -> Command {
        let mut command = self.programs.command(tool);
        command.arg("--no-defaults");
        if let Some(user) = &self.user {
            command.arg(format!("--user={user}"));
        }
        match &self.listening {
            Listening::Default => {}
            Listening::Socket(path) => {
                command.arg("--protocol=socket").arg(format!("--socket={}", path.display()));
            }
            Listening::Tcp { host, port } => {
                command.arg("--protocol=tcp").arg(format!("--host={host}")).arg(format!("--port={port}"));
            }
        }
        command.args(&self.tls);
        if let Some(password) = &self.password {
            command.env("MYSQL_PWD", password.expose());
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// The tool `mariadb`, which reads statements from its standard input and prints rows with tabs between columns.
    pub fn statements(&self) -> Result<Command> {
        let mut command = self.command(&self.client()?);
        command.args(["--batch", "--skip-column-names", "--default-character-set=utf8mb4", "--connect-timeout=20"]);
        Ok(command)
    }

    /// Runs statements and returns the rows that they gave.
    pub fn ask(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let command = self.statements()?;
        let printed = self
            .programs
            .run_with(command, "mariadb", self.password(), |input| {
                input.write_all(sql.as_bytes()).map_err(|error| Error::Failed(format!("mariadb stopped: {error}")))
            })
            .map_err(|error| self.explained(error))?;
        let text =
            String::from_utf8(printed).map_err(|_| Error::Failed(format!("{}: an answer is not UTF-8", self.shown)))?;
        Ok(text.lines().map(|line| line.split('\t').map(unescaped).collect()).collect())
    }

    /// The first row's first column.
    pub fn ask_one(&self, sql: &str) -> Result<Option<String>> {
        Ok(self.ask(sql)?.into_iter().next().and_then(|row| row.into_iter().next()))
    }

    /// A number.
    pub fn ask_number(&self, sql: &str) -> Result<u64> {
        let text = self.ask_one(sql)?.unwrap_or_default();
        text.parse().map_err(|_| Error::Failed(format!("{}: {text:?} is no number", self.shown)))
    }

    /// Lets `write` feed SQL text into `database`.
    pub fn feed(&self, database: &str, write: impl FnOnce(&mut dyn Write) -> Result<()> + Send) -> Result<()> {
        let mut command = self.command(&self.client()?);
        // Binary mode: no command of the client's own but `delimiter`, and line ends as they are.
        command.args(["--batch", "--binary-mode", "--local-infile=0", "--max-allowed-packet=1G"]);
        command.args(["--default-character-set=utf8mb4", &format!("--database={database}")]);
        self.programs
            .run_with(command, "mariadb", self.password(), write)
            .map(drop)
            .map_err(|error| self.explained(error))
    }

    /// The server's version. Errors are those of a server that cannot be reached, or is no MariaDB.
    pub fn version(&self) -> Result<Version> {
        let text = self.ask_one("SELECT VERSION()")?.unwrap_or_default();
        let version = Version::of_server(&text);
        version.ok_or_else(|| Error::Refused(format!("{} is MySQL {text}; snaphold keeps MariaDB servers", self.shown)))
    }

    /// The error of a tool, in words that say what to do.
    pub fn explained(&self, error: Error) -> Error {
        let Error::Failed(text) = &error else { return error };
        let shown = &self.shown;
        match code_of(text) {
            Some(2002 | 2003 | 2005 | 2006 | 2013) => Error::Failed(format!(
                "cannot reach the MariaDB server of {shown}: {}; is it running, and is the address right?",
                told(text)
            )),
            Some(1045 | 1698) => {
                Error::Refused(format!("{shown}: {}; check the user, and the password by --password-file", told(text)))
            }
            Some(1049) => Error::NotFound(format!("{shown}: there is no such database: {}", told(text))),
            Some(1044 | 1142 | 1143 | 1227 | 1370 | 1419) => {
                Error::Refused(format!("{shown}: a right is missing: {}", told(text)))
            }
            Some(1205) => Error::Busy(format!(
                "{shown}: tables are locked by others for too long; try again when they are free: {}",
                told(text)
            )),
            Some(1021 | 1041 | 3 | 28) => {
                Error::Failed(format!("{shown}: the server has no room left: {}", told(text)))
            }
            _ => Error::Failed(format!("{shown}: {}", told(text))),
        }
    }
}

/// Where `mariadb-backup` is.
pub fn backup_tool(programs: &Programs) -> Result<PathBuf> {
    let found = programs.find("mariadb-backup", &[], BACKUP_PACKAGE);
    found.or_else(|error| programs.find("mariabackup", &[], BACKUP_PACKAGE).map_err(|_| error))
}

/// Where a tool of the server's package is.
pub fn server_tool(programs: &Programs, name: &str) -> Result<PathBuf> {
    programs.find(name, &[], SERVER_PACKAGE)
}

/// Where `mariadb-check` is.
pub fn check_tool(programs: &Programs) -> Result<PathBuf> {
    programs.find("mariadb-check", &[], CLIENT_PACKAGE)
}

/// The server's error number in what a tool said: `ERROR 1045 (28000)`, `Got error: 1045:`, `… (1142)`.
fn code_of(text: &str) -> Option<u32> {
    let digits = |text: &str| -> Option<u32> {
        let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    let behind = |word: &str| text.find(word).and_then(|at| digits(text.get(at + word.len()..)?));
    let last = || {
        let inner = text.trim_end().strip_suffix(')')?;
        inner.rsplit_once('(').and_then(|(_, number)| number.parse().ok())
    };
    behind("ERROR ").or_else(|| behind("Got error: ")).or_else(last)
}

/// What a tool said, without its own name in front, and without the statement that the client repeats: it has the
/// user's data.
fn told(text: &str) -> &str {
    match text.rfind("ERROR ") {
        Some(at) => text.get(at..).unwrap_or(text),
        None => text.split_once(" failed: ").map_or(text, |(_, told)| told),
    }
}

/// A column as the client prints it.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, char == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (char, false) => out.push(char),
        }
    }
    out
}

/// A name in backquotes.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as a literal that no SQL mode reads otherwise.
pub fn literal(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("CONVERT(X'{digits}' USING utf8mb4)")
}

/// Whether a text is a plain word, such as a character set's name.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The error about notes of a restore that are not as they were written.
pub fn unreadable() -> Error {
    Error::Failed("the notes of the restore, in the staged database, cannot be read".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_found_wherever_the_tools_put_them() {
        assert_eq!(code_of("mariadb failed: ERROR 1045 (28000): Access denied"), Some(1045));
        assert_eq!(code_of("mariadb failed: ERROR 1049 (42000) at line 1: Unknown"), Some(1049));
        assert_eq!(code_of("x failed: x: Got error: 2002: \"Can't connect (2)\" when trying"), Some(2002));
        assert_eq!(code_of("x failed: x: Couldn't execute 'show': denied for table `shop`.`v1` (1142)"), Some(1142));
        assert_eq!(code_of("mariadb failed: exit status: 1"), None);
    }

    #[test]
    fn columns_and_names_come_back_as_they_were() {
        assert_eq!(unescaped(r"a\tb\nc\\d\\n"), "a\tb\nc\\d\\n");
        assert_eq!(quoted("we`ird"), "`we``ird`");
        assert_eq!(literal("a'b"), "CONVERT(X'612762' USING utf8mb4)");
    }
}
