//! Every route with every scope and role, with nothing, with what counts no more, and with another account's ids.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::server::{ADMIN, Answer, Api};
use super::table::{OWN_JOBS, OWN_JOBS_CHANGED, Object, PUBLIC, ROUTES, Route};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Who asks.
#[derive(Clone)]
enum Asker {
    Token(String),
    Session { cookie: String, csrf: String },
}

impl Asker {
    fn asks(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Asker::Token(token) => request.bearer_auth(token),
            Asker::Session { cookie, csrf } => {
                request.header("Cookie", format!("snaphold_session={cookie}")).header("X-CSRF-Token", csrf)
            }
        }
    }
}

const SCOPES: [(&str, &[&str]); 5] = [
    ("read", &["read", "download"]),
    ("capture", &["capture"]),
    ("restore", &["read", "download", "operate"]),
    ("admin", &["read", "capture", "download", "operate", "administer"]),
    ("service", &["read", "capture", "download", "operate", "administer", "service"]),
];
const ROLES: [(&str, &[&str]); 3] = [
    ("viewer", &["read"]),
    ("operator", &["read", "capture", "download", "operate"]),
    ("owner", &["read", "capture", "download", "operate", "administer"]),
];

/// An account with one of everything.
struct World<'a> {
    api: &'a Api,
    account: String,
    objects: HashMap<Object, String>,
}

impl<'a> World<'a> {
    async fn new(api: &'a Api, name: &str) -> World<'a> {
        let (account, _) = api.account(name).await;
        let mut world = World { api, account, objects: HashMap::new() };
        let path = api.path(&format!("{name}.db"));
        drop(crate::sqlite_common::create(&path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)"));
        let body = json!({ "name": "shop", "source": format!("sqlite:{}", path.display()) });
        let instance = world.post("/v1/instances", body).await.is(201).text("/id");
        let taking = world.post(&format!("/v1/instances/{instance}/snapshots"), json!({})).await.is(202);
        let snapshot = taking.text("/snapshot/id");
        world.wait(&taking).await;
        let exporting =
            world.post(&format!("/v1/snapshots/{snapshot}/exports"), json!({ "format": "tar" })).await.is(202);
        world.wait(&exporting).await;
        let user = json!({ "email": format!("{name}@example.com"), "password": "a long password", "role": "viewer" });
        let user = world.post("/v1/users", user).await.is(201).text("/id");
        let token =
            world.post("/v1/tokens", json!({ "name": "x", "scopes": ["read"] })).await.is(201).text("/token/id");
        world.objects = HashMap::from([
            (Object::Instance, instance),
            (Object::Snapshot, snapshot),
            (Object::Job, taking.text("/job/id")),
            (Object::Export, exporting.text("/export/id")),
            (Object::User, user),
            (Object::Token, token),
            (Object::Account, world.account.clone()),
        ]);
        world
    }

    fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        self.api.ask(method, path, ADMIN).header("Snaphold-Account", &self.account)
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.ask("POST", path).json(&body)).await
    }

    async fn wait(&self, answer: &Answer) {
        let path = format!("/v1/jobs/{}", answer.text("/job/id"));
        loop {
            let job = Answer::of(self.ask("GET", &path)).await.is(200).json;
            match job["status"].as_str().unwrap() {
                "queued" | "running" => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                status => return assert_eq!(status, "succeeded", "{job}"),
            }
        }
    }

    /// An object's id; of what one request uses up, a new one's.
    async fn object(&self, object: Object) -> String {
        match object {
            Object::Nothing => String::new(),
            Object::Load => {
                let path = format!("/v1/instances/{}/loads", self.objects[&Object::Instance]);
                self.post(&path, json!({ "file_name": "a.dump" })).await.is(201).text("/id")
            }
            Object::Webhook => {
                self.post("/v1/webhooks", json!({ "url": "https://example.com/x" })).await.is(201).text("/webhook/id")
            }
            object => self.objects[&object].clone(),
        }
    }

    async fn askers(&self) -> Vec<(String, &'static [&'static str], Asker)> {
        let mut askers = Vec::new();
        for (scope, rights) in SCOPES {
            let token = self.post("/v1/tokens", json!({ "name": scope, "scopes": [scope] })).await.is(201);
            askers.push((format!("scope {scope}"), rights, Asker::Token(token.text("/secret"))));
        }
        for (role, rights) in ROLES {
            askers.push((format!("role {role}"), rights, self.signed_in(role).await));
        }
        askers
    }

    async fn signed_in(&self, role: &str) -> Asker {
        let email = format!("{role}-{}@example.com", COUNT.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "email": email, "password": "a long password", "role": role });
        self.post("/v1/users", body).await.is(201);
        let auth = snaphold::server::auth::Auth::new(self.api.server().state.catalog.clone());
        let signed = auth.sign_in(&email, "a long password", &Default::default()).await.unwrap();
        Asker::Session { cookie: signed.cookie, csrf: signed.csrf }
    }
}

