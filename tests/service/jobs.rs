//! Each kind of job, done once and then again: the second attempt finds what the first one has done.

use std::fs;

use serde_json::json;
use snaphold::error::Error;
use snaphold::ops::Silent;
use snaphold::server::work::{self, JobSpec, aftermath, export_file, plan, remove_export, undo};
use snaphold::service::policy::PolicyEdit;
use snaphold::source::access::Password;

use super::store::SECOND;
use super::world::{Account, HOUR, clone, export, load, names, restore, snapshot};

#[test]
fn a_snapshot_is_taken_once_however_often_its_job_is_done() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    account.add_site("site", "old");
    for instance in ["shop", "site"] {
        let id = account.world.id();
        let job = snapshot(instance, &id);
        let first = account.perform(&job).unwrap();
        assert_eq!((&first.result["id"], &first.result["status"]), (&json!(id), &json!("completed")));
        assert_eq!((first.snapshots[0].id.as_str(), first.instances[0].snapshots), (id.as_str(), 1));
        account.dies();
        let second = account.again(&job).unwrap();
        assert_eq!(second.result, first.result);
        assert_eq!(account.usable(instance).len(), 1);
    }
    account.assert_clean();
}

#[test]
fn a_snapshot_that_failed_stays_failed_with_its_reason() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let (id, path) = (account.world.id(), account.world.source("shop.db"));
    let aside = account.world.source("aside");
    fs::rename(&path, &aside).unwrap();
    let error = account.perform(&snapshot("shop", &id)).unwrap_err();
    fs::rename(&aside, &path).unwrap();
    let after = aftermath(&snapshot("shop", &id), &account.service()).unwrap();
    let [failed] = after.snapshots.as_slice() else { panic!("{after:?}") };
    assert_eq!((failed.id.as_str(), &*failed.status), (id.as_str(), "failed"));
    assert_eq!(failed.reason, Some(error.to_string()));
    assert_eq!(account.again(&snapshot("shop", &id)).unwrap_err().to_string(), error.to_string());
    assert_eq!(account.usable("shop").len(), 0);
    // What never was begun leaves no record: the next attempt does it.
    let error = account.perform(&snapshot("shop", "no id")).unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
    assert!(matches!(account.perform(&snapshot("nobody", &account.world.id())), Err(Error::NotFound(_))));
}

#[test]
fn a_restore_is_planned_done_and_undone_each_once() {
    let mut account = Account::new();
    for instance in ["shop", "site"] {
        match instance {
            "shop" => account.add_shop(instance, "old"),
            _ => account.add_site(instance, "old"),
        }
        let id = account.take(instance);
        match instance {
            "shop" => account.write_shop(instance, "new"),
            _ => account.write_site(instance, "new"),
        }
        let says = |account: &Account| match instance {
            "shop" => account.word(instance),
            _ => fs::read_to_string(account.world.source("site/pages/7.html")).unwrap()[..3].to_string(),
        };
        let job = restore(instance, &id, &account.world.run());
        let planned = plan(&account.service(), &job, &Silent).unwrap();
        assert!(planned.in_place && planned.report.bytes_written > 0, "{planned:?}");
        assert_eq!(says(&account), "new");
        let first = account.perform(&job).unwrap();
        let safety = first.result["safety_snapshot"].as_str().unwrap().to_string();
        assert_eq!(says(&account), "old");
        assert_eq!(first.snapshots[0].id, safety);
        account.dies();
        // The same job again: it is done, and what was written since stays.
        let second = account.again(&job).unwrap();
        assert_eq!((&second.result["outcome"], &second.result["of"]), (&json!("done"), &json!(id)));
        assert_eq!(second.snapshots[0].id, safety);
        assert_eq!(account.usable(instance).len(), 2);

        let job = undo(&account.service(), instance, &account.world.run(), false).unwrap();
        assert_eq!(job.snapshot(), Some(safety.as_str()));
        assert!(plan(&account.service(), &job, &Silent).unwrap().report.bytes_written > 0);
        account.perform(&job).unwrap();
        account.again(&job).unwrap();
        assert_eq!(says(&account), "new");
        assert_eq!(account.usable(instance).len(), 3);
    }
    account.assert_clean();
}

