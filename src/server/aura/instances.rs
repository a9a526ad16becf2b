//! Instances: listed, shown, made.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::server::actions::Desk;
use crate::server::actions::instances::{self, Instance, NewInstance};
use crate::server::actions::restores;
use crate::server::api::Refusal;
use crate::server::auth::Principal;
use crate::server::catalog::{Job, JobFilter, JobState};
use crate::server::fault::{Fault, Outcome, Problem};

use super::access::Who;
use super::answer::{accepted, data};
use super::face::Face;
use super::snapshots::find as find_snapshot;

/// Aura's types, and the plans that promise what they do.
const TYPES: [(&str, &str); 6] = [
    ("free-db", "auradb-free"),
    ("professional-db", "auradb-professional"),
    ("business-critical", "auradb-enterprise"),
    ("enterprise-db", "auradb-enterprise"),
    ("professional-ds", "aurads"),
    ("enterprise-ds", "aurads"),
];
/// Where it is, in words that a cloud would have: here it is wherever the source is.
const NOWHERE: &str = "self-hosted";

/// An instance as Aura shows it.
#[derive(Debug, Serialize)]
pub struct Shown {
    id: String,
    name: String,
    tenant_id: String,
    cloud_provider: &'static str,
    region: &'static str,
    #[serde(rename = "type")]
    kind: String,
    status: &'static str,
    connection_url: String,
    memory: &'static str,
    storage: &'static str,
    created_at: Option<String>,
}

impl Shown {
    fn of(who: &Principal, instance: &Instance, status: &'static str) -> Self {
        Self {
            id: instance.id.clone(),
            name: instance.name.clone(),
            tenant_id: who.account.clone(),
            cloud_provider: NOWHERE,
            region: NOWHERE,
            kind: type_of(&instance.plan),
            status,
            connection_url: instance.source.clone().unwrap_or_default(),
            memory: "",
            storage: "",
            created_at: instance.created_at.map(|at| at.to_string()),
        }
    }

    fn being_made(who: &Principal, name: &str, status: &'static str) -> Self {
        Self {
            id: name.to_string(),
            name: name.to_string(),
            tenant_id: who.account.clone(),
            cloud_provider: NOWHERE,
            region: NOWHERE,
            kind: String::new(),
            status,
            connection_url: String::new(),
            memory: "",
            storage: "",
            created_at: None,
        }
    }
}

fn type_of(plan: &str) -> String {
    TYPES.iter().rev().find(|(_, of)| *of == plan).map_or(plan, |(kind, _)| kind).to_string()
}

#[derive(Deserialize)]
pub struct ListQuery {
    #[serde(rename = "tenantId")]
    tenant_id: Option<String>,
}

/// The account's instances.
pub async fn list(
    State(face): State<Face>,
    Who(who): Who,
    Query(query): Query<ListQuery>,
) -> Result<Response, Refusal> {
    let listed = instances::list(&face.desk, &who).await?;
    let is_own = query.tenant_id.is_none_or(|tenant| tenant.is_empty() || tenant == who.account);
    let shown = listed.instances.iter().filter(|_| is_own).map(|instance| Shown::of(&who, instance, "running"));
    Ok(data(shown.collect::<Vec<_>>()))
}

/// One instance, and what is done with it now.
pub async fn get(State(face): State<Face>, Who(who): Who, Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(data(shown(&face, &who, &id).await?))
}

/// An instance as it is now.
pub async fn shown(face: &Face, who: &Principal, id: &str) -> Outcome<Shown> {
    match instances::get(&face.desk, who, id).await {
        Ok(instance) => {
            let status = status(face, who, &instance).await?;
            Ok(Shown::of(who, &instance, status))
        }
        Err(fault) if fault.problem == Problem::NotFound => match newest(&face.desk, who, "clone", id).await? {
            Some(job) if !job.state.is_over() => Ok(Shown::being_made(who, id, "creating")),
            Some(job) if job.state != JobState::Succeeded => Ok(Shown::being_made(who, id, "loading failed")),
            _ => Err(fault),
        },
        Err(fault) => Err(fault),
    }
}

async fn status(face: &Face, who: &Principal, instance: &Instance) -> Outcome<&'static str> {
    if face.overwrites.is_waiting(&who.account, &instance.id) {
        return Ok("overwriting");
    }
    for (kind, status) in
        [("restore", "overwriting"), ("undo", "restoring"), ("load", "loading"), ("clone", "creating")]
    {
        let job = newest(&face.desk, who, kind, &instance.name).await?;
        if job.is_some_and(|job| !job.state.is_over()) {
            return Ok(status);
        }
    }
    Ok(if instance.unfinished_restore.is_some() { "restoring" } else { "running" })
}

/// The newest job of a kind about an instance.
async fn newest(desk: &Desk, who: &Principal, kind: &str, instance: &str) -> Outcome<Option<Job>> {
    let filter = JobFilter { kind: Some(kind.into()), instance: Some(instance.into()), ..JobFilter::default() };
    Ok(desk.catalog.jobs(&who.account, &filter, None, 1).await?.items.pop())
}

/// What `aura-cli` sends, as far as it means something here.
#[derive(Deserialize)]
pub struct Create {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    tenant_id: Option<String>,
    source_instance_id: Option<String>,
    source_snapshot_id: Option<String>,
}

#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    shown: Shown,
    /// Who signs in there is the source's own affair.
    username: &'static str,
    password: &'static str,
}

/// Makes an instance: from a snapshot of another one, or with no source, which it is given later.
pub async fn create(State(face): State<Face>, Who(who): Who, body: axum::body::Bytes) -> Result<Response, Refusal> {
    let request: Create = parse(&body)?;
    let name = request.name.ok_or_else(|| Fault::invalid("name", "name is missing"))?;
    if request.tenant_id.is_some_and(|tenant| !tenant.is_empty() && tenant != who.account) {
        return Err(
            Fault::invalid("tenant_id", "this is not the tenant of the access token; `tenant list` shows it").into()
        );
    }
    let shown = match request.source_instance_id {
        Some(source) => {
            let source = instances::get(&face.desk, &who, &source).await?;
            let snapshot = find_snapshot(&face.desk, &who, &source.name, request.source_snapshot_id.as_deref()).await?;
            let clone = restores::Clone { name: name.clone(), ..restores::Clone::default() };
            restores::clone(&face.desk, &who, &snapshot, clone).await?;
            Shown::being_made(&who, &name, "creating")
        }
        None => {
            let plan = request.kind.as_deref().map(plan_of).transpose()?;
            let new = NewInstance { name, plan, ..NewInstance::default() };
            let made = instances::create(&face.desk, &who, new).await?;
            Shown::of(&who, &made, "running")
        }
    };
    Ok(accepted(Made { shown, username: "", password: "" }))
}

fn plan_of(kind: &str) -> Outcome<String> {
    let known = TYPES.iter().find(|(name, _)| *name == kind).map(|(_, plan)| plan.to_string());
    known.ok_or_else(|| {
        let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
        Fault::invalid("type", format!("{kind:?} is no type; use {}", names.join(", ")))
    })
}

/// A body that is a JSON object.
pub fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Outcome<T> {
    serde_json::from_slice(body).map_err(|error| {
        Fault::new(Problem::MalformedRequest, format!("the body is not the JSON that is meant: {error}"))
    })
}
