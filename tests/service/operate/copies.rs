//! Copies of the catalog, and that the program alone gets it back from them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use snaphold::server::catalog::Catalog;
use snaphold::server::config::{Backup, Span};
use snaphold::server::operate::{Backups, CatalogBackup, service_folder};
use snaphold::server::vault::Vault;
use snaphold::source::program::Programs;
use tempfile::TempDir;

use super::clock::{SECOND, World};
use crate::postgres;
use crate::program::Place;

fn backup(data: &Path, url: &str, world: &Arc<World>) -> CatalogBackup {
    let surroundings = world.surroundings();
    let vault = Vault::of_file(&data.join("master.key"), surroundings.entropy.clone()).unwrap();
    let staging = data.join("tmp");
    fs::create_dir_all(&staging).unwrap();
    let programs = Programs::new(std::env::vars_os().collect());
    let folder = service_folder(data);
    CatalogBackup::open(&folder, url, vault.service_secret(), (&staging, programs), surroundings).unwrap()
}

async fn accounts(catalog: &Catalog) -> Vec<String> {
    catalog.accounts().await.unwrap().into_iter().map(|account| account.name).collect()
}

/// The options of the program for a data folder's own repository.
fn own(data: &Path) -> [String; 4] {
    let repository = service_folder(data).join("repository").display().to_string();
    ["--repo".into(), repository, "--key-file".into(), data.join("master.key").display().to_string()]
}

#[tokio::test]
async fn a_copy_of_sqlite_opens_with_the_master_key_and_the_program_alone() {
    let world = World::new();
    let place = Place::bare();
    let data = place.path("data");
    let url = format!("sqlite://{}", data.join("catalog.sqlite").display());
    let catalog = Catalog::open(&url, world.surroundings()).await.unwrap();
    catalog.add_account("a1", "one", "sealed").await.unwrap();
    let taking = {
        let (data, url, world) = (data.clone(), url.clone(), world.clone());
        move || backup(&data, &url, &world).take().unwrap()
    };
    let taken = tokio::task::spawn_blocking(taking).await.unwrap();
    assert_eq!(taken.status, "completed");
    catalog.add_account("a2", "two", "sealed").await.unwrap();

    // The catalog is lost; the copies and the key are not.
    catalog.close().await;
    fs::remove_file(data.join("catalog.sqlite")).unwrap();
    let output = place.text_path("back");
    let arguments = ["export", "latest", "--format", "dir", "--output", &output].map(String::from);
    place.run(own(&data).into_iter().chain(arguments)).succeeds();
    let back = format!("sqlite://{}", place.path("back").join("catalog.sqlite").display());
    let back = Catalog::open(&back, world.surroundings()).await.unwrap();
    assert_eq!(accounts(&back).await, ["one"]);
    assert_eq!(back.account("a1").await.unwrap().sealed_secret.as_deref(), Some("sealed"));

    // Another key opens nothing.
    fs::write(data.join("master.key"), format!("{}\n", "0".repeat(64))).unwrap();
    place.run(own(&data).into_iter().chain(["snapshot".into(), "list".into()])).fails(4, "");
}

#[tokio::test]
async fn a_copy_of_postgresql_is_a_dump_that_pg_restore_takes() {
    let Some(server) = postgres::server("copies of a catalog in PostgreSQL") else { return };
    let world = World::new();
    let place = Place::bare();
    let data = place.path("data");
    server.sql("postgres", "CREATE DATABASE catalog");
    server.sql("postgres", "CREATE DATABASE back");
    let url = server.url("catalog", "");
    let catalog = Catalog::open(&url, world.surroundings()).await.unwrap();
    catalog.add_account("a1", "one", "sealed").await.unwrap();
    let taking = {
        let (data, url, world) = (data.clone(), url.clone(), world.clone());
        move || backup(&data, &url, &world).take().unwrap()
    };
    tokio::task::spawn_blocking(taking).await.unwrap();

    let output = place.text_path("catalog.dump");
    let arguments = ["export", "latest", "--format", "dump", "--output", &output].map(String::from);
    place.run(own(&data).into_iter().chain(arguments)).succeeds();
    let restored = postgres::run(server.client("pg_restore", server.port).args(["-d", "back", &output]));
    assert!(restored.status.success(), "{restored:?}");
    let back = Catalog::open(&server.url("back", ""), world.surroundings()).await.unwrap();
    assert_eq!(accounts(&back).await, ["one"]);
}

#[tokio::test]
async fn copies_are_taken_as_often_as_the_config_says_by_one_process() {
    let world = World::new();
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}", folder.path().join("catalog.sqlite").display());
    let catalog = Catalog::open(&url, world.surroundings()).await.unwrap();
    let config = Backup { every: Span::hours(1), keep: Span::hours(3) };
    let process = || {
        let (data, url, world) = (folder.path().to_path_buf(), url.clone(), world.clone());
        let open = Arc::new(move || Ok(backup(&data, &url, &world).keeping(Span::hours(3).as_ns())));
        Backups::new(catalog.clone(), config.clone(), open)
    };
    let (mut one, mut two) = (process(), process());
    for _ in 0..8 {
        one.look().await.unwrap();
        two.look().await.unwrap();
        one.look().await.unwrap();
        world.pass(3600 * SECOND);
    }
    assert_eq!(two.newest_us().load(Ordering::Relaxed), 0);
    let newest = one.newest_us().load(Ordering::Relaxed);
    assert_eq!(catalog.now_us() - newest, 3600 * SECOND);
    let listing = {
        let (data, url, world) = (folder.path().to_path_buf(), url.clone(), world.clone());
        move || backup(&data, &url, &world).list().unwrap()
    };
    let listed = tokio::task::spawn_blocking(listing).await.unwrap();
    assert_eq!(listed.iter().filter(|copy| copy.status == "completed").count(), 8);
    assert!(listed.iter().all(|copy| copy.expires_at.is_some()));
}
