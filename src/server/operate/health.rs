//! `/healthz`: the process answers. `/readyz`: it can do its work; what cannot is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::server::catalog::Catalog;

/// How long the catalog may take to answer.
const CATALOG_MAX: Duration = Duration::from_secs(5);
/// How long workers may be silent, microseconds.
const SILENT_MAX_US: i64 = 60_000_000;

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Health {
    /// The catalog.
    pub catalog: Catalog,
    /// The data folder.
    pub data: PathBuf,
    /// When workers of this process were last heard of, microseconds since 1970; `None`: it has none.
    pub workers: Option<Arc<AtomicI64>>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Look {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// `/healthz` and `/readyz`. They want no token and say no more than what is out of order.
pub fn health_routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(serde_json::json!({"status": "ok"})) }))
        .route("/readyz", get(ready))
        .with_state(Arc::new(health))
}

async fn ready(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let looks = health.look().await;
    let is_ready = looks.iter().all(|look| look.ok);
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let status = if is_ready { "ready" } else { "not_ready" };
    (code, Json(serde_json::json!({"status": status, "checks": looks})))
}

impl Health {
    async fn look(&self) -> Vec<Look> {
        let of = |name, outcome: Result<(), &'static str>| Look { name, ok: outcome.is_ok(), detail: outcome.err() };
        let catalog = match tokio::time::timeout(CATALOG_MAX, self.catalog.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the catalog does not answer");
                Err("it answers with an error, which the log has")
            }
            Err(_) => Err("it does not answer"),
        };
        let folder = self.data.clone();
        let name = format!(".ready-{}", self.catalog.new_id('r'));
        let data = tokio::task::spawn_blocking(move || writable(&folder, &name)).await.unwrap_or(Err("it failed"));
        let mut looks = vec![of("catalog", catalog), of("data", data)];
        if let Some(beaten_us) = &self.workers {
            let age = self.catalog.now_us().saturating_sub(beaten_us.load(Ordering::Relaxed));
            looks.push(of("workers", if age <= SILENT_MAX_US { Ok(()) } else { Err("they are silent") }));
        }
        looks
    }
}

/// Whether a file can be written into a folder. It is taken away again.
fn writable(folder: &Path, name: &str) -> Result<(), &'static str> {
    let path = folder.join(name);
    let written = std::fs::write(&path, b"ready");
    let gone = std::fs::remove_file(&path);
    match written.and(gone) {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "the data folder cannot be written to");
            Err("it cannot be written to; the log says why")
        }
    }
}
