//! What a kind of source has to be able to do. docs/SOURCES.md shows how a database is added.
//!
//! A [`Kind`] is what is known of a database system whether or not a server of it is there: its URLs, what can be done
//! with a stored component of it, its drill. A [`Source`] is one endpoint: this server's database, that folder. It is
//! captured in two steps, so that the points in time of several are close together, and overwritten in steps each of
//! which may be done again after a crash.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::ops::Progress;
use crate::ops::capture::Capture;
use crate::ops::export::ExportFormat;
use crate::ops::restore::RestoreReport;

use super::access::{Place, Settings};
use super::stored::Stored;
use super::url::SourceUrl;

/// A database system, or another kind of place that data is in.
pub trait Kind: Send + Sync {
    /// Its name, as [`Origin::Database`] has it: `postgres`.
    fn name(&self) -> &'static str;

    /// The schemes of its URLs.
    fn schemes(&self) -> &'static [&'static str];

    /// One of its URLs, for the message about a scheme that nobody knows.
    fn example(&self) -> &'static str;

    /// Whether it captured a component of this origin.
    fn made(&self, origin: &Origin) -> bool {
        matches!(origin, Origin::Database(database) if database.system == self.name())
    }

    /// The endpoint of a URL. Checks the URL's form and reaches nothing yet: errors are [`Error::Usage`].
    fn source(&self, url: &SourceUrl, settings: &Settings, place: &Place) -> Result<Box<dyn Source>>;

    /// Whether this kind writes its dumps itself, as [`Kind::exports`] and [`Kind::export`] say. `false`: the engine writes
    /// them of the stored files, as it does for Neo4j.
    fn writes_dumps(&self) -> bool {
        true
    }

    /// Whether a stored component can be exported as `format`; in words, why not. Formats of files (`tar`, `dir`) are
    /// always there and are not asked for.
    fn exports(&self, stored: &Stored<'_>, format: ExportFormat) -> Result<Result<(), String>> {
        let _ = stored;
        Ok(Err(format!("{} has no {format}", self.name())))
    }

    /// Whether a `.tar.gz` of the component holds its dump, rather than its files.
    fn tar_gz_holds_dump(&self, stored: &Stored<'_>) -> bool {
        let _ = stored;
        false
    }

    /// Writes a stored component in the database's own form. `only` is a table, a key: an [`Item`]'s name. Only what
    /// [`Kind::exports`] allows is asked for. Must give the same bytes each time where the database's tool does.
    fn export(&self, job: &Export<'_>, out: &mut dyn Write) -> Result<Exported> {
        let _ = out;
        Err(Error::Refused(format!("{} has no {}", self.name(), job.format)))
    }

    /// Hands over what is in a stored component as the database has it: tables, keys. Names are unique, and come in the
    /// order of their bytes. `false`: it has nothing but files.
    fn items(&self, stored: &Stored<'_>, place: &Place, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<bool> {
        let _ = (stored, place, visit);
        Ok(false)
    }

    /// Restores a stored component into a throw-away server, runs the database's own checks there, then `query` if
    /// there is one, and leaves nothing: no process, no file. A check that finds something wrong is an answer, not an
    /// error; an error means that the drill could not be held.
    fn drill(
        &self,
        stored: &Stored<'_>,
        query: Option<&str>,
        place: &Place,
        progress: &dyn Progress,
    ) -> Result<Vec<Check>>;
}

/// One place that data is captured from and restored to.
pub trait Source: Send + Sync {
    /// As it is shown: its URL without a password.
    fn shown(&self) -> String;

    /// What a restore overwrites, as it is shown: a path, where it has one.
    fn target(&self) -> String {
        self.shown()
    }

    /// Reaches it, and says what it is. What stands in the way of a snapshot is an error here that says what to do:
    /// no server, wrong password, no such database, a tool that is missing or too old, a right that is not granted.
    fn describe(&self) -> Result<Description>;

