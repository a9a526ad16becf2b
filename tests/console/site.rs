//! A server of the library in this process, on a port of its own, and the databases that it takes snapshots of.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::server::config::{Config, Span};
use snaphold::server::vault::Vault;
use snaphold::server::{Server, Start};
use snaphold::service::Plans;
use snaphold::source::program::Programs;
use tempfile::TempDir;

pub const TOKEN: &str = "the-first-administrators-token";
const MASTER: &str = "101112131415161718191a1b1c1d1e1f000102030405060708090a0b0c0d0e0f";

struct Here;

impl Clock for Here {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Entropy for Here {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

impl Processes for Here {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "test".into(), boot: "test".into(), pid: std::process::id(), started: 1 }
    }

    fn is_alive(&self, other: &ProcessIdentity) -> Option<bool> {
        Some(*other == self.identity())
    }
}

pub struct Site {
    server: Server,
    folder: TempDir,
    pub address: String,
}

impl Site {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
        config.backup.every = Span::seconds(0);
        let here = Arc::new(Here);
        let surroundings = Surroundings { clock: here.clone(), entropy: here.clone(), processes: here.clone() };
        let start = Start {
            config,
            data: folder.path().join("data"),
            surroundings,
            programs: Programs::new(std::env::vars_os().collect()),
            vault: Vault::of_text(MASTER, here).unwrap(),
            plans: Plans::built_in(),
            admin_token: Some(TOKEN.into()),
        };
        let server = Server::start(start).await.unwrap();
        let address = format!("http://{}", server.address);
        Self { server, folder, address }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}
