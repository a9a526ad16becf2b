//! The scheduler and a worker over simulated time, with real snapshots: around both changes of the clock, with outages.
//! What is due when is the library's (tests/policy holds it against a model of minutes); here it is seen that each slot is
//! taken once, at the first moment that somebody looks, and that what is over goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::server::catalog::{Account, Catalog};
use snaphold::server::jobs::{Bench, mirror_account};
use snaphold::server::scheduler::{Pace, Scheduler};
use snaphold::service::policy::{Policy, PolicyEdit, Slot, Spread};
use snaphold::service::{InstanceSpec, Plans, Service, SnapshotView};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::servers::bench;

const HOUR_US: i64 = 3_600_000_000;

/// A clock that is set, and moves by a microsecond each time that it is read.
struct World(AtomicI64);

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }
}

impl Entropy for World {
    fn fill(&self, bytes: &mut [u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        hasher.finalize_xof().fill(bytes);
    }
}

impl Processes for World {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "test".into(), boot: "1".into(), pid: 1, started: 1 }
    }

    fn is_alive(&self, _: &ProcessIdentity) -> Option<bool> {
        Some(true)
    }
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

struct Site {
    world: Arc<World>,
    folder: TempDir,
    catalog: Catalog,
    account: Account,
    service: Arc<Service>,
    bench: Bench,
    scheduler: Scheduler,
}

impl Site {
    async fn new(begin: i64) -> Self {
        let world = Arc::new(World(AtomicI64::new(begin)));
        let surroundings = Surroundings { clock: world.clone(), entropy: world.clone(), processes: world.clone() };
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("source")).unwrap();
        std::fs::write(path("source/a.txt"), "a text").unwrap();
        let bench = bench(folder.path(), surroundings, 24 * HOUR_US * 1000).await;
        let Bench { catalog, tenants, jobs, .. } = bench.clone();
        let sealed = tenants.create("a1").unwrap();
        let account = catalog.add_account("a1", "one", &sealed).await.unwrap();
        let service = tenants.service("a1", &sealed).unwrap();
        let pace = Pace { check_us: None, ..Pace::default() };
        let scheduler = Scheduler::new(
            catalog.clone(),
            jobs,
            pace,
            Arc::new(Plans::built_in()),
            (&path("exports"), &path("uploads")),
        );
        Self { world, folder, catalog, account, service, bench, scheduler }
    }

    fn add(&self, name: &str, edit: PolicyEdit) {
        let source = format!("files:{}", self.folder.path().join("source").display());
        let spec = InstanceSpec { source: Some(Some(source)), ..InstanceSpec::default() };
        self.service.add_instance(name, spec).unwrap();
        self.service.set_policy(name, edit).unwrap();
    }

    /// What the scheduler and a worker do now, until nothing is left to be done.
    async fn look(&self) {
        assert!(self.scheduler.hold().await.unwrap().is_some());
        self.scheduler.round().await.unwrap();
        while self.bench.run_one("worker").await.unwrap() {}
    }

    async fn next_due(&self) -> Option<i64> {
        let instances = self.catalog.instances(&self.account.id).await.unwrap();
        instances.iter().filter_map(|instance| instance.next_due_us).min()
    }
}

fn edit(days: &str, hours: &str, window: Option<&str>, zone: &str, retain_hours: i64) -> PolicyEdit {
    PolicyEdit {
        days: Some(days.parse().unwrap()),
        hours: Some(hours.parse().unwrap()),
        window: Some(window.map(|window| window.parse().unwrap())),
        zone: Some(zone.parse().unwrap()),
        retain_ns: Some(Some(retain_hours * HOUR_US * 1000)),
        ..PolicyEdit::default()
    }
}

/// Policies of every kind, most of them where the clock is changed.
fn policies() -> BTreeMap<&'static str, PolicyEdit> {
    BTreeMap::from([
        ("hourly", edit("every", "every", None, "Europe/Paris", 30)),
        ("nightly", edit("every", "once", Some("01:00-05:00"), "Europe/Paris", 50)),
        ("twice", edit("every", "2,14", None, "America/New_York", 72)),
        ("weekly", edit("sun,wed", "2", Some("01:30-03:30"), "Europe/London", 24)),
        ("evening", edit("mon,tue,wed,thu,fri", "once", Some("22:00-02:00"), "Australia/Lord_Howe", 40)),
        ("window", edit("every", "every", Some("00:00-04:00"), "America/New_York", 48)),
    ])
}

/// The moment at which somebody looks who would look at `us`, if nobody does during the outages.
fn look_at(us: i64, outages: &[(i64, i64)]) -> i64 {
    outages.iter().find(|(from, to)| (*from..*to).contains(&us)).map_or(us, |(_, to)| *to)
}

