//! Several jobs of one account at once, in one process and in two.

use std::sync::Barrier;
use std::thread::scope;

use snaphold::error::Error;
use snaphold::ops::Silent;
use snaphold::server::work::{self, JobSpec, Means, perform};

use super::world::{Account, export, restore, snapshot};

/// Two snapshots, a garbage collection, an export and a restore begin at one moment, several times over.
#[test]
fn jobs_of_one_account_do_not_disturb_each_other() {
    let account = Account::new();
    account.add_shop("shop", "old");
    account.add_site("site", "old");
    account.add_shop("store", "old");
    let stored = account.take("store");
    let shop = account.take("shop");
    for round in 0..4 {
        account.write_shop("shop", &format!("word{round}"));
        account.write_site("site", &format!("word{round}"));
        account.write_shop("store", "new");
        let doomed = account.take("site");
        account.perform(&JobSpec::Delete(work::Delete { snapshot: doomed, grace_ns: Some(0) })).unwrap();
        let jobs = [
            snapshot("shop", &account.world.id()),
            snapshot("site", &account.world.id()),
            JobSpec::Gc(work::Gc { full: true }),
            export(&shop, &format!("e{round}"), "tar"),
            restore("store", &stored, &account.world.run()),
        ];
        let barrier = Barrier::new(jobs.len());
        scope(|threads| {
            for job in &jobs {
                let (account, barrier) = (&account, &barrier);
                threads.spawn(move || {
                    barrier.wait();
                    account.perform(job).unwrap_or_else(|error| panic!("{}: {error}", job.kind()));
                });
            }
        });
        assert_eq!(account.word("store"), "old");
        account.assert_clean();
        account.assert_whole();
    }
    assert_eq!((account.usable("shop").len(), account.usable("site").len()), (5, 4));
}

/// The same with two server processes on one data folder.
#[test]
fn jobs_of_one_account_run_in_two_processes() {
    let account = Account::new();
    account.add_shop("shop", "old");
    account.add_site("site", "old");
    let (other, _) = account.world.tenants();
    let theirs = other.service(&account.id, &account.sealed).unwrap();
    let (exports, uploads) = (account.world.path("exports"), account.world.path("uploads"));
    for round in 0..3 {
        account.write_shop("shop", &format!("word{round}"));
        account.write_site("site", &format!("word{round}"));
        let (ours, their) = (snapshot("shop", &account.world.id()), snapshot("site", &account.world.id()));
        scope(|threads| {
            threads.spawn(|| account.perform(&ours).unwrap());
            threads.spawn(|| account.perform(&JobSpec::Gc(work::Gc { full: true })).unwrap());
            let means = Means { service: &theirs, exports: &exports, uploads: &uploads, progress: &Silent, attempt: 1 };
            perform(&their, &means).unwrap();
        });
        account.assert_whole();
    }
    assert_eq!((account.usable("shop").len(), account.usable("site").len()), (3, 3));
}

/// A worker that was taken for dead and is not: two processes do one job.
#[test]
fn one_job_in_two_processes_makes_one_snapshot() {
    let account = Account::new();
    account.add_site("site", "old");
    let (other, _) = account.world.tenants();
    let theirs = other.service(&account.id, &account.sealed).unwrap();
    let (exports, uploads) = (account.world.path("exports"), account.world.path("uploads"));
    for round in 0..6 {
        account.write_site("site", &format!("word{round}"));
        let job = snapshot("site", &account.world.id());
        let barrier = Barrier::new(2);
        scope(|threads| {
            threads.spawn(|| {
                barrier.wait();
                account.again(&job).unwrap()
            });
            let means = Means { service: &theirs, exports: &exports, uploads: &uploads, progress: &Silent, attempt: 1 };
            barrier.wait();
            perform(&job, &means).unwrap();
        });
        let same = account.views().into_iter().filter(|view| Some(view.id.as_str()) == job.snapshot());
        assert_eq!(same.map(|view| view.status).collect::<Vec<_>>(), ["completed"]);
        account.assert_whole();
    }
}

/// The same with a restore: the one that comes second is told that the other is at it, or that it is done.
#[test]
fn one_restore_in_two_threads_is_done_once() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    for _ in 0..4 {
        account.write_shop("shop", "new");
        let job = restore("shop", &id, &account.world.run());
        let outcomes: Vec<_> = scope(|threads| {
            let threads: Vec<_> = (0..2).map(|_| threads.spawn(|| account.again(&job))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(outcomes.iter().any(Result::is_ok));
        for outcome in outcomes {
            assert!(matches!(outcome, Ok(_) | Err(Error::Busy(_))), "{outcome:?}");
        }
        assert_eq!(account.word("shop"), "old");
        assert!(account.service().last_restore("shop").unwrap().unwrap().is_over);
    }
}
