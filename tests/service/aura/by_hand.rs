//! The requests of `aura-cli`, made here.

use std::thread::yield_now;

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::Place;
use crate::served::{Served, answer, value, word};

use super::{account, token};

const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "grant_type=client_credentials";

/// A client with credentials.
struct Client<'s> {
    served: &'s Served,
    access: String,
}

impl<'s> Client<'s> {
    fn of(served: &'s Served, scopes: &[&str]) -> Self {
        let (id, text) = token(served, scopes);
        let own = text.rsplit('_').next().unwrap().to_string();
        let url = format!("{}/aura/oauth/token", served.url);
        let grant = value(served.client.post(url).basic_auth(id, Some(own)).header("content-type", FORM).body(GRANT));
        assert_eq!(grant["token_type"], "bearer");
        assert!(grant["expires_in"].as_i64().unwrap() > 600);
        Self { served, access: grant["access_token"].as_str().unwrap().to_string() }
    }

    fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.served.client.request(method, format!("{}{path}", self.served.url));
        let request = request.bearer_auth(&self.access).header("content-type", "application/json");
        answer(match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        })
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None)
    }

    fn good(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        body["data"].clone()
    }

    /// Asks until the status is none of these.
    fn wait(&self, path: &str, while_in: &[&str]) -> Value {
        loop {
            let data = self.good(path);
            if !while_in.contains(&data["status"].as_str().unwrap()) {
                return data;
            }
            yield_now();
        }
    }
}

fn refused((status, body): (u16, Value), expected: u16, words: &str) {
    assert_eq!(status, expected, "{body}");
    let error = &body["errors"][0];
    assert!(error["message"].as_str().unwrap().contains(words), "{body} does not say {words:?}");
    assert!(error["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{body}");
}

#[test]
fn an_instance_is_overwritten_with_a_snapshot_of_another() {
    let place = Place::bare();
    let served = Served::start(&place, &[]);
    let (books, copy) = (served.add_shop(&place, "books", "first"), served.add_shop(&place, "copy", "other"));
    let client = Client::of(&served, &["admin"]);
    let tenant = account(&served);
    // Both with the path of the base URL and, as newer programs ask, without it.
    for base in ["/aura/v1", "/v1"] {
        let listed = client.good(&format!("{base}/instances?tenantId={tenant}"));
        let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["books", "copy"]);
        assert_eq!(client.good(&format!("{base}/instances/{books}"))["tenant_id"], tenant.as_str());
    }
    assert_eq!(client.good("/v1/instances?tenantId=another"), json!([]));
    assert_eq!(client.good("/v1/tenants")[0]["id"], tenant.as_str());

    let (status, taken) = client.ask(Method::POST, &format!("/v1/instances/{books}/snapshots"), None);
    assert_eq!(status, 202);
    let snapshot = taken["data"]["snapshot_id"].as_str().unwrap();
    let path = format!("/v1/instances/{books}/snapshots/{snapshot}");
    let completed = client.wait(&path, &["Pending", "InProgress"]);
    assert_eq!((&completed["status"], &completed["profile"]), (&json!("Completed"), &json!("AdHoc")));
    assert_eq!(completed["exportable"], true);
    let today = &completed["timestamp"].as_str().unwrap()[..10];
    let listed = |date: &str| client.good(&format!("/v1/instances/{books}/snapshots{date}"));
    assert_eq!(listed(&format!("?date={today}"))[0]["snapshot_id"], snapshot);
    assert_eq!(listed("?date=2001-02-03"), json!([]));

    let body = json!({"source_instance_id": books, "source_snapshot_id": snapshot});
    let (status, begun) = client.ask(Method::POST, &format!("/v1/instances/{copy}/overwrite"), Some(body));
    assert_eq!(status, 202, "{begun}");
    assert_eq!(client.wait(&format!("/v1/instances/{copy}"), &["overwriting"])["status"], "running");
    assert_eq!((word(&place, "copy").as_str(), word(&place, "books").as_str()), ("first", "first"));

    // Without a snapshot, what the source holds now.
    crate::sqlite_common::create(&place.path("books.db"), "UPDATE t SET w = 'second';");
    let body = json!({"source_instance_id": books});
    let (status, begun) = client.ask(Method::POST, &format!("/v1/instances/{copy}/overwrite"), Some(body));
    assert_eq!((status, &begun["data"]["status"]), (202, &json!("overwriting")));
    assert_eq!(client.wait(&format!("/v1/instances/{copy}"), &["overwriting"])["status"], "running");
    assert_eq!(word(&place, "copy"), "second");
}

