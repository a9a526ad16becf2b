//! Aura's face: as much of the Aura API as `aura-cli` asks for instances, their snapshots and tenants, over the same
//! actions as REST.
//!
//! `/aura/oauth/token` gives an access token to the id and the secret of one of the account's tokens; `/aura/v1` takes it.
//! A newer `aura-cli` leaves out the path of `AURA_BASE_URL` and asks below `/v1`: who brings an access token of Aura's face
//! is answered by it there, too ([`front`]).
//!
//! | there | here |
//! | --- | --- |
//! | tenant | account |
//! | instance | instance; one that is made by `instance create` has no source until it is given one |
//! | type | plan |
//! | snapshot, `profile` | snapshot, its type |
//! | `exportable` | completed, and available by its plan |
//! | overwrite | restore, confirmed by being asked for; a safety snapshot is taken first |

mod access;
mod answer;
mod face;
mod instances;
mod overwrite;
mod snapshots;
mod tenants;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get, post};
use tower::{ServiceBuilder, ServiceExt};

use super::actions::Desk;
use super::api::{Refusal, around};
use super::fault::{Fault, Problem};

use face::{Face, Overwrites};

/// All that is below `/aura`.
pub fn router(desk: Arc<Desk>) -> Router {
    let face = Face { desk: desk.clone(), overwrites: Overwrites::default() };
    Router::new()
        .route("/aura/oauth/token", post(token::give))
        .route("/aura/v1/instances", get(instances::list).post(instances::create))
        .route("/aura/v1/instances/{id}", get(instances::get))
        .route("/aura/v1/instances/{id}/overwrite", post(overwrite::overwrite))
        .route("/aura/v1/instances/{id}/snapshots", get(snapshots::list).post(snapshots::take))
        .route("/aura/v1/instances/{id}/snapshots/{snapshot}", get(snapshots::get))
        .route("/aura/v1/tenants", get(tenants::list))
        .route("/aura/v1/tenants/{id}", get(tenants::get))
        .route("/aura/v1/tenants/{id}/metrics-integration", get(tenants::metrics_integration))
        .route("/aura/{*rest}", any(absent))
        .with_state(face)
        .layer(from_fn_with_state(desk, around))
        .layer(from_fn(answer::in_auras_words))
}

async fn absent() -> Refusal {
    Refusal(Fault::new(Problem::NotFound, "Aura's face has no such address; the service's own API at /v1 has more"))
}

/// The whole service with Aura's face: requests below `/v1` with an access token of it go there.
pub fn front(service: Router) -> Router {
    let sorted = ServiceBuilder::new().map_request(sort).service(service.into_service());
    Router::new().fallback_service(sorted.map_response(|response: Response| response))
}

fn sort(mut request: Request) -> Request {
    let path = request.uri().path();
    let is_for_it = (path == "/v1" || path.starts_with("/v1/")) && access::is_access_token(request.headers());
    if is_for_it && let Some(uri) = below_aura(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn below_aura(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("/aura{rest}").parse().ok()?);
    Uri::from_parts(parts).ok()
}
