//! The log: who tried what is not theirs is in it, under the request's id, and no secret is.

use serde_json::Value;

use crate::program::Place;
use crate::served::{ADMINISTRATOR, Served};

/// A request, answered with the status; returns its id.
fn refused(request: reqwest::blocking::RequestBuilder, status: u16) -> String {
    let answer = request.send().unwrap();
    assert_eq!(answer.status().as_u16(), status, "{answer:?}");
    answer.headers()["x-request-id"].to_str().unwrap().to_string()
}

#[test]
fn who_is_refused_is_in_the_log_and_no_secret_is() {
    let place = Place::bare();
    let served = Served::start(&place, "[log]\nformat = \"json\"\n");
    let at = |path: &str| format!("{}{path}", served.url);
    let secret = "a-secret-that-nobody-may-read";
    let (get, post) = (|path: &str| served.client.get(at(path)), |path: &str| served.client.post(at(path)));
    let ids = [
        refused(get("/v1/instances").bearer_auth(secret), 401),
        refused(get("/v1/instances").header("Cookie", format!("snaphold_session={secret}")), 401),
        refused(post("/console/sign-in").form(&[("email", "ada@example.com"), ("password", secret)]), 401),
        refused(post("/console/sign-in").form(&[("token", secret), ("email", "a@b.c"), ("password", secret)]), 401),
        refused(post("/console/sign-in").header("Sec-Fetch-Site", "cross-site").form(&[("email", "a@b.c")]), 403),
        refused(get("/aura/v1/instances").bearer_auth(secret), 401),
        refused(
            post("/aura/oauth/token").basic_auth("someone", Some(secret)).form(&[("grant_type", "client_credentials")]),
            401,
        ),
    ];
    let log = std::fs::read_to_string(place.path("log")).unwrap();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for id in &ids {
        let of_it = |line: &&Value| line["level"] == "WARN" && line["span"]["request_id"] == **id;
        let line = lines.iter().find(of_it).unwrap_or_else(|| panic!("nothing about {id} in {log}"));
        assert_eq!(line["span"]["address"], "127.0.0.1", "{line}");
    }
    assert!(!log.contains(secret) && !log.contains(ADMINISTRATOR), "{log}");
}
