//! What holds of a catalog, whatever database it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use snaphold::error::{Error, ErrorKind};
use snaphold::server::catalog::{
    Catalog, Claimed, Cursor, Ending, Job, JobFilter, JobState, NewAudit, NewJob, NewToken, Role, SnapshotFilter,
};

use crate::notices;
use crate::world::{SECOND, World};

pub async fn run(url: &str, world: &Arc<World>) {
    let catalog = Catalog::open(url, world.surroundings()).await.unwrap();
    identities(&catalog, world).await;
    answers(&catalog, world).await;
    leases(&catalog, world).await;
    one_ending(&catalog, world).await;
    fair(&catalog, world).await;
    claimed_once(&catalog, url, world).await;
    pages(&catalog, world).await;
    audit(&catalog).await;
    notices::run(&catalog, world).await;
    // The tables are brought up to date once: a second opening finds what the first one wrote.
    let again = Catalog::open(url, world.surroundings()).await.unwrap();
    assert_eq!(again.accounts().await.unwrap().len(), catalog.accounts().await.unwrap().len());
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, Error>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

async fn account(catalog: &Catalog, name: &str) -> String {
    let id = catalog.new_id('a');
    catalog.add_account(&id, name, "sealed").await.unwrap().id
}

async fn identities(catalog: &Catalog, world: &World) {
    let one = account(catalog, "identities").await;
    assert_eq!(kind(catalog.add_account("a2", "identities", "x").await), ErrorKind::Refused);
    assert_eq!(kind(catalog.account("a'; DROP TABLE accounts; --").await), ErrorKind::NotFound);
    let user = catalog.add_user(&one, "Ann@Example.org", "hash", Role::Owner).await.unwrap();
    assert_eq!(catalog.user_by_email("ann@example.ORG").await.unwrap().unwrap().id, user.id);
    assert_eq!(kind(catalog.add_user(&one, "ann@example.org", "hash", Role::Viewer).await), ErrorKind::Refused);
    let new = NewToken {
        account: Some(&one),
        name: "ci",
        scopes: &["read", "capture"],
        hash: "h",
        created_by: "user:u1",
        expires_us: None,
    };
    let token = catalog.add_token("t1", new).await.unwrap();
    assert_eq!(token.scopes, ["read", "capture"]);
    assert_eq!(token.last_used_us, None);
    catalog.touch_token(&token).await.unwrap();
    assert_eq!(catalog.token("t1").await.unwrap().unwrap().last_used_us, Some(catalog.now_us()));
    let revoked_us = catalog.now_us();
    catalog.revoke_token("t1").await.unwrap();
    world.pass(SECOND);
    catalog.revoke_token("t1").await.unwrap();
    assert_eq!(catalog.token("t1").await.unwrap().unwrap().revoked_us, Some(revoked_us));
    catalog.shred_account(&one).await.unwrap();
    let shredded = catalog.account(&one).await.unwrap();
    assert_eq!((shredded.sealed_secret, shredded.shredded_us), (None, Some(catalog.now_us())));
}

async fn answers(catalog: &Catalog, world: &World) {
    let patience = 60 * SECOND;
    let claim = async |key: &str, digest: &str| catalog.claim_key("a1", key, digest, patience).await.unwrap();
    assert_eq!(claim("k", "d").await, Claimed::New);
    assert_eq!(claim("k", "d").await, Claimed::Busy);
    assert_eq!(claim("k", "other").await, Claimed::Other);
    catalog.keep_answer("a1", "k", 202, "{}").await.unwrap();
    assert_eq!(claim("k", "d").await, Claimed::Answered(202, "{}".into()));
    assert_eq!(claim("k2", "d").await, Claimed::New);
    world.pass(2 * patience);
    // Whoever claimed it is gone without an answer.
    assert_eq!(claim("k2", "d").await, Claimed::New);
    assert_eq!(claim("k", "d").await, Claimed::Answered(202, "{}".into()));
    catalog.release_key("a1", "k2").await.unwrap();
    assert_eq!(claim("k2", "other").await, Claimed::New);
}

async fn leases(catalog: &Catalog, world: &World) {
    let hold = async |holder: &str| catalog.hold_lease("scheduler", holder, 10 * SECOND).await.unwrap();
    assert_eq!(hold("one").await.unwrap().epoch, 1);
    assert!(hold("two").await.is_none());
    world.pass(9 * SECOND);
    assert_eq!(hold("one").await.unwrap().epoch, 1);
    world.pass(9 * SECOND);
    assert!(hold("two").await.is_none());
    world.pass(2 * SECOND);
    assert_eq!(hold("two").await.unwrap().epoch, 2);
    assert!(hold("one").await.is_none());
    catalog.release_lease("scheduler", "two").await.unwrap();
    assert_eq!(hold("one").await.unwrap().epoch, 3);
}

fn job(account: &str, instance: Option<&str>) -> NewJob {
    NewJob {
        account: account.into(),
        kind: "snapshot",
        instance: instance.map(str::to_string),
        snapshot: None,
        is_exclusive: instance.is_some(),
        spec: json!({"kind": "snapshot"}).to_string(),
        attempts_max: 3,
        created_by: "test".into(),
        request_id: None,
    }
}

async fn one_ending(catalog: &Catalog, world: &World) {
    let one = account(catalog, "one ending").await;
    let queued = catalog.add_job(&job(&one, None)).await.unwrap();
    let first = catalog.claim_job("first", 2).await.unwrap().unwrap();
    assert_eq!((first.id.as_str(), first.attempt, first.state), (queued.id.as_str(), 1, JobState::Running));
    assert_eq!(catalog.beat(&first, Some("reading"), 5, Some(10)).await.unwrap(), (true, false));
    world.pass(60 * SECOND);
    let running = catalog.running_jobs().await.unwrap();
    let silent = running.iter().find(|job| job.id == first.id).unwrap();
    assert_eq!(silent.beat_us, Some(catalog.now_us() - 60 * SECOND));
    assert!(catalog.requeue_job(silent, catalog.now_us() + SECOND).await.unwrap());
    assert!(catalog.claim_job("second", 2).await.unwrap().is_none(), "it is put off");
    world.pass(2 * SECOND);
    let second = catalog.claim_job("second", 2).await.unwrap().unwrap();
    assert_eq!((second.attempt, second.stage.as_deref(), second.bytes_done), (2, None, 0));
    // The first worker was only slow. It has lost the job: nothing that it says counts.
    assert_eq!(catalog.beat(&first, None, 9, None).await.unwrap(), (false, true));
    assert!(!catalog.end_job(&first, &Ending::Succeeded(json!(1))).await.unwrap());
    assert!(!catalog.requeue_job(&first, 0).await.unwrap());
    assert_eq!(catalog.cancel_job(&one, &second.id).await.unwrap().state, JobState::Running);
    assert_eq!(catalog.beat(&second, None, 0, None).await.unwrap(), (true, true));
    assert!(catalog.end_job(&second, &Ending::Succeeded(json!({"n": 2}))).await.unwrap());
    assert!(!catalog.end_job(&second, &Ending::Cancelled).await.unwrap());
    let ended = catalog.job(&one, &second.id).await.unwrap();
    assert_eq!((ended.state, ended.result), (JobState::Succeeded, Some(json!({"n": 2}))));
    let waiting = catalog.add_job(&job(&one, None)).await.unwrap();
    assert_eq!(catalog.cancel_job(&one, &waiting.id).await.unwrap().state, JobState::Cancelled);
    assert_eq!(catalog.cancel_job(&one, &second.id).await.unwrap().state, JobState::Succeeded);
    assert_eq!(kind(catalog.job("another", &second.id).await), ErrorKind::NotFound);
}

/// Ends everything that runs.
async fn drain(catalog: &Catalog) {
    for job in catalog.running_jobs().await.unwrap() {
        assert!(catalog.end_job(&job, &Ending::Cancelled).await.unwrap());
    }
}

async fn fair(catalog: &Catalog, world: &World) {
    let (busy, quiet) = (account(catalog, "busy").await, account(catalog, "quiet").await);
    for _ in 0..10 {
        catalog.add_job(&job(&busy, None)).await.unwrap();
        world.pass(1);
    }
    catalog.add_job(&job(&quiet, None)).await.unwrap();
    let claim = async || catalog.claim_job("w", 2).await.unwrap();
    let order: Vec<Option<String>> = vec![
        claim().await.map(|job| job.account),
        claim().await.map(|job| job.account),
        claim().await.map(|job| job.account),
        claim().await.map(|job| job.account),
    ];
    // The one that has nothing running comes before a second of the other; a third of the other does not begin.
    assert_eq!(order, [Some(busy.clone()), Some(quiet.clone()), Some(busy.clone()), None]);
    catalog.limit_account(&busy, Some(3)).await.unwrap();
    assert_eq!(claim().await.unwrap().account, busy);
    assert!(claim().await.is_none());
    let depth = catalog.queue_depth().await.unwrap();
    assert_eq!((depth.queued, depth.running), (7, 4));
    catalog.shred_account(&busy).await.unwrap();
    assert_eq!(catalog.queue_depth().await.unwrap().queued, 0);
    drain(catalog).await;

    // Two jobs that write to one instance do not run at once; to another one they do.
    let one = account(catalog, "exclusive").await;
    for instance in ["shop", "shop", "blog"] {
        catalog.add_job(&job(&one, Some(instance))).await.unwrap();
        world.pass(1);
    }
    let names: Vec<String> =
        [claim().await, claim().await].into_iter().flatten().flat_map(|job| job.instance).collect();
    assert_eq!(names, ["shop", "blog"]);
    drain(catalog).await;
    assert_eq!(claim().await.unwrap().instance.as_deref(), Some("shop"));
    drain(catalog).await;
}

/// Workers of several servers claim at once: each job goes to one of them, and never more at once than are allowed.
async fn claimed_once(catalog: &Catalog, url: &str, world: &Arc<World>) {
    const JOBS: usize = 60;
    let accounts = [account(catalog, "c1").await, account(catalog, "c2").await];
    for number in 0..JOBS {
        catalog.add_job(&job(&accounts[number % 2], Some("same"))).await.unwrap();
    }
    let mut workers = Vec::new();
    for worker in 0..8 {
        let catalog = Catalog::open(url, world.surroundings()).await.unwrap();
        workers.push(tokio::spawn(async move {
            let mut had: Vec<Job> = Vec::new();
            let mut idle = 0;
            while idle < 50 {
                let Some(job) = catalog.claim_job(&format!("w{worker}"), 4).await.unwrap() else {
                    idle += 1;
                    tokio::task::yield_now().await;
                    continue;
                };
                idle = 0;
                let running = catalog.running_jobs().await.unwrap();
                let of_instance = running.iter().filter(|other| other.account == job.account).count();
                assert_eq!(of_instance, 1, "two that write to one instance");
                assert!(catalog.end_job(&job, &Ending::Succeeded(json!(null))).await.unwrap());
                had.push(job);
            }
            had
        }));
    }
    let mut had = Vec::new();
    for worker in workers {
        had.extend(worker.await.unwrap());
    }
    let distinct: BTreeSet<&str> = had.iter().map(|job| job.id.as_str()).collect();
    assert_eq!((had.len(), distinct.len()), (JOBS, JOBS));
}

async fn pages(catalog: &Catalog, world: &World) {
    let (one, other) = (account(catalog, "pages").await, account(catalog, "others").await);
    let mut expected = Vec::new();
    for number in 0..25 {
        let id = format!("{number:016x}");
        let instance = if number % 5 == 0 { "five" } else { "rest" };
        catalog.begin_snapshot(&one, &id, instance, "on_demand", Some("<b>")).await.unwrap();
        catalog.begin_snapshot(&other, &id, instance, "load", None).await.unwrap();
        expected.push(id);
        // Some of the same moment: the id decides then.
        world.pass(if number % 3 == 0 { 0 } else { SECOND });
    }
    expected.reverse();
    let list = async |filter: &SnapshotFilter, after: Option<&Cursor>| {
        catalog.snapshots(&one, filter, after, 7).await.unwrap()
    };
    let filter = SnapshotFilter::default();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = list(&filter, after.as_ref()).await;
        seen.extend(page.items.iter().map(|snapshot| snapshot.id.clone()));
        assert!(page.items.iter().all(|snapshot| snapshot.kind == "on_demand"));
        // What is added at the front while somebody pages neither hides nor repeats anything.
        if after.is_none() {
            world.pass(SECOND);
            catalog.begin_snapshot(&one, "ffffffffffffffff", "rest", "on_demand", None).await.unwrap();
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    let five = SnapshotFilter { instance: Some("five".into()), ..SnapshotFilter::default() };
    assert_eq!(list(&five, None).await.items.len(), 5);
    let nobody = SnapshotFilter { instance: Some("' OR 1=1 --".into()), ..SnapshotFilter::default() };
    assert!(list(&nobody, None).await.items.is_empty());

    catalog.fail_snapshot(&one, &expected[0], "the server is down").await.unwrap();
    let failed = catalog.snapshot(&one, &expected[0]).await.unwrap();
    let reason = |view: &str| serde_json::from_str::<Value>(view).unwrap()["reason"].clone();
    assert_eq!((failed.status.as_str(), reason(&failed.view)), ("failed", json!("the server is down")));
    catalog.fail_snapshot(&one, &expected[0], "again").await.unwrap();
    assert_eq!(reason(&catalog.snapshot(&one, &expected[0]).await.unwrap().view), json!("the server is down"));
    assert_eq!(catalog.snapshot(&other, &expected[0]).await.unwrap().status, "in_progress");
    catalog.forget_snapshot(&one, &expected[0]).await.unwrap();
    assert_eq!(kind(catalog.snapshot(&one, &expected[0]).await), ErrorKind::NotFound);
    let jobs = catalog.jobs(&one, &JobFilter::default(), None, 5).await.unwrap();
    assert!(jobs.items.is_empty() && jobs.next.is_none());
}

async fn audit(catalog: &Catalog) {
    let actions = ["snapshot.take", "snapshot.delete", "export.download"];
    for action in actions {
        let entry = NewAudit {
            account: Some("a1".into()),
            actor: "token:t1".into(),
            action: action.into(),
            detail: json!({"name": "x"}),
            ..NewAudit::default()
        };
        catalog.add_audit(&entry).await.unwrap();
    }
    let mut counts = BTreeMap::new();
    for (beginning, expected) in [(None, 3), (Some("snapshot."), 2), (Some("snapshot.take"), 1), (Some("%"), 0)] {
        let found = catalog.audit("a1", beginning, None, 10).await.unwrap().items.len();
        counts.insert(beginning, (found, expected));
    }
    assert!(counts.values().all(|(found, expected)| found == expected), "{counts:?}");
    assert!(catalog.audit("a2", None, None, 10).await.unwrap().items.is_empty());
}
