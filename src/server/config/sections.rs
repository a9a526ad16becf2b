//! The tables of the config file, each with what its values must be.

use std::path::PathBuf;

use serde::Deserialize;

use crate::error::Result;

use super::values::{Network, Size, Span};
use super::wrong;

/// Jobs at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jobs {
    /// Jobs that this process does at once. 0: it only serves requests.
    pub workers: usize,
    /// Jobs of one account at once, over all processes. An account may have its own number. Fewer than there are workers, so
    /// that no account keeps all of them.
    pub per_account: u32,
    /// A job whose worker was not heard of for so long is taken over.
    pub silent_after: Span,
    /// How long a stop waits for jobs that run. They are gone on with after the next start.
    pub stop_within: Span,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { workers: 4, per_account: 2, silent_after: Span::seconds(60), stop_within: Span::seconds(30) }
    }
}

impl Jobs {
    pub(super) fn validate(&self) -> Result<()> {
        if self.workers > 256 {
            return Err(wrong("jobs.workers", "is at most 256; run more processes over one PostgreSQL catalog"));
        }
        if self.per_account == 0 {
            return Err(wrong("jobs.per_account", "is at least 1, or no job would ever run"));
        }
        if self.silent_after < Span::seconds(10) {
            return Err(wrong("jobs.silent_after", "is at least 10s, or jobs are taken from workers that live"));
        }
        Ok(())
    }
}

/// What a request may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest body of a request, but for uploads.
    pub body: Size,
    /// Longest upload.
    pub upload: Size,
    /// Requests a second that one token, session or address may make in the long run.
    pub requests_per_second: u32,
    /// Requests that it may make at once.
    pub burst: u32,
    /// How long a request may take that is no stream.
    pub request_timeout: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: Size(1 << 20),
            upload: Size(1 << 40),
            requests_per_second: 50,
            burst: 200,
            request_timeout: Span::seconds(60),
        }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<()> {
        if self.body < Size(4 << 10) || self.body > Size(1 << 30) {
            return Err(wrong("limits.body", "is between 4KiB and 1GiB; dumps are uploads, which have limits.upload"));
        }
        if self.upload.0 == 0 {
            return Err(wrong("limits.upload", "is at least one byte"));
        }
        if self.requests_per_second == 0 || self.burst == 0 {
            return Err(wrong("limits.requests_per_second and limits.burst", "are at least 1"));
        }
        if self.request_timeout.is_zero() {
            return Err(wrong("limits.request_timeout", "is at least 1s"));
        }
        Ok(())
    }
}

/// How long things are kept. Snapshots have retention of their own, by their plan or policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Files that were exported.
    pub exports: Span,
    /// Uploads that were not finished or not loaded.
    pub uploads: Span,
    /// Jobs that ended.
    pub jobs: Span,
    /// Audit entries.
    pub audit: Span,
    /// Deliveries to webhooks.
    pub deliveries: Span,
    /// Answers to requests with an `Idempotency-Key`.
    pub idempotency: Span,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            exports: Span::days(2),
            uploads: Span::days(2),
            jobs: Span::days(90),
            audit: Span::days(400),
            deliveries: Span::days(30),
            idempotency: Span::days(1),
        }
    }
}

impl Retention {
    pub(super) fn validate(&self) -> Result<()> {
        let spans = [
            ("exports", self.exports),
            ("uploads", self.uploads),
            ("jobs", self.jobs),
            ("audit", self.audit),
            ("deliveries", self.deliveries),
            ("idempotency", self.idempotency),
        ];
        match spans.into_iter().find(|(_, span)| *span < Span::minutes(1)) {
            Some((field, _)) => Err(wrong(&format!("retention.{field}"), "is at least 1m")),
            None => Ok(()),
        }
    }
}

/// What happens by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scheduler {
    /// Whether this process may be the scheduler. One is, among those that may.
    pub enabled: bool,
    /// How often an instance's system is looked at, for a snapshot when it changed.
    pub check_every: Span,
    /// How often an account's repository is collected.
    pub gc_every: Span,
    /// How long a deleted snapshot can be had back.
    pub grace: Span,
    /// An instance is overdue when its last good snapshot is older than its policy asks, and this longer.
    pub overdue_after: Span,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            enabled: true,
            check_every: Span::hours(6),
            gc_every: Span::days(1),
            grace: Span::days(7),
            overdue_after: Span::hours(2),
        }
    }
}

impl Scheduler {
    pub(super) fn validate(&self) -> Result<()> {
        if self.check_every < Span::minutes(1) {
            return Err(wrong("scheduler.check_every", "is at least 1m"));
        }
        if self.gc_every < Span::minutes(1) {
            return Err(wrong("scheduler.gc_every", "is at least 1m"));
        }
        Ok(())
    }
}

/// What accounts may name of this machine. The service's own tokens and its default account may name all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// Folders below which accounts may have sources (`files:`, `sqlite:`, `neo4j:`, `env:`).
    pub folders: Vec<PathBuf>,
    /// Whether they may have commands run before and after snapshots, and name files with passwords.
    pub commands: bool,
}

/// Certificates, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those that lead to its root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Who may say, with `X-Forwarded-For` and `X-Forwarded-Proto`, for whom a request is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// Addresses and networks of proxies.
    pub trusted: Vec<Network>,
}

