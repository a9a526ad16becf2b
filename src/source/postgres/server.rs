//! A PostgreSQL server, reached by its own tools.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::source::access::{Password, Settings};
use crate::source::program::{Programs, Running};
use crate::source::url::SourceUrl;

use super::errors::explain;

/// Where Debian has the versions' own programs: the ones on `PATH` choose a version by other means.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Names the one folder that programs are taken from, where it is set.
const FOLDER_VARIABLE: &str = "POSTGRES_BIN";
/// Variables of libpq that would lead it elsewhere than the URL says.
const MISLEADING: [&str; 5] = ["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGOPTIONS", "PGDATABASE"];
/// How long libpq tries to connect, seconds.
const CONNECT_TIMEOUT: &str = "15";
/// Between a query's columns, and between its rows: no text of a catalogue has them.
const COLUMN: char = '\u{1f}';
const ROW: char = '\u{1e}';

/// Where a server is and who logs in.
#[derive(Clone)]
pub struct Server {
    /// A name, an address, or a folder of sockets; empty: libpq's default.
    pub host: String,
    /// Its port; `None`: libpq's default.
    pub port: Option<u16>,
    /// Who logs in; `None`: libpq's default.
    pub user: Option<String>,
    /// The database.
    pub database: String,
    /// As it is shown in messages.
    pub shown: String,
    /// What sessions are called on the server.
    pub application: String,
    /// Variables of libpq beside those.
    pub variables: Vec<(&'static str, String)>,
    /// The password.
    pub password: Option<Password>,
    /// Runs the tools.
    pub programs: Programs,
}

/// A version of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As the server says it: `15.18 (Debian 15.18-0+deb12u1)`.
    pub text: String,
    /// The major version: 15.
    pub major: u32,
}

impl Server {
    /// The server that a URL names. Errors: [`Error::Usage`].
    pub fn of_url(url: &SourceUrl, settings: &Settings, programs: &Programs) -> Result<Self> {
        let server = url.server()?;
        if server.database.is_empty() || server.database.contains('\0') {
            return Err(Error::Usage(format!(
                "{url} names no database; write {}://user@host:port/database",
                url.scheme()
            )));
        }
        let mut variables = Vec::new();
        for (name, value) in &server.options {
            let variable = match name.as_str() {
                "mode" => continue,
                "sslmode" => "PGSSLMODE",
                "sslrootcert" => "PGSSLROOTCERT",
                "sslcert" => "PGSSLCERT",
                "sslkey" => "PGSSLKEY",
                "connect_timeout" => "PGCONNECT_TIMEOUT",
                other => {
                    return Err(Error::Usage(format!(
                        "{url}: the option {other:?} is not known; there are mode, sslmode, sslrootcert, sslcert, sslkey and connect_timeout"
                    )));
                }
            };
            variables.push((variable, value.clone()));
        }
        Ok(Self {
            host: server.host.clone(),
            port: server.port,
            user: server.user.clone(),
            database: server.database.clone(),
            shown: url.to_string(),
            application: "snaphold".into(),
            variables,
            password: settings.password.clone(),
            programs: programs.clone(),
        })
    }

    /// A command that runs a tool against `database`. The password is in its environment.
    pub fn command(&self, program: &Path, database: &str) -> Command {
        let mut command = self.programs.command(program);
        MISLEADING.iter().for_each(|name| _ = command.env_remove(name));
        command
            .env("PGDATABASE", database)
            .env("PGAPPNAME", &self.application)
            .env("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT);
        if !self.host.is_empty() {
            command.env("PGHOST", &self.host);
        }
        if let Some(port) = self.port {
            command.env("PGPORT", port.to_string());
        }
        if let Some(user) = &self.user {
            command.env("PGUSER", user);
        }
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password.expose());
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of this server to its end; errors are explained.
    pub fn run(&self, command: Command, name: &str) -> Result<Vec<u8>> {
        self.programs.run(command, name, self.password.as_ref()).map_err(|error| explain(error, &self.shown))
    }

    /// Runs a command with what `write` writes as its input. An error of the repository goes before what the command then
    /// says.
    pub fn feed(
        &self,
        command: Command,
        name: &str,
        write: &mut (dyn FnMut(&mut dyn Write) -> Result<()> + Send),
    ) -> Result<()> {
        let mut broken = None;
        let fed = self.programs.run_with(command, name, self.password.as_ref(), |out| {
            write(out).map_err(|error| match error {
                Error::Target { .. } => error,
                error => {
                    let text = error.to_string();
                    broken = Some(error);
                    Error::Failed(text)
                }
            })
        });
        match broken {
            Some(error) => Err(error),
            None => fed.map(drop).map_err(|error| explain(error, &self.shown)),
        }
    }

    /// Starts a psql that runs what is written to it.
    pub fn start_psql(&self, database: &str) -> Result<Running> {
        let mut command = self.psql(database)?;
        command.args(["-f", "-"]).stdin(Stdio::piped());
        self.programs.start(command, "psql", self.password.as_ref())
    }

    fn psql(&self, database: &str) -> Result<Command> {
        let psql = find(&self.programs, "psql", None)?;
        let mut command = self.command(&psql, database);
        command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"]);
        Ok(command)
    }

    /// Whether a replication client may log in, which has rules of its own.
    pub fn check_replication(&self) -> Result<()> {
        let mut command = self.psql("")?;
        command.env_remove("PGDATABASE").args(["-d", "replication=true", "-c", "IDENTIFY_SYSTEM"]);
        self.run(command, "psql").map(drop)
    }

    /// Runs SQL text in `database`, statement by statement, until one fails.
    pub fn execute(&self, database: &str, sql: &str) -> Result<()> {
        self.rows_of(database, sql).map(drop)
    }

    /// The rows that SQL text gives.
    pub fn rows_of(&self, database: &str, sql: &str) -> Result<Vec<Vec<String>>> {
        let mut command = self.psql(database)?;
        command.args(["-F", &COLUMN.to_string(), "-R", &ROW.to_string(), "-f", "-"]);
        let text = format!("{sql}\n");
        let printed = self
            .programs
            .run_with(command, "psql", self.password.as_ref(), |input| {
                input.write_all(text.as_bytes()).map_err(|error| Error::Failed(format!("cannot ask psql: {error}")))
            })
            .map_err(|error| explain(error, &self.shown))?;
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let printed = printed.strip_suffix('\n').unwrap_or(&printed);
        if printed.is_empty() {
            return Ok(Vec::new());
        }
        Ok(printed.split(ROW).map(|row| row.split(COLUMN).map(String::from).collect()).collect())
    }

    /// The rows of this server's own database.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        self.rows_of(&self.database, sql)
    }

