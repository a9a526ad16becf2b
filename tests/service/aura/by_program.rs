//! `aura-cli` itself, unchanged, where it is there: SNAPHOLD_AURA_CLI names it, or `aura-cli` is on PATH. No package
//! registry has it, so its absence fails nothing.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::program::Place;
use crate::served::{Served, word};
use crate::skipped::skipped;

use super::{account, token};

fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SNAPHOLD_AURA_CLI") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("aura-cli")).find(|path| path.exists())
}

struct AuraCli<'p> {
    program: PathBuf,
    place: &'p Place,
    url: String,
}

impl AuraCli<'_> {
    /// What it prints, and whether it succeeded.
    fn try_run(&self, arguments: &[&str]) -> (bool, String) {
        let done = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("HOME", self.place.path("home"))
            .env("XDG_CONFIG_HOME", self.place.path("home"))
            .env("AURA_BASE_URL", format!("{}/aura", self.url))
            .env("AURA_AUTH_URL", format!("{}/aura/oauth/token", self.url))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        (done.status.success() && !text.contains("Error"), text)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let (good, text) = self.try_run(arguments);
        assert!(good, "{arguments:?}: {text}");
        text
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }
}

#[test]
fn aura_cli_works_unchanged() {
    let Some(program) = program() else {
        skipped("aura_cli_works_unchanged", "there is no aura-cli (SNAPHOLD_AURA_CLI names one)");
        return;
    };
    let place = Place::bare();
    let served = Served::start(&place, "");
    let (books, copy) = (served.add_shop(&place, "books", "first"), served.add_shop(&place, "copy", "other"));
    let cli = AuraCli { program, place: &place, url: served.url.clone() };
    let (id, text) = token(&served, &["admin"]);
    cli.run(&["credential", "add", "--name", "test", "--client-id", &id, "--client-secret", &text]);

    let tenant = account(&served);
    assert!(cli.run(&["tenant", "list"]).contains(&tenant));
    assert_eq!(cli.json(&["tenant", "get", &tenant])["data"]["name"], "default");
    let listed = cli.json(&["instance", "list"]);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "{listed}");
    assert!(cli.run(&["instance", "list", "--tenant-id", &tenant]).contains("books"));
    assert_eq!(cli.json(&["instance", "get", &books])["data"]["status"], "running");

    let of = ["--instance-id", books.as_str()];
    let taken = cli.json(&[&["instance", "snapshot", "create"], &of[..]].concat());
    let snapshot = taken["data"]["snapshot_id"].as_str().unwrap();
    let get = [&["instance", "snapshot", "get", snapshot], &of[..]].concat();
    let completed = loop {
        let shown = cli.json(&get)["data"].clone();
        if !["Pending", "InProgress"].contains(&shown["status"].as_str().unwrap()) {
            break shown;
        }
    };
    assert_eq!((completed["status"].as_str(), completed["exportable"].as_bool()), (Some("Completed"), Some(true)));
    let list = [&["instance", "snapshot", "list"], &of[..]].concat();
    assert!(cli.run(&list).contains(snapshot));
    let day = &completed["timestamp"].as_str().unwrap()[..10];
    assert!(cli.run(&[&list[..], &["--date", day]].concat()).contains(snapshot));
    assert!(!cli.run(&[&list[..], &["--date", "2001-02-03"]].concat()).contains(snapshot));

    let with = ["--source-instance-id", books.as_str(), "--source-snapshot-id", snapshot];
    let begun = cli.json(&[&["instance", "overwrite", &copy], &with[..]].concat());
    assert_eq!(begun["data"]["id"], copy.as_str());
    while cli.json(&["instance", "get", &copy])["data"]["status"] == "overwriting" {}
    assert_eq!(word(&place, "copy"), "first");

    let new = ["--name", "fresh", "--type", "professional-db", "--memory", "2GB", "--region", "europe-west1"];
    let rest = ["--cloud-provider", "gcp", "--tenant-id", &tenant];
    let made = cli.json(&[&["instance", "create"], &new[..], &rest[..]].concat());
    assert_eq!(made["data"]["name"], "fresh", "{made}");

    // What it says of what was refused.
    let (good, said) = cli.try_run(&["instance", "get", "i0000000000000000"]);
    assert!(!good && said.contains("there is no instance"), "{said}");
    let (good, said) = cli.try_run(&[&["instance", "create"], &new[..], &rest[..]].concat());
    assert!(!good && said.contains("already"), "{said}");
    cli.run(&["credential", "add", "--name", "wrong", "--client-id", &id, "--client-secret", "nothing"]);
    cli.run(&["credential", "use", "wrong"]);
    let (good, said) = cli.try_run(&["instance", "list"]);
    assert!(!good && said.contains("credentials are invalid"), "{said}");
}