#[test]
fn instances_are_made_empty_and_from_snapshots() {
    let place = Place::bare();
    let served = Served::start(&place, &[]);
    let books = served.add_shop(&place, "books", "first");
    let client = Client::of(&served, &["admin"]);
    let tenant = account(&served);
    let new = |name: &str, kind: &str| {
        json!({"name": name, "type": kind, "memory": "2GB", "region": "europe-west1", "cloud_provider": "gcp",
               "version": "5", "tenant_id": tenant, "vector_optimized": false})
    };
    let make = |body: Value| client.ask(Method::POST, "/v1/instances", Some(body));
    let (status, made) = make(new("fresh", "enterprise-db"));
    assert_eq!(status, 202, "{made}");
    let fresh = made["data"]["id"].as_str().unwrap();
    let shown = client.good(&format!("/v1/instances/{fresh}"));
    assert_eq!((&shown["type"], &shown["status"]), (&json!("enterprise-db"), &json!("running")));
    assert_eq!(value(served.get(&format!("/v1/instances/{fresh}")))["plan"], "auradb-enterprise");
    refused(make(new("fresh", "enterprise-db")), 409, "already");
    refused(make(new("other", "huge-db")), 400, "is no type");
    refused(make(new("a/b", "free-db")), 400, "name");
    refused(make(json!({"name": "x", "tenant_id": "a0000000000000000"})), 400, "tenant");
    refused(client.ask(Method::POST, &format!("/v1/instances/{fresh}/snapshots"), None), 409, "no source");

    let body = json!({"name": "clone", "source_instance_id": books});
    refused(make(body.clone()), 400, "no snapshot yet");
    let (_, taken) = client.ask(Method::POST, &format!("/v1/instances/{books}/snapshots"), None);
    let snapshot = taken["data"]["snapshot_id"].as_str().unwrap();
    client.wait(&format!("/v1/instances/{books}/snapshots/{snapshot}"), &["Pending", "InProgress"]);
    let (status, made) = make(body);
    assert_eq!(status, 202, "{made}");
    let clone = made["data"]["id"].as_str().unwrap();
    let shown = client.wait(&format!("/v1/instances/{clone}"), &["creating"]);
    assert_eq!((&shown["status"], &shown["name"]), (&json!("running"), &json!("clone")));
}

#[test]
fn what_is_refused_is_said_as_aura_does() {
    let place = Place::bare();
    let served = Served::start(&place, &[]);
    let books = served.add_shop(&place, "books", "first");
    let url = format!("{}/aura/oauth/token", served.url);
    let post = || served.client.post(&url);
    let (id, text) = token(&served, &["admin"]);
    let wrong = answer(post().basic_auth(&id, Some("0".repeat(48))).header("content-type", FORM).body(GRANT));
    assert_eq!((wrong.0, &wrong.1["error"]), (401, &json!("invalid_client")));
    assert_eq!(answer(post().header("content-type", FORM).body(GRANT)).0, 401);
    let password = answer(post().basic_auth(&id, Some(&text)).header("content-type", FORM).body("grant_type=password"));
    assert_eq!((password.0, &password.1["error"]), (400, &json!("unsupported_grant_type")));
    // In the form, and with the whole token as the secret.
    let whole = format!("{GRANT}&client_id={id}&client_secret={text}");
    let access = value(post().header("content-type", FORM).body(whole))["access_token"].as_str().unwrap().to_string();
    let client = Client { served: &served, access };
    client.good("/v1/instances");

    refused(client.get("/v1/instances/i0000000000000000"), 404, "no instance");
    refused(client.get(&format!("/v1/instances/{books}/snapshots/0000000000000000")), 404, "no snapshot");
    refused(client.get(&format!("/v1/instances/{books}/snapshots?date=yesterday")), 400, "2027-01-31");
    refused(client.get("/aura/v1/nothing"), 404, "no such address");
    refused(client.ask(Method::DELETE, &format!("/v1/instances/{books}"), None), 405, "");
    refused(client.ask(Method::POST, &format!("/v1/instances/{books}/overwrite"), Some(json!([]))), 400, "JSON");
    refused(client.get("/v1/tenants/a0000000000000000"), 404, "tenant");
    refused(client.get("/v1/tenants/any/metrics-integration"), 400, "metrics");

    let reader = Client::of(&served, &["read"]);
    let (status, body) = reader.ask(Method::POST, &format!("/v1/instances/{books}/snapshots"), None);
    assert_eq!(status, 403, "{body}");
    assert!(body["error"].as_str().unwrap().contains("capture"), "{body}");

    // An access token ends with the token that it was given for, and is no token of the service.
    let (status, _) = answer(
        served.client.delete(format!("{}/v1/tokens/{id}", served.url)).bearer_auth(crate::served::ADMINISTRATOR),
    );
    assert!(status < 300);
    refused(client.get("/v1/instances"), 401, "");
    let forged = Client { served: &served, access: format!("{}0", client.access) };
    refused(forged.get("/v1/instances"), 401, "not known");
    // With a token of the service, /v1 is the service's own.
    assert!(value(served.get("/v1/instances"))["instances"].is_array());
}