#[test]
fn a_restore_goes_over_an_instance_and_never_into_a_folder_of_that_name() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    let before = names(std::path::Path::new("."));
    let job = restore("nobody", &id, &account.world.run());
    assert!(matches!(account.perform(&job), Err(Error::NotFound(_))));
    assert!(matches!(plan(&account.service(), &job, &Silent), Err(Error::NotFound(_))));
    assert!(matches!(account.perform(&restore("shop", &id, "../../..")), Err(Error::Usage(_))));
    assert!(matches!(plan(&account.service(), &snapshot("shop", &id), &Silent), Err(Error::Usage(_))));
    assert_eq!(names(std::path::Path::new(".")), before);
    assert!(account.perform(&JobSpec::Resume(work::Resume { instance: "shop".into() })).is_err());
    assert!(account.perform(&JobSpec::Abort(work::Abort { instance: "shop".into() })).is_err());
}

#[test]
fn a_file_is_loaded_once_into_the_repository_or_over_a_source() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    account.write_shop("other", "new");
    let upload = account.world.path("uploads").join("l1");
    fs::copy(account.world.source("other.db"), &upload).unwrap();
    // "kept" is not there yet, and has no source.
    for instance in ["kept", "shop"] {
        let id = account.world.id();
        let job = load(instance, &id, "l1", &account.world.run());
        let first = account.perform(&job).unwrap();
        assert_eq!((&first.result["id"], &first.result["type"]), (&json!(id), &json!("load")));
        assert_eq!(first.result["safety_snapshot"].is_null(), instance == "kept");
        account.dies();
        let second = account.again(&job).unwrap();
        assert_eq!(second.result, first.result);
        let loads = account.usable(instance).into_values().filter(|kind| kind == "load").count();
        assert_eq!(loads, 1);
    }
    assert_eq!(account.word("shop"), "new");
    let missing = load("shop", &account.world.id(), "l2", &account.world.run());
    assert!(matches!(account.perform(&missing), Err(Error::NotFound(_))));
    let outside = load("shop", &account.world.id(), "../sources/other", &account.world.run());
    assert!(matches!(account.perform(&outside), Err(Error::Usage(_))));
    account.assert_clean();
}

#[test]
fn an_export_is_one_whole_file_and_is_not_written_twice() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    for (format, number) in [("dump", 1), ("tar.gz", 2), ("tar", 3)] {
        let name = format!("e{number}");
        let job = export(&id, &name, format);
        let first = account.perform(&job).unwrap();
        let file = export_file(&account.world.path("exports"), &name, format).unwrap();
        let bytes = fs::read(&file).unwrap();
        assert_eq!(first.result["bytes"], bytes.len());
        assert_eq!(first.result["blake3"], blake3::hash(&bytes).to_hex().as_str());
        assert_eq!(first.result["file"], format!("{name}.{format}"));
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        account.dies();
        let second = account.again(&job).unwrap();
        assert_eq!(
            (&second.result["blake3"], &second.result["bytes"]),
            (&first.result["blake3"], &first.result["bytes"])
        );
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
        remove_export(&account.world.path("exports"), &name, format).unwrap();
        remove_export(&account.world.path("exports"), &name, format).unwrap();
        assert!(!file.exists());
    }
    for (name, format) in [("e9", "dir"), ("e9", "zip"), ("../e9", "tar"), ("e9", "../tar")] {
        assert!(matches!(account.perform(&export(&id, name, format)), Err(Error::Usage(_))), "{name} {format}");
    }
    assert!(account.perform(&export("0000000000000000", "e9", "tar")).is_err());
    assert_eq!(names(&account.world.path("exports")), Vec::<String>::new());
    account.assert_clean();
}

