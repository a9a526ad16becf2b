//! Tenants: the access token's own account.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use crate::server::actions::accounts;
use crate::server::api::Refusal;
use crate::server::fault::{Fault, Problem};

use super::access::Who;
use super::answer::data;
use super::face::Face;

/// The account, alone.
pub async fn list(State(face): State<Face>, Who(who): Who) -> Result<Response, Refusal> {
    let account = accounts::get(&face.desk, &who, &who.account).await?;
    Ok(data([json!({"id": account.id, "name": account.name})]))
}

/// The account.
pub async fn get(State(face): State<Face>, Who(who): Who, Path(id): Path<String>) -> Result<Response, Refusal> {
    if id != who.account {
        return Err(Fault::new(Problem::NotFound, format!("there is no tenant {id:?}")).into());
    }
    let account = accounts::get(&face.desk, &who, &who.account).await?;
    Ok(data(json!({"id": account.id, "name": account.name, "instance_configurations": []})))
}

/// There is none here; `/metrics` is the operator's.
pub async fn metrics_integration(Who(_): Who, Path(_): Path<String>) -> Refusal {
    Refusal(Fault::new(Problem::MalformedRequest, "metrics integration is not offered"))
}
