//! Environments by the real program: several sources in one snapshot, optional ones, commands around it, restored whole
//! and by component.

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::path::Path;

use program::Place;
use rusqlite::Connection;
use serde_json::Value;

/// An environment of a database, a folder and an optional folder, whose commands write down that they ran.
fn shop() -> Place {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    fs::create_dir(place.path("media")).unwrap();
    fs::write(place.path("media/film"), vec![7; 300_000]).unwrap();
    Connection::open(place.path("shop.db"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE orders(id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders(what) VALUES('first');",
        )
        .unwrap();
    let note = |word: &str| format!("echo {word} >> '{}'", place.text_path("ran"));
    let file = format!(
        r#"
freeze = "{}"
thaw = "{}"

[[component]]
name = "db"
source = "sqlite:{}"
before = "{}"
after = "{}"

[[component]]
name = "pages"
source = "files:{}"

[[component]]
name = "media"
source = "files:{}"
optional = true
"#,
        note("freeze"),
        note("thaw"),
        place.text_path("shop.db"),
        note("before"),
        note("after"),
        place.text_path("data"),
        place.text_path("media"),
    );
    fs::write(place.path("shop.toml"), file).unwrap();
    place.run(["instance", "add", "shop", "--source", "env:shop.toml"]).succeeds();
    place
}

fn order(place: &Place, sql: &str) {
    Connection::open(place.path("shop.db")).unwrap().execute_batch(sql).unwrap();
}

fn orders(database: &Path) -> i64 {
    Connection::open(database).unwrap().query_row("SELECT count(*) FROM orders", [], |row| row.get(0)).unwrap()
}

fn names(snapshot: &Value) -> Vec<&str> {
    snapshot["components"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

fn take(place: &Place, more: &[&str]) -> Value {
    let arguments = [&["snapshot", "take", "shop", "--json"], more].concat();
    place.json(arguments)
}

#[test]
fn optional_components_come_only_when_asked_for_and_commands_run_around() {
    let place = shop();
    let snapshot = take(&place, &[]);
    assert_eq!(names(&snapshot), ["db", "pages"]);
    assert_eq!(fs::read_to_string(place.path("ran")).unwrap(), "freeze\nbefore\nafter\nthaw\n");
    assert_eq!(names(&take(&place, &["--include", "media"])), ["db", "pages", "media"]);
    let again = take(&place, &["--include", "media"]);
    assert!(again["bytes_new"].as_u64().unwrap() < 10_000, "{again}");
    place.run(["snapshot", "take", "shop", "--include", "cache"]).fails(2, "db, pages, media");
}

#[test]
fn it_is_restored_whole_and_by_component() {
    let place = shop();
    take(&place, &["--include", "media"]);
    order(&place, "INSERT INTO orders(what) VALUES('second')");
    fs::write(place.path("data/a.txt"), "other\n").unwrap();
    fs::remove_file(place.path("media/film")).unwrap();
    let state = || {
        let page = fs::read_to_string(place.path("data/a.txt")).unwrap();
        (orders(&place.path("shop.db")), page, place.path("media/film").exists())
    };
    let changed = (2, "other\n".to_string(), false);
    assert_eq!(state(), changed);
    place.run(["restore", "latest", "--component", "db"]).fails(4, "shop.db");
    assert_eq!(state(), changed);
    place.run(["restore", "latest", "--component", "db", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(state(), (1, "other\n".to_string(), false));
    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(state(), changed);
    let whole = place.json(["restore", "latest", "--confirm", "RESTORE", "--json"]);
    assert_eq!(state(), (1, "a text\n".to_string(), true));
    assert_eq!(names(&place.json(["snapshot", "show", whole["safety_snapshot"].as_str().unwrap(), "--json"])).len(), 3);
    place.run(["restore", "undo", "shop", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(state(), changed);
    place.run(["restore", "latest", "--component", "cache", "--confirm", "RESTORE"]).fails(3, "db, pages, media");
}

#[test]
fn its_components_are_listed_compared_exported_and_taken_out() {
    let place = shop();
    take(&place, &[]);
    order(&place, "INSERT INTO orders(what) VALUES('second')");
    take(&place, &[]);
    let items = place.json(["snapshot", "ls", "latest", "--json"]);
    assert_eq!(items["items"][0]["component"], "db");
    assert_eq!(items["items"][0]["name"], "orders");
    assert_eq!(items["items"][0]["rows"], 2);
    let files = place.run(["snapshot", "ls", "latest", "--files", "--recursive"]).succeeds().stdout;
    assert!(files.contains("pages/a.txt") && files.contains("db/shop.db"), "{files}");
    let top = place.run(["snapshot", "ls", "latest", "--files"]).succeeds().stdout;
    assert_eq!(top.lines().filter(|line| line.ends_with(" db") || line.ends_with(" pages")).count(), 2, "{top}");
    let below = place.run(["snapshot", "ls", "latest", "pages"]).succeeds().stdout;
    assert!(below.contains("pages/a.txt") && !below.contains("shop.db"), "{below}");
    place.run(["snapshot", "ls", "latest", "cache"]).fails(3, "db, pages");
    let diff = place.json(["snapshot", "diff", "latest~1", "latest", "--json"]);
    assert_eq!(diff["items"][0]["change"], "changed");
    assert_eq!(diff["items"][0]["rows"], serde_json::json!([1, 2]));
    let diff = place.run(["snapshot", "diff", "latest~1", "latest", "--files"]).succeeds().stdout;
    assert!(diff.contains("M db/shop.db") && !diff.contains("pages"), "{diff}");

    place.run(["export", "latest", "--format", "dump", "--output", "x"]).fails(4, "2 components");
    let export = ["export", "latest", "--component", "db", "--format", "dump", "--output", "-"];
    assert!(place.run(export).succeeds().stdout.contains("INSERT INTO orders VALUES(2,'second');"));
    place.run(["restore", "latest", "--to", "out"]).succeeds();
    assert_eq!(orders(&place.path("out/db/shop.db")), 2);
    assert_eq!(fs::read_to_string(place.path("out/pages/a.txt")).unwrap(), "a text\n");
    place.run(["export", "latest", "--format", "tar", "--output", "all.tar"]).succeeds();
    let drill = place.json(["drill", "latest", "--json"]);
    assert_eq!(drill["proven"], true);
    assert!(drill["checks"].as_array().unwrap().iter().any(|check| check["name"] == "db: integrity_check"), "{drill}");
    assert_eq!(place.json(["snapshot", "show", "latest", "--json"])["proof"]["proven"], true);
}

#[test]
fn where_one_component_or_command_fails_there_is_no_snapshot_and_what_was_stopped_is_started() {
    let place = shop();
    let completed = |place: &Place| {
        let listed = place.json(["snapshot", "list", "--json"]);
        let all = listed["snapshots"].as_array().unwrap();
        all.iter().filter(|snapshot| snapshot["status"] == "completed").count()
    };
    fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    place.run(["snapshot", "take", "shop"]).fails(3, "component \"pages\"");
    assert_eq!(completed(&place), 0);
    assert_eq!(fs::read_to_string(place.path("ran")).unwrap(), "freeze\nbefore\nafter\nthaw\n");
    fs::rename(place.path("elsewhere"), place.path("data")).unwrap();
    let file = fs::read_to_string(place.path("shop.toml")).unwrap();
    fs::write(place.path("shop.toml"), file.replacen("freeze = \"", "freeze = \"echo no >&2; exit 3; ", 1)).unwrap();
    fs::remove_file(place.path("ran")).unwrap();
    place.run(["snapshot", "take", "shop"]).fails(1, "the freeze command failed: no");
    assert_eq!(completed(&place), 0);
    assert_eq!(fs::read_to_string(place.path("ran")).unwrap(), "thaw\n");
}

#[test]
fn what_is_wrong_in_its_file_is_said_with_the_line_and_without_secrets() {
    let place = shop();
    let cases = [
        ("", "no [[component]]"),
        ("[[component]]\nname = \"a\"\n", "missing field `source`"),
        ("[[component]]\nname = \"a\"\nsource = \"files:/\"\nsauce = 1\n", "sauce"),
        ("[[component]]\nname = \"a\"\nsource = \"files\"\n", "component \"a\""),
        ("[[component]]\nname = \"a/b\"\nsource = \"files:/\"\n", "a/b"),
        ("[[component]]\nname = \"a\"\nsource = \"env:x\"\n", "cannot be a component"),
        ("[[component]]\nname = \"a\"\nsource = \"postgres://u:hunter2@h/\"\nname = \"b\"\n", "line 4"),
        (
            "[[component]]\nname = \"a\"\nsource = \"files:/\"\n[[component]]\nname = \"a\"\nsource = \"files:/\"\n",
            "two components",
        ),
    ];
    for (text, expected) in cases {
        fs::write(place.path("wrong.toml"), text).unwrap();
        let done = place.run(["instance", "add", "wrong", "--source", "env:wrong.toml"]);
        assert!(!done.stderr.contains("hunter2"), "{done:?}");
        done.fails(2, expected);
    }
    place.run(["instance", "add", "wrong", "--source", "env:absent.toml"]).fails(3, "absent.toml");
}