    /// Fixes the point in time, where that can be done before the data is read, and returns what reads it.
    fn begin<'s>(&'s self, progress: &dyn Progress) -> Result<Box<dyn Capturing + 's>>;

    /// Whether a component of this origin can be restored here; in words, why not.
    fn accepts(&self, origin: &Origin) -> Result<(), String>;

    /// Whether there is nothing yet that a clone would overwrite: no such database, an empty or absent folder.
    /// An error where that cannot be told (the server is down).
    fn is_vacant(&self) -> Result<bool>;

    /// Whether there is something to take a safety snapshot of.
    fn has_data(&self) -> Result<bool> {
        Ok(!self.is_vacant()?)
    }

    /// What restoring `stored` would write. Touches nothing.
    fn plan(&self, stored: &Stored<'_>, progress: &dyn Progress) -> Result<RestoreReport> {
        let _ = progress;
        Ok(stored.whole_report())
    }

    /// Step 1 of a restore: makes the data ready beside what is there, which stays as it is and in use. Everything that
    /// can be wrong with the data shows here. May be done again after a crash, from anywhere in it. What it returns is
    /// kept and handed to the later steps.
    fn stage(&self, material: &Material<'_>, attempt: &Attempt, progress: &dyn Progress) -> Result<Staged>;

    /// Step 2: puts it in the place of what is there, which is kept aside. May be done again after a crash, from
    /// anywhere in it, and then goes on. `stored` is what is restored, unless it was a dump: for sources that are
    /// written where they are.
    fn swap(
        &self,
        stored: Option<&Stored<'_>>,
        attempt: &Attempt,
        staged: &Staged,
        progress: &dyn Progress,
    ) -> Result<()>;

    /// Step 3: looks whether what is there now is whole and in use. A failed check undoes the restore.
    fn check(&self, attempt: &Attempt, staged: &Staged, progress: &dyn Progress) -> Result<Vec<Check>>;

    /// Step 4: removes what was kept aside. May be done again.
    fn finish(&self, attempt: &Attempt, staged: &Staged) -> Result<()>;

    /// Goes back, from after any step but `finish`, or from anywhere inside one: what was there is there again, and
    /// nothing that was staged is left. May be done again. `staged` is `None` where staging was not completed.
    fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted>;

    /// Whether a restore writes into what is there, so that restoring anything else over it makes it whole again.
    fn is_patched_in_place(&self) -> bool {
        false
    }

    /// Whether a file that is loaded becomes a snapshot first, which is then restored: so it is where the source has no
    /// dumps of its own. Else the dump is staged as it is, and the snapshot is taken of what came of it.
    fn loads_by_snapshot(&self) -> bool {
        false
    }

    /// The source of a part of it, by a path of the snapshot; for those that can restore a part in place.
    fn part(&self, path: &[u8]) -> Result<Box<dyn Source>> {
        let _ = path;
        Err(Error::Usage(
            "a part of a database cannot be restored in place; restore it by --to DIR, or export it by --only".into(),
        ))
    }
}

/// What came of going back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reverted {
    /// What was there is there again.
    Back,
    /// It is not kept aside: only the safety snapshot has it.
    NeedsSafety,
}

/// A source whose point in time is fixed.
pub trait Capturing: Send {
    /// Stores it as the component `name`. A producer that fails is an error: nothing may pass for whole that is not.
    fn store(self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component>;
}

/// What a source is, as it was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The system's version, as the server gives it: what [`Origin::Database`] keeps. A change of it is a change of the
    /// system.
    pub version: String,
    /// How much data there is, about, bytes.
    pub bytes: Option<u64>,
    /// What a user should know: what can be done with its snapshots, and what not and why. A line each.
    pub notes: Vec<String>,
}

/// What is restored.
pub enum Material<'a> {
    /// A component of a snapshot.
    Stored(&'a Stored<'a>),
    /// A dump in the database's own form, which a user loads.
    Dump(Dump<'a>),
}

/// A dump that is loaded. It is not opened yet: [`crate::container::open`] opens gzip, zstd and tar.
pub struct Dump<'a> {
    /// The file: in the staging folder, there until the load is over.
    pub path: &'a Path,
    /// Its own name.
    pub file_name: &'a str,
}

/// One restore of one component. Names of what is staged and kept aside are made of [`Attempt::id`], so that they are
/// found again after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Eight hexadecimal digits, unlike any other restore's.
    pub id: String,
    /// The snapshot, or the dump's file name.
    pub of: String,
    /// When it began.
    pub started_at: jiff::Timestamp,
}

/// What staging wants to be remembered. No secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Staged {
    /// What was or will be written.
    pub report: RestoreReport,
    /// The source's own notes.
    pub facts: BTreeMap<String, String>,
}

/// One thing that was looked at, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Check {
    /// What was looked at, in a word or two: `pg_amcheck`.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen, in a line.
    pub detail: String,
}

impl Check {
    /// A check that came out well.
    pub fn passed(name: &str, detail: impl ToString) -> Self {
        Self { name: name.to_string(), ok: true, detail: detail.to_string() }
    }

    /// A check that did not.
    pub fn failed(name: &str, detail: impl ToString) -> Self {
        Self { name: name.to_string(), ok: false, detail: detail.to_string() }
    }
}

/// A thing in a component, as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `table`, `key`, `view`, `schema` ….
    pub kind: &'static str,
    /// Its full name: `public.accounts`, `0:user:17`. What `export --only table=…` names.
    pub name: String,
    /// How much data it has, bytes, as stored.
    pub bytes: u64,
    /// Rows, members, where that is known.
    pub rows: Option<u64>,
    /// What it consists of, to tell whether and how much it changed.
    pub holds: Holds,
}

/// What an item consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// Files of the component, as paths from its root.
    Files(Vec<Vec<u8>>),
    /// Something else, whose content has this digest.
    Digest([u8; 32]),
}

/// An export in the database's own form.
pub struct Export<'a> {
    /// What.
    pub stored: &'a Stored<'a>,
    /// As what.
    pub format: ExportFormat,
    /// Only the item of this kind and name.
    pub only: Option<Only<'a>>,
    /// Where programs and folders for files in between are.
    pub place: &'a Place,
    /// Is told how far it is.
    pub progress: &'a dyn Progress,
}

/// One item: `table=public.accounts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Only<'a> {
    /// What kind of thing.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What was exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Regular files or items that went in.
    pub files: u64,
    /// Their plain bytes.
    pub bytes: u64,
}
