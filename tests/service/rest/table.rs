//! All routes: what each needs, and a request to it.

use serde_json::{Value, json};

/// What a route's address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Object {
    Nothing,
    Instance,
    Snapshot,
    Job,
    Export,
    Load,
    Webhook,
    User,
    Token,
    Account,
}

use Object::*;

pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub object: Object,
    /// One of these rights is enough; none: everybody who is known.
    pub rights: &'static [&'static str],
    body: fn(u64) -> Value,
}

const fn route(
    method: &'static str,
    path: &'static str,
    object: Object,
    rights: &'static [&'static str],
    body: fn(u64) -> Value,
) -> Route {
    Route { method, path, object, rights, body }
}

fn none(_: u64) -> Value {
    Value::Null
}

fn empty(_: u64) -> Value {
    json!({})
}

const READ: &[&str] = &["read"];
const CAPTURE: &[&str] = &["capture"];
const DOWNLOAD: &[&str] = &["download"];
const OPERATE: &[&str] = &["operate"];
const ADMINISTER: &[&str] = &["administer"];
const SERVICE: &[&str] = &["service"];
/// The right to capture reaches only jobs that one asked for oneself.
pub const OWN_JOBS: &[&str] = &["read", "capture"];
pub const OWN_JOBS_CHANGED: &[&str] = &["operate", "capture"];

/// Routes for everybody.
pub const PUBLIC: &[(&str, &str)] = &[("get", "/v1/downloads/{link}")];

pub const ROUTES: &[Route] = &[
    route("get", "/v1/instances", Nothing, READ, none),
    route("post", "/v1/instances", Nothing, OPERATE, |n| json!({ "name": format!("made-{n}") })),
    route("get", "/v1/instances/{id}", Instance, READ, none),
    route("patch", "/v1/instances/{id}", Instance, OPERATE, empty),
    route("delete", "/v1/instances/{id}", Instance, OPERATE, none),
    route("post", "/v1/instances/{id}/check", Instance, OPERATE, none),
    route("get", "/v1/instances/{id}/snapshots", Instance, READ, none),
    route("post", "/v1/instances/{id}/snapshots", Instance, CAPTURE, empty),
    route("post", "/v1/instances/{id}/undo", Instance, OPERATE, empty),
    route("post", "/v1/instances/{id}/resume", Instance, OPERATE, none),
    route("post", "/v1/instances/{id}/abort", Instance, OPERATE, none),
    route("get", "/v1/instances/{id}/policy", Instance, READ, none),
    route("put", "/v1/instances/{id}/policy", Instance, OPERATE, |_| json!({ "enabled": false })),
    route("delete", "/v1/instances/{id}/policy", Instance, OPERATE, none),
    route("post", "/v1/instances/{id}/loads", Instance, OPERATE, |_| json!({ "file_name": "a.dump" })),
    route("post", "/v1/instances/{id}/loads/file?file_name=a.dump", Instance, OPERATE, none),
    route("get", "/v1/snapshots", Nothing, READ, none),
    route("get", "/v1/snapshots/{id}", Snapshot, READ, none),
    route("get", "/v1/snapshots/{id}/items", Snapshot, READ, none),
    route("get", "/v1/snapshots/{id}/diff?with={id}", Snapshot, READ, none),
    route("post", "/v1/snapshots/{id}/hold", Snapshot, OPERATE, |_| json!({ "until": "2001-01-01T00:00:00Z" })),
    route("post", "/v1/snapshots/{id}/restore/plan", Snapshot, OPERATE, empty),
    route("post", "/v1/snapshots/{id}/restore", Snapshot, OPERATE, empty),
    route("post", "/v1/snapshots/{id}/clone", Snapshot, OPERATE, |n| json!({ "name": format!("clone-{n}") })),
    route("post", "/v1/snapshots/{id}/drill", Snapshot, OPERATE, empty),
    route("post", "/v1/snapshots/{id}/exports", Snapshot, DOWNLOAD, |_| json!({ "format": "tar" })),
    route("post", "/v1/snapshots/{id}/undelete", Snapshot, OPERATE, none),
    route("delete", "/v1/snapshots/{id}", Snapshot, OPERATE, none),
    route("get", "/v1/jobs", Nothing, READ, none),
    route("get", "/v1/jobs/{id}", Job, OWN_JOBS, none),
    route("get", "/v1/jobs/{id}/events", Job, OWN_JOBS, none),
    route("post", "/v1/jobs/{id}/cancel", Job, OWN_JOBS_CHANGED, none),
    route("get", "/v1/events", Nothing, READ, none),
    route("get", "/v1/exports", Nothing, READ, none),
    route("get", "/v1/exports/{id}", Export, READ, none),
    route("get", "/v1/exports/{id}/content", Export, DOWNLOAD, none),
    route("post", "/v1/exports/{id}/link", Export, DOWNLOAD, empty),
    route("get", "/v1/loads", Nothing, READ, none),
    route("get", "/v1/loads/{id}", Load, &["read", "operate"], none),
    route("patch", "/v1/loads/{id}", Load, OPERATE, none),
    route("post", "/v1/loads/{id}/complete", Load, OPERATE, empty),
    route("delete", "/v1/loads/{id}", Load, OPERATE, none),
    route("get", "/v1/whoami", Nothing, &[], none),
    route("get", "/v1/plans", Nothing, READ, none),
    route("get", "/v1/usage", Nothing, READ, none),
    route("get", "/v1/audit", Nothing, ADMINISTER, none),
    route("get", "/v1/stats", Nothing, READ, none),
    route("post", "/v1/gc", Nothing, OPERATE, empty),
    route("post", "/v1/verify", Nothing, OPERATE, empty),
    route("get", "/v1/webhooks", Nothing, ADMINISTER, none),
    route("post", "/v1/webhooks", Nothing, ADMINISTER, |n| json!({ "url": format!("https://example.com/{n}") })),
    route("get", "/v1/webhooks/{id}/deliveries", Webhook, ADMINISTER, none),
    route("post", "/v1/webhooks/{id}/test", Webhook, ADMINISTER, none),
    route("delete", "/v1/webhooks/{id}", Webhook, ADMINISTER, none),
    route("get", "/v1/accounts", Nothing, READ, none),
    route("post", "/v1/accounts", Nothing, SERVICE, |n| json!({ "name": format!("account-{n}") })),
    route("get", "/v1/accounts/{id}", Account, READ, none),
    route("patch", "/v1/accounts/{id}", Account, SERVICE, empty),
    route("post", "/v1/accounts/{id}/shred", Account, ADMINISTER, empty),
    route("get", "/v1/users", Nothing, ADMINISTER, none),
    route(
        "post",
        "/v1/users",
        Nothing,
        ADMINISTER,
        |n| json!({ "email": format!("u{n}@example.com"), "password": "a long password", "role": "viewer" }),
    ),
    route("get", "/v1/users/{id}", User, ADMINISTER, none),
    route("patch", "/v1/users/{id}", User, ADMINISTER, empty),
    route("get", "/v1/tokens", Nothing, ADMINISTER, none),
    route("post", "/v1/tokens", Nothing, ADMINISTER, |_| json!({ "name": "more", "scopes": ["read"] })),
    route("delete", "/v1/tokens/{id}", Token, ADMINISTER, none),
];

impl Route {
    /// Its address with an object's id.
    pub fn at(&self, id: &str) -> String {
        self.path.replace("{id}", id)
    }

    pub fn body(&self, number: u64) -> Value {
        (self.body)(number)
    }
}
