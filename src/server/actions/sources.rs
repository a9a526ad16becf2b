//! What an account may name as a source. The service runs with more rights than its accounts have: a folder, a file with a
//! password, or a command of this machine is only for who is trusted with it.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use utoipa::ToSchema;

use crate::server::auth::Principal;
use crate::server::config;
use crate::server::fault::{Fault, Outcome, Problem};
use crate::service::SettingsSpec;
use crate::source::access::Password;
use crate::source::url::SourceUrl;

/// How a source is reached and handled. A text that is empty takes the setting away.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A file of the server that has the password.
    pub password_file: Option<String>,
    /// Stops the database's server, for restores that exchange its data folder.
    pub stop: Option<String>,
    /// Starts it again.
    pub start: Option<String>,
    /// Run before each snapshot.
    pub before: Option<String>,
    /// Run after it.
    pub after: Option<String>,
    /// The database server's data folder, where a physical restore goes.
    pub data_directory: Option<String>,
}

impl Settings {
    /// As the engine takes them.
    pub fn spec(self, password: Option<String>) -> SettingsSpec {
        let Settings { password_file, stop, start, before, after, data_directory } = self;
        let password = password.map(Password::new);
        SettingsSpec { password, password_file, stop, start, before, after, data_directory }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        let Settings { password_file, stop, start, before, after, data_directory } = self;
        let all = [
            ("password_file", password_file),
            ("stop", stop),
            ("start", start),
            ("before", before),
            ("after", after),
            ("data_directory", data_directory),
        ];
        let named: Vec<_> = all.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect();
        named.into_iter()
    }
}

/// Refuses what this account may not name. Returns the source as it is understood.
pub fn check(
    rules: &config::Sources,
    who: &Principal,
    source: Option<&str>,
    settings: &Settings,
) -> Outcome<Option<SourceUrl>> {
    let url = source.map(str::parse::<SourceUrl>).transpose();
    let url = url.map_err(|error| Fault::invalid("source", error.to_string()))?;
    if who.is_trusted {
        return Ok(url);
    }
    let commands = settings.names().find(|_| !rules.commands);
    if let Some(name) = commands {
        let detail = format!("this account may not set {name}: it names something of the server that Snaphold runs on");
        return Err(Fault::new(Problem::Refused, detail).of_field(&format!("settings.{name}")));
    }
    if let Some(url) = &url {
        match url.server() {
            Ok(server) if !server.host.is_empty() && !server.host.starts_with('/') => {}
            Ok(_) => {
                let detail = "name the database's host in the source's URL";
                return Err(Fault::new(Problem::Refused, detail).of_field("source"));
            }
            Err(_) => below(rules, url)?,
        }
    }
    Ok(url)
}

/// Whether a source of this machine lies where accounts may have some.
fn below(rules: &config::Sources, url: &SourceUrl) -> Outcome<()> {
    let refused = || {
        let detail = "this account may not have a source on the machine that Snaphold runs on";
        Err(Fault::new(Problem::Refused, detail).of_field("source"))
    };
    let Ok(path) = url.path() else { return refused() };
    if !path.is_absolute() || path.components().any(|part| matches!(part, Component::ParentDir)) {
        return refused();
    }
    // Where a link leads counts, not what it is called.
    let real = real(path);
    let fits = |folder: &PathBuf| real.starts_with(folder.canonicalize().unwrap_or_else(|_| folder.clone()));
    if rules.folders.iter().any(fits) { Ok(()) } else { refused() }
}

/// A path with the links in what of it is there followed.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, real)) => path.strip_prefix(above).map_or(real.clone(), |rest| real.join(rest)),
        None => path.to_path_buf(),
    }
}

/// What is wrong with a source is wrong with the request, whatever kind of error the engine has for it.
pub fn unusable(fault: Fault) -> Fault {
    let is_about_source = matches!(fault.problem, Problem::Internal | Problem::NotFound);
    match is_about_source {
        true => {
            let detail = fault.inside.clone().unwrap_or(fault.detail);
            Fault::new(Problem::SourceUnusable, detail).of_field("source")
        }
        false => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::auth::{Origin, Rights};

    fn who(is_trusted: bool) -> Principal {
        Principal {
            actor: "token:t".into(),
            account: "a".into(),
            rights: Rights::default(),
            is_trusted,
            title: String::new(),
            origin: Origin::default(),
        }
    }

    fn verdict(rules: &config::Sources, source: &str) -> bool {
        check(rules, &who(false), Some(source), &Settings::default()).is_ok()
    }

    #[test]
    fn an_account_names_nothing_of_the_machine_unless_it_may() {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let own = folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink("/etc", own.join("link")).unwrap();
        let rules = config::Sources { folders: vec![own.clone()], commands: false };
        assert!(verdict(&rules, &format!("files:{}/data", own.display())));
        assert!(verdict(&rules, "postgres://user@db.example.com/shop"));
        for source in [
            "files:/etc".to_string(),
            format!("files:{}/../other", own.display()),
            format!("files:{}/link", own.display()),
            format!("sqlite:{}-not/x.db", own.display()),
            "postgres:///shop".to_string(),
        ] {
            assert!(!verdict(&rules, &source), "{source}");
        }
        assert!(check(&rules, &who(true), Some("files:/etc"), &Settings::default()).is_ok());
        let settings = Settings { before: Some("id".into()), ..Settings::default() };
        assert!(check(&rules, &who(false), None, &settings).is_err());
        assert!(check(&config::Sources { commands: true, ..rules }, &who(false), None, &settings).is_ok());
    }
}
