//! Requests that are sent again, and lists that are read while they change.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::server::{ADMIN, Answer, Api};

async fn keyed(api: &Api, path: &str, key: &str, token: &str, body: &Value) -> Answer {
    Answer::of(api.ask("POST", path, token).header("Idempotency-Key", key).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_is_done_once() {
    let api = Api::start().await;
    api.sqlite("shop", "CREATE TABLE t (x)").await;
    let path = "/v1/instances/shop/snapshots";
    let first = keyed(&api, path, "key-1", ADMIN, &json!({ "description": "a" })).await.is(202);
    let again = keyed(&api, path, "key-1", ADMIN, &json!({ "description": "a" })).await.is(202);
    assert_eq!((first.json.clone(), again.header("idempotent-replayed")), (again.json.clone(), "true"));
    assert_eq!(first.header("location"), again.header("location"));
    keyed(&api, path, "key-1", ADMIN, &json!({ "description": "b" }))
        .await
        .tells_problem(422, "idempotency-key-reused");
    keyed(&api, "/v1/gc", "key-1", ADMIN, &json!({})).await.tells_problem(422, "idempotency-key-reused");
    keyed(&api, path, "not printable", ADMIN, &json!({})).await.tells_problem(400, "malformed-request");
    // What was refused did nothing, and may be tried again.
    let body = json!({ "name": "later" });
    keyed(&api, "/v1/snapshots/0000000000000000/clone", "key-2", ADMIN, &body).await.tells_problem(404, "not-found");
    keyed(&api, "/v1/instances", "key-2", ADMIN, &body).await.is(201);
    // A key is its sender's own.
    let account = api.get("/v1/whoami").await.is(200).text("/account");
    let other = api.token(&account, &["admin"]).await;
    let fresh = keyed(&api, path, "key-1", &other, &json!({ "description": "a" })).await.is(202);
    assert_ne!(fresh.json["job"]["id"], first.json["job"]["id"]);
    // Of many at once one is done.
    let body = json!({});
    let many = futures_util::future::join_all((0..8).map(|_| keyed(&api, path, "key-3", ADMIN, &body))).await;
    let jobs: BTreeSet<String> =
        many.iter().filter(|answer| answer.status == 202).map(|answer| answer.text("/job/id")).collect();
    assert_eq!(jobs.len(), 1);
    for answer in many.into_iter().filter(|answer| answer.status != 202) {
        answer.tells_problem(409, "request-in-progress");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_also_to_who_asks_again() {
    let api = Api::start().await;
    let body = json!({ "name": "ci", "scopes": ["read"] });
    let made = keyed(&api, "/v1/tokens", "key-1", ADMIN, &body).await.is(201);
    let again = keyed(&api, "/v1/tokens", "key-1", ADMIN, &body).await.is(201);
    assert_eq!((&made.json["token"], &again.json["secret"]), (&again.json["token"], &Value::Null));
    let secret = made.text("/secret");
    Answer::of(api.ask("GET", "/v1/whoami", &secret)).await.is(200);
    // Nowhere in the catalog stands a secret.
    let bytes = |name: &str| std::fs::read(api.path("data").join(name)).unwrap_or_default();
    let catalog = [bytes("catalog.sqlite"), bytes("catalog.sqlite-wal")].concat();
    let own = secret.rsplit('_').next().unwrap().as_bytes();
    for text in [own, ADMIN.as_bytes()] {
        assert!(!catalog.windows(text.len()).any(|window| window == text));
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_each_record_once_while_the_list_grows() {
    let api = Api::start_with(|config| config.jobs.workers = 0).await;
    for name in ["a", "b"] {
        api.sqlite(name, "CREATE TABLE t (x)").await;
    }
    let mut wanted = BTreeSet::new();
    for _ in 0..7 {
        wanted.insert(api.post("/v1/instances/a/snapshots", json!({})).await.is(202).text("/snapshot/id"));
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/snapshots?limit=2{cursor}")).await.is(200).json;
        seen.extend(page["snapshots"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_string()));
        // What is new comes before what was read, and moves nothing.
        api.post("/v1/instances/b/snapshots", json!({})).await.is(202);
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        let other = api.get(&format!("/v1/snapshots?limit=2&instance=a{cursor}")).await;
        other.tells_problem(422, "invalid-value");
        api.get(&format!("/v1/jobs?limit=2{cursor}")).await.tells_problem(422, "invalid-value");
    }
    assert_eq!(seen.len(), wanted.len());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), wanted);
    let mut jobs = 0;
    let mut path = "/v1/jobs?limit=3&instance=a&kind=snapshot&status=queued".to_string();
    loop {
        let page = api.get(&path).await.is(200).json;
        jobs += page["jobs"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/jobs?limit=3&instance=a&kind=snapshot&status=queued&cursor={next}");
    }
    assert_eq!(jobs, 7);
    let (mut entries, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = api.get(&format!("/v1/audit?limit=4&action=snapshot.take{cursor}")).await.is(200).json;
        entries.extend(page["entries"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_string()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(entries.len() >= 7);
    api.stop().await;
}
