//! Real snapshots of a folder, by a clock that the test sets, in a repository in memory.

use std::sync::Arc;

use jiff::Timestamp;
use snaphold::format::ledger::{LedgerRecord, RunOutcome, ScheduledRun};
use snaphold::ops::Silent;
use snaphold::service::policy::PolicyEdit;
use snaphold::service::{InstanceSpec, Plans, PolicyRun, PolicyRunRequest, Service, TakeOptions};
use snaphold::source::program::Programs;
use snaphold::storage::MemoryStorage;

use super::store::{Place, SECOND};

const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

struct World {
    place: Place,
    data: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("a.txt"), "a text").unwrap();
        Self { place: Place::new(MemoryStorage::default(), 5), data }
    }

    /// A new process.
    fn service(&self) -> Service {
        let staging = self.place.folder.path().join("tmp");
        std::fs::create_dir_all(&staging).unwrap();
        Service::new(self.place.open(), Plans::built_in(), staging, Programs::new(Vec::new()), None)
    }

    fn add(&self, service: &Service, name: &str, plan: &str) {
        let source = format!("files:{}", self.data.path().display());
        let spec = InstanceSpec { source: Some(Some(source)), plan: Some(plan.into()), ..InstanceSpec::default() };
        service.add_instance(name, spec).unwrap();
    }

    fn pass(&self, ns: i64) {
        self.place.machine.pass(ns);
    }
}

fn run(service: &Service) -> PolicyRun {
    service.run_policies(&PolicyRunRequest::default(), &Silent).unwrap()
}

fn times(run: &PolicyRun) -> Vec<(String, Option<Timestamp>)> {
    run.taken.iter().map(|taken| (taken.instance.clone(), taken.due_at)).collect()
}

fn usable(service: &Service, name: &str) -> usize {
    service.catalog().unwrap().usable(Some(name)).len()
}

/// The expiry is a moment older than the snapshot.
fn rounded_hours(duration: jiff::SignedDuration) -> i64 {
    (duration.as_secs() + 60) / 3600
}

#[test]
fn a_plan_with_a_cadence_is_followed_and_its_snapshots_expire() {
    let world = World::new();
    let service = world.service();
    world.add(&service, "shop", "xano-paid");
    world.add(&service, "free", "xano-free");
    world.add(&service, "own", "unlimited");
    // New: one is taken at once, of the plan's instance alone.
    assert_eq!(times(&run(&service)), [("shop".to_string(), None)]);
    assert_eq!(times(&run(&service)), []);
    let mut slots = Vec::new();
    for _ in 0..12 * 8 {
        world.pass(3 * HOUR);
        let run = run(&service);
        assert!(run.failed.is_empty(), "{run:?}");
        slots.extend(run.taken.iter().map(|taken| taken.due_at.unwrap()));
        for taken in run.taken {
            let kept = taken.snapshot.expires_at.unwrap().duration_since(taken.snapshot.created_at);
            assert!((kept.as_secs() - 3 * 86_400).abs() <= 1, "{taken:?}");
        }
        // Three days of one a day, and what is not looked at yet.
        assert!(usable(&service, "shop") <= 5);
    }
    assert_eq!(slots.len(), 12, "{slots:?}");
    assert!(slots.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_secs() == 86_400), "{slots:?}");
    assert!((3..=4).contains(&usable(&service, "shop")));
    assert_eq!((usable(&service, "free"), usable(&service, "own")), (0, 0));
    let free = service.policy("free").unwrap();
    assert_eq!((&*free.origin, free.policy.is_none(), free.next.len()), ("none", true, 0));
    assert!(free.notes[0].contains("has no snapshots"));
}

