//! `snaphold serve` as a program of its own, killed when it is dropped, and what a client sees of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::program::Place;

pub const ADMINISTRATOR: &str = "the-administrators-token";

pub struct Served {
    child: Child,
    pub url: String,
    pub client: Client,
}

impl Served {
    /// Starts it over the place's folder `data`, with more lines of config.
    pub fn start(place: &Place, config: &str) -> Self {
        // Tests ask again and again without a pause.
        let limits = "[limits]\nrequests_per_second = 100000\nburst = 100000\n";
        std::fs::write(place.path("snaphold.toml"), format!("{limits}{config}")).unwrap();
        let config = place.text_path("snaphold.toml");
        let log = std::fs::File::options().create(true).append(true).open(place.path("log")).unwrap();
        let data = place.text_path("data");
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--json", "--data", &data, "--config", &config];
        let mut command = place.command(arguments);
        command.env("SNAPHOLD_ADMIN_TOKEN", ADMINISTRATOR).stderr(log);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{line:?}; {}", std::fs::read_to_string(place.path("log")).unwrap()));
        let url = said["listening"].as_str().unwrap().to_string();
        Self { child, url, client: Client::builder().no_proxy().build().unwrap() }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url)).bearer_auth(ADMINISTRATOR)
    }

    pub fn post(&self, path: &str, body: Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).bearer_auth(ADMINISTRATOR).json(&body)
    }

    /// An instance with a SQLite database whose rows say `word`; returns its id.
    pub fn add_shop(&self, place: &Place, name: &str, word: &str) -> String {
        let path = place.path(&format!("{name}.db"));
        crate::sqlite_common::create(&path, &format!("CREATE TABLE t (w TEXT); INSERT INTO t VALUES ('{word}');"));
        let made = self.post("/v1/instances", json!({"name": name, "source": format!("sqlite:{}", path.display())}));
        value(made)["id"].as_str().unwrap().to_string()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The word in a database of [`Served::add_shop`].
pub fn word(place: &Place, name: &str) -> String {
    let connection = rusqlite::Connection::open(place.path(&format!("{name}.db"))).unwrap();
    connection.query_row("SELECT w FROM t", [], |row| row.get(0)).unwrap()
}

/// The answer of a request that succeeds.
pub fn value(request: RequestBuilder) -> Value {
    let (status, value) = answer(request);
    assert!((200..300).contains(&status), "{status}: {value}");
    value
}

/// Status and body of an answer.
pub fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text:?} is no JSON")))
}
