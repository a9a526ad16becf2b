//! The preview: pages with made-up data on a port of its own.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use snaphold::server::console::assets;
use snaphold::server::console::pages::restore;
use snaphold::server::console::view::{Asked, Role, Theme};

use crate::{preview, sample};

#[derive(Deserialize)]
struct Asking {
    theme: Option<String>,
    role: Option<String>,
    dialog: Option<String>,
}

async fn page(Path(name): Path<String>, Query(asking): Query<Asking>, headers: HeaderMap) -> Response {
    let role = match asking.role.as_deref() {
        Some("viewer") => Role::Viewer,
        Some("operator") => Role::Operator,
        _ => Role::Owner,
    };
    let mut shell = sample::shell(role);
    shell.theme = Theme::named(asking.theme.as_deref().unwrap_or_default());
    if asking.dialog.is_some() || headers.contains_key("hx-request") {
        shell.asked = Asked::Dialog;
    }
    let policy = [(header::CONTENT_SECURITY_POLICY, assets::CONTENT_SECURITY_POLICY)];
    (policy, Html(preview::draw(&name, &shell).into_string())).into_response()
}

/// Menus of the sample lead to snapshots that there are not: the form of that name is shown.
async fn form(Path((_, tab)): Path<(String, String)>, query: Query<Asking>, headers: HeaderMap) -> Response {
    page(Path(tab), query, headers).await
}

/// What a restore would write, as the form loads it.
async fn plan() -> Html<String> {
    Html(restore::plan(&restore::Planned::Known(&sample::planned())).into_string())
}

async fn asset(Path(file): Path<String>) -> Response {
    match assets::find(&file) {
        Some(asset) => {
            ([(header::CONTENT_TYPE, asset.media), (header::CACHE_CONTROL, assets::CACHE_CONTROL)], asset.bytes)
                .into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A page with something wrong for each of those who look.
async fn broken() -> Response {
    let page = "<!DOCTYPE html><html lang=en><title>Broken</title><main><h1>Broken</h1><input name=unlabelled>\
        <div style='width: 9000px'>wide</div><p>too wide, too: <svg width=4000 height=10></svg></p>\
        <script>document.title = 'changed'</script></main>";
    ([(header::CONTENT_SECURITY_POLICY, assets::CONTENT_SECURITY_POLICY)], Html(page)).into_response()
}

async fn events() -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], "").into_response()
}

/// Serves until the program ends.
pub async fn start(port: u16) -> SocketAddr {
    let app = Router::new()
        .route("/preview/{name}", get(page))
        .route("/console/snapshots/{id}/{tab}", get(form))
        .route("/console/snapshots/{id}/restore/plan", get(plan))
        .route("/console/instances/{id}/{tab}", get(form))
        .route("/console/assets/{file}", get(asset))
        .route("/v1/events", get(events))
        .route("/broken", get(broken));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}