#[test]
fn a_policy_of_its_own_is_kept_within_the_plan() {
    let world = World::new();
    let service = world.service();
    world.add(&service, "shop", "auradb-professional");
    let hours = |text: &str| PolicyEdit { hours: Some(text.parse().unwrap()), ..PolicyEdit::default() };
    for often in ["every", "2,14"] {
        let error = service.set_policy("shop", hours(often)).unwrap_err();
        assert!(error.to_string().contains("daily"), "{error}");
    }
    let retain = PolicyEdit { retain_ns: Some(Some(2 * DAY)), ..hours("2") };
    let view = service.set_policy("shop", retain).unwrap();
    assert_eq!((&*view.origin, view.next.len()), ("own", 5));
    run(&service);
    world.pass(DAY);
    let taken = run(&service).taken;
    let kept = taken[0].snapshot.expires_at.unwrap().duration_since(taken[0].snapshot.created_at);
    assert_eq!((taken.len(), rounded_hours(kept)), (1, 48));
    // On demand it is the plan's retention.
    let view = service.take("shop", TakeOptions::default(), &Silent).unwrap();
    assert_eq!(rounded_hours(view.expires_at.unwrap().duration_since(view.created_at)), 7 * 24);
    // Another plan would not allow it.
    let hourly = |plan: &str| InstanceSpec { plan: Some(plan.into()), ..InstanceSpec::default() };
    service.edit_instance("shop", hourly("auradb-enterprise")).unwrap();
    service.set_policy("shop", hours("2,14")).unwrap();
    assert!(service.edit_instance("shop", hourly("auradb-professional")).is_err());
    assert!(service.edit_instance("shop", hourly("xano-free")).is_err());
    assert_eq!(service.reset_policy("shop").unwrap().origin, "plan");
    service.edit_instance("shop", hourly("xano-free")).unwrap();
    assert!(service.set_policy("shop", hours("2")).unwrap_err().to_string().contains("has no snapshots"));
}

#[test]
fn a_policy_that_was_changed_makes_up_for_nothing_before_that() {
    let world = World::new();
    let service = world.service();
    world.add(&service, "shop", "unlimited");
    world.pass(5 * DAY);
    let every = PolicyEdit { hours: Some("every".parse().unwrap()), ..PolicyEdit::default() };
    service.set_policy("shop", every.clone()).unwrap();
    assert_eq!(run(&service).taken.len(), 0);
    world.pass(10 * DAY);
    assert_eq!(run(&service).taken.len(), 1);
    assert_eq!(run(&service).taken.len(), 0);
    let off = PolicyEdit { enabled: Some(false), ..PolicyEdit::default() };
    service.set_policy("shop", off).unwrap();
    world.pass(DAY);
    assert_eq!(run(&service).taken.len(), 0);
    service.set_policy("shop", PolicyEdit { enabled: Some(true), ..PolicyEdit::default() }).unwrap();
    assert_eq!(run(&service).taken.len(), 0);
    world.pass(2 * HOUR);
    // Only the retention: what was due before that still is.
    service.set_policy("shop", PolicyEdit { retain_ns: Some(Some(DAY)), ..every }).unwrap();
    assert_eq!(run(&service).taken.len(), 1);
}

