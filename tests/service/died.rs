//! Jobs whose process dies at every place where they tell how far they are; another process does them again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use snaphold::error::Error;
use snaphold::server::work::{self, JobSpec};

use super::world::{Account, Ends, clone, export, load, moments, restore, snapshot};

/// The process dies at later and later moments; each time another one does the job again. Ends with the moment that the
/// first attempt outlives. Returns how many died.
fn dies(account: &mut Account, mut job: impl FnMut(&Account) -> JobSpec, after: impl Fn(&Account, &JobSpec)) -> usize {
    for (died, moment) in moments().enumerate() {
        let (job, progress) = (job(account), Ends::dies_after(moment));
        let first = catch_unwind(AssertUnwindSafe(|| account.perform_as(&job, 1, &progress)));
        if !progress.has_ended() {
            first.unwrap().unwrap();
            after(account, &job);
            account.assert_whole();
            return died;
        }
        account.dies();
        account.again(&job).unwrap_or_else(|error| panic!("died after {moment} calls, then: {error}"));
        after(account, &job);
    }
    panic!("it died wherever it could, and never came to its end");
}

#[test]
fn a_snapshot_is_there_once() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    let count = dies(
        &mut account,
        |account| snapshot("shop", &account.world.id()),
        |account, job| {
            let same = account.views().into_iter().filter(|view| Some(view.id.as_str()) == job.snapshot());
            assert_eq!(same.map(|view| view.status).collect::<Vec<_>>(), ["completed"]);
        },
    );
    assert!(count >= 3, "{count}");
}

#[test]
fn a_restore_ends_with_what_was_asked_for() {
    for instance in ["shop", "site"] {
        let mut account = Account::new();
        if instance == "shop" {
            account.add_shop(instance, "old")
        } else {
            account.add_site(instance, "old")
        }
        let id = account.take(instance);
        let count = dies(
            &mut account,
            |account| {
                if instance == "shop" {
                    account.write_shop(instance, "new")
                } else {
                    account.write_site(instance, "new")
                }
                restore(instance, &id, &account.world.run())
            },
            |account, job| {
                let says = match instance {
                    "shop" => account.word(instance),
                    _ => fs::read_to_string(account.world.source("site/large.bin")).unwrap()[..3].to_string(),
                };
                assert_eq!(says, "old");
                let last = account.service().last_restore(instance).unwrap().unwrap();
                let JobSpec::Restore(job) = job else { unreachable!() };
                assert_eq!((last.run.as_str(), last.stage), (job.run.as_str(), "done"));
                let safety = last.safety_snapshot.unwrap();
                assert_eq!(account.usable(instance)[&safety], "safety");
            },
        );
        assert!(count >= 8, "{count}");
    }
}

#[test]
fn a_load_ends_with_what_was_loaded_and_one_snapshot_of_it() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    account.add_site("site", "old");
    account.write_shop("other", "new");
    fs::copy(account.world.source("other.db"), account.world.path("uploads").join("l1")).unwrap();
    let tar = export(&account.take("site"), "e1", "tar");
    account.perform(&tar).unwrap();
    fs::rename(account.world.path("exports/e1.tar"), account.world.path("uploads/l2")).unwrap();
    for (instance, upload) in [("shop", "l1"), ("kept", "l1"), ("site", "l2")] {
        let count = dies(
            &mut account,
            |account| {
                match instance {
                    "shop" => account.write_shop(instance, "old"),
                    "site" => account.write_site(instance, "new"),
                    _ => {}
                }
                load(instance, &account.world.id(), upload, &account.world.run())
            },
            |account, job| {
                match instance {
                    "shop" => assert_eq!(account.word(instance), "new"),
                    "site" => {
                        let text = fs::read_to_string(account.world.source("site/pages/3.html")).unwrap();
                        assert!(text.starts_with("old 3"));
                    }
                    _ => {}
                }
                assert_eq!(account.usable(instance)[job.snapshot().unwrap()], "load");
            },
        );
        assert!(count >= 3, "{instance}: {count}");
    }
}

#[test]
fn an_export_is_the_same_file() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    account.perform(&export(&id, "e0", "tar.gz")).unwrap();
    let whole = fs::read(account.world.path("exports/e0.tar.gz")).unwrap();
    let count = dies(
        &mut account,
        |account| export(&id, &format!("e{}", account.world.id()), "tar.gz"),
        |account, job| {
            let JobSpec::Export(job) = job else { unreachable!() };
            let file = account.world.path("exports").join(format!("{}.tar.gz", job.export));
            assert!(fs::read(file).unwrap() == whole);
        },
    );
    assert!(count >= 3, "{count}");
}

#[test]
fn a_clone_is_made_or_says_why_not() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    let (mut made, mut refused) = (0, 0);
    for moment in moments() {
        let name = format!("copy-{moment}");
        let path = account.world.source(&format!("{name}.db"));
        let job = clone(&id, &name, &account.world.id(), Some(format!("sqlite:{}", path.display())));
        let progress = Ends::dies_after(moment);
        let first = catch_unwind(AssertUnwindSafe(|| account.perform_as(&job, 1, &progress)));
        account.dies();
        match account.again(&job) {
            Ok(_) => {
                made += 1;
                assert_eq!(account.word(&name), "old");
                assert_eq!(account.usable(&name).len(), 1);
            }
            Err(Error::Refused(text)) => {
                refused += 1;
                assert!(text.contains("cut short"), "{text}");
                assert!(account.service().instance(&name).is_err());
            }
            Err(error) => panic!("{error}"),
        }
        if !progress.has_ended() {
            first.unwrap().unwrap();
            assert!(made >= 2, "{made} made, {refused} refused");
            return;
        }
    }
    panic!("it never came to its end");
}

#[test]
fn care_is_done_again() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    let count = dies(
        &mut account,
        |account| {
            account.write_shop("shop", &format!("word{}", account.world.id()));
            let id = account.take("shop");
            account.write_shop("shop", "kept");
            account.take("shop");
            account.perform(&JobSpec::Delete(work::Delete { snapshot: id, grace_ns: Some(0) })).unwrap();
            JobSpec::Gc(work::Gc { full: true })
        },
        |account, _| account.assert_whole(),
    );
    assert!(count >= 3, "{count}");
    let id = account.take("shop");
    let drill = |_: &Account| JobSpec::Drill(work::Drill { snapshot: id.clone(), component: None, query: None });
    assert!(dies(&mut account, drill, |_, _| {}) >= 1);
}
