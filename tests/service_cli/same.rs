//! Every command that both a repository and a service can be asked for, in words and in JSON.

use std::fs;
use std::path::Path;

use crate::both::Both;

fn sql(folder: &Path, statements: &str) {
    rusqlite::Connection::open(folder.join("shop.db")).unwrap().execute_batch(statements).unwrap();
}

/// Two instances, files and a database, with two snapshots each.
fn with_snapshots() -> Both {
    let both = Both::new();
    both.change(|folder| {
        sql(&folder, "CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (1, 'a');")
    });
    both.say(&["instance", "add", "pages", "--source", "files:PLACE/data", "--description", "the pages"], 0);
    both.say(&["instance", "add", "shop", "--source", "sqlite:PLACE/shop.db", "--retain", "30d"], 0);
    both.say(&["snapshot", "take", "pages", "--description", "the first"], 0);
    both.say(&["snapshot", "take", "shop", "--retain", "90d"], 0);
    both.change(|folder| {
        fs::write(folder.join("data/a.txt"), "another text\n").unwrap();
        fs::write(folder.join("data/new"), "new\n").unwrap();
        sql(&folder, "INSERT INTO orders VALUES (2, 'b'); CREATE TABLE more (x);");
    });
    both.say(&["snapshot", "take", "pages"], 0);
    both.json(&["snapshot", "take", "shop"]);
    both
}

#[test]
fn instances_and_plans() {
    let both = Both::new();
    both.say(&["instance", "list"], 0);
    both.json(&[
        "instance",
        "add",
        "pages",
        "--source",
        "files:PLACE/data",
        "--plan",
        "dragonfly-cloud",
        "--retain",
        "14d",
    ]);
    both.say(&["instance", "add", "graph"], 0);
    both.say(&["instance", "add", "pages"], 4);
    both.say(&["instance", "add", "no name"], 2);
    both.say(&["instance", "add", "other", "--plan", "none-such"], 3);
    for arguments in [&["instance", "list"][..], &["instance", "show", "pages"], &["instance", "show", "graph"]] {
        both.say(arguments, 0);
        both.json(arguments);
    }
    both.say(&["instance", "edit", "pages", "--no-retain", "--description", "all pages", "--plan", "unlimited"], 0);
    both.json(&["instance", "edit", "pages", "--always-read", "--before", "true"]);
    both.say(&["instance", "edit", "pages", "--no-always-read", "--before", "", "--no-source"], 0);
    both.json(&["instance", "edit", "pages", "--source", "files:PLACE/data"]);
    both.say(&["instance", "check", "pages"], 0);
    both.json(&["instance", "check", "pages"]);
    for name in ["absent", "no name", "..", "a/b?c"] {
        both.say(&["instance", "show", name], 3);
    }
    both.say(&["instance", "edit", "absent", "--retain", "1d"], 3);
    both.say(&["instance", "check", "absent"], 3);
    both.say(&["instance", "remove", "absent"], 3);
    both.say(&["instance", "remove", "graph"], 0);
    both.json(&["instance", "remove", "pages"]);
    // Its snapshot is still there.
    both.say(&["instance", "list"], 0);
    both.say(&["instance", "show", "pages"], 0);
    both.say(&["snapshot", "list", "pages"], 0);
    both.say(&["plan", "list"], 0);
    both.json(&["plan", "list"]);
    both.say(&["plan", "show", "auradb-enterprise"], 0);
    both.json(&["plan", "show", "auradb-free"]);
    both.say(&["plan", "show", "none-such"], 3);
}

#[test]
fn snapshots_and_what_is_in_them() {
    let both = with_snapshots();
    for arguments in [
        &["snapshot", "list"][..],
        &["snapshot", "list", "shop"],
        &["snapshot", "show", "latest"],
        &["snapshot", "show", "pages@latest~1"],
        &["snapshot", "ls", "pages@latest"],
        &["snapshot", "ls", "pages@latest", "--recursive"],
        &["snapshot", "ls", "pages@latest", "a.txt"],
        &["snapshot", "ls", "shop@latest"],
        &["snapshot", "ls", "shop@latest", "--files"],
        &["snapshot", "diff", "pages@latest~1", "pages@latest"],
        &["snapshot", "diff", "shop@latest~1", "shop@latest"],
        &["snapshot", "diff", "shop@latest~1", "shop@latest", "--files"],
        &["snapshot", "diff", "pages@latest", "pages@latest"],
        &["stats", "shop"],
    ] {
        both.say(arguments, 0);
        both.json(arguments);
    }
    let ids = |side: usize| {
        let (local, remote) = both.json(&["snapshot", "list", "pages"]);
        [local, remote][side]["snapshots"][1]["id"].as_str().unwrap().to_string()
    };
    // Ids differ, so each side is asked for its own; the beginning of one is enough.
    let (own, its) = (ids(0), ids(1));
    assert!(both.local.run(["snapshot", "show", &own[..10]]).succeeds().stdout.contains(&own));
    assert!(both.service.run(&["snapshot", "show", &its[..10]]).succeeds().stdout.contains(&its));
    for arguments in [
        &["snapshot", "hold", "shop@latest~1", "--until", "40d"][..],
        &["snapshot", "hold", "shop@latest~1", "--until", "2099-01-01T00:00:00Z"],
    ] {
        both.say(arguments, 0);
    }
    both.say(&["snapshot", "hold", "shop@latest~1", "--until", "1d"], 4);
    both.say(&["snapshot", "delete", "shop@latest~1", "--confirm", "DELETE"], 4);
    both.say(&["snapshot", "delete", "pages@latest"], 4);
    both.say(&["snapshot", "delete", "pages@latest", "--confirm", "delete"], 4);
    both.say(&["snapshot", "delete", "pages@latest", "pages@latest~1", "--confirm", "DELETE"], 0);
    both.say(&["snapshot", "list", "pages"], 0);
    both.say(&["snapshot", "show", "pages@latest"], 3);
    for (side, id) in [(0, ids(0)), (1, ids(1))] {
        let back = match side {
            0 => both.local.run(["snapshot", "undelete", &id]),
            _ => both.service.run(&["snapshot", "undelete", &id]),
        };
        assert_eq!(back.succeeds().stdout, format!("snapshot {id} is back\n"));
    }
    both.say(&["snapshot", "show", "pages@latest"], 0);
    for spec in ["0000000000000000", "zzz", "absent@latest", "latest~9", "pages@latest~7", ""] {
        both.say(&["snapshot", "show", spec], 3);
    }
    both.say(&["snapshot", "show", "latest~x"], 2);
    both.say(&["snapshot", "list", "absent"], 3);
    both.say(&["snapshot", "take", "absent"], 3);
    both.say(&["snapshot", "ls", "pages@latest", "no/such"], 3);
}