#[test]
fn one_that_fails_keeps_no_other_from_its_turn_and_is_tried_again() {
    let world = World::new();
    let service = world.service();
    let gone = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        world.add(&service, name, "unlimited");
        let every = PolicyEdit { hours: Some("every".parse().unwrap()), ..PolicyEdit::default() };
        service.set_policy(name, every).unwrap();
    }
    let source = Some(Some(format!("files:{}", gone.path().display())));
    service.edit_instance("b", InstanceSpec { source, ..InstanceSpec::default() }).unwrap();
    let folder = gone.path().to_path_buf();
    gone.close().unwrap();
    world.pass(100 * 60 * SECOND);
    let first = run(&service);
    let mut instances: Vec<&str> = first.taken.iter().map(|taken| taken.instance.as_str()).collect();
    instances.sort();
    assert_eq!((instances, first.failed.len()), (vec!["a", "c"], 1), "{first:?}");
    assert_eq!((first.failed[0].instance.as_str(), first.failed[0].due_at.is_some()), ("b", true));
    assert_eq!(service.policy("b").unwrap().last.unwrap().status, "failed");
    // Not at once, and then once it is back.
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("x"), "y").unwrap();
    assert_eq!(run(&service).taken.iter().filter(|taken| taken.instance == "b").count(), 0);
    world.pass(11 * 60 * SECOND);
    let again = run(&service);
    assert_eq!(again.taken.iter().filter(|taken| taken.instance == "b").count(), 1, "{again:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What a process leaves that died after its snapshot was there, and before it could note it; and one that died earlier.
#[test]
fn what_a_dead_process_left_is_found_or_done_again() {
    let world = World::new();
    let service = world.service();
    world.add(&service, "shop", "unlimited");
    let every = PolicyEdit { hours: Some("every".parse().unwrap()), ..PolicyEdit::default() };
    service.set_policy("shop", every).unwrap();
    world.pass(100 * 60 * SECOND);
    let done = run(&service).taken.remove(0);
    let repo = service.repo();
    let topic = repo.schedule_topic("shop");
    let noted = || repo.ledger().unwrap().newest[&topic].clone();
    let LedgerRecord::Scheduled(first) = noted().record else { panic!() };
    let RunOutcome::Done(id) = first.outcome else { panic!() };
    assert_eq!(id.to_string(), done.snapshot.id);
    let set = |change: &dyn Fn(&mut ScheduledRun)| {
        let newest = noted();
        let LedgerRecord::Scheduled(mut run) = newest.record else { panic!() };
        change(&mut run);
        repo.append_ledger(&topic, Some(newest.number), &LedgerRecord::Scheduled(run)).unwrap();
    };
    // Alive: others leave it alone. The process itself knows that it is at nothing: its note could not be written.
    set(&|run| run.outcome = RunOutcome::Running);
    let busy = run(&world.service());
    assert_eq!((busy.taken.len(), busy.busy), (0, vec!["shop".to_string()]));
    assert_eq!(run(&service).taken[0].snapshot.id, done.snapshot.id);
    set(&|run| (run.outcome, run.began_at_ns) = (RunOutcome::Running, first.began_at_ns));
    // Dead, and its snapshot is there: it is found, not taken again.
    world.place.machine.kill_all();
    let service = world.service();
    assert_eq!(service.policy("shop").unwrap().last.unwrap().status, "interrupted");
    let found = run(&service);
    assert_eq!(found.taken[0].snapshot.id, done.snapshot.id);
    assert_eq!(
        (usable(&service, "shop"), service.policy("shop").unwrap().last.unwrap().status.into_owned()),
        (1, "done".to_string())
    );
    // Dead, and nothing is there since: it is taken.
    let now = Timestamp::from_nanosecond(i128::from(service.repo().now_ns())).unwrap();
    set(&|run| (run.outcome, run.began_at_ns) = (RunOutcome::Running, now.as_nanosecond() as i64));
    world.place.machine.kill_all();
    let service = world.service();
    let again = run(&service);
    assert_eq!((again.taken.len(), usable(&service, "shop")), (1, 2), "{again:?}");
    assert_eq!(service.policy("shop").unwrap().last.unwrap().attempts, 2);
}

#[test]
fn of_many_at_once_one_takes_each_slot() {
    let world = World::new();
    let service = world.service();
    for name in ["a", "b"] {
        world.add(&service, name, "auradb-enterprise");
    }
    // Of several that find no index one makes it, and the others are told to try again.
    world.add(&service, "warm", "unlimited");
    service.take("warm", TakeOptions::default(), &Silent).unwrap();
    let services: Vec<Arc<Service>> = (0..4).map(|_| Arc::new(world.service())).collect();
    for round in 1..6 {
        let runs: Vec<PolicyRun> = std::thread::scope(|scope| {
            let threads: Vec<_> = services.iter().map(|service| scope.spawn(|| run(service))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let taken: usize = runs.iter().map(|run| run.taken.len()).sum();
        assert_eq!(taken, 2, "round {round}: {runs:?}");
        assert!(runs.iter().all(|run| run.failed.is_empty()), "{runs:?}");
        assert_eq!((usable(&service, "a"), usable(&service, "b")), (round, round));
        world.pass(HOUR);
    }
}

#[test]
fn a_record_that_is_damaged_stops_no_policy() {
    let world = World::new();
    let service = world.service();
    world.add(&service, "shop", "auradb-enterprise");
    run(&service);
    world.pass(HOUR);
    assert_eq!(run(&service).taken.len(), 1);
    let topic = service.repo().schedule_topic("shop");
    let storage = &world.place.storage;
    let listed = storage.list(snaphold::storage::ObjectKind::Ledger).unwrap();
    let newest = listed.into_iter().map(|listed| listed.name).filter(|name| name.leaf().starts_with(&topic)).max();
    let newest = newest.unwrap();
    storage.delete(&newest).unwrap();
    storage.put_if_absent(&newest, b"nothing that could be read").unwrap();
    let service = world.service();
    let copies = std::fs::remove_dir_all(world.place.index("main").join("copies-ledger"));
    drop(copies);
    assert!(service.policy("shop").unwrap().notes.iter().any(|note| note.contains("cannot be read")));
    // The snapshot says that its slot was seen to.
    assert_eq!(times(&run(&service)), []);
    world.pass(HOUR);
    assert_eq!(run(&service).taken.len(), 1);
    assert_eq!(service.policy("shop").unwrap().last.unwrap().status, "done");
}
