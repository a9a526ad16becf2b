//! Exports: a snapshot as a file, downloaded, handed on by a signed link.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::catalog::{self, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::vault::LINKS;
use crate::server::work::{self, JobSpec, export_file};

use super::jobs::Job;
use super::{Desk, snapshots};

/// How long a link counts unless said otherwise, seconds: a day.
const LINK_SECONDS: u64 = 86_400;
/// And at most: a week.
pub const LINK_SECONDS_MAX: u64 = 7 * 86_400;
/// Exports of one list.
const LISTED_MAX: i64 = 500;

/// As what a snapshot is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Format {
    /// As the database's own tool takes it.
    #[serde(rename = "dump")]
    Dump,
    /// SQL statements.
    #[serde(rename = "sql")]
    Sql,
    /// A compressed archive; of a database with a dump in it, where its kind says so.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// An archive of the files.
    #[serde(rename = "tar")]
    Tar,
}

impl Format {
    fn as_str(self) -> &'static str {
        match self {
            Format::Dump => "dump",
            Format::Sql => "sql",
            Format::TarGz => "tar.gz",
            Format::Tar => "tar",
        }
    }
}

/// An export that is to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExport {
    /// As what.
    pub format: Format,
    /// One component of the snapshot.
    pub component: Option<String>,
    /// One path of it.
    pub path: Option<String>,
    /// One table or key of it: `table=public.accounts`.
    pub only: Option<String>,
    /// For Neo4j dumps: `current` or `4`.
    pub neo4j_format: Option<String>,
}

/// An export.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Export {
    /// Its id: `e` and 16 hexadecimal digits.
    pub id: String,
    /// The snapshot.
    pub snapshot: String,
    /// As what.
    pub format: String,
    /// The job that makes it.
    pub job: String,
    /// Whether it can be downloaded.
    pub ready: bool,
    /// Where its bytes are; `null` until it is ready.
    pub content_url: Option<String>,
    /// Its length, bytes.
    pub bytes: Option<i64>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its file goes.
    pub expires_at: Timestamp,
}

impl Export {
    fn of(export: &catalog::Export) -> Self {
        let ready = export.file_name.is_some();
        Self {
            id: export.id.clone(),
            snapshot: export.snapshot.clone(),
            format: export.format.clone(),
            job: export.job.clone(),
            ready,
            content_url: ready.then(|| format!("/v1/exports/{}/content", export.id)),
            bytes: export.bytes,
            blake3: export.blake3.clone(),
            created_at: from_microseconds(export.created_us),
            expires_at: from_microseconds(export.expires_us),
        }
    }
}

/// A job that makes an export, and the export as it is now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Exporting {
    /// The job.
    pub job: Job,
    /// The export.
    pub export: Export,
}

/// Turns a snapshot into a file: a job.
pub async fn create(desk: &Desk, who: &Principal, snapshot: &str, request: NewExport) -> Outcome<Exporting> {
    desk.need(who, Right::Download)?;
    let found = desk.snapshot(who, snapshot).await?;
    snapshots::usable(desk, who, &found).await?;
    can_be(desk, who, snapshot, &request).await?;
    let id = desk.catalog.new_id('e');
    let format = request.format.as_str();
    let spec = JobSpec::Export(work::Export {
        snapshot: found.id.clone(),
        export: id.clone(),
        format: format.to_string(),
        neo4j_format: request.neo4j_format,
        component: request.component,
        path: request.path,
        only: request.only.clone(),
    });
    let expires_us = desk.catalog.now_us().saturating_add(desk.config.retention.exports.as_us());
    desk.account(who).await?;
    // It is known before its job is: a quick worker enters into it that it is made.
    desk.catalog.add_export(&id, &who.account, (&found.id, format), "", expires_us).await?;
    let job = desk.submit(who, &spec).await?;
    let export = desk.catalog.set_export_job(&who.account, &id, &job.id).await?;
    let detail = json!({ "snapshot": found.id, "format": format, "only": request.only, "job": job.id });
    desk.note(who, "export.create", &id, detail).await?;
    Ok(Exporting { job: Job::of(&job), export: Export::of(&export) })
}

/// A format that a snapshot cannot be exported as is refused now, where it is whole.
async fn can_be(desk: &Desk, who: &Principal, snapshot: &str, request: &NewExport) -> Outcome<()> {
    if request.component.is_some() || request.path.is_some() || request.only.is_some() {
        return Ok(());
    }
    let (wanted, format) = (snapshot.to_string(), request.format.as_str());
    let refusal = desk.work(who, move |service| {
        let formats = service.exportable(&wanted)?;
        let found = formats.into_iter().find(|(known, _)| known.to_string() == format);
        Ok(found.and_then(|(_, verdict)| verdict.err()))
    });
    match refusal.await? {
        Some(reason) => {
            Err(Fault::new(Problem::Refused, format!("it cannot be exported as {format}: {reason}")).of_field("format"))
        }
        None => Ok(()),
    }
}

/// The account's exports.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Exports {
    /// Newest first.
    pub exports: Vec<Export>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// The account's exports, newest first.