/// Where the master key comes from: one of these; none: `master.key` in the data folder, made at the first start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MasterKey {
    /// A file, 32 bytes or 64 hexadecimal digits.
    pub file: Option<PathBuf>,
    /// A program and its arguments; what it prints is the key.
    pub command: Option<Vec<String>>,
    /// An environment variable with 64 hexadecimal digits.
    pub environment: Option<String>,
}

impl MasterKey {
    /// Whether nothing was said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn validate(&self) -> Result<()> {
        let given = [self.file.is_some(), self.command.is_some(), self.environment.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(wrong("master_key", "has one of file, command and environment"));
        }
        if self.command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty)) {
            return Err(wrong(
                "master_key.command",
                "is a list: a program and its arguments, [\"pass\", \"snaphold\"]",
            ));
        }
        if self.environment.as_ref().is_some_and(String::is_empty) {
            return Err(wrong("master_key.environment", "is the name of a variable"));
        }
        Ok(())
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The log, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// What is written: `error`, `warn`, `info`, `debug`, or by part: `info,snaphold::server::jobs=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// Numbers for Prometheus, at `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Whether there are any.
    pub enabled: bool,
    /// A file with the token that `/metrics` wants as `Authorization: Bearer …`; none: it wants none.
    pub token_file: Option<PathBuf>,
    /// For how many instances there are numbers of their own. Beyond them, those are shown that are worst off.
    pub instances_max: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true, token_file: None, instances_max: 2000 }
    }
}

/// What is told to others by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// Whether they may lead to loopback, private and link-local addresses, and to plain HTTP.
    pub allow_private: bool,
    /// How long an attempt may take.
    pub timeout: Span,
    /// How often a delivery is tried before it is given up.
    pub attempts_max: u32,
    /// How long after the first failure it is tried again; twice as long after each further one, up to six hours.
    pub retry_after: Span,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { allow_private: false, timeout: Span::seconds(10), attempts_max: 12, retry_after: Span::seconds(15) }
    }
}

impl Webhooks {
    pub(super) fn validate(&self) -> Result<()> {
        if self.timeout.is_zero() || self.timeout > Span::minutes(1) {
            return Err(wrong("webhooks.timeout", "is between 1s and 60s"));
        }
        if self.attempts_max == 0 || self.attempts_max > 50 {
            return Err(wrong("webhooks.attempts_max", "is between 1 and 50"));
        }
        if self.retry_after.is_zero() {
            return Err(wrong("webhooks.retry_after", "is at least 1s"));
        }
        Ok(())
    }
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Plain at first, then TLS, which must be had (port 587).
    #[default]
    Starttls,
    /// TLS from the beginning (port 465).
    Implicit,
    /// None: for a server on this machine (port 25).
    None,
}

/// Mail.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The mail server.
    pub host: String,
    /// Its port; none: the usual one.
    pub port: Option<u16>,
    /// `starttls`, `implicit` or `none`.
    #[serde(default)]
    pub tls: SmtpTls,
    /// Who signs in; none: nobody does.
    pub username: Option<String>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// From whom mail comes: `Snaphold <snaphold@example.com>`.
    pub from: String,
    /// Who gets mail of every account, beside its owners.
    #[serde(default)]
    pub to: Vec<String>,
    /// Whether an account's owners get its mail.
    #[serde(default = "yes")]
    pub owners: bool,
}

fn yes() -> bool {
    true
}

impl Smtp {
    pub(super) fn validate(&self) -> Result<()> {
        if self.host.is_empty() {
            return Err(wrong("smtp.host", "is the name of the mail server"));
        }
        if self.username.is_some() != self.password_file.is_some() {
            return Err(wrong("smtp.username and smtp.password_file", "go together: give both or neither"));
        }
        if self.username.is_some() && self.tls == SmtpTls::None {
            return Err(wrong("smtp.tls", "is starttls or implicit where a password is sent"));
        }
        let is_address = |text: &str| text.parse::<lettre::message::Mailbox>().is_ok();
        if !is_address(&self.from) {
            return Err(wrong("smtp.from", "is an address, such as \"Snaphold <snaphold@example.com>\""));
        }
        match self.to.iter().find(|to| !is_address(to)) {
            Some(to) => Err(wrong("smtp.to", &format!("holds {to:?}, which is no address such as ops@example.com"))),
            None => Ok(()),
        }
    }
}

/// Copies of the catalog, in a repository of their own in the data folder, sealed with the master key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// How often one is taken. `0`: never.
    pub every: Span,
    /// How long one is kept. The newest stays in any case.
    pub keep: Span,
}

impl Default for Backup {
    fn default() -> Self {
        Self { every: Span::hours(1), keep: Span::days(30) }
    }
}

impl Backup {
    pub(super) fn validate(&self) -> Result<()> {
        if !self.every.is_zero() && self.every < Span::minutes(1) {
            return Err(wrong("backup.every", "is at least 1m, or \"0\" for never"));
        }
        if !self.every.is_zero() && self.keep < self.every {
            return Err(wrong("backup.keep", "is at least as long as backup.every"));
        }
        Ok(())
    }
}