#[test]
fn a_clone_is_made_once_and_its_password_is_sealed_on_the_way() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    let kept = clone(&id, "kept", &account.world.id(), None);
    let source = format!("sqlite:{}", account.world.source("copy.db").display());
    let JobSpec::Clone(mut job) = clone(&id, "copy", &account.world.id(), Some(source)) else { unreachable!() };
    let sealed = account.service().seal_text(&Password::new("hunter2")).unwrap();
    job.settings.password = Some(sealed.clone());
    let there = JobSpec::Clone(job);
    assert!(!serde_json::to_string(&there).unwrap().contains("hunter2"));
    for job in [kept, there] {
        let first = account.perform(&job).unwrap();
        assert_eq!(first.result["snapshot"]["id"], job.snapshot().unwrap());
        account.dies();
        let second = account.again(&job).unwrap();
        assert_eq!(second.result["snapshot"]["id"], job.snapshot().unwrap());
        assert_eq!(account.usable(job.instance().unwrap()).len(), 1);
    }
    assert_eq!(account.word("copy"), "old");
    assert_eq!(account.service().instance("copy").unwrap().settings["password"], "(stored)");
    // Somebody else's text, and one that was changed, do not open.
    let other = Account::new();
    assert!(other.service().open_text(&sealed).is_err());
    for text in ["", "ff", "é1", &sealed[2..], &sealed.replacen('0', "1", 1)] {
        assert!(account.service().open_text(text).is_err(), "{text:?}");
    }
    // The name is somebody's now.
    assert!(matches!(account.perform(&clone(&id, "copy", &account.world.id(), None)), Err(Error::Refused(_))));
}

#[test]
fn a_clone_whose_instance_is_there_gets_its_snapshot_and_half_written_data_is_not_written_over() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    account.service().add_instance("kept", Default::default()).unwrap();
    let job = clone(&id, "kept", &account.world.id(), None);
    assert!(matches!(account.perform(&job), Err(Error::Refused(_))), "the first attempt finds a stranger");
    account.again(&job).unwrap();
    assert_eq!(account.usable("kept").len(), 1);
    fs::write(account.world.source("copy.db"), "half of it").unwrap();
    let source = format!("sqlite:{}", account.world.source("copy.db").display());
    let error = account.again(&clone(&id, "copy", &account.world.id(), Some(source))).unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
    assert_eq!(fs::read(account.world.source("copy.db")).unwrap(), b"half of it");
}

#[test]
fn a_deletion_gc_and_what_expired_are_told_to_whoever_keeps_lists() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let JobSpec::Snapshot(mut short) = snapshot("shop", &account.world.id()) else { unreachable!() };
    short.retain_ns = Some(HOUR);
    account.perform(&JobSpec::Snapshot(short.clone())).unwrap();
    let deleted = account.take("shop");
    account.write_shop("shop", "new");
    let newest = account.take("shop");
    let job = JobSpec::Delete(work::Delete { snapshot: deleted.clone(), grace_ns: None });
    for done in [account.perform(&job).unwrap(), account.again(&job).unwrap()] {
        assert_eq!((done.snapshots[0].id.as_str(), &*done.snapshots[0].status), (deleted.as_str(), "deleting"));
        let grace = done.snapshots[0].purge_after.unwrap().duration_since(done.snapshots[0].deleted_at.unwrap());
        assert_eq!(grace.as_hours(), 48);
    }
    account.world.machine.pass(2 * HOUR);
    let gc = JobSpec::Gc(work::Gc::default());
    let done = account.perform(&gc).unwrap();
    assert_eq!(done.snapshots.iter().map(|view| view.id.clone()).collect::<Vec<_>>(), [short.snapshot.clone()]);
    let grace = done.snapshots[0].purge_after.unwrap().duration_since(done.snapshots[0].deleted_at.unwrap());
    assert_eq!((done.gone.len(), grace.as_hours()), (0, 48));
    account.world.machine.pass(47 * HOUR);
    assert_eq!(account.perform(&gc).unwrap().gone, std::slice::from_ref(&deleted));
    account.world.machine.pass(2 * HOUR);
    let done = account.perform(&gc).unwrap();
    assert_eq!((done.gone, done.instances[0].snapshots), (vec![short.snapshot], 1));
    // A deletion whose snapshot gc has taken meanwhile was a success; of one that never was, it is none.
    assert_eq!(account.again(&job).unwrap().gone, [deleted]);
    assert!(matches!(account.perform(&job), Err(Error::NotFound(_))));
    assert_eq!(account.usable("shop").into_keys().collect::<Vec<_>>(), [newest]);
    account.assert_whole();
}

