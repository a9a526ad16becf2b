//! A Neo4j home: where its configuration says that things are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Folders that a home has; one of them makes it one.
const OF_A_HOME: [&str; 4] = ["conf", "data", "lib", "databases"];
/// The database that a server has where nobody says otherwise.
const DEFAULT_DATABASE: &str = "neo4j";

/// A Neo4j home, or the data folder of one.
#[derive(Debug, Clone)]
pub struct Home {
    /// The home itself.
    pub path: PathBuf,
    settings: BTreeMap<String, String>,
    data: PathBuf,
    transactions: PathBuf,
}

/// What the jars in a home's `lib` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// `5.26.30`.
    pub version: String,
    /// Whether it is Neo4j Enterprise.
    pub is_enterprise: bool,
    /// The folder of jars.
    pub lib: PathBuf,
}

impl Home {
    /// Reads the home at `path`. `conf` is its folder of configuration, where that is not in the home; `data` its data
    /// folder, where the configuration does not tell.
    ///
    /// Errors: [`Error::NotFound`] where nothing is, [`Error::Usage`] where it is no home.
    pub fn open(path: &Path, conf: Option<&Path>, data: Option<&Path>) -> Result<Self> {
        let stat = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound(format!("the Neo4j home {} is not there", path.display())),
            _ => Error::source(path, error),
        })?;
        if !stat.is_dir() || !OF_A_HOME.iter().any(|name| path.join(name).is_dir()) && data.is_none() {
            return Err(Error::Usage(format!(
                "{} is no Neo4j home: a home is a folder with conf, data and lib in it",
                path.display()
            )));
        }
        let own = path.join("conf");
        let settings = read_settings(&conf.filter(|_| !own.is_dir()).unwrap_or(&own).join("neo4j.conf"))?;
        let get = |names: [&str; 2]| names.iter().find_map(|name| settings.get(*name)).map(|value| path.join(value));
        let data = match data {
            Some(data) => data.to_path_buf(),
            None if path.join("databases").is_dir() && !path.join("data").is_dir() => path.to_path_buf(),
            None => get(["server.directories.data", "dbms.directories.data"]).unwrap_or_else(|| path.join("data")),
        };
        let transactions = get(["server.directories.transaction.logs.root", "dbms.directories.transaction.logs.root"])
            .unwrap_or_else(|| data.join("transactions"));
        Ok(Self { path: path.to_path_buf(), settings, data, transactions })
    }

    /// A setting, under its name in Neo4j 5 or in Neo4j 4.
    pub fn setting(&self, names: [&str; 2]) -> Option<&str> {
        names.iter().find_map(|name| self.settings.get(*name)).map(String::as_str)
    }

    /// The name of the database that is there where nobody says otherwise.
    pub fn default_database(&self) -> &str {
        self.setting(["initial.dbms.default_database", "dbms.default_database"]).unwrap_or(DEFAULT_DATABASE)
    }

    /// The folder of all databases.
    pub fn databases(&self) -> PathBuf {
        self.data.join("databases")
    }

    /// The folder of a database's store.
    pub fn store(&self, database: &str) -> PathBuf {
        self.databases().join(database)
    }

    /// The folder of a database's transaction logs.
    pub fn logs(&self, database: &str) -> PathBuf {
        self.transactions.join(database)
    }

    /// The data folder, or the folder above that will have it.
    pub fn data(&self) -> &Path {
        if self.data.is_dir() { &self.data } else { &self.path }
    }

    /// Names of the databases whose folders are there.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.databases()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort_unstable();
        names
    }

    /// What is installed in it; `None` where it has no jars, as a data folder has none.
    pub fn program(&self) -> Option<Program> {
        program_in(&self.path.join("lib"))
    }

    /// The port that the server's Bolt connector listens on; `None` where it is switched off.
    pub fn bolt_port(&self) -> Option<u16> {
        let enabled = self.setting(["server.bolt.enabled", "dbms.connector.bolt.enabled"]);
        if enabled.is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            return None;
        }
        let address = self.setting(["server.bolt.listen_address", "dbms.connector.bolt.listen_address"]);
        Some(address.and_then(|address| address.rsplit(':').next()?.parse().ok()).unwrap_or(7687))
    }
}

/// What the jars in a folder say.
pub fn program_in(lib: &Path) -> Option<Program> {
    let names: Vec<String> = fs::read_dir(lib)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".jar"))
        .collect();
    let is_version = |text: &&str| text.starts_with(|first: char| first.is_ascii_digit());
    let version = names
        .iter()
        .find_map(|name| name.strip_prefix("neo4j-kernel-")?.strip_suffix(".jar").filter(is_version))?
        .to_string();
    let is_enterprise = names.iter().any(|name| name.starts_with("neo4j-enterprise"));
    Some(Program { version, is_enterprise, lib: lib.to_path_buf() })
}

/// The settings in a `neo4j.conf`: lines `name=value`, `#` before what is none. A file that is not there has none.
fn read_settings(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::source(path, error)),
    };
    let settings = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.trim().into(), value.trim().into()));
    Ok(settings.filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(conf: &str) -> (tempfile::TempDir, Home) {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        fs::create_dir_all(dir.path().join("conf")).unwrap();
        fs::create_dir_all(dir.path().join("lib")).unwrap();
        fs::write(dir.path().join("conf/neo4j.conf"), conf).unwrap();
        let home = Home::open(dir.path(), None, None).unwrap();
        (dir, home)
    }

    #[test]
    fn the_configuration_says_where_things_are() {
        let (dir, home) = home("");
        let at = |path: &str| dir.path().join(path);
        assert_eq!(home.store("a"), at("data/databases/a"));
        assert_eq!(home.logs("a"), at("data/transactions/a"));
        assert_eq!((home.default_database(), home.bolt_port()), ("neo4j", Some(7687)));
        assert_eq!(home.program(), None);
        let conf = "# x\nserver.directories.data = /srv/data\nserver.directories.transaction.logs.root=logs\n\
            initial.dbms.default_database=shop\nserver.bolt.listen_address=:17687\n#server.bolt.enabled=false\n";
        let (dir, home) = self::home(conf);
        assert_eq!(home.store("a"), Path::new("/srv/data/databases/a"));
        assert_eq!(home.logs("a"), dir.path().join("logs/a"));
        assert_eq!((home.default_database(), home.bolt_port()), ("shop", Some(17687)));
        let (_dir, home) = self::home("dbms.directories.data=/old\ndbms.connector.bolt.enabled=false\n");
        assert_eq!((home.store("a").as_path(), home.bolt_port()), (Path::new("/old/databases/a"), None));
    }

    #[test]
    fn the_jars_say_which_neo4j_it_is() {
        let (dir, home) = home("");
        for jar in ["neo4j-kernel-api-5.26.30.jar", "neo4j-kernel-5.26.30.jar", "readme"] {
            fs::write(dir.path().join("lib").join(jar), "").unwrap();
        }
        let program = home.program().unwrap();
        assert_eq!((program.version.as_str(), program.is_enterprise), ("5.26.30", false));
    }

    #[test]
    fn a_folder_of_another_kind_is_no_home() {
        let dir = tempfile::Builder::new().tempdir().unwrap();
        assert!(matches!(Home::open(dir.path(), None, None), Err(Error::Usage(_))));
        assert!(matches!(Home::open(&dir.path().join("no"), None, None), Err(Error::NotFound(_))));
        fs::create_dir(dir.path().join("databases")).unwrap();
        let home = Home::open(dir.path(), None, None).unwrap();
        assert_eq!(home.store("a"), dir.path().join("databases/a"));
    }
}
