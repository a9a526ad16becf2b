//! Whatever is wrong is a problem that says what to do.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::server::{ADMIN, Answer, Api};

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem() {
    let api = Api::start().await;
    api.get("/v1/nothing").await.tells_problem(404, "not-found");
    api.get("/v1").await.tells_problem(404, "not-found");
    api.get("/v1/instances/%ff").await.tells_problem(400, "malformed-request");
    api.get("/v1/instances/a%00b").await.tells_problem(404, "not-found");
    api.get("/v1/instances/..%2f..%2fetc").await.tells_problem(404, "not-found");
    let allowed = Answer::of(api.ask("PATCH", "/v1/instances", ADMIN)).await.tells_problem(405, "method-not-allowed");
    assert!(allowed.header("allow").contains("GET") && allowed.header("allow").contains("POST"));
    api.get("/v1/snapshots?limit=x").await.tells_problem(400, "malformed-request");
    let unknown = api.get("/v1/snapshots?limits=1").await.tells_problem(400, "malformed-request");
    assert_eq!(unknown.json["field"], "limits");
    api.get("/v1/snapshots?limit=0").await.tells_problem(422, "invalid-value");
    api.get("/v1/snapshots?cursor=abc").await.tells_problem(422, "invalid-value");
    api.get("/v1/jobs?status=lost").await.tells_problem(400, "malformed-request");
    let post = |body: &'static str, kind: &'static str| {
        Answer::of(api.ask("POST", "/v1/instances", ADMIN).header("Content-Type", kind).body(body))
    };
    post("{", "application/json").await.tells_problem(400, "malformed-request");
    post("[\"a\"]", "application/json").await.tells_problem(400, "malformed-request");
    post("name=a", "application/x-www-form-urlencoded").await.tells_problem(415, "unsupported-media-type");
    let missing = post("{}", "application/json").await.tells_problem(422, "invalid-value");
    assert_eq!(missing.json["field"], "name");
    let unknown =
        post("{\"name\":\"a\",\"sorce\":\"x\"}", "application/json").await.tells_problem(422, "invalid-value");
    assert_eq!(unknown.json["field"], "sorce");
    for name in ["", "<script>", "../a", "a b", "a\u{202e}"] {
        let answer = api.post("/v1/instances", json!({ "name": name })).await.tells_problem(422, "invalid-value");
        assert_eq!(answer.json["field"], "name");
    }
    let long = "x".repeat(5000);
    api.post("/v1/instances", json!({ "name": "a", "description": long })).await.tells_problem(422, "invalid-value");
    let source = json!({ "name": "a", "source": "postgres://u:hunter2@127.0.0.1:1/x" });
    let unreachable = api.post("/v1/instances", source).await.tells_problem(422, "source-unusable");
    assert!(!String::from_utf8_lossy(&unreachable.bytes).contains("hunter2"));
    api.post("/v1/instances", json!({ "name": "a", "source": "ftp://x" })).await.tells_problem(422, "invalid-value");
    let body = "x".repeat(4 << 20);
    let large =
        Answer::of(api.ask("POST", "/v1/instances", ADMIN).header("Content-Type", "application/json").body(body));
    large.await.tells_problem(413, "too-large");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_an_id_and_headers_that_keep_browsers_safe() {
    let api = Api::start().await;
    let named = Answer::of(api.ask("GET", "/v1/whoami", ADMIN).header("X-Request-Id", "caller-1234")).await.is(200);
    assert_eq!(named.header("x-request-id"), "caller-1234");
    for id in ["short", "with space here", "<script>alert(1)</script>", &"a".repeat(65)] {
        let answer = Answer::of(api.ask("GET", "/v1/whoami", ADMIN).header("X-Request-Id", id)).await.is(200);
        assert!(answer.header("x-request-id").starts_with('r'), "{id}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(named.header(name), value);
    }
    assert_eq!(named.header("access-control-allow-origin"), "");
    let document = Answer::of(api.ask("GET", "/v1/openapi.json", "")).await.is(200);
    assert_eq!(document.json["openapi"], "3.1.0");
    for path in
        ["/v1/docs", "/v1/docs/swagger-ui-bundle.js", "/v1/docs/swagger-ui.css", "/v1/docs/start.js", "/problems"]
    {
        let page = Answer::of(api.ask("GET", path, "")).await.is(200);
        assert!(!page.bytes.is_empty(), "{path}");
        assert!(!page.header("content-security-policy").contains("script-src 'unsafe"), "{path}");
    }
    let problem = Answer::of(api.ask("GET", "/problems/not-found", "")).await.is(200);
    assert!(String::from_utf8_lossy(&problem.bytes).contains("Look it up"));
    Answer::of(api.ask("GET", "/v1/docs/..%2fCargo.toml", "")).await.tells_problem(404, "not-found");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_to_wait() {
    let api = Api::start_with(|config| (config.limits.requests_per_second, config.limits.burst) = (1, 5)).await;
    let mut waits = 0;
    for _ in 0..10 {
        let answer = api.get("/v1/whoami").await;
        if answer.status == 429 {
            let answer = answer.tells_problem(429, "too-many-requests");
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            waits += 1;
        }
    }
    assert!(waits >= 3, "{waits}");
    api.stop().await;
}

/// A request whose head is not HTTP, or whose body is shorter than it says, harms nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn broken_requests_end_alone() {
    let api = Api::start().await;
    let address = api.base.trim_start_matches("http://").to_string();
    let told = |text: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    assert!(told("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    let head = format!(
        "POST /v1/instances HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n"
    );
    told(&format!("{head}Content-Length: 100\r\n\r\n{{\"name\""));
    told(&format!("{head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n"));
    told(&format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000)));
    api.get("/v1/whoami").await.is(200);
    assert_eq!(api.get("/v1/instances").await.is(200).json["instances"], json!([]));
    api.stop().await;
}

/// Sends the beginning of a request and no more, and returns what is answered until the connection is closed.
fn answered_to(address: &str, begin: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(begin.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: waits for what is slow, 30 seconds"]
async fn who_sends_too_slowly_is_not_waited_for() {
    let api = Api::start().await;
    let address = api.base.strip_prefix("http://").unwrap().to_string();
    let head = format!("POST /v1/instances HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n");
    let body = format!("{head}Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{");
    let (to_head, to_body) = (address.clone(), address);
    let slow_head = tokio::task::spawn_blocking(move || answered_to(&to_head, &head));
    let slow_body = tokio::task::spawn_blocking(move || answered_to(&to_body, &body));
    // Others are served meanwhile.
    api.get("/v1/whoami").await.is(200);
    assert_eq!(slow_head.await.unwrap(), "");
    let answer = slow_body.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("/problems/request-timeout"), "{answer}");
    api.stop().await;
}
