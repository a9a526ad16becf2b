//! The config file of `snaphold serve`: TOML, every value with a default, so that none need be written.
//!
//! [`Config::read`] says what is wrong in the text, by line or field; [`Config::check`] what is wrong with the files that
//! it names. Secrets stand in files of their own, never in this one.

mod sections;
#[cfg(test)]
mod tests;
mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::service::Plans;

pub use sections::{
    Backup, Jobs, Limits, Log, LogFormat, MasterKey, Metrics, Proxy, Retention, Scheduler, Smtp, SmtpTls, Sources, Tls,
    Webhooks,
};
pub use values::{Network, Size, Span};

/// Where the service listens unless it is told.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8300);

/// How a service is run.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its data folder. The command line's `--data` counts instead.
    pub data: Option<PathBuf>,
    /// The catalog, `postgres://…`; none: SQLite in the data folder.
    pub catalog: Option<String>,
    /// How it is reached from outside, `https://…`, for links that are handed on; none: as a request says.
    pub public_url: Option<String>,
    /// A file with plans beside those that are built in.
    pub plans: Option<PathBuf>,
    /// Jobs at once.
    pub jobs: Jobs,
    /// What a request may ask for.
    pub limits: Limits,
    /// How long things are kept.
    pub retention: Retention,
    /// What happens by itself.
    pub scheduler: Scheduler,
    /// What accounts may name of this machine.
    pub sources: Sources,
    /// Certificates; none: plain HTTP.
    pub tls: Option<Tls>,
    /// Who may say for whom a request is made.
    pub proxy: Proxy,
    /// Where the master key comes from; none: `master.key` in the data folder.
    pub master_key: MasterKey,
    /// The log.
    pub log: Log,
    /// Numbers for Prometheus.
    pub metrics: Metrics,
    /// What is told to others.
    pub webhooks: Webhooks,
    /// Mail; none: no mail.
    pub smtp: Option<Smtp>,
    /// Copies of the catalog.
    pub backup: Backup,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            data: None,
            catalog: None,
            public_url: None,
            plans: None,
            jobs: Jobs::default(),
            limits: Limits::default(),
            retention: Retention::default(),
            scheduler: Scheduler::default(),
            sources: Sources::default(),
            tls: None,
            proxy: Proxy::default(),
            master_key: MasterKey::default(),
            log: Log::default(),
            metrics: Metrics::default(),
            webhooks: Webhooks::default(),
            smtp: None,
            backup: Backup::default(),
        }
    }
}

impl Config {
    /// A config from its text. `Error::Usage` names the line, or the field, and says what to do.
    pub fn read(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!(" in line {line}"));
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            Error::Usage(format!("the config file is wrong{place}: {message}"))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Whether the values make sense by themselves and together. What the command line changed is checked by it too.
    pub fn validate(&self) -> Result<()> {
        if let Some(url) = &self.catalog {
            let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
            if !is_postgres {
                return Err(wrong("catalog", "is a URL postgres://…; leave it out for SQLite in the data folder"));
            }
        }
        if let Some(url) = &self.public_url {
            let is_web = url.starts_with("https://") || url.starts_with("http://");
            if !is_web || url.ends_with('/') {
                return Err(wrong("public_url", "begins with https:// and has no slash at its end"));
            }
        }
        self.jobs.validate()?;
        self.limits.validate()?;
        self.retention.validate()?;
        self.scheduler.validate()?;
        self.master_key.validate()?;
        self.webhooks.validate()?;
        self.smtp.iter().try_for_each(Smtp::validate)?;
        self.backup.validate()
    }

    /// Whether the files that it names can be read and hold what they should. Returns the plans.
    pub fn check(&self) -> Result<Plans> {
        let mut plans = Plans::built_in();
        if let Some(path) = &self.plans {
            plans.add_file(path).map_err(|error| error.with_context("plans"))?;
        }
        if let Some(tls) = &self.tls {
            pem("tls.certificate", &tls.certificate, "CERTIFICATE")?;
            pem("tls.key", &tls.key, "PRIVATE KEY")?;
        }
        if let Some(path) = &self.master_key.file {
            readable("master_key.file", path)?;
        }
        if let Some(path) = &self.metrics.token_file {
            readable("metrics.token_file", path)?;
        }
        if let Some(path) = self.smtp.as_ref().and_then(|smtp| smtp.password_file.as_ref()) {
            readable("smtp.password_file", path)?;
        }
        Ok(plans)
    }

    /// What is allowed and yet worth a line in the log at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.listen.ip().is_loopback() && self.tls.is_none() && self.proxy.trusted.is_empty() {
            warnings.push(format!(
                "tokens and data cross the network unprotected: {} is reached from outside, and there is neither [tls] \
                 nor a proxy in proxy.trusted",
                self.listen
            ));
        }
        if self.master_key.is_default() {
            warnings.push(
                "the master key stands beside the data; keep a copy elsewhere, or name another place in [master_key]"
                    .into(),
            );
        }
        if self.webhooks.allow_private {
            warnings.push("webhooks.allow_private: accounts can make this service post into its own network".into());
        }
        warnings
    }
}

/// A field whose value is wrong.
fn wrong(field: &str, detail: &str) -> Error {
    Error::Usage(format!("the config file is wrong: {field} {detail}"))
}

fn readable(field: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Error::Usage(format!("the config file is wrong: {field}: cannot read {}: {error}", path.display()))
    })
}

/// A PEM file that has a part whose label ends so.
fn pem(field: &str, path: &Path, label: &str) -> Result<()> {
    let bytes = readable(field, path)?;
    let text = String::from_utf8_lossy(&bytes);
    let found = text.lines().any(|line| {
        let label_of = line.trim().strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        label_of.is_some_and(|of| of.ends_with(label))
    });
    if found {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "the config file is wrong: {field}: {} holds no {}; it must be in PEM",
        path.display(),
        label.to_lowercase()
    )))
}
