//! What hosted services promise, row by row of docs/PLATFORM.md, over PostgreSQL, Redis, SQLite and folders.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::server::{ADMIN, Answer, Api};
use crate::{postgres, redis};

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// For how many days a snapshot is kept.
fn days_kept(snapshot: &Value) -> i64 {
    (time(&snapshot["expires_at"]).as_second() - time(&snapshot["created_at"]).as_second()) / 86_400
}

/// An instance's newest snapshot, when that is no longer being taken.
async fn newest(api: &Api, instance: &str) -> Value {
    loop {
        let listed = api.get(&format!("/v1/instances/{instance}/snapshots?limit=1")).await.is(200).json;
        match &listed["snapshots"][0] {
            snapshot if snapshot.is_object() && snapshot["status"] != "in_progress" => return snapshot.clone(),
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn edit(api: &Api, instance: &str, change: Value) {
    let path = format!("/v1/instances/{instance}");
    let etag = api.get(&path).await.is(200).header("etag").to_string();
    Answer::of(api.ask("PATCH", &path, ADMIN).header("If-Match", etag).json(&change)).await.is(200);
}

/// Rows A6, B2 and B3.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_when_snapshots_are_taken_and_how_long_they_are_kept() {
    if !redis::is_there("a_plan_says") {
        return;
    }
    let cache = redis::Server::start(&[]);
    let api = Api::start().await;
    drop(crate::sqlite_common::create(&api.path("shop.db"), "CREATE TABLE t (x)"));
    let source = format!("sqlite:{}", api.path("shop.db").display());
    api.post("/v1/instances", json!({ "name": "shop", "source": source, "plan": "aurads" })).await.is(201);
    let first = newest(&api, "shop").await;
    assert_eq!((&first["status"], &first["type"]), (&json!("completed"), &json!("scheduled")), "{first}");
    assert_eq!(days_kept(&first), 180);

    // A look finds the same system, and then another one.
    let same = api.done(api.post("/v1/instances/shop/check", json!({})).await).await;
    assert_eq!(same["result"]["changed"], false, "{same}");
    edit(&api, "shop", json!({ "source": cache.url() })).await;
    let other = api.done(api.post("/v1/instances/shop/check", json!({})).await).await;
    assert_eq!(other["result"]["changed"], true, "{other}");
    let second = newest(&api, "shop").await;
    assert_eq!((&second["status"], &second["type"]), (&json!("completed"), &json!("scheduled")), "{second}");
    assert_ne!(second["id"], first["id"]);

    let slots = async |plan: &str| -> Vec<Timestamp> {
        edit(&api, "shop", json!({ "plan": plan })).await;
        let policy = api.get("/v1/instances/shop/policy").await.is(200).json;
        assert_eq!(policy["origin"], "plan", "{policy}");
        policy["next"].as_array().unwrap().iter().map(|slot| time(&slot["due_at"])).collect()
    };
    for (plan, hours) in [("auradb-enterprise", 1), ("auradb-professional", 24)] {
        let slots = slots(plan).await;
        assert_eq!(slots.len(), 5);
        for pair in slots.windows(2) {
            assert_eq!(pair[1].duration_since(pair[0]).as_hours(), hours, "{plan}: {pair:?}");
        }
    }
    api.stop().await;
}

/// Rows B1, B4, D3, Z1 and Z4.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_same_is_stored_once_and_goes_into_any_instance() {
    if !redis::is_there("what_is_the_same") {
        return;
    }
    let api = Api::start().await;
    let noise = "CREATE TABLE t (x INTEGER PRIMARY KEY, y BLOB); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                 FROM n WHERE i < 4000) INSERT INTO t SELECT i, randomblob(2000) FROM n";
    api.sqlite("shop", noise).await;
    api.snapshot("shop").await;
    let first = newest(&api, "shop").await;
    let bytes = |snapshot: &Value, field: &str| snapshot[field].as_u64().unwrap();
    assert!(bytes(&first, "bytes_stored") > 8_000_000, "{first}");
    api.change("shop", "UPDATE t SET y = randomblob(2000) WHERE x = 2000");
    api.snapshot("shop").await;
    let second = newest(&api, "shop").await;
    assert!(bytes(&second, "bytes_stored") < bytes(&first, "bytes_stored") / 200, "{second}");

    let file = fs::read(api.path("shop.db")).unwrap();
    let load = "/v1/instances/shop/loads/file?file_name=shop.db&confirm=RESTORE";
    api.done(Answer::of(api.ask("POST", load, ADMIN).body(file)).await).await;
    let of_type = async |kind: &str| {
        let listed = api.get(&format!("/v1/instances/shop/snapshots?type={kind}")).await.is(200).json;
        let snapshots = listed["snapshots"].as_array().unwrap().clone();
        assert!(snapshots.iter().all(|snapshot| snapshot["type"] == kind), "{listed}");
        snapshots
    };
    let loaded = of_type("load").await;
    assert_eq!(loaded.len(), 1);
    assert_eq!(bytes(&loaded[0], "bytes_total"), bytes(&second, "bytes_total"));
    assert!(bytes(&loaded[0], "bytes_stored") < bytes(&first, "bytes_stored") / 200, "{}", loaded[0]);
    assert_eq!((of_type("on_demand").await.len(), of_type("safety").await.len()), (2, 1));

    // Into an instance that is there: what that holds is cleared.
    let (one, other) = (redis::Server::start(&[]), redis::Server::start(&[]));
    one.ask(&["SET", "kept", "1"]);
    other.ask(&["SET", "gone", "1"]);
    for (name, server) in [("one", &one), ("other", &other)] {
        api.post("/v1/instances", json!({ "name": name, "source": server.url() })).await.is(201);
    }
    let snapshot = api.snapshot("one").await;
    let restore = format!("/v1/snapshots/{snapshot}/restore");
    let plan = api.post(&format!("{restore}/plan"), json!({ "to": "other" })).await.is(200).json;
    assert_eq!((&plan["instance"], &plan["in_place"]), (&json!("other"), &json!(true)));
    api.post(&restore, json!({ "to": "other" })).await.tells_problem(422, "confirmation-required");
    api.post(&restore, json!({ "to": "nothing", "confirm": "RESTORE" })).await.tells_problem(422, "invalid-value");
    api.done(api.post(&restore, json!({ "to": "other", "confirm": "RESTORE" })).await).await;
    let keys = |server: &redis::Server| (server.ask(&["EXISTS", "kept"]), server.ask(&["EXISTS", "gone"]));
    assert_eq!(keys(&other), ("1".into(), "0".into()));
    // And it can be taken back there.
    api.done(api.post("/v1/instances/other/undo", json!({ "confirm": "RESTORE" })).await).await;
    assert_eq!(keys(&other), ("0".into(), "1".into()));
    api.stop().await;
}

/// An environment of a shop: PostgreSQL, Redis, pages, and media that are captured where somebody asks for them.
fn environment(folder: &Path, database: &postgres::Postgres, cache: &redis::Server) -> String {
    for (name, file, bytes) in [("pages", "index.html", b"a page".to_vec()), ("media", "film", vec![7; 3_000_000])] {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join(file), bytes).unwrap();
    }
    fs::write(folder.join("password"), postgres::PASSWORD).unwrap();
    let component = |name: &str, source: &str, more: &str| {
        format!("[[component]]\nname = \"{name}\"\nsource = \"{source}\"\n{more}\n")
    };
    let files = |name: &str| format!("files:{}", folder.join(name).display());
    let url = database.url("shop", "").replace(&format!(":{}@", postgres::PASSWORD), "@");
    let password = format!("password_file = \"{}\"", folder.join("password").display());
    let text = component("db", &url, &password)
        + &component("cache", &cache.url(), "")
        + &component("pages", &files("pages"), "")
        + &component("media", &files("media"), "optional = true");
    let path = folder.join("shop.toml");
    fs::write(&path, text).unwrap();
    format!("env:{}", path.display())
}

