//! Whether a server is well, and its numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use serde_json::Value;
use snaphold::server::operate::{Health, Scrape, count_requests, health_routes, metrics_routes};
use tower::ServiceExt;

use super::clock::SECOND;
use super::{Office, completed, failed};

async fn ask(router: &Router, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 24).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn bad(body: &str) -> Vec<String> {
    let body: Value = serde_json::from_str(body).unwrap();
    let checks = body["checks"].as_array().unwrap();
    let bad = checks.iter().filter(|check| check["ok"] == false);
    bad.map(|check| check["name"].as_str().unwrap().to_string()).collect()
}

#[tokio::test]
async fn what_is_out_of_order_is_named() {
    let office = Office::open().await;
    let data = office.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let beaten = Arc::new(AtomicI64::new(office.catalog.now_us()));
    let health = Health { catalog: office.catalog.clone(), data: data.clone(), workers: Some(beaten.clone()) };
    let router = health_routes(health);
    assert_eq!(ask(&router, "/healthz", None).await.0, StatusCode::OK);
    let (status, body) = ask(&router, "/readyz", None).await;
    assert_eq!((status, bad(&body)), (StatusCode::OK, vec![]), "{body}");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);

    office.world.pass(61 * SECOND);
    let (status, body) = ask(&router, "/readyz", None).await;
    assert_eq!((status, bad(&body)), (StatusCode::SERVICE_UNAVAILABLE, vec!["workers".to_string()]), "{body}");
    beaten.store(office.catalog.now_us(), Ordering::Relaxed);
    std::fs::remove_dir(&data).unwrap();
    office.catalog.close().await;
    let (status, body) = ask(&router, "/readyz", None).await;
    assert_eq!(
        (status, bad(&body)),
        (StatusCode::SERVICE_UNAVAILABLE, vec!["catalog".to_string(), "data".to_string()])
    );
    assert!(!body.contains(&data.display().to_string()), "a path is shown to everybody: {body}");
    assert_eq!(ask(&router, "/healthz", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_numbers_are_those_of_what_happened() {
    let office = Office::open().await;
    office.instance("books", Some(r#"{"hours": "every"}"#)).await;
    office.snapshot("00000000000000ab", "books").await;
    let taken_s = office.catalog.now_us() / SECOND;
    office.ended("snapshot", completed()).await;
    office.ended("restore", failed()).await;
    office.notices(office.notifier()).tell_ended().await.unwrap();
    let scrape = Scrape {
        catalog: office.catalog.clone(),
        metrics: office.metrics.clone(),
        data: office.folder.path().to_path_buf(),
        token: Some("numbers".into()),
        instances_max: 10,
        copied_us: Some(Arc::new(AtomicI64::new(1_700_000_000 * SECOND))),
    };
    let router = Router::new()
        .route("/v1/things/{id}", get(|| async { StatusCode::IM_A_TEAPOT }))
        .merge(metrics_routes(scrape))
        .layer(from_fn_with_state(office.metrics.clone(), count_requests));
    for id in 0..3 {
        ask(&router, &format!("/v1/things/{id}"), None).await;
    }
    ask(&router, "/nothing/here", None).await;
    for wrong in [None, Some("number"), Some("numbers "), Some("")] {
        assert_eq!(ask(&router, "/metrics", wrong).await.0, StatusCode::UNAUTHORIZED);
    }
    let (status, text) = ask(&router, "/metrics", Some("numbers")).await;
    assert_eq!(status, StatusCode::OK);
    let expected = [
        r#"snaphold_jobs_total{kind="snapshot",outcome="succeeded"} 1"#.to_string(),
        r#"snaphold_jobs_total{kind="restore",outcome="failed"} 1"#.to_string(),
        r#"snaphold_job_duration_seconds_sum{kind="snapshot"} 3.0"#.to_string(),
        r#"snaphold_job_wait_seconds_sum{kind="snapshot"} 2.0"#.to_string(),
        r#"snaphold_http_requests_total{method="GET",route="/v1/things/{id}",status="418"} 3"#.to_string(),
        r#"snaphold_jobs_queued 0"#.to_string(),
        format!(r#"snaphold_last_good_snapshot_timestamp_seconds{{account="shop",instance_name="books"}} {taken_s}.0"#),
        r#"snaphold_logical_bytes{account="shop"} 1000"#.to_string(),
        r#"snaphold_stored_bytes{account="shop"} 70"#.to_string(),
        r#"snaphold_snapshots{account="shop"} 1"#.to_string(),
        "snaphold_data_free_bytes ".to_string(),
        "snaphold_catalog_copy_timestamp_seconds 1700000000.0".to_string(),
        "# EOF".to_string(),
    ];
    for line in &expected {
        assert!(text.contains(line.as_str()), "{line} is not in\n{text}");
    }
    assert!(!text.contains("/nothing/here") && !text.contains("things/0"), "{text}");
}
