//! REST: `/v1`, its OpenAPI document, and pages that say what problems mean.
//!
//! A route is a handler with its `utoipa::path`, and nothing else: routes and document are made of the same list, so they
//! cannot drift apart. Each handler reads a request, asks one of [`actions`](super::actions), and writes the answer.
//!
//! ```text
//! around → gate → idempotency → handler
//! ```
//! `around` gives each request its id and turns every refusal into a problem; `gate` lets in who is known, and not too
//! often; `idempotency` answers a repeated request as it was answered.

mod around;
mod document;
mod download;
mod events;
mod extract;
mod gate;
mod idempotency;
mod pages;
mod problem;
mod receive;
mod respond;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;

use super::actions::Desk;
use super::fault::{Fault, Problem};

pub use around::{Base, around};
pub use document::document;
pub use gate::cookie;
pub use problem::{ProblemBody, Refusal};

/// All routes of REST.
pub fn router(desk: Arc<Desk>) -> Router {
    let (known, _) = routes::known().split_for_parts();
    let (public, _) = routes::public().split_for_parts();
    let known = known
        .layer(from_fn_with_state(desk.clone(), idempotency::idempotent))
        .layer(from_fn_with_state(desk.clone(), gate::gate));
    let public = public
        .merge(pages::router())
        .route("/v1", any(absent))
        .route("/v1/", any(absent))
        .route("/v1/{*rest}", any(absent))
        .layer(from_fn_with_state(desk.clone(), gate::open));
    known.merge(public).layer(from_fn_with_state(desk.clone(), around::around)).with_state(desk)
}

async fn absent() -> Refusal {
    Refusal(Fault::new(Problem::NotFound, "there is no such address; /v1/openapi.json has all of them"))
}