/// The request of a route. A stream of events is not read to its end.
async fn ask(api: &Api, route: &Route, id: &str, asker: Option<&Asker>, account: Option<&str>) -> Answer {
    let mut request = api.ask(&route.method.to_uppercase(), &route.at(id), "");
    if let Some(asker) = asker {
        request = asker.asks(request);
    }
    if let Some(account) = account {
        request = request.header("Snaphold-Account", account);
    }
    let body = route.body(COUNT.fetch_add(1, Ordering::Relaxed));
    if !body.is_null() {
        request = request.json(&body);
    }
    if route.method == "patch" && route.path == "/v1/loads/{id}" {
        request =
            request.header("Content-Type", "application/offset+octet-stream").header("Upload-Offset", "0").body("x");
    }
    if route.path.contains("/loads/file") {
        request = request.header("Content-Type", "application/octet-stream").body("x");
    }
    if route.method == "delete" && route.path == "/v1/instances/{id}" {
        request = request.header("If-Match", "\"another\"");
    }
    if route.path == "/v1/events" {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = if status == 200 { Vec::new() } else { response.bytes().await.unwrap().to_vec() };
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        return Answer { status, headers, bytes, json };
    }
    Answer::of(request).await
}

/// An id of the right form that nobody has.
fn absent(object: Object) -> String {
    let letter = match object {
        Object::Nothing => return String::new(),
        Object::Snapshot => "",
        Object::Instance => "i",
        Object::Job => "j",
        Object::Export => "e",
        Object::Load => "l",
        Object::Webhook => "w",
        Object::User => "u",
        Object::Token => "t",
        Object::Account => "a",
    };
    format!("{letter}0000000000000000")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_every_route_of_the_document() {
    let document = serde_json::to_value(snaphold::server::api::document()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.insert((method.clone(), path.clone()));
        }
    }
    let plain = |path: &str| path.split('?').next().unwrap().to_string();
    let listed = ROUTES.iter().map(|route| (route.method.to_string(), plain(route.path)));
    let public = PUBLIC.iter().map(|(method, path)| (method.to_string(), path.to_string()));
    let listed: BTreeSet<_> = listed.chain(public).collect();
    assert_eq!(listed, documented);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_with_every_role_and_another_accounts_ids() {
    let api = Api::start().await;
    let (world, other) = (World::new(&api, "one").await, World::new(&api, "two").await);
    let askers = world.askers().await;
    let mut wrong = Vec::new();
    for route in ROUTES {
        let name = format!("{} {}", route.method, route.path);
        let id = world.object(route.object).await;
        let answer = ask(&api, route, &id, None, None).await;
        if answer.status != 401 || !answer.headers.contains_key("www-authenticate") {
            wrong.push(format!("{name} without a token: {}", answer.status));
        }
        for (who, rights, asker) in &askers {
            let account = (who == "scope service").then_some(world.account.as_str());
            let id = world.object(route.object).await;
            let may = route.rights.is_empty() || route.rights.iter().any(|right| rights.contains(right));
            let of_own_alone =
                [OWN_JOBS, OWN_JOBS_CHANGED].contains(&route.rights) && !rights.contains(&route.rights[0]);
            let answer = ask(&api, route, &id, Some(asker), account).await;
            let fits = match (may, of_own_alone) {
                (true, true) => answer.status == 404,
                (true, false) => ![401, 403, 404].contains(&answer.status) && answer.status < 500,
                (false, _) => answer.status == 403,
            };
            if !fits {
                wrong.push(format!("{name}, {who}: {} {}", answer.status, answer.json["detail"]));
            }
            // Another account's is answered as what is not there, whoever asks, and nothing of it changes.
            if route.object != Object::Nothing && !(who == "scope service" && route.object == Object::Account) {
                let theirs = other.object(route.object).await;
                let (theirs, nobodys) = (theirs, absent(route.object));
                let foreign = ask(&api, route, &theirs, Some(asker), account).await;
                let missing = ask(&api, route, &nobodys, Some(asker), account).await;
                let told =
                    |answer: &Answer, id: &str| answer.json["detail"].as_str().unwrap_or_default().replace(id, "ID");
                let same = foreign.status == missing.status && told(&foreign, &theirs) == told(&missing, &nobodys);
                let status = if may { 404 } else { 403 };
                if !same || foreign.status != status {
                    wrong.push(format!(
                        "{name}, {who}, of another account: {} {}, absent: {} {}",
                        foreign.status, foreign.json["detail"], missing.status, missing.json["detail"]
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_token_takes_snapshots_and_sees_its_own_jobs_alone() {
    let api = Api::start().await;
    let world = World::new(&api, "one").await;
    let token = world.post("/v1/tokens", json!({ "name": "c", "scopes": ["capture"] })).await.is(201).text("/secret");
    let take = api.ask("POST", "/v1/instances/shop/snapshots", &token).json(&json!({}));
    let job = Answer::of(take).await.is(202).text("/job/id");
    Answer::of(api.ask("GET", &format!("/v1/jobs/{job}"), &token)).await.is(200);
    let others = format!("/v1/jobs/{}", world.objects[&Object::Job]);
    Answer::of(api.ask("GET", &others, &token)).await.tells_problem(404, "not-found");
    Answer::of(api.ask("GET", "/v1/snapshots", &token)).await.tells_problem(403, "forbidden");
    api.stop().await;
}
