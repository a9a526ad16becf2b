//! What is told, what is watched and what is counted, whatever database the catalog is in.

use std::sync::Arc;

use serde_json::json;
use snaphold::server::catalog::{Catalog, NewAudit, NewJob};
use snaphold::service::InstanceView;

use crate::world::{SECOND, World};

pub async fn run(catalog: &Catalog, world: &Arc<World>) {
    let account = catalog.new_id('a');
    catalog.add_account(&account, "notices", "sealed").await.unwrap();
    told_once(catalog, world, &account).await;
    watched(catalog, world, &account).await;
    forgotten(catalog, world).await;
}

async fn told_once(catalog: &Catalog, world: &Arc<World>, account: &str) {
    for job in catalog.untold_jobs(1000).await.unwrap() {
        assert!(job.finished_us.is_some());
        assert!(catalog.set_told(&job.id).await.unwrap());
        assert!(!catalog.set_told(&job.id).await.unwrap());
    }
    let new = NewJob {
        account: account.into(),
        kind: "gc",
        instance: None,
        snapshot: None,
        is_exclusive: false,
        spec: "{}".into(),
        attempts_max: 1,
        created_by: "test".into(),
        request_id: None,
    };
    let job = catalog.add_job(&new).await.unwrap();
    assert!(catalog.untold_jobs(10).await.unwrap().is_empty());
    catalog.cancel_job(account, &job.id).await.unwrap();
    let untold = catalog.untold_jobs(10).await.unwrap();
    assert_eq!(untold.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [job.id.as_str()]);

    let hook = catalog.add_webhook(account, "https://example.com/", &[], "sealed").await.unwrap();
    for _ in 0..2 {
        catalog.add_delivery_once(&hook, ("job.cancelled", &job.id), "{}").await.unwrap();
        catalog.add_mail(account, ("job.cancelled", &job.id), "a@example.com", ("s", "b")).await.unwrap();
    }
    catalog.add_delivery_once(&hook, ("job.cancelled", "another"), "{}").await.unwrap();
    catalog.add_mail(account, ("job.cancelled", &job.id), "b@example.com", ("s", "b")).await.unwrap();
    assert_eq!(catalog.deliveries(&hook.id, 10).await.unwrap().len(), 2);
    assert_eq!(catalog.service_counts().await.unwrap().mails_waiting, 2);

    // What one has taken no other takes, until its lease is over.
    let (one, two) = tokio::join!(catalog.due_mails(60 * SECOND, 10), catalog.due_mails(60 * SECOND, 10));
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 2);
    world.pass(61 * SECOND);
    let mut due = catalog.due_mails(60 * SECOND, 10).await.unwrap();
    assert_eq!(due.len(), 2);
    due.sort_by(|one, two| one.recipient.cmp(&two.recipient));
    catalog.end_mail(&due[0].id, None).await.unwrap();
    catalog.end_mail(&due[1].id, Some(("full", None))).await.unwrap();
    let mut ended = catalog.mails(account, 10).await.unwrap();
    ended.sort_by(|one, two| one.recipient.cmp(&two.recipient));
    assert_eq!((ended[0].status.as_str(), ended[1].status.as_str()), ("sent", "given_up"));
    assert_eq!((ended[1].attempts, ended[1].last_error.as_deref()), (1, Some("full")));
}

async fn watched(catalog: &Catalog, world: &Arc<World>, account: &str) {
    let before = catalog.service_counts().await.unwrap();
    for name in ["one", "two"] {
        catalog.put_instance(account, &InstanceView::of(name, None, 0, None)).await.unwrap();
        world.pass(SECOND);
    }
    let own = || async {
        let all = catalog.watched(1000).await.unwrap();
        all.into_iter().filter(|instance| instance.account == account).collect::<Vec<_>>()
    };
    let seen = own().await;
    assert_eq!(seen.iter().map(|instance| instance.instance.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!((seen[0].account_name.as_str(), seen[0].newest_us, seen[0].overdue_us), ("notices", None, None));
    let id = &seen[0].instance_id;
    assert!(!catalog.put_watch(id, "policy", 7, None).await.unwrap());
    assert!(catalog.put_watch(id, "policy", 7, Some(9)).await.unwrap());
    assert!(!catalog.put_watch(id, "policy", 7, Some(9)).await.unwrap());
    assert_eq!(catalog.service_counts().await.unwrap().overdue, before.overdue + 1);
    let seen = own().await;
    assert_eq!((seen[0].policy.as_deref(), seen[0].since_us, seen[0].overdue_us), (Some("policy"), Some(7), Some(9)));
    assert!(catalog.put_watch(id, "policy", 7, None).await.unwrap());

    catalog.begin_snapshot(account, "00000000000000cc", "two", "on_demand", None).await.unwrap();
    assert_eq!(own().await[1].newest_us, None);
    assert!(catalog.account_totals().await.unwrap().iter().all(|totals| totals.account_name != "notices"));
    catalog.set_next_due(account, "two", Some(1)).await.unwrap();
    assert_eq!(catalog.service_counts().await.unwrap().next_due_us, Some(1));
    catalog.remove_instance(account, "two").await.unwrap();
    assert_eq!(catalog.service_counts().await.unwrap().instances, before.instances + 1);
}

async fn forgotten(catalog: &Catalog, world: &Arc<World>) {
    world.pass(SECOND);
    let now = catalog.now_us();
    // Both mails are over; both deliveries wait.
    assert_eq!(catalog.forget_notices(now).await.unwrap(), 2);
    let entry = NewAudit { actor: "test".into(), action: "old".into(), detail: json!({}), ..NewAudit::default() };
    catalog.add_audit(&entry).await.unwrap();
    world.pass(SECOND);
    assert!(catalog.forget_audit(catalog.now_us()).await.unwrap() >= 1);
    assert_eq!(catalog.forget_audit(catalog.now_us()).await.unwrap(), 0);
}
