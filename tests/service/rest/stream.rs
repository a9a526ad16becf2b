//! Events: jobs as they change.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::server::{ADMIN, Api};

/// Reads a stream of events until `enough`, and returns each event's id and data.
async fn read(
    api: &Api,
    path: &str,
    last: Option<&str>,
    enough: impl Fn(&[(String, Value)]) -> bool,
) -> Vec<(String, Value)> {
    let mut request = api.ask("GET", path, ADMIN);
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut stream, mut text, mut events) = (response.bytes_stream(), String::new(), Vec::new());
    while !enough(&events) {
        let Some(bytes) = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.unwrap() else { break };
        text.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_string())
            };
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                assert_eq!(field("event:").as_deref(), Some("job"));
                events.push((id, serde_json::from_str(&data).unwrap()));
            }
            text = rest.to_string();
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jobs_events_end_with_the_job() {
    let api = Api::start().await;
    api.sqlite("shop", "CREATE TABLE t (x)").await;
    let job = api.post("/v1/instances/shop/snapshots", json!({})).await.is(202).text("/job/id");
    let events = read(&api, &format!("/v1/jobs/{job}/events"), None, |_| false).await;
    assert_eq!(events.last().unwrap().1["status"], "succeeded");
    assert!(events.windows(2).all(|pair| pair[0].1 != pair[1].1));
    let over = read(&api, &format!("/v1/jobs/{job}/events"), None, |_| false).await;
    assert_eq!(over.len(), 1);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_gets_what_was_missed() {
    let api = Api::start().await;
    api.sqlite("shop", "CREATE TABLE t (x)").await;
    let ended = |events: &[(String, Value)], job: &str| {
        events.iter().any(|(_, event)| event["id"] == job && event["status"] == "succeeded")
    };
    let (first, events) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            api.post("/v1/instances/shop/snapshots", json!({})).await.is(202).text("/job/id")
        },
        read(&api, "/v1/events", None, |events| events.iter().any(|(_, event)| event["status"] == "succeeded"))
    );
    assert!(ended(&events, &first));
    let last = events.last().unwrap().0.clone();
    let missed = api.post("/v1/instances/shop/snapshots", json!({})).await.is(202).text("/job/id");
    assert_eq!(api.ended(&missed).await["status"], "succeeded");
    let events = read(&api, "/v1/events", Some(&last), |events| ended(events, &missed)).await;
    assert!(ended(&events, &missed));
    // Another account hears nothing of it.
    let (_, other) = api.account("other").await;
    let response = api.ask("GET", "/v1/events", &other).header("Last-Event-ID", "0").send().await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(300), response.bytes_stream().next()).await;
    assert!(heard.is_err(), "{heard:?}");
    api.stop().await;
}
