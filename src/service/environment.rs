//! Environments: several sources in one instance, as a TOML file says.
//!
//! ```toml
//! freeze = "systemctl stop workers"     # before the first is captured; optional
//! thaw = "systemctl start workers"      # after the last, also where something failed; optional
//!
//! [[component]]
//! name = "db"
//! source = "postgres://shop@localhost/shop"
//! password_file = "/etc/shop/db.password"
//!
//! [[component]]
//! name = "media"
//! source = "files:/srv/media"
//! optional = true                       # only with --include media
//! ```

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::source::access::{Password, Settings};
use crate::source::url::SourceUrl;

use super::catalog::check_instance_name;
use super::settings::read_password;

/// An environment's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Run before the first component is captured.
    pub freeze: Option<String>,
    /// Run after the last one was, or could not be.
    pub thaw: Option<String>,
    /// The components, in the order in which they are captured and restored.
    #[serde(default, rename = "component")]
    pub components: Vec<EnvironmentComponent>,
}

/// One component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentComponent {
    /// Its name: `db`, `cache`, `media`.
    pub name: String,
    source: String,
    /// Whether it is only captured when it is asked for.
    #[serde(default)]
    pub optional: bool,
    password_file: Option<String>,
    stop: Option<String>,
    start: Option<String>,
    before: Option<String>,
    after: Option<String>,
    data_directory: Option<String>,
    #[serde(default)]
    always_read: bool,
}

impl Environment {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(format!("there is no environment file {}", path.display())),
            _ => Error::source(path, error),
        })?;
        let wrong = |why: String| Error::Usage(format!("the environment file {}: {why}", path.display()));
        // The file may hold passwords, in its URLs: what the parser quotes of it is left out.
        let environment: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            wrong(format!("line {line}: {}", error.message()))
        })?;
        if environment.components.is_empty() {
            return Err(wrong("it has no [[component]]".into()));
        }
        for (number, component) in environment.components.iter().enumerate() {
            check_instance_name(&component.name).map_err(|error| wrong(error.to_string()))?;
            let earlier = environment.components.get(..number).unwrap_or_default();
            if earlier.iter().any(|other| other.name == component.name) {
                return Err(wrong(format!("two components have the name {:?}", component.name)));
            }
            component.url().map_err(|error| wrong(format!("component {:?}: {error}", component.name)))?;
        }
        Ok(environment)
    }
}

impl EnvironmentComponent {
    /// Where its data is, and how it is reached.
    pub fn endpoint(&self) -> Result<(SourceUrl, Settings)> {
        let (url, password) = self.url()?.without_password();
        let password: Option<Password> = match (&self.password_file, password) {
            (Some(file), _) => Some(read_password(Path::new(file))?),
            (None, password) => password,
        };
        let settings = Settings {
            password,
            stop: self.stop.clone(),
            start: self.start.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
            data_directory: self.data_directory.clone().map(Into::into),
            always_read: self.always_read,
            ..Settings::default()
        };
        Ok((url, settings))
    }

    fn url(&self) -> Result<SourceUrl> {
        let url: SourceUrl = self.source.parse()?;
        if url.is_environment() {
            return Err(Error::Usage("an environment cannot be a component of another one".into()));
        }
        Ok(url)
    }
}
