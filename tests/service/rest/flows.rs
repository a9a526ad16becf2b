//! What a person does with an instance, from its first snapshot to its removal, over a real SQLite database.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::server::{ADMIN, Answer, Api};

const SCRIPT: &str = "CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1), (2), (3)";

/// Rows A1, A2, A4, A5, D1, D4, X3, Z2, Z3, Z6, Z8.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_captured_restored_undone_cloned_and_deleted() {
    let api = Api::start().await;
    let shop = api.sqlite("shop", SCRIPT).await;

    let body = json!({ "description": "before <b>the</b> move", "retention_days": 3 });
    let taking = api.post(&format!("/v1/instances/{shop}/snapshots"), body).await.is(202);
    let first = taking.text("/snapshot/id");
    assert!(["in_progress", "completed"].contains(&taking.json["snapshot"]["status"].as_str().unwrap()));
    let job = api.done(taking).await;
    assert_eq!(job["percent"], 100.0);
    let snapshot = api.get(&format!("/v1/snapshots/{first}")).await.is(200).json;
    assert_eq!((&snapshot["status"], &snapshot["type"]), (&json!("completed"), &json!("on_demand")));
    assert_eq!(snapshot["description"], "before <b>the</b> move");
    let (created, expires) = (time(&snapshot["created_at"]), time(&snapshot["expires_at"]));
    assert_eq!((expires.as_second() - created.as_second()).div_euclid(86_400), 3);

    api.change("shop", "INSERT INTO t VALUES (4); CREATE TABLE more (y)");
    let second = api.snapshot("shop").await;
    let listed = api.get(&format!("/v1/instances/{shop}/snapshots")).await.is(200).json;
    let ids: Vec<&str> =
        listed["snapshots"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&second, &first]);
    assert_eq!(api.get("/v1/snapshots?type=on_demand&sort=created_at").await.is(200).json["snapshots"][0]["id"], first);
    assert_eq!(api.get("/v1/snapshots?status=failed").await.is(200).json["snapshots"], json!([]));

    let diff = api.get(&format!("/v1/snapshots/{second}/diff?with={first}")).await.is(200).json;
    assert!(diff["items"].as_array().unwrap().iter().any(|item| item["name"] == "more"), "{diff}");
    let items = api.get(&format!("/v1/snapshots/{second}/items?of=items")).await.is(200).json;
    assert!(items["items"].as_array().unwrap().iter().any(|item| item["name"] == "t"), "{items}");
    let files = api.get(&format!("/v1/snapshots/{second}/items")).await.is(200).json;
    assert!(!files["files"].as_array().unwrap().is_empty(), "{files}");

    let restore = format!("/v1/snapshots/{first}/restore");
    let plan = api.post(&format!("{restore}/plan"), json!({})).await.is(200).json;
    assert_eq!((&plan["in_place"], &plan["instance"]), (&json!(true), &json!("shop")));
    for body in
        [json!({}), json!({ "confirm": "restore" }), json!({ "confirm": " RESTORE" }), json!({ "confirm": null })]
    {
        api.post(&restore, body).await.tells_problem(422, "confirmation-required");
    }
    assert_eq!(api.rows("shop", "SELECT COUNT(*) FROM t"), 4);
    let job = api.done(api.post(&restore, json!({ "confirm": "RESTORE" })).await).await;
    assert_eq!(api.rows("shop", "SELECT COUNT(*) FROM t"), 3);
    let safety = job["result"]["safety_snapshot"].as_str().unwrap();
    assert_eq!(api.get(&format!("/v1/snapshots/{safety}")).await.is(200).json["type"], "safety");
    api.post("/v1/instances/shop/undo", json!({})).await.tells_problem(422, "confirmation-required");
    api.done(api.post("/v1/instances/shop/undo", json!({ "confirm": "RESTORE" })).await).await;
    assert_eq!(api.rows("shop", "SELECT COUNT(*) FROM t"), 4);

    let clone = json!({ "name": "copy", "source": format!("sqlite:{}", api.path("copy.db").display()) });
    api.done(api.post(&format!("/v1/snapshots/{first}/clone"), clone.clone()).await).await;
    assert_eq!(api.rows("copy", "SELECT COUNT(*) FROM t"), 3);
    assert_eq!(api.get("/v1/instances/copy").await.is(200).json["snapshots"], 1);
    api.post(&format!("/v1/snapshots/{first}/clone"), clone).await.tells_problem(409, "refused");

    held_deleted_and_back(&api, &first).await;
    let usage = api.get("/v1/usage").await.is(200).json;
    assert!(usage["bytes_logical"].as_i64().unwrap() >= usage["bytes_stored"].as_i64().unwrap(), "{usage}");
    assert_eq!(usage["over_time"].as_array().unwrap().len(), 1);
    let audit = api.get("/v1/audit?action=snapshot.").await.is(200).json;
    let actions: Vec<_> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    for action in ["snapshot.take", "snapshot.restore", "snapshot.clone", "snapshot.hold", "snapshot.delete"] {
        assert!(actions.iter().any(|done| *done == action), "{action} in {audit}");
    }
    api.stop().await;
}

