//! Loads: a dump is uploaded, in as many parts as it takes, and then brought into an instance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::catalog::{self, NewUpload, Upload, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::jobs::blocking;
use crate::server::work::{self, JobSpec};

use super::files::Receiving;
use super::jobs::Job;
use super::snapshots::{Snapshot, Taking};
use super::{Desk, check};

/// Uploads of one list.
const LISTED_MAX: i64 = 500;

/// An upload that is to be begun.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLoad {
    /// The file's name, without a folder.
    #[schema(min_length = 1, max_length = 255)]
    pub file_name: String,
    /// Its whole length, bytes, where it is known: then nothing shorter is loaded.
    #[schema(minimum = 0)]
    pub length: Option<i64>,
}

/// An upload.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Load {
    /// Its id: `l` and 16 hexadecimal digits.
    pub id: String,
    /// The instance that it is for.
    pub instance: String,
    /// The file's name.
    pub file_name: String,
    /// Its whole length, where that was said.
    pub length: Option<i64>,
    /// Bytes that are there: what is sent next comes after them.
    pub received: i64,
    /// `receiving`, `complete` (a job loads it) or `used`.
    pub status: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When its file goes.
    pub expires_at: Timestamp,
    /// Who sends it.
    pub created_by: String,
}

impl Load {
    /// As the catalog has it.
    pub fn of(upload: &Upload) -> Self {
        Self {
            id: upload.id.clone(),
            instance: upload.instance.clone(),
            file_name: upload.name.clone(),
            length: upload.length,
            received: upload.received,
            status: upload.status.clone(),
            created_at: from_microseconds(upload.created_us),
            expires_at: from_microseconds(upload.expires_us),
            created_by: upload.created_by.clone(),
        }
    }
}

/// Begins an upload.
pub async fn begin(desk: &Desk, who: &Principal, instance: &str, request: NewLoad) -> Outcome<Load> {
    desk.need(who, Right::Operate)?;
    let instance = desk.instance(who, instance).await?;
    may_load(desk, &instance)?;
    let name = request.file_name.trim();
    let is_path = name.is_empty() || name.len() > 255 || name.contains(['/', '\\']) || matches!(name, "." | "..");
    if is_path || name.chars().any(char::is_control) {
        return Err(Fault::invalid("file_name", "file_name is a file's name without a folder, up to 255 bytes"));
    }
    if request.length.is_some_and(|length| length < 0) {
        return Err(Fault::invalid("length", "length is not negative"));
    }
    check_length(desk, request.length.unwrap_or_default())?;
    desk.account(who).await?;
    let upload = desk.catalog.add_upload(NewUpload {
        account: &who.account,
        instance: &instance.name,
        name,
        length: request.length,
        expires_us: desk.catalog.now_us().saturating_add(desk.config.retention.uploads.as_us()),
        created_by: &who.actor,
    });
    let upload = upload.await?;
    desk.note(who, "load.begin", &upload.id, json!({ "instance": instance.name, "file_name": name })).await?;
    Ok(Load::of(&upload))
}

fn may_load(desk: &Desk, instance: &catalog::Instance) -> Outcome<()> {
    let plan = instance.view.get("plan").and_then(|plan| plan.as_str()).unwrap_or_default();
    match desk.plans.get(plan) {
        Ok(plan) if !plan.snapshots => Err(Fault::new(
            Problem::Refused,
            format!("plan {:?} of instance {:?} has no snapshots, so nothing can be loaded", plan.name, instance.name),
        )),
        _ => Ok(()),
    }
}

fn check_length(desk: &Desk, length: i64) -> Outcome<()> {
    let max = desk.config.limits.upload.0;
    match u64::try_from(length).is_ok_and(|length| length > max) {
        true => Err(Fault::new(Problem::TooLarge, format!("an upload is at most {max} bytes"))),
        false => Ok(()),
    }
}

/// The account's uploads.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Loads {
    /// Newest first.
    pub loads: Vec<Load>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// The account's uploads, newest first.
pub async fn list(desk: &Desk, who: &Principal) -> Outcome<Loads> {
    desk.need(who, Right::Read)?;
    let uploads = desk.catalog.uploads(&who.account, LISTED_MAX).await?;
    Ok(Loads { loads: uploads.iter().map(Load::of).collect(), next: None })
}

/// An upload whose time is not over.
async fn find(desk: &Desk, who: &Principal, id: &str) -> Outcome<Upload> {
    let upload = desk.catalog.upload(&who.account, id).await?;
    match upload.expires_us > desk.catalog.now_us() {
        true => Ok(upload),
        false => Err(Fault::new(Problem::NotFound, format!("there is no upload {id:?}"))),
    }
}

/// One upload.
pub async fn get(desk: &Desk, who: &Principal, id: &str) -> Outcome<Load> {
    if !who.may(Right::Operate) {
        desk.need(who, Right::Read)?;
    }
    Ok(Load::of(&find(desk, who, id).await?))
}

/// A part of an upload that is being received.
pub struct Part {
    upload: Upload,
    receiving: Receiving,
}

impl Part {
    /// Bytes that may still come.
    pub fn left(&self, desk: &Desk) -> u64 {
        let max = desk.config.limits.upload.0;
        let whole = self.upload.length.and_then(|length| u64::try_from(length).ok()).unwrap_or(max).min(max);
        whole.saturating_sub(self.receiving.received)
    }
}