    /// The first column of the first row; empty where there is none.
    pub fn value_of(&self, database: &str, sql: &str) -> Result<String> {
        Ok(self.rows_of(database, sql)?.into_iter().flatten().next().unwrap_or_default())
    }

    /// A database that is there beside [`Server::database`], to give commands about that one from.
    pub fn maintenance(&self) -> &'static str {
        if self.database == "postgres" { "template1" } else { "postgres" }
    }

    /// The server's version.
    pub fn version(&self, database: &str) -> Result<Version> {
        let rows = self.rows_of(
            database,
            "SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num')",
        )?;
        let mut cells = rows.into_iter().flatten();
        let text = cells.next().unwrap_or_default();
        let number: u32 = cells.next().and_then(|number| number.parse().ok()).unwrap_or_default();
        Ok(Version { text, major: number / 10_000 })
    }

    /// The tool `name`, of the server's own version where that is installed, else of a newer one.
    pub fn tool(&self, name: &str, version: &Version) -> Result<PathBuf> {
        let program = find(&self.programs, name, Some(version.major))?;
        let tool = major_of(&self.programs, &program, name)?;
        if tool < version.major {
            return Err(Error::Failed(format!(
                "{name} is of version {tool}, and {} is of version {}; install postgresql-client-{} (or newer)",
                self.shown, version.major, version.major
            )));
        }
        Ok(program)
    }
}

/// The folders that programs are looked for in before `PATH`: those of `major` first, then the newest.
fn folders(programs: &Programs, major: Option<u32>) -> Vec<PathBuf> {
    if let Some(folder) = programs.variable(FOLDER_VARIABLE) {
        return vec![PathBuf::from(folder)];
    }
    let mut majors: Vec<u32> = std::fs::read_dir(VERSIONS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by_key(|version| (major != Some(*version), std::cmp::Reverse(*version)));
    majors.into_iter().map(|major| Path::new(VERSIONS).join(major.to_string()).join("bin")).collect()
}

/// The program `name`, of the version `major` where that is installed.
pub fn find(programs: &Programs, name: &str, major: Option<u32>) -> Result<PathBuf> {
    let is_of_server = ["postgres", "initdb", "pg_ctl", "pg_checksums"].contains(&name);
    let package = if is_of_server { "postgresql" } else { "postgresql-client" };
    let package = major.map_or(package.to_string(), |major| format!("{package}-{major}"));
    let folders = folders(programs, major);
    if programs.variable(FOLDER_VARIABLE).is_some() {
        let there = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        return there.ok_or_else(|| {
            let folder = folders.first().map(|folder| folder.display().to_string()).unwrap_or_default();
            Error::Failed(format!("{name} is not in {folder}, which {FOLDER_VARIABLE} names; install {package}"))
        });
    }
    programs.find(name, &folders, &package)
}

/// The major version of a program.
pub fn major_of(programs: &Programs, program: &Path, name: &str) -> Result<u32> {
    version_of(programs, program, name).map(|(major, _)| major)
}

/// The major and minor version of a program.
fn version_of(programs: &Programs, program: &Path, name: &str) -> Result<(u32, u32)> {
    let mut command = programs.command(program);
    command.arg("--version");
    let said = String::from_utf8_lossy(&programs.run(command, name, None)?).into_owned();
    let number = said.split("(PostgreSQL) ").nth(1).unwrap_or_default();
    let mut numbers = number.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    let Some(Ok(major)) = numbers.next() else {
        return Err(Error::Failed(format!("{name} says {:?} of its version", said.trim())));
    };
    Ok((major, numbers.next().and_then(std::result::Result::ok).unwrap_or_default()))
}

/// Whether a psql or pg_restore knows `\restrict`, by which a text is barred from commanding psql.
pub fn knows_restrict(programs: &Programs, program: &Path) -> Result<bool> {
    let (major, minor) = version_of(programs, program, "psql")?;
    let first = match major {
        13 => 22,
        14 => 19,
        15 => 14,
        16 => 10,
        17 => 6,
        newer => return Ok(newer >= 18),
    };
    Ok(minor >= first)
}

/// A name as SQL has it.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it, whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}
