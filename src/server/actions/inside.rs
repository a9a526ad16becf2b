//! What is inside of snapshots: listed, compared.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::ops::Silent;
use crate::server::auth::{Principal, Right};
use crate::server::fault::{Fault, Outcome};

use super::Desk;

/// Records of one listing at most.
const ENTRIES_MAX: usize = 10_000;
/// Unless said otherwise.
const ENTRIES_DEFAULT: usize = 1_000;

/// A record as an answer has it.
pub fn read_view<T: DeserializeOwned>(view: &Value) -> Outcome<T> {
    T::deserialize(view).map_err(|error| Fault::internal(format!("a record of the catalog cannot be read: {error}")))
}

/// What the engine says, as an answer has it.
pub fn convert<T: DeserializeOwned>(said: &impl Serialize) -> Result<T> {
    let value = serde_json::to_value(said).and_then(serde_json::from_value);
    value.map_err(|error| Error::Failed(format!("what was found cannot be written as JSON: {error}")))
}

/// What of a snapshot is listed.
#[derive(Debug, Clone, Default)]
pub struct ListItems {
    /// Below this folder.
    pub path: String,
    /// With all below it.
    pub is_recursive: bool,
    /// Tables and keys rather than files.
    pub of_database: bool,
    /// Records at most.
    pub limit: Option<usize>,
    /// Where the listing goes on: the `next` of the part before.
    pub cursor: Option<String>,
}

/// What is in a snapshot.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Items {
    /// Files and folders; of a listing of tables none.
    pub files: Vec<FileItem>,
    /// Tables and keys; of a listing of files none.
    pub items: Vec<DatabaseItem>,
    /// Whether the snapshot has tables or keys at all, where those were asked for.
    pub has_items: bool,
    /// Whether there is more than was listed.
    pub truncated: bool,
    /// Where it goes on: what `cursor` takes; `null`: that was all.
    pub next: Option<String>,
}

/// A file or folder of a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileItem {
    /// Where it is.
    pub path: String,
    /// The path's bytes in hexadecimal, where `path` does not say them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub state: FileState,
}

/// A table or key of a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatabaseItem {
    /// The component that it is in, where there are several.
    #[serde(default)]
    pub component: Option<String>,
    /// `table`, `view`, `key`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How much data it has, bytes.
    pub bytes: u64,
    /// Rows or members, where that is known.
    pub rows: Option<u64>,
}

/// Collects records up to a limit, then stops whoever hands them over.
struct Collected<T> {
    records: Vec<T>,
    /// Records that are passed over first.
    skip: usize,
    limit: usize,
    is_truncated: bool,
}

impl<T: DeserializeOwned> Collected<T> {
    fn new(limit: usize) -> Self {
        Self::from(0, limit)
    }

    fn from(skip: usize, limit: usize) -> Self {
        Self { records: Vec::new(), skip, limit, is_truncated: false }
    }

    fn add(&mut self, said: &impl Serialize) -> Result<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        if self.records.len() >= self.limit {
            self.is_truncated = true;
            return Err(Error::Cancelled);
        }
        self.records.push(convert(said)?);
        Ok(())
    }

    /// That it was stopped here is no error.
    fn end<R: Default>(&self, done: Result<R>) -> Result<R> {
        match done {
            Err(_) if self.is_truncated => Ok(R::default()),
            done => done,
        }
    }
}

fn limit_of(limit: Option<usize>) -> Outcome<usize> {
    match limit.unwrap_or(ENTRIES_DEFAULT) {
        limit @ 1..=ENTRIES_MAX => Ok(limit),
        _ => Err(Fault::invalid("limit", format!("limit is from 1 to {ENTRIES_MAX}"))),
    }
}

/// How many records were listed before. A snapshot does not change, and what is in it comes in the same order each time.
fn skip_of(cursor: Option<&str>) -> Outcome<usize> {
    let Some(cursor) = cursor else { return Ok(0) };
    let skip = cursor.parse::<u32>().ok().and_then(|skip| usize::try_from(skip).ok());
    skip.ok_or_else(|| {
        Fault::invalid("cursor", "the cursor is not of this list; leave it out, and begin at the first page")
    })
}

/// What is in a snapshot: names and sizes.
pub async fn items(desk: &Desk, who: &Principal, id: &str, request: ListItems) -> Outcome<Items> {
    desk.need(who, Right::Read)?;
    let snapshot = desk.snapshot(who, id).await?;
    let (limit, skip) = (limit_of(request.limit)?, skip_of(request.cursor.as_deref())?);
    desk.work(who, move |service| {
        let (mut files, mut items) = (Collected::from(skip, limit), Collected::from(skip, limit));
        let mut has_items = false;
        if request.of_database {
            let done = service.items(&snapshot.id, &Silent, &mut |item| items.add(&item));
            has_items = items.end(done)? || items.is_truncated;
        } else {
            let path = request.path.as_bytes();
            let done = service.ls(&snapshot.id, path, request.is_recursive, &Silent, &mut |entry| files.add(&entry));
            files.end(done)?;
        }
        let truncated = files.is_truncated || items.is_truncated;
        let next = truncated.then(|| (skip + limit).to_string());
        Ok(Items { files: files.records, items: items.records, has_items, truncated, next })
    })
    .await
}