#[test]
fn verify_says_what_is_damaged_and_a_drill_what_it_proved() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let id = account.take("shop");
    let drill = JobSpec::Drill(work::Drill { snapshot: id.clone(), component: None, query: None });
    let done = account.perform(&drill).unwrap();
    assert_eq!(done.result["proven"], true, "{}", done.result);
    assert!(done.snapshots[0].proof.as_ref().unwrap().proven);
    for part in [None, Some("all"), Some("1/1")] {
        let job = JobSpec::Verify(work::Verify { read_data: part.map(str::to_string) });
        assert_eq!(account.perform(&job).unwrap().result["ok"], true);
    }
    let packs = account.world.path("accounts").join(&account.id).join("repository/packs");
    let pack = walk(&packs).into_iter().next().unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let job = JobSpec::Verify(work::Verify { read_data: Some("all".into()) });
    let done = account.perform(&job).unwrap();
    assert_eq!(done.result["ok"], false);
    assert!(!done.result["errors"].as_array().unwrap().is_empty());
    assert!(matches!(
        account.perform(&JobSpec::Verify(work::Verify { read_data: Some("9/3".into()) })),
        Err(Error::Usage(_))
    ));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_policy_is_followed_once_and_says_when_to_look_again() {
    let mut account = Account::new();
    account.add_shop("shop", "old");
    assert_eq!(account.service().next_due_of("shop").unwrap(), None);
    account
        .service()
        .set_policy("shop", PolicyEdit { hours: Some("every".parse().unwrap()), ..PolicyEdit::default() })
        .unwrap();
    let now = |account: &Account| account.surroundings.clock.now();
    let due = account.service().next_due_of("shop").unwrap().unwrap();
    assert!(due > now(&account) && due.duration_since(now(&account)).as_secs() <= 3600);
    let job = JobSpec::Policy(work::Policy { instance: "shop".into(), no_check: true });
    assert_eq!(account.perform(&job).unwrap().snapshots.len(), 0);
    account.world.machine.pass(due.duration_since(now(&account)).as_nanos() as i64 + SECOND);
    assert!(account.service().next_due_of("shop").unwrap().unwrap() <= now(&account));
    let all = account.service().next_due_of_all().unwrap();
    assert_eq!((all.len(), all[0].instance.as_str()), (1, "shop"));
    let done = account.perform(&job).unwrap();
    assert_eq!((done.snapshots.len(), &*done.snapshots[0].kind), (1, "scheduled"));
    account.dies();
    assert_eq!(account.again(&job).unwrap().snapshots.len(), 0);
    assert!(account.service().next_due_of("shop").unwrap().unwrap() > now(&account));

    // One that failed is the job's failure, and is tried again in ten minutes.
    account.world.machine.pass(HOUR);
    let (path, aside) = (account.world.source("shop.db"), account.world.source("aside"));
    fs::rename(&path, &aside).unwrap();
    let error = account.perform(&job).unwrap_err();
    assert!(error.to_string().contains("not there"), "{error}");
    let again = account.service().next_due_of("shop").unwrap().unwrap();
    assert!((590..=600).contains(&again.duration_since(now(&account)).as_secs()), "{again}");
    fs::rename(&aside, &path).unwrap();
    account.world.machine.pass(601 * SECOND);
    assert_eq!(account.perform(&job).unwrap().snapshots.len(), 1);
    assert_eq!(account.usable("shop").len(), 2);
    assert!(account.perform(&JobSpec::Policy(work::Policy { instance: "nobody".into(), no_check: true })).is_err());
}

#[test]
fn a_look_at_an_instances_system_takes_its_first_snapshot_once() {
    let account = Account::new();
    account.add_shop("shop", "old");
    let job = JobSpec::Check(work::Check { instance: "shop".into() });
    let done = account.perform(&job).unwrap();
    assert_eq!((&done.result["changed"], done.snapshots.len()), (&json!(true), 1));
    let done = account.again(&job).unwrap();
    assert_eq!((&done.result["changed"], done.snapshots.len()), (&json!(false), 0));
    assert_eq!(account.usable("shop").len(), 1);
}