/// Rows M1, M2, M3 and X2.
#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_captured_and_restored_as_one() {
    let test = "an_environment_is_captured";
    let Some(database) = postgres::server(test) else { return };
    if !redis::is_there(test) {
        return;
    }
    let cache = redis::Server::start(&[]);
    database.sql("postgres", "CREATE DATABASE shop");
    database.sql("shop", "CREATE TABLE t (x int); INSERT INTO t SELECT generate_series(1, 1000)");
    cache.ask(&["SET", "visits", "1"]);
    let api = Api::start().await;
    let source = environment(api.folder.path(), &database, &cache);
    api.post("/v1/instances", json!({ "name": "shop", "source": source, "plan": "magento-cloud" })).await.is(201);

    let take = async |body: Value| {
        api.done(api.post("/v1/instances/shop/snapshots", body).await).await;
        newest(&api, "shop").await
    };
    let names = |snapshot: &Value| -> Vec<String> {
        let components = snapshot["components"].as_array().unwrap().iter();
        components.map(|one| one["name"].as_str().unwrap().to_string()).collect()
    };
    let without = take(json!({})).await;
    assert_eq!(names(&without), ["db", "cache", "pages"]);
    let with = take(json!({ "include": ["media"] })).await;
    assert_eq!(names(&with), ["db", "cache", "pages", "media"]);
    assert_eq!(days_kept(&with), 14);
    let unknown = api.post("/v1/instances/shop/snapshots", json!({ "include": ["music"] })).await.is(202);
    let failed = api.ended(&unknown.text("/job/id")).await;
    assert!(failed["error"]["message"].as_str().unwrap().contains("music"), "{failed}");

    let state = || {
        (
            database.sql("shop", "SELECT count(*) FROM t").trim().to_string(),
            cache.ask(&["GET", "visits"]),
            fs::read_to_string(api.path("pages/index.html")).unwrap(),
            fs::read(api.path("media/film")).unwrap() == vec![7; 3_000_000],
        )
    };
    let before = state();
    database.sql("shop", "DELETE FROM t WHERE x > 10");
    cache.ask(&["SET", "visits", "2"]);
    fs::write(api.path("pages/index.html"), "another page").unwrap();
    let restore = format!("/v1/snapshots/{}/restore", with["id"].as_str().unwrap());
    let plan = api.post(&format!("{restore}/plan"), json!({})).await.is(200).json;
    assert!(plan["bytes_unchanged"].as_u64().unwrap() >= 3_000_000, "{plan}");
    api.post(&restore, json!({})).await.tells_problem(422, "confirmation-required");
    assert_eq!(state().1, "2");
    let job = api.done(api.post(&restore, json!({ "confirm": "RESTORE" })).await).await;
    assert_eq!(state(), before);
    assert!(job["result"]["bytes_unchanged"].as_u64().unwrap() >= 3_000_000, "{job}");

    // One component of it alone.
    cache.ask(&["SET", "visits", "3"]);
    database.sql("shop", "DELETE FROM t WHERE x > 10");
    api.done(api.post(&restore, json!({ "confirm": "RESTORE", "component": "cache" })).await).await;
    assert_eq!((state().0.as_str(), state().1.as_str()), ("10", "1"));
    api.stop().await;
}
