//! Jobs that are cancelled: at every place where they ask, until one comes to its end.

use std::fs;

use snaphold::error::{Error, Result};
use snaphold::server::work::{self, Done, JobSpec};

use super::world::{Account, Ends, clone, export, load, moments, names, restore, snapshot};

/// Cancels jobs at later and later moments until one is done. Returns how many were cancelled.
fn cancels(account: &Account, job: impl Fn() -> JobSpec, after: impl Fn(&JobSpec, &Result<Done>)) -> usize {
    let mut cancelled = 0;
    for moment in moments() {
        let (job, progress) = (job(), Ends::cancelled_after(moment));
        let done = account.perform_as(&job, 1, &progress);
        account.assert_clean();
        after(&job, &done);
        match done {
            Err(Error::Cancelled) => cancelled += 1,
            Err(error) => panic!("cancelled after {moment} calls: {error}"),
            Ok(_) => {
                account.assert_whole();
                return cancelled;
            }
        }
    }
    panic!("it is cancelled wherever it is asked to be, and never comes to its end");
}

#[test]
fn a_cancelled_snapshot_leaves_the_word_that_it_was() {
    for instance in ["shop", "site"] {
        let account = Account::new();
        if instance == "shop" {
            account.add_shop(instance, "old")
        } else {
            account.add_site(instance, "old")
        }
        let count = cancels(
            &account,
            || snapshot(instance, &account.world.id()),
            |job, done| {
                let views = account.views();
                let view = views.iter().find(|view| Some(view.id.as_str()) == job.snapshot()).unwrap();
                match done {
                    Ok(_) => assert_eq!(view.status, "completed"),
                    Err(_) => {
                        assert_eq!((&*view.status, view.reason.as_deref()), ("failed", Some("it was cancelled")));
                        // Who is asked again all the same takes it, and its record takes the other's place.
                        account.again(job).unwrap();
                        let same = account.views().into_iter().filter(|other| other.id == view.id);
                        assert_eq!(same.map(|view| view.status).collect::<Vec<_>>(), ["completed"]);
                        account.assert_whole();
                    }
                }
            },
        );
        assert!(count >= 3, "{count}");
        assert_eq!(account.usable(instance).len(), count + 1);
    }
}

#[test]
fn a_cancelled_restore_leaves_the_target_as_it_was() {
    for instance in ["shop", "site"] {
        let account = Account::new();
        if instance == "shop" {
            account.add_shop(instance, "old")
        } else {
            account.add_site(instance, "old")
        }
        let id = account.take(instance);
        let write = |word: &str| {
            if instance == "shop" { account.write_shop(instance, word) } else { account.write_site(instance, word) }
        };
        let says = || match instance {
            "shop" => account.word(instance),
            _ => fs::read_to_string(account.world.source("site/large.bin")).unwrap()[..3].to_string(),
        };
        write("new");
        let count = cancels(
            &account,
            || restore(instance, &id, &account.world.run()),
            |job, done| match done {
                Ok(_) => assert_eq!(says(), "old"),
                Err(_) => {
                    assert_eq!(says(), "new");
                    let last = account.service().last_restore(instance).unwrap();
                    assert!(last.is_none_or(|last| last.is_over && last.is_reverted), "{job:?}");
                    // Put back and done again, it is a restore as any other.
                    account.again(job).unwrap();
                    assert_eq!(says(), "old");
                    write("new");
                }
            },
        );
        assert!(count >= 5, "{count}");
    }
}

#[test]
fn a_cancelled_load_leaves_the_source_as_it_was() {
    let account = Account::new();
    account.add_shop("shop", "old");
    account.write_shop("other", "new");
    fs::copy(account.world.source("other.db"), account.world.path("uploads").join("l1")).unwrap();
    let count = cancels(
        &account,
        || load("shop", &account.world.id(), "l1", &account.world.run()),
        |job, done| {
            assert_eq!(account.word("shop"), if done.is_ok() { "new" } else { "old" });
            if done.is_err() {
                account.again(job).unwrap();
                assert_eq!(account.word("shop"), "new");
                account.write_shop("shop", "old");
            }
        },
    );
    assert!(count >= 2, "{count}");
    // Without a source nothing but the snapshot is to be had.
    let count = cancels(&account, || load("kept", &account.world.id(), "l1", &account.world.run()), |_, _| {});
    assert!(count >= 2, "{count}");
    assert_eq!(account.usable("kept").len(), 1);
}

#[test]
fn a_cancelled_export_leaves_no_file() {
    let account = Account::new();
    account.add_shop("shop", "old");
    account.add_site("site", "old");
    for (instance, format) in [("shop", "dump"), ("shop", "tar.gz"), ("site", "tar")] {
        let id = account.take(instance);
        let before = names(&account.world.path("exports"));
        let count = cancels(
            &account,
            || export(&id, &format!("e{}", account.world.id()), format),
            |_, done| {
                let now = names(&account.world.path("exports")).len();
                assert_eq!(now - before.len(), usize::from(done.is_ok()));
            },
        );
        assert!(count >= 2, "{count}");
    }
}

#[test]
fn a_cancelled_clone_leaves_neither_data_nor_an_instance() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    let copy = account.world.source("copy.db");
    let count = cancels(
        &account,
        || clone(&id, "copy", &account.world.id(), Some(format!("sqlite:{}", copy.display()))),
        |_, done| {
            assert_eq!(copy.exists(), done.is_ok());
            assert_eq!(account.service().instance("copy").is_ok(), done.is_ok());
        },
    );
    assert!(count >= 1, "{count}");
}

#[test]
fn cancelled_care_leaves_the_repository_whole() {
    let account = Account::new();
    account.add_shop("shop", "old");
    for word in ["newer", "newest"] {
        let id = account.take("shop");
        account.write_shop("shop", word);
        account.perform(&JobSpec::Delete(work::Delete { snapshot: id, grace_ns: Some(0) })).unwrap();
    }
    let id = account.take("shop");
    let verify = || JobSpec::Verify(work::Verify { read_data: Some("all".into()) });
    assert!(cancels(&account, verify, |_, _| {}) >= 3);
    assert!(cancels(&account, || JobSpec::Gc(work::Gc { full: true }), |_, _| {}) >= 1);
    let drill = || JobSpec::Drill(work::Drill { snapshot: id.clone(), component: None, query: None });
    assert!(cancels(&account, drill, |_, _| {}) >= 1);
    assert_eq!(account.usable("shop").into_keys().collect::<Vec<_>>(), std::slice::from_ref(&id));
    let check = || JobSpec::Check(work::Check { instance: "site".into() });
    account.add_site("site", "old");
    assert!(cancels(&account, check, |_, _| {}) >= 2);
}
