//! What is told, to whom, and how often.

use serde_json::json;
use snaphold::server::catalog::Ending;
use snaphold::server::config::Span;
use snaphold::server::operate::look_for_overdue;
use snaphold::service::Plans;

use super::clock::SECOND;
use super::{Office, completed, failed, names};

const HOUR: i64 = 3600 * SECOND;

#[tokio::test]
async fn each_end_of_a_job_is_its_events() {
    let office = Office::open().await;
    let taken = json!({"taken": [{"snapshot": {"id": "01"}}, {"snapshot": {"id": "02"}}], "expired": []});
    let cases = [
        ("snapshot", completed(), vec!["snapshot.completed", "job.succeeded"]),
        ("load", completed(), vec!["snapshot.completed", "job.succeeded"]),
        ("policy", Ending::Succeeded(taken), vec!["snapshot.completed", "snapshot.completed", "job.succeeded"]),
        ("policy", Ending::Succeeded(json!({"taken": []})), vec!["job.succeeded"]),
        ("check", Ending::Succeeded(json!({"snapshot": null})), vec!["job.succeeded"]),
        ("check", Ending::Succeeded(json!({"snapshot": {"id": "03"}})), vec!["snapshot.completed", "job.succeeded"]),
        ("restore", completed(), vec!["restore.completed", "job.succeeded"]),
        ("undo", failed(), vec!["restore.failed", "job.failed"]),
        ("snapshot", failed(), vec!["snapshot.failed", "job.failed"]),
        ("gc", failed(), vec!["job.failed"]),
        ("snapshot", Ending::Cancelled, vec!["job.cancelled"]),
    ];
    for (kind, ending, expected) in cases {
        assert_eq!(names(&office.ended(kind, ending).await), expected, "{kind}");
    }
}

#[tokio::test]
async fn the_same_end_is_told_once_whoever_tells_it() {
    let office = Office::open().await;
    let all = office.webhook("http://127.0.0.1:9/", &[]).await;
    let failures = office.webhook("http://127.0.0.1:9/", &["snapshot.failed"]).await;
    let job = office.ended("snapshot", failed()).await;
    let notices = office.notices(office.notifier());
    // A process that ended between telling and noting that it had told.
    for event in snaphold::server::operate::Event::of_job(&job) {
        office.notifier().tell(&event).await.unwrap();
    }
    let (one, two) = tokio::join!(notices.tell_ended(), notices.tell_ended());
    assert!(one.unwrap() + two.unwrap() >= 1);
    assert_eq!(notices.tell_ended().await.unwrap(), 0);
    let of = |id: String| {
        let catalog = office.catalog.clone();
        async move {
            let mut events: Vec<String> =
                catalog.deliveries(&id, 99).await.unwrap().into_iter().map(|delivery| delivery.event).collect();
            events.sort();
            events
        }
    };
    assert_eq!(of(all.id).await, ["job.failed", "snapshot.failed"]);
    assert_eq!(of(failures.id).await, ["snapshot.failed"]);
}

#[tokio::test]
async fn what_was_told_is_forgotten_in_time_and_what_waits_is_not() {
    let office = Office::open().await;
    let hook = office.webhook("http://127.0.0.1:9/", &["job.*"]).await;
    office.ended("gc", failed()).await;
    let notices = office.notices(office.notifier());
    notices.tell_ended().await.unwrap();
    office.world.pass(40 * 24 * HOUR);
    assert_eq!(office.catalog.forget_notices(office.catalog.now_us()).await.unwrap(), 0);
    office.catalog.remove_webhook(&office.account, &hook.id).await.unwrap();
    assert_eq!(office.catalog.forget_notices(office.catalog.now_us()).await.unwrap(), 1);
}

#[tokio::test]
async fn an_instance_is_overdue_once_for_each_time_that_it_missed() {
    let office = Office::open().await;
    let hook = office.webhook("http://127.0.0.1:9/", &["instance.overdue"]).await;
    office.instance("books", Some(r#"{"hours": "every"}"#)).await;
    office.instance("quiet", None).await;
    office.instance("paused", Some(r#"{"hours": "every", "enabled": false}"#)).await;
    let plans = Plans::built_in();
    let look = || async {
        let notifier = office.notifier();
        look_for_overdue(&office.catalog, &plans, Span::hours(2), &notifier).await.unwrap()
    };
    let overdue = || async { office.catalog.service_counts().await.unwrap().overdue };

    assert_eq!(look().await, 0);
    office.world.pass(HOUR);
    assert_eq!(look().await, 0);
    office.world.pass(5 * HOUR);
    assert_eq!((look().await, overdue().await), (1, 1));
    office.world.pass(5 * HOUR);
    assert_eq!((look().await, overdue().await), (0, 1));
    office.snapshot("00000000000000ab", "books").await;
    assert_eq!((look().await, overdue().await), (0, 0));
    office.world.pass(6 * HOUR);
    assert_eq!((look().await, overdue().await), (1, 1));
    // A policy that was just given is not late.
    office.instance("quiet", Some(r#"{"hours": "every"}"#)).await;
    assert_eq!((look().await, overdue().await), (0, 1));
    // One that was taken away is not late either.
    office.instance("books", Some(r#"{"hours": "every", "enabled": false}"#)).await;
    assert_eq!((look().await, overdue().await), (0, 0));

    let told = office.catalog.deliveries(&hook.id, 99).await.unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|delivery| delivery.body.contains("\"books\"")), "{told:?}");
}