/// Takes up an upload at an offset, which must be where it stands: [`get`] tells.
pub async fn take_up(desk: &Desk, who: &Principal, id: &str, offset: Option<u64>) -> Outcome<Part> {
    desk.need(who, Right::Operate)?;
    let upload = find(desk, who, id).await?;
    if upload.status != "receiving" {
        return Err(Fault::new(Problem::Refused, format!("upload {id} is complete; begin another one")));
    }
    let received = u64::try_from(upload.received).unwrap_or_default();
    if offset.is_some_and(|offset| offset != received) {
        let detail = format!("{received} bytes are there; send what comes after them, with Upload-Offset: {received}");
        return Err(Fault::new(Problem::OffsetMismatch, detail));
    }
    let path = desk.folders.uploads.join(&upload.id);
    let receiving = blocking(move || Receiving::open(&path, received)).await?;
    // Somebody may have sent more between the look and the lock.
    let upload = find(desk, who, id).await?;
    match upload.received == i64::try_from(received).unwrap_or(i64::MAX) && upload.status == "receiving" {
        true => Ok(Part { upload, receiving }),
        false => Err(Fault::new(Problem::OffsetMismatch, "another request has sent more; ask for the offset").after(1)),
    }
}

/// Writes what came.
pub async fn receive(part: Part, bytes: Vec<u8>) -> Outcome<Part> {
    let Part { upload, mut receiving } = part;
    let written = blocking(move || {
        receiving.write(&bytes)?;
        Ok(receiving)
    });
    Ok(Part { upload, receiving: written.await? })
}

/// Makes what came durable, and enters how much that is.
pub async fn keep(desk: &Desk, part: Part) -> Outcome<(Part, Load)> {
    let Part { upload, receiving } = part;
    let receiving = blocking(move || receiving.sync().map(|()| receiving)).await?;
    let received = i64::try_from(receiving.received).unwrap_or(i64::MAX);
    desk.catalog.set_upload(&upload.id, received, "receiving").await?;
    let upload = Upload { received, ..upload };
    let load = Load::of(&upload);
    Ok((Part { upload, receiving }, load))
}

/// What becomes of a complete upload.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteLoad {
    /// `RESTORE`, where the instance has a source: all its data is overwritten.
    #[schema(example = "RESTORE")]
    pub confirm: Option<String>,
    /// Words about the snapshot.
    pub description: Option<String>,
    /// Days that the snapshot is kept; left out: as the instance or its plan says.
    #[schema(minimum = 1, maximum = 36500)]
    pub retention_days: Option<u32>,
    /// Whether the state that is overwritten is not kept first.
    #[serde(default)]
    pub no_safety: bool,
}

/// Refuses a load that overwrites a source and was not confirmed; before a long upload as well as after it.
pub async fn confirmed(desk: &Desk, who: &Principal, instance: &str, confirm: Option<&str>) -> Outcome<()> {
    let instance = desk.instance(who, instance).await?;
    match instance.view.get("source").and_then(|source| source.as_str()) {
        Some(source) => check::confirmed(confirm, source),
        None => Ok(()),
    }
}

/// Brings an upload into its instance: a job.
pub async fn complete(desk: &Desk, who: &Principal, id: &str, request: CompleteLoad) -> Outcome<Taking> {
    desk.need(who, Right::Operate)?;
    let upload = find(desk, who, id).await?;
    if upload.status != "receiving" {
        return Err(Fault::new(
            Problem::Refused,
            format!("upload {id} is complete already; see the jobs of {:?}", upload.instance),
        ));
    }
    if let Some(length) = upload.length.filter(|length| *length != upload.received) {
        let detail = format!("{} of {length} bytes are there; send the rest first", upload.received);
        return Err(Fault::new(Problem::OffsetMismatch, detail));
    }
    if upload.received == 0 {
        return Err(Fault::new(Problem::Refused, "nothing was sent yet; an empty file is no dump"));
    }
    confirmed(desk, who, &upload.instance, request.confirm.as_deref()).await?;
    let description = check::words("description", request.description)?;
    let retain_ns = check::retention(request.retention_days)?;
    desk.account(who).await?;
    if !desk.catalog.claim_upload(&who.account, id).await? {
        return Err(Fault::new(Problem::Refused, format!("upload {id} is complete already")));
    }
    let spec = JobSpec::Load(work::Load {
        instance: upload.instance.clone(),
        snapshot: desk.random_digits(8),
        upload: upload.id.clone(),
        file_name: upload.name.clone(),
        run: desk.random_digits(4),
        description,
        retain_ns,
        no_safety: request.no_safety,
    });
    let job = desk.submit(who, &spec).await?;
    let snapshot = job.snapshot.clone().unwrap_or_default();
    let detail = json!({ "instance": upload.instance, "file_name": upload.name, "snapshot": snapshot, "job": job.id });
    desk.note(who, "load.complete", id, detail).await?;
    let snapshot = Snapshot::of(&desk.snapshot(who, &snapshot).await?)?;
    Ok(Taking { job: Job::of(&job), snapshot })
}

/// Gives an upload up. Its file goes by itself.
pub async fn cancel(desk: &Desk, who: &Principal, id: &str) -> Outcome<()> {
    desk.need(who, Right::Operate)?;
    let upload = find(desk, who, id).await?;
    if upload.status == "complete" {
        return Err(Fault::new(Problem::Refused, format!("upload {id} is being loaded; cancel its job")));
    }
    desk.catalog.drop_upload(&who.account, id).await?;
    desk.note(who, "load.cancel", id, json!({ "instance": upload.instance })).await
}