#[test]
fn restores_over_an_instance_and_back() {
    let both = with_snapshots();
    both.say(&["restore", "pages@latest~1", "--plan"], 0);
    both.json(&["restore", "pages@latest~1", "--plan"]);
    both.say(&["restore", "pages@latest~1"], 4);
    both.say(&["restore", "pages@latest~1", "--confirm", "restore"], 4);
    both.change(|folder| assert!(folder.join("data/new").exists()));
    both.say(&["restore", "pages@latest~1", "--confirm", "RESTORE"], 0);
    both.change(|folder| assert!(!folder.join("data/new").exists()));
    both.say(&["restore", "undo", "pages", "--plan"], 0);
    both.say(&["restore", "undo", "pages"], 4);
    both.json(&["restore", "undo", "pages", "--confirm", "RESTORE"]);
    both.change(|folder| assert_eq!(fs::read_to_string(folder.join("data/new")).unwrap(), "new\n"));
    both.json(&["restore", "shop@latest~1", "--confirm", "RESTORE", "--no-safety"]);
    both.say(&["restore", "undo", "shop", "--confirm", "RESTORE"], 3);
    both.say(&["restore", "undo", "absent", "--confirm", "RESTORE"], 3);
    both.say(&["restore", "pages@latest~7", "--confirm", "RESTORE"], 3);
    both.run(&["restore", "--resume", "pages"]).remote.fails(4, "cut short");
    both.say(&["restore", "--abort", "absent"], 3);
    both.run(&["restore"]).remote.fails(2, "<SNAPSHOT>");
    // A service tells what it cannot use, and not why in a word.
    let absent = both.run(&["instance", "add", "twin", "--source", "files:PLACE/twin"]);
    absent.local.fails(3, "is not there");
    absent.remote.fails(1, "is not there");
    both.change(|folder| fs::create_dir(folder.join("twin")).unwrap());
    both.say(&["instance", "add", "twin", "--source", "files:PLACE/twin"], 0);
    both.say(&["clone", "pages@latest", "--name", "copy", "--source", "files:PLACE/copy"], 0);
    both.change(|folder| assert!(folder.join("copy/new").exists()));
    both.json(&["clone", "shop@latest", "--name", "alone"]);
    both.say(&["clone", "shop@latest", "--name", "alone"], 4);
    both.say(&["drill", "shop@latest"], 0);
    both.json(&["drill", "shop@latest", "--query", "SELECT * FROM orders"]);
    both.json(&["drill", "shop@latest", "--query", "SELECT * FROM nothing"]);
}

#[test]
fn policies_and_care() {
    let both = with_snapshots();
    both.say(&["policy", "show", "shop"], 0);
    both.say(&["policy", "set", "shop", "--days", "mon,thu", "--hours", "2,14", "--timezone", "Europe/Paris"], 0);
    both.json(&["policy", "set", "shop", "--retain", "14d", "--window", "01:00-05:00", "--hours", "once"]);
    both.json(&["policy", "show", "shop"]);
    both.say(&["policy", "set", "shop", "--hours", "12"], 2);
    both.say(&["instance", "show", "shop"], 0);
    both.say(&["policy", "set", "shop", "--off", "--no-retain"], 0);
    both.say(&["policy", "reset", "shop"], 0);
    both.say(&["policy", "show", "absent"], 3);
    both.say(&["policy", "set", "absent", "--off"], 3);
    both.say(&["policy", "reset", "absent"], 3);
    both.say(&["gc"], 0);
    both.json(&["gc", "--full"]);
    both.say(&["verify"], 0);
    both.json(&["verify", "--read-data"]);
    both.json(&["verify", "--read-data=1/3"]);
}
