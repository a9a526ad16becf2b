//! The settings of an instance: their names as they are stored, and how they are read.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::ledger::InstanceSettings;
use crate::source::access::{Password, Settings};

use super::policy::Policy;

/// The password, sealed as everything in the ledger is.
const PASSWORD: &str = "password";
/// A file that has it.
const PASSWORD_FILE: &str = "password_file";
const STOP: &str = "stop";
const START: &str = "start";
const BEFORE: &str = "before";
const AFTER: &str = "after";
const DATA_DIRECTORY: &str = "data_directory";
/// Its own policy, as JSON.
const POLICY: &str = "policy";

/// What a password file may be long.
const PASSWORD_MAX: u64 = 4096;

/// What may be said of an instance's settings. A text that is empty takes the setting away.
#[derive(Debug, Clone, Default)]
pub struct SettingsSpec {
    /// The password itself.
    pub password: Option<Password>,
    /// A file that has it.
    pub password_file: Option<String>,
    /// Stops the server.
    pub stop: Option<String>,
    /// Starts it.
    pub start: Option<String>,
    /// Run before each snapshot.
    pub before: Option<String>,
    /// Run after it.
    pub after: Option<String>,
    /// The server's data folder.
    pub data_directory: Option<String>,
}

/// An instance's own policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPolicy {
    /// Since when it is due as it is: what it would have been due before that is not made up for.
    pub since: Timestamp,
    /// The policy.
    pub policy: Policy,
}

/// Brings what was said into the settings. `is_encrypted`: whether the repository can keep a secret.
pub fn apply(settings: &mut InstanceSettings, spec: SettingsSpec, is_encrypted: bool) -> Result<()> {
    let SettingsSpec { password, password_file, stop, start, before, after, data_directory } = spec;
    if let Some(password) = password {
        if !is_encrypted && !password.expose().is_empty() {
            return Err(Error::Refused(
                "this repository is not encrypted and keeps no password; give --password-file instead, whose path is kept, or set SNAPHOLD_SOURCE_PASSWORD each time".into(),
            ));
        }
        settings.0.remove(PASSWORD_FILE);
        put(settings, PASSWORD, password.expose());
    }
    if let Some(file) = password_file {
        settings.0.remove(PASSWORD);
        put(settings, PASSWORD_FILE, &file);
    }
    let texts = [(STOP, stop), (START, start), (BEFORE, before), (AFTER, after), (DATA_DIRECTORY, data_directory)];
    for (name, text) in texts {
        if let Some(text) = text {
            put(settings, name, &text);
        }
    }
    Ok(())
}

fn put(settings: &mut InstanceSettings, name: &str, text: &str) {
    match text.is_empty() {
        true => _ = settings.0.remove(name),
        false => _ = settings.0.insert(name.to_string(), text.to_string()),
    }
}

/// The instance's own policy, where it has one.
pub fn policy(settings: &InstanceSettings) -> Result<Option<OwnPolicy>> {
    let own = settings.0.get(POLICY).map(|json| serde_json::from_str(json));
    own.transpose().map_err(|error| {
        Error::Failed(format!(
            "its policy cannot be understood ({error}); perhaps a newer snaphold wrote it, else `snaphold policy reset` removes it"
        ))
    })
}

/// Gives the instance a policy of its own, or takes it away.
pub fn set_policy(settings: &mut InstanceSettings, own: Option<&OwnPolicy>) -> Result<()> {
    let json = own.map(serde_json::to_string).transpose();
    let json = json.map_err(|error| Error::Failed(format!("the policy cannot be stored: {error}")))?;
    put(settings, POLICY, &json.unwrap_or_default());
    Ok(())
}

/// As a source takes them.
pub fn of_source(settings: &InstanceSettings) -> Result<Settings> {
    let text = |name: &str| settings.0.get(name).cloned();
    let password = match (text(PASSWORD), text(PASSWORD_FILE)) {
        (Some(password), _) => Some(Password::new(password)),
        (None, Some(file)) => Some(read_password(Path::new(&file))?),
        (None, None) => None,
    };
    Ok(Settings {
        password,
        stop: text(STOP),
        start: text(START),
        before: text(BEFORE),
        after: text(AFTER),
        data_directory: text(DATA_DIRECTORY).map(Into::into),
        ..Settings::default()
    })
}

/// The password in a file: its first line.
pub fn read_password(file: &Path) -> Result<Password> {
    let stat = std::fs::metadata(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound(format!("there is no password file {}", file.display())),
        _ => Error::source(file, error),
    })?;
    if stat.len() > PASSWORD_MAX {
        return Err(Error::Usage(format!("{} is longer than a password may be", file.display())));
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(file).map_err(|error| Error::source(file, error))?);
    Ok(Password::new(text.lines().next().unwrap_or_default()))
}

/// As they are shown: that there is a password, never which. The policy is shown by itself.
pub fn shown(settings: &InstanceSettings) -> BTreeMap<String, String> {
    let shown = |(name, value): (&String, &String)| {
        let value = if name == PASSWORD { "(stored)".to_string() } else { value.clone() };
        (name.clone(), value)
    };
    settings.0.iter().filter(|(name, _)| *name != POLICY).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_only_where_it_is_sealed_and_never_shown() {
        let spec = || SettingsSpec { password: Some(Password::new("hunter2")), ..SettingsSpec::default() };
        let mut settings = InstanceSettings::default();
        assert!(matches!(apply(&mut settings, spec(), false), Err(Error::Refused(_))));
        assert_eq!(settings, InstanceSettings::default());
        apply(&mut settings, spec(), true).unwrap();
        assert!(!format!("{settings:?} {:?}", shown(&settings)).contains("hunter2"));
        assert_eq!(of_source(&settings).unwrap().password, Some(Password::new("hunter2")));
    }

    #[test]
    fn an_empty_text_takes_a_setting_away() {
        let mut settings = InstanceSettings::default();
        let stop = |text: &str| SettingsSpec { stop: Some(text.into()), ..SettingsSpec::default() };
        apply(&mut settings, stop("systemctl stop it"), false).unwrap();
        assert_eq!(of_source(&settings).unwrap().stop.as_deref(), Some("systemctl stop it"));
        apply(&mut settings, stop(""), false).unwrap();
        assert_eq!(settings, InstanceSettings::default());
    }
}