/// The slots that are to be taken from `since` to `until`, each with the moment of the look.
fn expected(slots: &[Slot], outages: &[(i64, i64)], until: i64) -> Vec<i64> {
    let mut expected = Vec::new();
    for (number, slot) in slots.iter().enumerate() {
        let look = look_at(slot.due.as_microsecond(), outages);
        let is_open = slot.closes.is_none_or(|closes| look < closes.as_microsecond());
        let is_newest = slots.get(number + 1).is_none_or(|next| next.due.as_microsecond() > look);
        if is_open && is_newest && look < until {
            expected.push(look);
        }
    }
    expected
}

async fn simulate(begin: &str, until: &str, outages: &[(&str, &str)]) {
    let (begin, until) = (at(begin), at(until));
    let outages: Vec<(i64, i64)> = outages.iter().map(|(from, to)| (at(from), at(to))).collect();
    let site = Site::new(begin).await;
    let mut followed: BTreeMap<&str, (Policy, Vec<Slot>)> = BTreeMap::new();
    for (name, edit) in policies() {
        let policy = Policy::default().edited(edit.clone()).unwrap();
        site.add(name, edit);
        let spread = Spread::of(&site.service.repo().config().repo.0, name);
        let since = Timestamp::from_microsecond(site.world.0.load(Ordering::SeqCst)).unwrap();
        let slots = policy.slots(spread, since).take_while(|slot| slot.due.as_microsecond() < until).collect();
        followed.insert(name, (policy, slots));
    }
    mirror_account(&site.catalog, &site.service, &site.account.id).await.unwrap();
    site.look().await;
    let mut taken: BTreeMap<String, SnapshotView> = BTreeMap::new();
    while let Some(due) = site.next_due().await.filter(|due| *due < until) {
        let now = look_at(due.max(site.world.0.load(Ordering::SeqCst)), &outages);
        if now >= until {
            break;
        }
        site.world.0.fetch_max(now, Ordering::SeqCst);
        site.look().await;
        // As each was when it was first seen.
        for view in site.service.snapshots(None).unwrap() {
            taken.entry(view.id.clone()).or_insert(view);
        }
    }
    for (name, (policy, slots)) in &followed {
        let mut times: Vec<i64> = taken
            .values()
            .filter(|view| view.instance == *name)
            .inspect(|view| assert_eq!((&*view.kind, &*view.status), ("scheduled", "completed"), "{view:?}"))
            .map(|view| view.created_at.as_microsecond())
            .collect();
        times.sort_unstable();
        let expected = expected(slots, &outages, until);
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(times.len(), expected.len(), "{name}: {:?}", taken_times(&times));
        for (time, look) in times.iter().zip(&expected) {
            // A moment passes while the others that are due have their turn.
            assert!((0..60_000_000).contains(&(time - look)), "{name}: {:?}", taken_times(&[*time, *look]));
        }
        expiry(&site, name, policy, &taken, &times);
    }
}

fn taken_times(times: &[i64]) -> Vec<Timestamp> {
    times.iter().map(|us| Timestamp::from_microsecond(*us).unwrap()).collect()
}

/// What is over has gone, what is not is there, and the newest stays in any case.
fn expiry(site: &Site, name: &str, policy: &Policy, taken: &BTreeMap<String, SnapshotView>, times: &[i64]) {
    let now = Timestamp::from_microsecond(site.world.0.load(Ordering::SeqCst)).unwrap();
    let retain = SignedDuration::from_nanos(policy.retain_ns.unwrap());
    let there: Vec<String> =
        site.service.catalog().unwrap().usable(Some(name)).iter().map(|one| one.view().id).collect();
    let last_look = *times.last().unwrap();
    let mut gone = 0;
    for view in taken.values().filter(|view| view.instance == name) {
        let expires = view.expires_at.unwrap();
        assert!((expires - (view.created_at + retain)).get_seconds().abs() < 2, "{name}: {view:?}");
        let is_newest = view.created_at.as_microsecond() == last_look;
        if expires > now || is_newest {
            assert!(there.contains(&view.id), "{name}: it went too early: {view:?} at {now}");
        } else if expires.as_microsecond() <= last_look {
            gone += 1;
            assert!(!there.contains(&view.id), "{name}: it is over: {view:?} at {now}");
        }
    }
    assert!(gone > 0, "{name}: nothing was over");
}

#[test]
fn in_spring_each_slot_is_taken_once() {
    let outages = [("2027-03-26T13:20:00Z", "2027-03-26T17:45:00Z"), ("2027-03-28T00:30:00Z", "2027-03-28T01:10:00Z")];
    Runtime::new().unwrap().block_on(simulate("2027-03-24T09:10:00Z", "2027-03-31T09:00:00Z", &outages));
}

#[test]
fn in_autumn_each_slot_is_taken_once() {
    let outages = [("2027-10-31T00:20:00Z", "2027-10-31T01:40:00Z"), ("2027-11-02T03:00:00Z", "2027-11-03T20:00:00Z")];
    Runtime::new().unwrap().block_on(simulate("2027-10-28T09:10:00Z", "2027-11-08T09:00:00Z", &outages));
}
