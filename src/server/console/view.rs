//! What pages show, as plain values. Whoever has the catalog fills them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::server::actions::exports::Export;
use crate::server::actions::inside::Items;
use crate::server::actions::instances::Instance;
use crate::server::actions::jobs::Job;
use crate::server::actions::snapshots::Snapshot;
use crate::server::actions::users::User;
pub use crate::server::catalog::Role;

/// How the console looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system does.
    #[default]
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// As cookies and the page have it; the system's is empty.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Auto => "",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The theme of such a name.
    pub fn named(name: &str) -> Self {
        match name {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::Auto,
        }
    }
}

/// How a page was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// As a page of its own.
    #[default]
    Page,
    /// As what goes into the dialog of a page that is open.
    Dialog,
}

/// Where in the console a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Instances.
    Instances,
    /// All backups.
    Backups,
    /// Jobs.
    Jobs,
    /// Exports.
    Exports,
    /// Usage.
    Usage,
    /// Plans.
    Plans,
    /// Audit.
    Audit,
    /// Users.
    Users,
    /// Tokens.
    Tokens,
    /// Account.
    Account,
}

/// What all pages of someone who is signed in have in common.
#[derive(Debug, Clone)]
pub struct Shell {
    /// The account's name.
    pub account: String,
    /// Who is signed in: an e-mail address, or a token's name.
    pub user: String,
    /// What they may do.
    pub role: Role,
    /// What forms carry, so that no other site can send them.
    pub csrf: String,
    /// A number that is new with every page: a form that is sent twice does its work once.
    pub form_key: String,
    /// Light or dark.
    pub theme: Theme,
    /// Whose clock times are shown by.
    pub zone: TimeZone,
    /// Now.
    pub now: Timestamp,
    /// Jobs that wait or run.
    pub running: u64,
    /// As a page or in a dialog.
    pub asked: Asked,
    /// What was just done, in a sentence.
    pub notice: Option<String>,
}

impl Shell {
    /// Whether they may change anything.
    pub fn may_operate(&self) -> bool {
        self.role >= Role::Operator
    }

    /// Whether they may administer the account.
    pub fn may_own(&self) -> bool {
        self.role == Role::Owner
    }
}

/// How an instance is, in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last snapshot that was due is there.
    Good,
    /// Nothing is scheduled, and there are snapshots.
    Unscheduled,
    /// It has no snapshot.
    Empty,
    /// A snapshot was due and is not there.
    Overdue,
    /// The last one failed.
    Failing(String),
    /// A restore over it is not over.
    Unfinished(String),
    /// Its plan has no snapshots.
    NoBackups,
}

/// What was taken on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayMark {
    /// The day, by the clock that the page shows.
    pub date: Date,
    /// Snapshots that were completed.
    pub completed: u32,
    /// Snapshots that failed.
    pub failed: u32,
}

/// An instance in a list.
#[derive(Debug, Clone)]
pub struct InstanceRow {
    /// The instance.
    pub view: Instance,
    /// Its newest completed snapshot.
    pub last: Option<Snapshot>,
    /// How it is.
    pub health: Health,
    /// The job that runs on it.
    pub job: Option<Job>,
    /// The last days, oldest first, without gaps.
    pub days: Vec<DayMark>,
    /// Whether its plan has snapshots.
    pub has_snapshots: bool,
}

/// A snapshot in a list.
#[derive(Debug, Clone)]
pub struct SnapshotRow {
    /// The snapshot.
    pub view: Snapshot,
    /// The job that is taking it.
    pub job: Option<Job>,
    /// Whether the plan lets it be restored and exported.
    pub available: bool,
}

/// A file that was made of a snapshot.
#[derive(Debug, Clone)]
pub struct ExportRow {
    /// The export.
    pub view: Export,
    /// The snapshot's instance.
    pub instance: String,
    /// The name of the file.
    pub file: String,
    /// `preparing`, `ready`, `failed`, `expired`.
    pub status: &'static str,
    /// The job that makes it.
    pub job: Option<Job>,
}

/// What an account keeps, and how little it takes.
#[derive(Debug, Clone, Default)]
pub struct UsageView {
    /// Completed snapshots.
    pub snapshots: u64,
    /// Plain bytes of all of them together.
    pub logical: u64,
    /// Bytes that they take.
    pub stored: u64,
    /// The same by instance, the largest first.
    pub instances: Vec<InstanceUsage>,
    /// How it grew, oldest first.
    pub points: Vec<UsagePoint>,
    /// Snapshots by day, oldest first, without gaps.
    pub days: Vec<DayMark>,
}

/// What an instance keeps.
#[derive(Debug, Clone)]
pub struct InstanceUsage {
    /// The instance.
    pub name: String,
    /// Completed snapshots.
    pub snapshots: u64,
    /// Plain bytes of the newest.
    pub latest: u64,
    /// Plain bytes of all together.
    pub logical: u64,
    /// What they added to the repository.
    pub added: u64,
}

/// What was kept at a time.
#[derive(Debug, Clone, Copy)]
pub struct UsagePoint {
    /// When.
    pub at: Timestamp,
    /// Plain bytes.
    pub logical: u64,
    /// Bytes that they took.
    pub stored: u64,
}

/// Who did what.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who: an e-mail address, a token's name.
    pub actor: String,
    /// What: `snapshot.create`.
    pub action: String,
    /// To what.
    pub object: String,
    /// More about it: names and values.
    pub detail: Vec<(String, String)>,
    /// From where.
    pub address: Option<String>,
    /// The request's id.
    pub request: Option<String>,
}

/// Someone who may sign in.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// The user.
    pub view: User,
    /// Whether it is who looks at the page.
    pub is_self: bool,
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct Paging {
    /// Where the next part is.
    pub next: Option<String>,
    /// Where the first part is, where this is another.
    pub first: Option<String>,
    /// How many there are.
    pub total: Option<u64>,
}

/// What a list of snapshots shows.
#[derive(Debug, Clone, Default)]
pub struct SnapshotFilter {
    /// Of this instance.
    pub instance: String,
    /// Of this type.
    pub kind: String,
    /// Of this status.
    pub status: String,
}

/// What is in a snapshot.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The folder that is shown; empty: the root.
    pub path: String,
    /// What is in it.
    pub items: Items,
    /// Whether tables are shown rather than files.
    pub by_items: bool,
    /// Whether it has tables or keys at all.
    pub has_items: bool,
}

/// What someone wrote into a form, and what was wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Filled {
    /// Values by field.
    pub values: Vec<(String, String)>,
    /// What was wrong, by field; an empty field name is the form itself.
    pub errors: Vec<(String, String)>,
}

impl Filled {
    /// The value of a field, where the form was sent.
    pub fn value(&self, field: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// All values of a field that may have several.
    pub fn has(&self, field: &str, value: &str) -> bool {
        self.values.iter().any(|(name, found)| name == field && found == value)
    }

    /// What was wrong with a field.
    pub fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|(name, _)| name == field).map(|(_, message)| message.as_str())
    }

    /// Whether it was sent once.
    pub fn is_sent(&self) -> bool {
        !self.values.is_empty()
    }

    /// What was sent, with what was wrong with all of it.
    pub fn refused(values: Vec<(String, String)>, message: impl Into<String>) -> Self {
        Self { values, errors: vec![(String::new(), message.into())] }
    }
}