pub async fn list(desk: &Desk, who: &Principal) -> Outcome<Exports> {
    desk.need(who, Right::Read)?;
    let exports = desk.catalog.exports(&who.account, LISTED_MAX).await?;
    Ok(Exports { exports: exports.iter().map(Export::of).collect(), next: None })
}

/// One export.
pub async fn get(desk: &Desk, who: &Principal, id: &str) -> Outcome<Export> {
    desk.need(who, Right::Read)?;
    Ok(Export::of(&desk.catalog.export(&who.account, id).await?))
}

/// What is downloaded.
#[derive(Debug, Clone)]
pub struct Download {
    /// The export.
    pub id: String,
    /// Its account.
    pub account: String,
    /// Its file.
    pub path: PathBuf,
    /// What it is called where it goes to.
    pub name: String,
    /// What tells its bytes from others.
    pub etag: String,
}

/// An export's file, for who may download.
pub async fn content(desk: &Desk, who: &Principal, id: &str) -> Outcome<Download> {
    desk.need(who, Right::Download)?;
    let export = desk.catalog.export(&who.account, id).await?;
    download(desk, export).await
}

async fn download(desk: &Desk, export: catalog::Export) -> Outcome<Download> {
    if export.file_name.is_none() {
        let detail = format!("export {} is not made yet, or its job failed: see job {}", export.id, export.job);
        return Err(Fault::new(Problem::Refused, detail));
    }
    if export.expires_us <= desk.catalog.now_us() {
        return Err(Fault::new(Problem::NotFound, "the export's file is gone; export the snapshot again"));
    }
    let instance = desk.catalog.snapshot(&export.account, &export.snapshot).await.map(|snapshot| snapshot.instance);
    let name = format!("{}-{}.{}", instance.unwrap_or_else(|_| "snapshot".into()), export.snapshot, export.format);
    Ok(Download {
        path: export_file(&desk.folders.exports, &export.id, &export.format)?,
        etag: export.blake3.unwrap_or_default(),
        id: export.id,
        account: export.account,
        name,
    })
}

/// Enters that a file was downloaded, from `first` on.
pub async fn downloaded(desk: &Desk, who: &Principal, download: &Download, first: u64) -> Outcome<()> {
    desk.note(who, "export.download", &download.id, json!({ "name": download.name, "from_byte": first })).await
}

/// How long a link counts.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// Seconds that it counts; left out: a day.
    #[schema(minimum = 1, maximum = 604800)]
    pub seconds: Option<u64>,
}

/// A link that downloads an export without a token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Link {
    /// The whole link.
    pub url: String,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

/// Makes a link that can be handed on: who has it downloads this one export, until it expires.
pub async fn link(desk: &Desk, who: &Principal, id: &str, base: &str, request: NewLink) -> Outcome<Link> {
    desk.need(who, Right::Download)?;
    let export = desk.catalog.export(&who.account, id).await?;
    let seconds = match request.seconds.unwrap_or(LINK_SECONDS) {
        seconds @ 1..=LINK_SECONDS_MAX => i64::try_from(seconds).unwrap_or_default(),
        _ => return Err(Fault::invalid("seconds", format!("seconds is from 1 to {LINK_SECONDS_MAX}"))),
    };
    let until_us = desk.catalog.now_us().saturating_add(seconds * 1_000_000).min(export.expires_us);
    let text = signed(desk, &export.account, &export.id, until_us);
    let expires_at = from_microseconds(until_us);
    desk.note(who, "export.link", id, json!({ "until": expires_at, "by": who.actor })).await?;
    Ok(Link { url: format!("{base}/v1/downloads/{text}"), expires_at })
}

/// `ACCOUNT.EXPORT.TIME.SIGNATURE`, all of it plain letters and digits.
fn signed(desk: &Desk, account: &str, id: &str, until_us: i64) -> String {
    let text = format!("{account}.{id}.{until_us:x}");
    let signature: String = desk.vault.sign(LINKS, text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{text}.{signature}")
}

/// The file that a link leads to. A link that is forged or expired leads to what is not there.
pub async fn by_link(desk: &Desk, link: &str) -> Outcome<Download> {
    let gone = || Fault::new(Problem::NotFound, "the link has expired or is not one of ours; ask for a new one");
    let (text, signature) = link.rsplit_once('.').ok_or_else(gone)?;
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let signature: Option<Vec<u8>> = signature.as_bytes().chunks(2).map(digits).collect();
    if !desk.vault.verify(LINKS, text.as_bytes(), &signature.ok_or_else(gone)?) {
        return Err(gone());
    }
    let mut parts = text.split('.');
    let (Some(account), Some(id), Some(until)) = (parts.next(), parts.next(), parts.next()) else { return Err(gone()) };
    let until_us = i64::from_str_radix(until, 16).map_err(|_| gone())?;
    if until_us <= desk.catalog.now_us() {
        return Err(gone());
    }
    let export = desk.catalog.export(account, id).await.map_err(|_| gone())?;
    let is_shredded = desk.catalog.account(account).await?.shredded_us.is_some();
    if is_shredded { Err(gone()) } else { download(desk, export).await }
}