async fn held_deleted_and_back(api: &Api, id: &str) {
    let path = format!("/v1/snapshots/{id}");
    let deleted = api.delete(&path).await.is(200).json;
    assert_eq!(deleted["status"], "deleting");
    api.post(&format!("{path}/restore"), json!({ "confirm": "RESTORE" })).await.tells_problem(409, "refused");
    assert_eq!(api.post(&format!("{path}/undelete"), json!({})).await.is(200).json["status"], "completed");
    api.post(&format!("{path}/undelete"), json!({})).await.tells_problem(409, "refused");
    api.post(&format!("{path}/hold"), json!({ "until": "2001-01-01T00:00:00Z" }))
        .await
        .tells_problem(422, "invalid-value");
    let held = api.post(&format!("{path}/hold"), json!({ "until": "2100-01-01T00:00:00Z" })).await.is(200).json;
    assert_eq!(held["hold_until"], "2100-01-01T00:00:00Z");
    api.post(&format!("{path}/hold"), json!({ "until": "2099-01-01T00:00:00Z" })).await.tells_problem(409, "refused");
    api.delete(&path).await.tells_problem(409, "refused");
}

fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Rows B3, B6, X1, X4, D2: plans and policies.
#[tokio::test(flavor = "multi_thread")]
async fn plans_and_policies_are_kept() {
    let api = Api::start().await;
    let plans = api.get("/v1/plans").await.is(200).json;
    assert_eq!(plans["plans"].as_array().unwrap().len(), 9);
    let path = api.path("shop.db");
    drop(crate::sqlite_common::create(&path, SCRIPT));
    let source = format!("sqlite:{}", path.display());
    let free = json!({ "name": "free", "source": source, "plan": "xano-free" });
    api.post("/v1/instances", free).await.is(201);
    let refused = api.post("/v1/instances/free/snapshots", json!({})).await.tells_problem(409, "refused");
    assert!(refused.text("/detail").contains("no snapshots"), "{}", refused.json);
    api.post("/v1/instances", json!({ "name": "x", "plan": "none-such" })).await.tells_problem(422, "invalid-value");

    api.post("/v1/instances", json!({ "name": "latest", "source": source, "plan": "auradb-free" })).await.is(201);
    let (old, new) = (api.snapshot("latest").await, api.snapshot("latest").await);
    let export = json!({ "format": "tar" });
    api.post(&format!("/v1/snapshots/{old}/exports"), export.clone()).await.tells_problem(409, "refused");
    api.post(&format!("/v1/snapshots/{old}/restore"), json!({ "confirm": "RESTORE" }))
        .await
        .tells_problem(409, "refused");
    api.done(api.post(&format!("/v1/snapshots/{new}/exports"), export).await).await;

    let own = json!({ "days": ["mon", "thu"], "hours": [2, 14], "window": "01:00-15:00", "timezone": "Europe/Paris",
        "retention_days": 14 });
    api.post("/v1/instances", json!({ "name": "own", "source": source })).await.is(201);
    let put = Answer::of(api.ask("PUT", "/v1/instances/own/policy", ADMIN).json(&own)).await.is(200);
    let rules = &put.json["policy"];
    assert_eq!((&rules["days"], &rules["hours"]), (&json!(["mon", "thu"]), &json!([2, 14])));
    assert_eq!((&rules["timezone"], &rules["retain"]), (&json!("Europe/Paris"), &json!("14d")));
    assert_eq!(put.json["next"].as_array().unwrap().len(), 5);
    assert!(api.get("/v1/instances/own").await.is(200).json["next_due_at"].is_string());
    for wrong in [
        json!({ "days": "someday" }),
        json!({ "hours": [25] }),
        json!({ "window": "5-6" }),
        json!({ "timezone": "Mars/Olympus" }),
        json!({ "retain": "1d", "retention_days": 1 }),
        json!({ "retention_days": 0 }),
    ] {
        let request = api.ask("PUT", "/v1/instances/own/policy", ADMIN).json(&wrong);
        Answer::of(request).await.tells_problem(422, "invalid-value");
    }
    let off = Answer::of(api.ask("PUT", "/v1/instances/own/policy", ADMIN).json(&json!({ "enabled": false }))).await;
    assert_eq!(off.is(200).json["policy"]["enabled"], false);
    assert!(api.get("/v1/instances/own").await.is(200).json["next_due_at"].is_null());
    assert_eq!(api.delete("/v1/instances/own/policy").await.is(200).json["origin"], "none");
    let often = json!({ "hours": "every" });
    let daily = Answer::of(api.ask("PUT", "/v1/instances/latest/policy", ADMIN).json(&often)).await;
    daily.tells_problem(409, "refused");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_asks_for_its_version() {
    let api = Api::start().await;
    let id = api.sqlite("shop", SCRIPT).await;
    let path = format!("/v1/instances/{id}");
    let read = api.get(&path).await.is(200);
    let etag = read.header("etag").to_string();
    assert_eq!(etag, format!("\"{}\"", read.text("/etag")));
    let patch = |etag: &str, body: Value| {
        let request = api.ask("PATCH", &path, ADMIN).json(&body);
        Answer::of(if etag.is_empty() { request } else { request.header("If-Match", etag) })
    };
    patch("", json!({ "description": "a" })).await.tells_problem(428, "precondition-required");
    patch("\"other\"", json!({ "description": "a" })).await.tells_problem(412, "precondition-failed");
    patch(&format!("W/{etag}"), json!({ "description": "a" })).await.tells_problem(412, "precondition-failed");
    let changed = patch(&etag, json!({ "description": "a", "retention_days": 5 })).await.is(200);
    assert_eq!((&changed.json["description"], &changed.json["retain"]), (&json!("a"), &json!("5d")));
    assert_ne!(changed.header("etag"), etag);
    patch(&etag, json!({ "description": "b" })).await.tells_problem(412, "precondition-failed");
    let both = format!("\"x\", {}", changed.header("etag"));
    let back = patch(&both, json!({ "retention_days": null })).await.is(200).json;
    assert_eq!((&back["description"], &back["retain"]), (&json!("a"), &Value::Null));
    // Of two who change the same version, one does.
    let etag = api.get(&path).await.is(200).header("etag").to_string();
    let answers =
        futures_util::future::join_all((0..6).map(|n| patch(&etag, json!({ "description": n.to_string() })))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);

    let policy = api.get(&format!("{path}/policy")).await.is(200);
    let put = |etag: String| {
        Answer::of(
            api.ask("PUT", &format!("{path}/policy"), ADMIN).header("If-Match", etag).json(&json!({ "hours": [3] })),
        )
    };
    let etag = policy.header("etag").to_string();
    put(etag.clone()).await.is(200);
    put(etag).await.tells_problem(412, "precondition-failed");
    Answer::of(api.ask("DELETE", &path, ADMIN).header("If-Match", "\"old\""))
        .await
        .tells_problem(412, "precondition-failed");
    api.delete(&path).await.is(204);
    api.get(&path).await.tells_problem(404, "not-found");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_apart_and_one_can_be_destroyed() {
    let api = Api::start().await;
    let (id, admin) = api.account("tenant").await;
    api.post("/v1/accounts", json!({ "name": "tenant" })).await.tells_problem(409, "refused");
    let who = Answer::of(api.ask("GET", "/v1/whoami", &admin)).await.is(200).json;
    assert_eq!((&who["account"], &who["account_name"]), (&json!(id), &json!("tenant")));
    // What is of the machine is not for everybody.
    for (field, value) in [("source", "files:/etc"), ("source", "sqlite:/etc/passwd"), ("source", "env:/etc/x.toml")] {
        let body = json!({ "name": "x", field: value });
        Answer::of(api.ask("POST", "/v1/instances", &admin).json(&body)).await.tells_problem(409, "refused");
    }
    let body = json!({ "name": "x", "settings": { "before": "id > /tmp/owned" } });
    Answer::of(api.ask("POST", "/v1/instances", &admin).json(&body)).await.tells_problem(409, "refused");
    // Nobody names another account, nor gives more than they have.
    let request = api.ask("GET", "/v1/instances", &admin).header("Snaphold-Account", "default");
    Answer::of(request).await.tells_problem(404, "not-found");
    let body = json!({ "name": "more", "scopes": ["service"] });
    Answer::of(api.ask("POST", "/v1/tokens", &admin).json(&body)).await.tells_problem(403, "forbidden");
    Answer::of(api.ask("POST", "/v1/instances", &admin).json(&json!({ "name": "archive" }))).await.is(201);

    let shred =
        |confirm: Value| Answer::of(api.ask("POST", &format!("/v1/accounts/{id}/shred"), &admin).json(&confirm));
    shred(json!({})).await.tells_problem(422, "confirmation-required");
    shred(json!({ "confirm": "Tenant" })).await.tells_problem(422, "confirmation-required");
    assert!(shred(json!({ "confirm": "tenant" })).await.is(200).json["shredded_at"].is_string());
    Answer::of(api.ask("POST", "/v1/instances", &admin).json(&json!({ "name": "b" })))
        .await
        .tells_problem(409, "refused");
    assert_eq!(Answer::of(api.ask("GET", "/v1/instances", &admin)).await.is(200).json["instances"], json!([]));
    let folder = api.path("data/accounts").join(&id);
    assert!(!folder.join("repository").exists() && folder.exists());
    // Nobody but its owner reads what the service keeps.
    for name in ["accounts", "uploads", "exports", "catalog.sqlite"] {
        let mode = std::fs::metadata(api.path("data").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    api.stop().await;
}
