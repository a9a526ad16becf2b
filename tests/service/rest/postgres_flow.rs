//! A PostgreSQL server as the source.

use serde_json::json;

use super::server::Api;
use crate::postgres;

/// Rows A2, A3, A4, A5, B5, Z5 on PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_database_is_captured_exported_restored_and_proven() {
    let Some(server) = postgres::server("REST over PostgreSQL") else { return };
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (x int); INSERT INTO t SELECT generate_series(1, 1000)");
    let api = Api::start().await;
    let body = json!({ "name": "shop", "source": server.url("shop", "") });
    let made = api.post("/v1/instances", body).await.is(201);
    assert!(!String::from_utf8_lossy(&made.bytes).contains(postgres::PASSWORD));
    assert_eq!(made.json["settings"]["password"], "(stored)");
    let snapshot = api.snapshot("shop").await;
    server.sql("shop", "TRUNCATE t");
    let exporting = api.post(&format!("/v1/snapshots/{snapshot}/exports"), json!({ "format": "dump" })).await.is(202);
    let export = exporting.text("/export/id");
    api.done(exporting).await;
    let dump = api.get(&format!("/v1/exports/{export}/content")).await.is(200);
    assert!(dump.bytes.starts_with(b"PGDMP"));
    api.done(api.post(&format!("/v1/snapshots/{snapshot}/restore"), json!({ "confirm": "RESTORE" })).await).await;
    assert_eq!(server.sql("shop", "SELECT count(*) FROM t").trim(), "1000");
    server.sql("postgres", "CREATE DATABASE copy");
    let clone = json!({ "name": "copy", "source": server.url("copy", "") });
    let job = api.done(api.post(&format!("/v1/snapshots/{snapshot}/clone"), clone).await).await;
    assert!(!job.to_string().contains(postgres::PASSWORD));
    assert_eq!(server.sql("copy", "SELECT count(*) FROM t").trim(), "1000");
    let drill = json!({ "query": "SELECT 1 FROM t WHERE x = 1000" });
    api.done(api.post(&format!("/v1/snapshots/{snapshot}/drill"), drill).await).await;
    let proof = api.get(&format!("/v1/snapshots/{snapshot}")).await.is(200).json["proof"].clone();
    assert_eq!(proof["proven"], true, "{proof}");
    // No secret stands in the catalog or the audit.
    let bytes = |name: &str| std::fs::read(api.path("data").join(name)).unwrap_or_default();
    let catalog = [bytes("catalog.sqlite"), bytes("catalog.sqlite-wal")].concat();
    let password = postgres::PASSWORD.as_bytes();
    assert!(!catalog.windows(password.len()).any(|window| window == password));
    api.stop().await;
}
