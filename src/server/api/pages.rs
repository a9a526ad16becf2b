//! Pages beside the routes: the document itself, one to try it at, and what problems mean.

use std::io::{Cursor, Read};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

use crate::server::actions::Desk;
use crate::server::fault::{Fault, Problem};

use super::document::document;
use super::extract::Params;
use super::problem::{Answer, Refusal};

/// Of pages that are read alone.
const PLAIN_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
/// Of the page to try it at: scripts of this server alone. Swagger UI sets styles of its own.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const START: &str = "window.ui = SwaggerUIBundle({ url: '/v1/openapi.json', dom_id: '#swagger-ui', deepLinking: true, \
    presets: [SwaggerUIBundle.presets.apis], persistAuthorization: false, validatorUrl: null });\n";
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;\
    color-scheme:light dark}code{font-size:.95em}";
/// What Swagger UI needs, with its kind.
const ASSETS: [(&str, &str); 3] = [
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("favicon-32x32.png", "image/png"),
];

/// The pages.
pub fn router() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v1/openapi.json", get(openapi))
        .route("/v1/docs", get(docs))
        .route("/v1/docs/", get(docs))
        .route("/v1/docs/{name}", get(asset))
        .route("/problems", get(problems))
        .route("/problems/{name}", get(problem))
}

async fn openapi() -> Response<Body> {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_json().unwrap_or_default());
    sent(text.clone().into(), "application/json", PLAIN_POLICY)
}

async fn docs() -> Response<Body> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Snaphold: the API" }
                link rel="stylesheet" href="/v1/docs/swagger-ui.css";
                link rel="icon" href="/v1/docs/favicon-32x32.png";
            }
            body {
                div id="swagger-ui" {}
                script src="/v1/docs/swagger-ui-bundle.js" {}
                script src="/v1/docs/start.js" {}
            }
        }
    };
    sent(page.into_string().into(), "text/html; charset=utf-8", DOCS_POLICY)
}

async fn asset(Params(name): Params<String>) -> Answer<Response<Body>> {
    if name == "start.js" {
        return Ok(sent(START.into(), "text/javascript; charset=utf-8", DOCS_POLICY));
    }
    let absent = || Refusal(Fault::new(Problem::NotFound, "there is no such file"));
    let at = ASSETS.iter().position(|(asset, _)| *asset == name).ok_or_else(absent)?;
    let bytes = assets().get(at).filter(|bytes| !bytes.is_empty()).ok_or_else(absent)?;
    let kind = ASSETS.get(at).map_or("", |(_, kind)| kind);
    let mut response = sent(bytes.clone().into(), kind, DOCS_POLICY);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(response)
}

/// The assets, unpacked once.
fn assets() -> &'static [Vec<u8>] {
    static ASSETS_UNPACKED: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ASSETS_UNPACKED.get_or_init(|| ASSETS.iter().map(|(name, _)| unpacked(name).unwrap_or_default()).collect())
}

fn unpacked(name: &str) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).ok()?;
    let end = format!("/dist/{name}");
    let path = archive.file_names().flatten().find(|path| path.ends_with(&end))?.into_owned();
    let mut bytes = Vec::new();
    archive.by_name(&path).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

async fn problems() -> Response<Body> {
    let list = html! {
        h1 { "Problems" }
        ul {
            @for problem in Problem::ALL {
                li { a href={ "/problems/" (problem.name()) } { (problem.name()) } ": " (problem.title()) }
            }
        }
    };
    sent(page("Problems", list).into_string().into(), "text/html; charset=utf-8", PLAIN_POLICY)
}

async fn problem(Params(name): Params<String>) -> Answer<Response<Body>> {
    let absent = || Refusal(Fault::new(Problem::NotFound, "there is no such problem; /problems lists them"));
    let problem = Problem::named(&name).ok_or_else(absent)?;
    let about = html! {
        h1 { (problem.title()) }
        p { code { (problem.name()) } ", HTTP status " (problem.status()) }
        p { (problem.advice()) }
        p { a href="/problems" { "All problems" } }
    };
    Ok(sent(page(problem.title(), about).into_string().into(), "text/html; charset=utf-8", PLAIN_POLICY))
}

fn page(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    }
}

fn sent(body: Body, kind: &'static str, policy: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
