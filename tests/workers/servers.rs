//! A data folder, real servers over it, and the same folder as seen from this test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use snaphold::clock::Surroundings;
use snaphold::server::catalog::{Account, Catalog};
use snaphold::server::jobs::{Bench, Jobs};
use snaphold::server::tenants::{Tenants, TenantsConfig};
use snaphold::server::vault::Vault;
use snaphold::service::{Plans, Service};
use snaphold::source::program::Programs;
use tempfile::TempDir;

use crate::here::surroundings;

/// A server; killed with -9 when it is dropped.
pub struct Server(Child);

impl Server {
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder of a service.
pub struct Data {
    pub folder: TempDir,
    catalog: Option<String>,
}

impl Data {
    /// With a catalog at a URL, or else in the folder.
    pub fn new(catalog: Option<String>) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(folder.path().join("sources")).unwrap();
        Self { folder, catalog }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Starts a server and waits until it answers.
    pub fn serve(&self) -> Server {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_snaphold"))
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(self.path("data"))
            .args(self.catalog.iter().flat_map(|url| ["--catalog", url]))
            .env("SNAPHOLD_ADMIN_TOKEN", "the-administrators-token")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server = Server(child);
        assert!(line.contains("listening"), "{line}; its log: {}", self.log());
        server
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub async fn catalog(&self) -> Catalog {
        let embedded = || format!("sqlite://{}", self.path("data/catalog.sqlite").display());
        Catalog::open(&self.catalog.clone().unwrap_or_else(embedded), surroundings()).await.unwrap()
    }

    /// The accounts' repositories, opened by this process.
    pub fn tenants(&self) -> Arc<Tenants> {
        let surroundings = surroundings();
        let vault = Vault::of_file(&self.path("data/master.key"), surroundings.entropy.clone()).unwrap();
        tenants(&self.path("data"), vault, surroundings, 3_600_000_000_000)
    }

    pub fn service(&self, account: &Account) -> Arc<Service> {
        self.tenants().service(&account.id, account.sealed_secret.as_deref().unwrap()).unwrap()
    }
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn tenants(data: &Path, vault: Vault, surroundings: Surroundings, grace_ns: i64) -> Arc<Tenants> {
    let config = TenantsConfig {
        accounts: data.join("accounts"),
        staging: data.join("tmp"),
        plans: Plans::built_in(),
        programs: Programs::new(Vec::new()),
        surroundings,
        grace_ns,
        open_max: 64,
    };
    Arc::new(Tenants::new(config, vault))
}

/// What workers of this process work with, in an empty folder: no server, and one job of an account at once.
pub async fn bench(folder: &Path, surroundings: Surroundings, grace_ns: i64) -> Bench {
    for name in ["accounts", "tmp", "exports", "uploads"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let url = format!("sqlite://{}", folder.join("catalog").display());
    let catalog = Catalog::open(&url, surroundings.clone()).await.unwrap();
    let vault = Vault::of_text(KEY, surroundings.entropy.clone()).unwrap();
    Bench {
        catalog: catalog.clone(),
        tenants: tenants(folder, vault, surroundings, grace_ns),
        jobs: Jobs::new(catalog),
        exports: folder.join("exports"),
        uploads: folder.join("uploads"),
        jobs_per_account: 1,
        silence_us: 60_000_000,
    }
}
