//! A server of the library in this process, on a port of its own, and the databases that it takes snapshots of.

use std::path::PathBuf;

use snaphold::server::config::{Config, Span};
use snaphold::server::vault::Vault;
use snaphold::server::{Server, Start};
use snaphold::service::Plans;
use snaphold::source::program::Programs;
use tempfile::TempDir;

use crate::here;

pub const TOKEN: &str = "the-first-administrators-token";
const MASTER: &str = "101112131415161718191a1b1c1d1e1f000102030405060708090a0b0c0d0e0f";

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
        let surroundings = here::surroundings();
        let vault = Vault::of_text(MASTER, surroundings.entropy.clone()).unwrap();
        let start = Start {
            config,
            data: folder.path().join("data"),
            surroundings,
            programs: Programs::new(std::env::vars_os().collect()),
            vault,
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
