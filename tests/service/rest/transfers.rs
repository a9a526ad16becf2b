//! Files that go up and come down: cut, gone on with, handed on.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::server::{ADMIN, Answer, Api};

/// A dump: a SQLite database's file.
fn dump(api: &Api) -> Vec<u8> {
    let path = api.path("dump.db");
    drop(crate::sqlite_common::create(
        &path,
        "CREATE TABLE t (x, y); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
         INSERT INTO t SELECT i, hex(randomblob(50)) FROM n",
    ));
    std::fs::read(path).unwrap()
}

async fn part(api: &Api, load: &str, offset: usize, bytes: &[u8]) -> Answer {
    let request = api.ask("PATCH", &format!("/v1/loads/{load}"), ADMIN).header("Upload-Offset", offset);
    Answer::of(request.header("Content-Type", "application/offset+octet-stream").body(bytes.to_vec())).await
}

async fn offset(api: &Api, load: &str) -> usize {
    let answer = Answer::of(api.ask("HEAD", &format!("/v1/loads/{load}"), ADMIN)).await.is(200);
    answer.header("upload-offset").parse().unwrap()
}

/// Rows B1 (load), B4.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_goes_on_and_is_loaded() {
    let api = Api::start().await;
    let bytes = dump(&api);
    api.post("/v1/instances", json!({ "name": "archive" })).await.is(201);
    let begun = api.post("/v1/instances/archive/loads", json!({ "file_name": "shop.db", "length": bytes.len() })).await;
    let load = begun.is(201).text("/id");
    part(&api, &load, 0, &bytes[..1000]).await.is(204);
    // Cut: a body that is shorter than it says. What came of it stays.
    let address = api.base.trim_start_matches("http://").to_string();
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "PATCH /v1/loads/{load} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nUpload-Offset: 1000\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 300000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[1000..201_000]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    drop(stream);
    let mut there = offset(&api, &load).await;
    while there == 1000 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        there = offset(&api, &load).await;
    }
    assert!((1000..=201_000).contains(&there), "{there}");
    let wrong = part(&api, &load, there - 1, &bytes[..10]).await.tells_problem(409, "offset-mismatch");
    assert_eq!(wrong.header("upload-offset"), there.to_string());
    let complete = format!("/v1/loads/{load}/complete");
    api.post(&complete, json!({})).await.tells_problem(409, "offset-mismatch");
    let middle = (there + bytes.len()) / 2;
    part(&api, &load, there, &bytes[there..middle]).await.is(204);
    part(&api, &load, middle, &[&bytes[middle..], b"more".as_slice()].concat()).await.tells_problem(413, "too-large");
    let there = offset(&api, &load).await;
    part(&api, &load, there, &bytes[there..]).await.is(204);
    assert_eq!(offset(&api, &load).await, bytes.len());
    assert_eq!(std::fs::read(api.path("data/uploads").join(&load)).unwrap(), bytes);
    let taking = api.post(&complete, json!({ "description": "from the shop" })).await.is(202);
    let snapshot = taking.text("/snapshot/id");
    api.done(taking).await;
    let loaded = api.get(&format!("/v1/snapshots/{snapshot}")).await.is(200).json;
    assert_eq!((&loaded["type"], &loaded["status"]), (&json!("load"), &json!("completed")));
    assert_eq!(api.get(&format!("/v1/loads/{load}")).await.is(200).json["status"], "used");
    api.post(&complete, json!({})).await.tells_problem(409, "refused");
    part(&api, &load, bytes.len(), b"x").await.tells_problem(409, "refused");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_over_a_source_is_confirmed_before_it_is_sent() {
    let api = Api::start().await;
    let bytes = dump(&api);
    api.sqlite("shop", "CREATE TABLE t (x, y)").await;
    let send = |query: &str| {
        let request = api.ask("POST", &format!("/v1/instances/shop/loads/file?{query}"), ADMIN);
        Answer::of(request.header("Content-Type", "application/octet-stream").body(bytes.clone()))
    };
    send("file_name=a.db").await.tells_problem(422, "confirmation-required");
    send("file_name=..%2fa.db&confirm=RESTORE").await.tells_problem(422, "invalid-value");
    send("confirm=RESTORE").await.tells_problem(400, "malformed-request");
    assert_eq!(api.rows("shop", "SELECT COUNT(*) FROM t"), 0);
    let job = api.done(send("file_name=a.db&confirm=RESTORE&retention_days=2").await).await;
    assert_eq!(api.rows("shop", "SELECT COUNT(*) FROM t"), 5000);
    assert!(job["result"]["safety_snapshot"].is_string(), "{job}");
    let begun = api.post("/v1/instances/shop/loads", json!({ "file_name": "a.db" })).await.is(201).text("/id");
    api.delete(&format!("/v1/loads/{begun}")).await.is(204);
    api.get(&format!("/v1/loads/{begun}")).await.tells_problem(404, "not-found");
    let plain = api.ask("PATCH", &format!("/v1/loads/{begun}"), ADMIN).header("Upload-Offset", "0").json(&json!({}));
    Answer::of(plain).await.tells_problem(415, "unsupported-media-type");
    api.stop().await;
}

