//! A data folder with accounts, processes that work on it and die, and sources to take snapshots of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use snaphold::clock::Surroundings;
use snaphold::error::Result;
use snaphold::ops::{Progress, Silent};
use snaphold::server::tenants::{Tenants, TenantsConfig};
use snaphold::server::vault::Vault;
use snaphold::server::work::{self, Done, JobSpec, Means, perform};
use snaphold::service::{InstanceSpec, Plans, Service, SnapshotView};
use snaphold::source::program::Programs;

use super::sqlite_common::{create, query};
use super::store::{Machine, SECOND};

pub const HOUR: i64 = 3600 * SECOND;
pub const MASTER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Each world draws its own random bytes.
static WORLDS: AtomicU64 = AtomicU64::new(7);

pub struct World {
    pub machine: Machine,
    pub folder: tempfile::TempDir,
    ids: AtomicU64,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        for name in ["accounts", "tmp", "exports", "uploads", "sources"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { machine: Machine::new(WORLDS.fetch_add(1, Ordering::SeqCst)), folder, ids: AtomicU64::new(0) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn source(&self, name: &str) -> PathBuf {
        self.path("sources").join(name)
    }

    /// The accounts, as a new process has them.
    pub fn tenants(&self) -> (Tenants, Surroundings) {
        self.tenants_with(MASTER, 8)
    }

    pub fn tenants_with(&self, master: &str, open_max: usize) -> (Tenants, Surroundings) {
        let surroundings = self.machine.process();
        let vault = Vault::of_text(master, surroundings.entropy.clone()).unwrap();
        let config = TenantsConfig {
            accounts: self.path("accounts"),
            staging: self.path("tmp"),
            plans: Plans::built_in(),
            programs: Programs::new(Vec::new()),
            surroundings: surroundings.clone(),
            grace_ns: 48 * HOUR,
            open_max,
        };
        (Tenants::new(config, vault), surroundings)
    }

    /// 16 hexadecimal digits that nobody has yet.
    pub fn id(&self) -> String {
        format!("{:016x}", 0xa000_0000_0000_0000 + self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Eight of them.
    pub fn run(&self) -> String {
        format!("{:08x}", 0xb000_0000 + self.ids.fetch_add(1, Ordering::Relaxed))
    }
}

/// An account, and the process that works for it.
pub struct Account {
    pub world: World,
    pub id: String,
    pub sealed: String,
    pub tenants: Tenants,
    pub surroundings: Surroundings,
}

impl Account {
    pub fn new() -> Self {
        let world = World::new();
        let (tenants, surroundings) = world.tenants();
        let id = "a0123456789abcdef".to_string();
        let sealed = tenants.create(&id).unwrap();
        Self { world, id, sealed, tenants, surroundings }
    }

    pub fn service(&self) -> Arc<Service> {
        self.tenants.service(&self.id, &self.sealed).unwrap()
    }

    /// The process dies, and another one takes its place.
    pub fn dies(&mut self) {
        self.world.machine.kill(&self.surroundings);
        (self.tenants, self.surroundings) = self.world.tenants();
    }

    /// An instance with a SQLite database of a few thousand rows, which say `word`.
    pub fn add_shop(&self, name: &str, word: &str) {
        self.write_shop(name, word);
        let source = format!("sqlite:{}", self.world.source(&format!("{name}.db")).display());
        self.add(name, &source, "unlimited");
    }

    pub fn write_shop(&self, name: &str, word: &str) {
        let path = self.world.source(&format!("{name}.db"));
        let _ = fs::remove_file(&path);
        create(
            &path,
            &format!(
                "CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT, noise BLOB);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                 INSERT INTO goods SELECT i, '{word} ' || i, zeroblob(200) || CAST(i * 7919 AS TEXT) || hex(i * 104729)
                 FROM n;"
            ),
        );
    }

    /// The word that the rows of a database say: all of them the same.
    pub fn word(&self, name: &str) -> String {
        let path = self.world.source(&format!("{name}.db"));
        let rows =
            query(&path, "SELECT DISTINCT substr(name, 1, instr(name, ' ') - 1), count(*) FROM goods GROUP BY 1");
        match rows.as_slice() {
            [row] => match row.as_slice() {
                [rusqlite::types::Value::Text(word), rusqlite::types::Value::Integer(3000)] => word.clone(),
                row => panic!("{row:?}"),
            },
            rows => panic!("{rows:?}"),
        }
    }

    /// An instance that is a folder with some files, which say `word`.
    pub fn add_site(&self, name: &str, word: &str) {
        self.write_site(name, word);
        let source = format!("files:{}", self.world.source(name).display());
        self.add(name, &source, "unlimited");
    }

    pub fn write_site(&self, name: &str, word: &str) {
        let folder = self.world.source(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("pages")).unwrap();
        for number in 0..20 {
            fs::write(folder.join(format!("pages/{number}.html")), format!("{word} {number} ").repeat(300)).unwrap();
        }
        fs::write(folder.join("large.bin"), word.repeat((3 << 20) / word.len())).unwrap();
    }

    pub fn add(&self, name: &str, source: &str, plan: &str) {
        let spec = InstanceSpec { source: Some(Some(source.into())), plan: Some(plan.into()), ..Default::default() };
        self.service().add_instance(name, spec).unwrap();
    }

    pub fn perform(&self, spec: &JobSpec) -> Result<Done> {
        self.perform_as(spec, 1, &Silent)
    }

    pub fn again(&self, spec: &JobSpec) -> Result<Done> {
        self.perform_as(spec, 2, &Silent)
    }

    pub fn perform_as(&self, spec: &JobSpec, attempt: u32, progress: &dyn Progress) -> Result<Done> {
        // A job is read from the catalog each time.
        let spec: JobSpec = serde_json::from_str(&serde_json::to_string(spec).unwrap()).unwrap();
        let service = self.service();
        let (exports, uploads) = (self.world.path("exports"), self.world.path("uploads"));
        perform(&spec, &Means { service: &service, exports: &exports, uploads: &uploads, progress, attempt })
    }

    /// Takes a snapshot and returns its id.
    pub fn take(&self, instance: &str) -> String {
        let id = self.world.id();
        let done = self.perform(&snapshot(instance, &id)).unwrap();
        assert_eq!(done.result["id"], id.as_str());
        id
    }

    /// Snapshots of an instance that can be used, by their ids, with their types.
    pub fn usable(&self, instance: &str) -> BTreeMap<String, String> {
        let views = self.service().snapshots(Some(instance)).unwrap();
        let usable = views.into_iter().filter(|view| view.status == "completed");
        usable.map(|view| (view.id, view.kind.to_string())).collect()
    }

    pub fn views(&self) -> Vec<SnapshotView> {
        self.service().snapshots(None).unwrap()
    }

    /// Nothing was left in the staging, exports and uploads folders, nor registered.
    pub fn assert_clean(&self) {
        assert_eq!(names(&self.world.path("tmp")), Vec::<String>::new());
        let hidden = names(&self.world.path("exports")).into_iter().filter(|name| name.starts_with('.'));
        assert_eq!(hidden.collect::<Vec<_>>(), Vec::<String>::new());
        assert!(self.service().repo().writers().unwrap().is_empty());
        let beside = names(&self.world.path("sources")).into_iter().filter(|name| name.contains("snaphold"));
        assert_eq!(beside.collect::<Vec<_>>(), Vec::<String>::new());
    }

    /// Every snapshot is whole, by reading everything.
    pub fn assert_whole(&self) {
        let verify = JobSpec::Verify(work::Verify { read_data: Some("all".into()) });
        let done = self.perform(&verify).unwrap();
        assert_eq!(done.result["ok"], true, "{}", done.result);
    }
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn snapshot(instance: &str, id: &str) -> JobSpec {
    JobSpec::Snapshot(work::Snapshot {
        instance: instance.into(),
        snapshot: id.into(),
        description: None,
        retain_ns: None,
        include: Vec::new(),
        skip_unreadable: false,
    })
}

pub fn restore(instance: &str, snapshot: &str, run: &str) -> JobSpec {
    JobSpec::Restore(work::Restore {
        instance: instance.into(),
        snapshot: snapshot.into(),
        run: run.into(),
        component: None,
        path: None,
        no_safety: false,
    })
}

pub fn load(instance: &str, snapshot: &str, upload: &str, run: &str) -> JobSpec {
    JobSpec::Load(work::Load {
        instance: instance.into(),
        snapshot: snapshot.into(),
        upload: upload.into(),
        file_name: "shop.db".into(),
        run: run.into(),
        description: None,
        retain_ns: None,
        no_safety: false,
    })
}

pub fn export(snapshot: &str, export: &str, format: &str) -> JobSpec {
    JobSpec::Export(work::Export {
        snapshot: snapshot.into(),
        export: export.into(),
        format: format.into(),
        neo4j_format: None,
        component: None,
        path: None,
        only: None,
    })
}

pub fn clone(snapshot: &str, name: &str, copy: &str, source: Option<String>) -> JobSpec {
    JobSpec::Clone(work::Clone {
        snapshot: snapshot.into(),
        name: name.into(),
        copy: copy.into(),
        source,
        settings: work::CloneSettings::default(),
    })
}

/// Work that is stopped, or whose process dies, after so many calls.
pub struct Ends {
    calls: AtomicU64,
    after: u64,
    dies: bool,
}

impl Ends {
    pub fn cancelled_after(calls: u64) -> Self {
        Self { calls: AtomicU64::new(0), after: calls, dies: false }
    }

    pub fn dies_after(calls: u64) -> Self {
        Self { calls: AtomicU64::new(0), after: calls, dies: true }
    }

    /// Whether it came to that.
    pub fn has_ended(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.after
    }

    fn counts(&self) -> bool {
        let ended = self.calls.fetch_add(1, Ordering::SeqCst) >= self.after;
        if ended && self.dies {
            // Quietly: it is meant.
            std::panic::resume_unwind(Box::new("the process died"));
        }
        ended
    }
}

impl Progress for Ends {
    fn stage(&self, _: &'static str, _: Option<u64>) {
        if self.dies {
            self.counts();
        }
    }

    fn advance(&self, _: u64) {
        if self.dies {
            self.counts();
        }
    }

    fn notice(&self, _: &str) {}

    fn is_cancelled(&self) -> bool {
        match self.dies {
            true => _ = self.counts(),
            false => return self.counts(),
        }
        false
    }
}

/// Numbers of calls after which something ends: each of the first ones, then fewer and fewer.
pub fn moments() -> impl Iterator<Item = u64> {
    (0..12).chain(std::iter::successors(Some(12u64), |last| Some(last + last / 4)).take(40))
}
