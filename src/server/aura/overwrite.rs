//! Overwriting an instance with a snapshot, of itself or of another one.
//!
//! Without a snapshot one is taken of the source first, and waited for. Such a wait does not outlive the process: then the
//! snapshot is there, the instance is as it was, and it can be asked for again with that snapshot.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;

use crate::server::actions::Desk;
use crate::server::actions::check::RESTORE;
use crate::server::actions::instances;
use crate::server::actions::restores::{Restore, restore};
use crate::server::actions::snapshots::{TakeSnapshot, take};
use crate::server::api::Refusal;
use crate::server::auth::{Principal, Right};
use crate::server::fault::Outcome;

use super::access::Who;
use super::answer::accepted;
use super::face::Face;
use super::instances::{parse, shown};
use super::snapshots::find;

/// How often it is looked whether the snapshot is there.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Overwrite {
    source_instance_id: Option<String>,
    source_snapshot_id: Option<String>,
}

/// Overwrites an instance.
pub async fn overwrite(
    State(face): State<Face>,
    Who(who): Who,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let desk = &face.desk;
    desk.need(&who, Right::Operate)?;
    let request: Overwrite = parse(&body)?;
    let target = instances::get(desk, &who, &id).await?;
    let source = match request.source_instance_id.as_deref().filter(|source| !source.is_empty()) {
        Some(source) => instances::get(desk, &who, source).await?,
        None => target.clone(),
    };
    match request.source_snapshot_id.filter(|snapshot| !snapshot.is_empty()) {
        Some(snapshot) => {
            let snapshot = find(desk, &who, &source.name, Some(&snapshot)).await?;
            begin(desk, &who, &snapshot, &target.id).await?;
        }
        None => {
            let taking = take(desk, &who, &source.id, TakeSnapshot::default()).await?;
            face.overwrites.set(&who.account, &target.id, true);
            let waiting = face.clone();
            let (who, target) = (who.clone(), target.id.clone());
            tokio::spawn(async move {
                let job = (taking.job.id.as_str(), taking.snapshot.id.as_str());
                if let Err(fault) = follow(&waiting.desk, &who, job, &target).await {
                    tracing::warn!(instance = target, "it is not overwritten: {fault}");
                }
                waiting.overwrites.set(&who.account, &target, false);
            });
        }
    }
    Ok(accepted(shown(&face, &who, &target.id).await?))
}

async fn begin(desk: &Desk, who: &Principal, snapshot: &str, target: &str) -> Outcome<()> {
    // That it is asked for is its confirmation, as in Aura; what cannot be is refused before a job is made.
    let request = Restore { confirm: Some(RESTORE.into()), to: Some(target.into()), ..Restore::default() };
    restore(desk, who, snapshot, request).await.map(drop)
}

/// Waits for a snapshot's job, then begins.
async fn follow(desk: &Desk, who: &Principal, (job, snapshot): (&str, &str), target: &str) -> Outcome<()> {
    while !desk.catalog.job(&who.account, job).await?.state.is_over() {
        tokio::time::sleep(LOOK).await;
    }
    begin(desk, who, snapshot, target).await
}