/// Rows A3, B5, X3.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_it_was_cut_and_can_be_handed_on() {
    let api = Api::start().await;
    std::fs::rename(api.path("dump.db"), api.path("shop.db")).unwrap_or_default();
    let shop = api.sqlite("shop", "CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(100000))").await;
    let snapshot = api.snapshot(&shop).await;
    let exporting = api.post(&format!("/v1/snapshots/{snapshot}/exports"), json!({ "format": "tar.gz" })).await.is(202);
    let export = exporting.text("/export/id");
    api.done(exporting).await;
    let shown = api.get(&format!("/v1/exports/{export}")).await.is(200).json;
    let path = shown["content_url"].as_str().unwrap().to_string();
    let whole = api.get(&path).await.is(200);
    assert_eq!(whole.bytes.len() as i64, shown["bytes"].as_i64().unwrap());
    assert_eq!(blake3::hash(&whole.bytes).to_hex().as_str(), shown["blake3"].as_str().unwrap());
    let name = format!("attachment; filename=\"shop-{snapshot}.tar.gz\"");
    assert_eq!((whole.header("content-disposition"), whole.header("accept-ranges")), (name.as_str(), "bytes"));
    let etag = whole.header("etag").to_string();
    let ranged = |range: &str, if_range: &str| {
        let request = api.ask("GET", &path, ADMIN).header("Range", range);
        Answer::of(if if_range.is_empty() { request } else { request.header("If-Range", if_range) })
    };
    let half = whole.bytes.len() / 2;
    let first = ranged(&format!("bytes=0-{}", half - 1), "").await.is(206);
    let rest = ranged(&format!("bytes={half}-"), &etag).await.is(206);
    assert_eq!([first.bytes, rest.bytes.clone()].concat(), whole.bytes);
    assert_eq!(rest.header("content-range"), format!("bytes {half}-{}/{}", whole.bytes.len() - 1, whole.bytes.len()));
    assert_eq!(ranged(&format!("bytes={half}-"), "\"other\"").await.is(200).bytes, whole.bytes);
    let outside = ranged("bytes=99999999-", "").await.tells_problem(416, "range-not-satisfiable");
    assert_eq!(outside.header("content-range"), format!("bytes */{}", whole.bytes.len()));
    let head = Answer::of(api.ask("HEAD", &path, ADMIN)).await.is(200);
    assert_eq!(head.header("content-length"), whole.bytes.len().to_string());
    assert_eq!(Answer::of(api.ask("GET", &path, ADMIN).header("If-None-Match", &etag)).await.status, 304);

    let link = api.post(&format!("/v1/exports/{export}/link"), json!({ "seconds": 600 })).await.is(200).text("/url");
    let link = link.strip_prefix(&api.base).unwrap().to_string();
    assert_eq!(Answer::of(api.ask("GET", &link, "")).await.is(200).bytes, whole.bytes);
    let part = Answer::of(api.ask("GET", &link, "").header("Range", "bytes=-10")).await.is(206);
    assert_eq!(part.bytes, whole.bytes[whole.bytes.len() - 10..]);
    let (text, signature) = link.rsplit_once('.').unwrap();
    let later = text.replacen(text.rsplit('.').next().unwrap(), "7fffffffffffff", 1);
    for forged in [
        text.to_string(),
        format!("{text}.{}", "0".repeat(64)),
        format!("{later}.{signature}"),
        link.replace(&export, "e0000000000000000"),
        "/v1/downloads/a.b.c.d".into(),
        "/v1/downloads/%2e%2e%2f".into(),
    ] {
        Answer::of(api.ask("GET", &forged, "")).await.tells_problem(404, "not-found");
    }
    api.post(&format!("/v1/exports/{export}/link"), json!({ "seconds": 0 })).await.tells_problem(422, "invalid-value");
    let brief = api.post(&format!("/v1/exports/{export}/link"), json!({ "seconds": 1 })).await.is(200);
    let until: jiff::Timestamp = brief.text("/expires_at").parse().unwrap();
    while jiff::Timestamp::now() <= until {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let brief = brief.text("/url").strip_prefix(&api.base).unwrap().to_string();
    Answer::of(api.ask("GET", &brief, "")).await.tells_problem(404, "not-found");
    let audit = api.get("/v1/audit?action=export.").await.is(200).json;
    let by_link = audit["entries"].as_array().unwrap().iter().filter(|one| one["actor"] == "link").count();
    assert_eq!(by_link, 2, "{audit}");
    api.post(&format!("/v1/snapshots/{snapshot}/exports"), json!({ "format": "zip" }))
        .await
        .tells_problem(422, "invalid-value");
    api.stop().await;
}
