//! Versions of servers and tools, and which of them go together.

use std::fmt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::source::program::Programs;

/// A version of MariaDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As it was said.
    pub text: String,
    /// `10.11` of `10.11.6`: what decides about formats.
    pub series: (u32, u32),
}

impl Version {
    /// What a server says; `None` where it is no MariaDB.
    pub fn of_server(text: &str) -> Option<Self> {
        // Some old servers put a version of MySQL in front, for replication's sake.
        let text = text.strip_prefix("5.5.5-").unwrap_or(text);
        let is_mariadb = text.to_ascii_lowercase().contains("mariadb");
        is_mariadb.then(|| series(text)).flatten().map(|series| Self { text: text.to_string(), series })
    }

    /// What a tool says of itself: `mariadb-dump  Ver 10.19 Distrib 10.11.6-MariaDB, for …`, `… from 11.4.2-MariaDB, …`.
    pub fn of_tool(said: &str) -> Option<Self> {
        let word = said
            .split([' ', ',', '\n'])
            .find(|word| word.starts_with(|char: char| char.is_ascii_digit()) && word.contains("MariaDB"))?;
        series(word).map(|series| Self { text: word.to_string(), series })
    }

    /// Asks the tool at `path`.
    pub fn asked(programs: &Programs, path: &Path) -> Result<Self> {
        // `mariadb-backup` says it on standard error.
        let mut command = programs.command(Path::new("/bin/sh"));
        command.args(["-c", "exec \"$0\" --no-defaults --version 2>&1"]).arg(path);
        let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let said = programs.run(command, &shown, None)?;
        let said = String::from_utf8_lossy(&said);
        Self::of_tool(&said).ok_or_else(|| {
            Error::Refused(format!(
                "{} is not MariaDB's: it calls itself {:?}; install MariaDB's own",
                path.display(),
                said.trim()
            ))
        })
    }

    /// That the tool at `path` can dump this server's databases.
    pub fn fits_dump(&self, programs: &Programs, path: &Path) -> Result<()> {
        let tool = Self::asked(programs, path)?;
        if tool.series < self.series {
            return Err(Error::Refused(format!(
                "{} is of MariaDB {tool} and the server of {self}: an older tool can leave things out; install mariadb-client of {}.{} or newer",
                path.display(),
                self.series.0,
                self.series.1
            )));
        }
        Ok(())
    }

    /// That the tool at `path` can read and prepare this server's files.
    pub fn fits_files(&self, programs: &Programs, path: &Path) -> Result<()> {
        let tool = Self::asked(programs, path)?;
        if tool.series != self.series {
            return Err(Error::Refused(format!(
                "{} is of MariaDB {tool} and the data of {self}: files need a tool of the same series; install the one of {}.{}",
                path.display(),
                self.series.0,
                self.series.1
            )));
        }
        Ok(())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.split('-').next().unwrap_or_default())
    }
}

fn series(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_servers_and_tools_say_them() {
        let server = |text: &str| Version::of_server(text).map(|version| version.series);
        assert_eq!(server("10.11.19-MariaDB-0+deb12u1"), Some((10, 11)));
        assert_eq!(server("5.5.5-10.4.2-MariaDB-log"), Some((10, 4)));
        assert_eq!(server("8.0.36"), None);
        let tool = |text: &str| Version::of_tool(text).map(|version| version.series);
        assert_eq!(tool("mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu"), Some((10, 11)));
        assert_eq!(tool("mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux"), Some((11, 4)));
        assert_eq!(tool("mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu"), Some((10, 11)));
        assert_eq!(tool("mysqldump  Ver 8.0.36 for Linux on x86_64"), None);
    }
}