/// What differs between two snapshots.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Difference {
    /// The older one.
    pub from: String,
    /// The newer one.
    pub to: String,
    /// Counts of all that differs.
    pub summary: DifferenceSummary,
    /// Files that differ.
    pub files: Vec<FileChange>,
    /// Tables and keys that differ.
    pub items: Vec<ItemChange>,
    /// Whether the snapshots have tables or keys at all.
    pub has_items: bool,
    /// Whether more differs than was listed; the summary's counts are then of what was listed.
    pub truncated: bool,
}

/// Counts of what differs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct DifferenceSummary {
    /// Files that are new.
    #[serde(default)]
    pub added: u64,
    /// Files that are gone.
    #[serde(default)]
    pub removed: u64,
    /// Files whose content differs.
    #[serde(default)]
    pub changed: u64,
    /// Files of which only attributes differ.
    #[serde(default)]
    pub metadata_changed: u64,
    /// Bytes that are new.
    #[serde(default)]
    pub bytes_new: u64,
    /// Bytes that are gone.
    #[serde(default)]
    pub bytes_gone: u64,
}

/// A file that differs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    /// Where it is.
    pub path: String,
    /// The path's bytes in hexadecimal, where `path` does not say them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// In what it differs: `kind`, `content`, `metadata`; nothing for what was added or removed.
    #[serde(default)]
    pub differs: Vec<String>,
    /// Bytes that are new in it.
    pub bytes_new: u64,
    /// Bytes that are gone from it.
    pub bytes_gone: u64,
    /// What the older snapshot has there.
    #[serde(default)]
    pub before: Option<FileState>,
    /// What the newer snapshot has there.
    #[serde(default)]
    pub after: Option<FileState>,
}

/// A file or folder as a snapshot has it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileState {
    /// `file`, `directory`, `symlink`, …
    pub kind: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes: of a file, or of all files below a folder.
    pub size: u64,
    /// When its content was last changed.
    pub mtime: jiff::Timestamp,
    /// A symbolic link's target.
    #[serde(default)]
    pub target: Option<String>,
    /// Why a file could not be read and is missing.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A table or key that differs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ItemChange {
    /// The component that it is in, where there are several.
    #[serde(default)]
    pub component: Option<String>,
    /// `table`, `view`, `key`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// Bytes that are new in it; `null`: only that it changed is known.
    pub bytes_new: Option<u64>,
    /// Bytes that are gone from it.
    pub bytes_gone: Option<u64>,
    /// Its size before, bytes.
    pub bytes_before: u64,
    /// Its size now, bytes.
    pub bytes_after: u64,
    /// Rows before and now, where both are known.
    #[schema(value_type = Option<Vec<u64>>)]
    pub rows: Option<(u64, u64)>,
}

/// What differs between the snapshot `with` and the snapshot `id`, as it came to be from `with` to `id`.
pub async fn diff(desk: &Desk, who: &Principal, id: &str, with: &str, limit: Option<usize>) -> Outcome<Difference> {
    desk.need(who, Right::Read)?;
    let (to, from) = (desk.snapshot(who, id).await?.id, desk.snapshot(who, with).await?.id);
    let limit = limit_of(limit)?;
    desk.work(who, move |service| {
        let (mut files, mut items) = (Collected::<FileChange>::new(limit), Collected::<ItemChange>::new(limit));
        let done = service.diff_items(&from, &to, &Silent, &mut |change| items.add(&change));
        let has_items = items.end(done)? || items.is_truncated;
        let done = service.diff(&from, &to, &Silent, &mut |change| files.add(&change));
        let summary = match files.is_truncated {
            true => of_listed(&files.records),
            false => convert(&done?)?,
        };
        let truncated = files.is_truncated || items.is_truncated;
        Ok(Difference { from, to, summary, files: files.records, items: items.records, has_items, truncated })
    })
    .await
}

fn of_listed(files: &[FileChange]) -> DifferenceSummary {
    let is_metadata = |file: &FileChange| file.differs == ["metadata"];
    let count = |what: &str| files.iter().filter(|file| file.change == what && !is_metadata(file)).count() as u64;
    DifferenceSummary {
        added: count("added"),
        removed: count("removed"),
        changed: count("changed"),
        metadata_changed: files.iter().filter(|file| is_metadata(file)).count() as u64,
        bytes_new: files.iter().map(|file| file.bytes_new).sum(),
        bytes_gone: files.iter().map(|file| file.bytes_gone).sum(),
    }
}
