//! A server for one test, and who asks it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use snaphold::server::config::Config;
use snaphold::server::vault::Vault;
use snaphold::server::{Server, Start};
use snaphold::service::Plans;
use snaphold::source::program::Programs;
use tempfile::TempDir;

use crate::here;

pub const ADMIN: &str = "the-first-administrators-token";
const MASTER: &str = "101112131415161718191a1b1c1d1e1f000102030405060708090a0b0c0d0e0f";

pub struct Api {
    server: Option<Server>,
    pub folder: TempDir,
    pub base: String,
    pub client: Client,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    pub json: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self { status, headers, bytes, json }
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// That it is a problem, of this name.
    #[track_caller]
    pub fn tells_problem(self, status: u16, name: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json["type"], format!("/problems/{name}"), "{}", answer.json);
        assert_eq!(answer.json["status"], status);
        assert_eq!(answer.json["request_id"], answer.header("x-request-id"));
        for field in ["title", "detail", "instance"] {
            assert!(!answer.json[field].as_str().unwrap().is_empty(), "{field}: {}", answer.json);
        }
        answer
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let value = self.json.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no {pointer} in {}", self.json)).to_string()
    }
}

impl Api {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        // A drill's server runs as another user, who must come by here.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
        (config.limits.requests_per_second, config.limits.burst) = (100_000, 100_000);
        config.backup.every = snaphold::server::config::Span::seconds(0);
        change(&mut config);
        let surroundings = here::surroundings();
        let vault = Vault::of_text(MASTER, surroundings.entropy.clone()).unwrap();
        let start = Start {
            config,
            data: folder.path().join("data"),
            surroundings,
            programs: Programs::new(std::env::vars_os().collect()),
            vault,
            plans: Plans::built_in(),
            admin_token: Some(ADMIN.into()),
        };
        let server = Server::start(start).await.unwrap();
        let base = format!("http://{}", server.address);
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { server: Some(server), folder, base, client }
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub async fn stop(mut self) {
        drop(self.client);
        self.server.take().unwrap().stop().await;
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ask(&self, method: &str, path: &str, token: &str) -> RequestBuilder {
        let request =
            self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.base));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.ask("GET", path, ADMIN)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.ask("POST", path, ADMIN).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.ask("DELETE", path, ADMIN)).await
    }

    /// Waits for a job's end.
    pub async fn ended(&self, job: &str) -> Value {
        loop {
            let answer = self.get(&format!("/v1/jobs/{job}")).await.is(200);
            if !matches!(answer.json["status"].as_str(), Some("queued" | "running")) {
                return answer.json;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end of the job that an answer names, which is to succeed.
    pub async fn done(&self, answer: Answer) -> Value {
        let answer = answer.is(202);
        let id = answer.text("/job/id");
        assert_eq!(answer.header("location"), format!("/v1/jobs/{id}"));
        let job = self.ended(&id).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        job
    }

    /// Makes an instance over a SQLite database of its own, and returns its id.
    pub async fn sqlite(&self, name: &str, script: &str) -> String {
        let path = self.path(&format!("{name}.db"));
        drop(crate::sqlite_common::create(&path, script));
        let body = json!({ "name": name, "source": format!("sqlite:{}", path.display()) });
        self.post("/v1/instances", body).await.is(201).text("/id")
    }

    pub fn rows(&self, name: &str, sql: &str) -> i64 {
        let rows = crate::sqlite_common::query(&self.path(&format!("{name}.db")), sql);
        match rows[0][0] {
            rusqlite::types::Value::Integer(number) => number,
            ref other => panic!("{other:?}"),
        }
    }

    pub fn change(&self, name: &str, sql: &str) {
        rusqlite::Connection::open(self.path(&format!("{name}.db"))).unwrap().execute_batch(sql).unwrap();
    }

    /// Takes a snapshot, and returns its id.
    pub async fn snapshot(&self, instance: &str) -> String {
        let answer = self.post(&format!("/v1/instances/{instance}/snapshots"), json!({})).await;
        let id = answer.text("/snapshot/id");
        self.done(answer).await;
        id
    }

    /// Another account, with a token of its administrator.
    pub async fn account(&self, name: &str) -> (String, String) {
        let id = self.post("/v1/accounts", json!({ "name": name })).await.is(201).text("/id");
        let secret = self.token(&id, &["admin"]).await;
        (id, secret)
    }

    pub async fn token(&self, account: &str, scopes: &[&str]) -> String {
        let body = json!({ "name": "test", "scopes": scopes });
        let request = self.ask("POST", "/v1/tokens", ADMIN).header("Snaphold-Account", account).json(&body);
        Answer::of(request).await.is(201).text("/secret")
    }
}
