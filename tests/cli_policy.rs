//! `snaphold policy`: shown, set, taken away, and what is due taken by the program.

#[path = "cli/program.rs"]
mod program;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use program::{Done, Place};
use serde_json::{Value, json};
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Surroundings};
use snaphold::crypto::Secret;
use snaphold::repo::Repository;
use snaphold::service::policy::PolicyEdit;
use snaphold::service::{Plans, Service};
use snaphold::source::program::Programs;
use snaphold::storage::LocalFolder;

/// A machine whose clock is a day late.
struct Yesterday;

impl Clock for Yesterday {
    fn now(&self) -> Timestamp {
        Timestamp::now() - SignedDuration::from_hours(24)
    }
}

impl Entropy for Yesterday {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

impl Processes for Yesterday {
    fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { host: "yesterday".into(), boot: "1".into(), pid: 1, started: 1 }
    }

    fn is_alive(&self, _: &ProcessIdentity) -> Option<bool> {
        None
    }
}

fn place() -> Place {
    let place = Place::bare();
    place.run(["init", "--encryption", "none"]).succeeds();
    place.run(["instance", "add", "shop", "--source", &place.source()]).succeeds();
    place
}

/// Every hour, since yesterday: so a slot was missed.
fn missed(place: &Place, name: &str) {
    let world = Arc::new(Yesterday);
    let surroundings = Surroundings { clock: world.clone(), entropy: world.clone(), processes: world };
    let storage = Arc::new(LocalFolder::open(place.path("repository")).unwrap());
    let index: PathBuf = place.path("repository/index");
    let repo = Repository::open(storage, &index, surroundings, || Ok(Secret::Nothing)).unwrap();
    let service = Service::new(repo, Plans::built_in(), place.path("tmp"), Programs::new(Vec::new()), None);
    let every = PolicyEdit { hours: Some("every".parse().unwrap()), ..PolicyEdit::default() };
    service.set_policy(name, every).unwrap();
}

fn taken(run: &Value) -> usize {
    run["taken"].as_array().unwrap().len()
}

#[test]
fn a_policy_is_set_in_parts_and_shown() {
    let place = place();
    let none = place.json(["policy", "show", "shop", "--json"]);
    assert_eq!((&none["origin"], &none["policy"], &none["next"]), (&json!("none"), &Value::Null, &json!([])));
    let arguments = ["policy", "set", "shop", "--days", "thu,mon", "--hours", "2,14", "--window", "01:00-05:00"];
    let more = ["--timezone", "europe/paris", "--retain", "14d", "--json"];
    let set = place.json(arguments.iter().chain(&more));
    let policy = json!({
        "enabled": true, "days": ["mon", "thu"], "hours": [2, 14], "window": "01:00-05:00",
        "timezone": "Europe/Paris", "retain": "14d"
    });
    assert_eq!((&set["policy"], &set["origin"], &set["plan"]), (&policy, &json!("own"), &json!("unlimited")));
    assert!(set["notes"][0].as_str().unwrap().contains("hour 14 is outside the window"));
    let next = set["next"].as_array().unwrap();
    assert_eq!(next.len(), 5);
    for slot in next {
        let local = slot["local"].as_str().unwrap();
        assert!((local.starts_with("Mon") || local.starts_with("Thu")) && local.contains(" 02:"), "{local}");
        assert!(slot["due_at"].as_str().unwrap() < slot["closes_at"].as_str().unwrap());
    }
    assert_eq!(place.json(["policy", "show", "shop", "--json"]), set);
    // What is not said stays.
    let edited = place.json(["policy", "set", "shop", "--hours", "every", "--no-window", "--no-retain", "--json"]);
    let policy = json!({
        "enabled": true, "days": ["mon", "thu"], "hours": "every", "window": null,
        "timezone": "Europe/Paris", "retain": null
    });
    assert_eq!(edited["policy"], policy);
    let off = place.json(["policy", "set", "shop", "--off", "--json"]);
    assert_eq!((&off["policy"]["enabled"], &off["next"]), (&json!(false), &json!([])));
    assert_eq!(place.json(["policy", "set", "shop", "--on", "--json"])["next"].as_array().unwrap().len(), 5);
    // An edit of the instance keeps it, and shows it.
    let instance = place.json(["instance", "edit", "shop", "--description", "x", "--json"]);
    assert_eq!((&instance["policy"], instance.get("settings")), (&policy, None));
    let text = place.run(["policy", "show", "shop"]).succeeds().stdout;
    for words in ["days       mon,thu", "hours      every hour", "timezone   Europe/Paris", "NEXT (UTC)", "LOCAL"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(place.run(["instance", "show", "shop"]).succeeds().stdout.contains("days: mon,thu"));
    assert_eq!(place.json(["policy", "reset", "shop", "--json"])["origin"], "none");
}

#[test]
fn plans_have_policies_and_bounds() {
    let place = place();
    place.run(["instance", "edit", "shop", "--plan", "xano-free"]).succeeds();
    place.run(["policy", "set", "shop", "--hours", "2"]).fails(4, "has no snapshots");
    assert!(place.run(["policy", "show", "shop"]).succeeds().stdout.contains("has no snapshots"));
    place.run(["policy", "run", "shop"]).fails(4, "has no policy");
    place.run(["instance", "edit", "shop", "--plan", "auradb-professional"]).succeeds();
    place.run(["policy", "set", "shop", "--hours", "every"]).fails(4, "daily");
    let shown = place.json(["policy", "show", "shop", "--json"]);
    assert_eq!((&shown["origin"], &shown["policy"]["hours"]), (&json!("plan"), &json!("once")));
    let enterprise = place.json(["plan", "show", "auradb-enterprise", "--json"]);
    assert_eq!(enterprise["policy"]["hours"], "every");
    let plans = "[plans.night]\ncadence = \"daily\"\nretain = \"30d\"\npolicy = { hours = \"once\", window = \"01:00-05:00\" }\n";
    fs::write(place.path("plans.toml"), plans).unwrap();
    let night = place.json(["plan", "show", "night", "--plans", "plans.toml", "--json"]);
    assert_eq!(night["policy"]["window"], "01:00-05:00");
    for wrong in ["policy = { hours = \"every\" }", "policy = { hour = 2 }", "policy = { hours = [24] }"] {
        fs::write(place.path("plans.toml"), format!("[plans.night]\ncadence = \"daily\"\n{wrong}\n")).unwrap();
        place.run(["plan", "list", "--plans", "plans.toml"]).fails(2, "plans.toml");
    }
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let place = place();
    place.run(["policy", "set", "shop", "--hours", "2"]).succeeds();
    let before = place.state();
    let wrong: [(&[&str], i32, &str); 12] = [
        (&["set", "shop", "--days", "someday"], 2, "is no day"),
        (&["set", "shop", "--hours", "24"], 2, "is no hour"),
        (&["set", "shop", "--window", "1-5"], 2, "is no window"),
        (&["set", "shop", "--window", "01:00-01:05"], 2, "too short"),
        (&["set", "shop", "--window", "04:00-05:00"], 2, "never be due"),
        (&["set", "shop", "--timezone", "Mars/Olympus"], 2, "is no time zone"),
        (&["set", "shop", "--retain", "0"], 2, "at least 1h"),
        (&["set", "shop", "--on", "--off"], 2, "--off"),
        (&["set", "nobody", "--hours", "2"], 3, "there is no instance"),
        (&["show", "nobody"], 3, "there is no instance"),
        (&["reset", "nobody"], 3, "there is no instance"),
        (&["run", "nobody"], 3, "there is no instance"),
    ];
    for (arguments, code, words) in wrong {
        place.run(["policy"].iter().chain(arguments)).fails(code, words);
    }
    assert!(place.state() == before, "something was changed");
}

#[test]
fn what_is_due_is_taken_once_and_one_failure_stops_no_other() {
    let place = place();
    for name in ["gone", "later"] {
        place.run(["instance", "add", name, "--source", &place.source()]).succeeds();
    }
    place.run(["policy", "set", "later", "--days", "every"]).succeeds();
    for name in ["shop", "gone"] {
        missed(&place, name);
    }
    fs::create_dir(place.path("other")).unwrap();
    let source = format!("files:{}", place.text_path("other"));
    place.run(["instance", "edit", "gone", "--source", &source]).succeeds();
    fs::remove_dir(place.path("other")).unwrap();
    let done = place.run(["policy", "run", "--json"]);
    assert_eq!(done.code, 1, "{done:?}");
    let run = done.object();
    assert_eq!((taken(&run), &run["taken"][0]["instance"]), (1, &json!("shop")), "{run}");
    let snapshot = &run["taken"][0]["snapshot"];
    assert_eq!((&snapshot["type"], &snapshot["status"]), (&json!("scheduled"), &json!("completed")));
    assert_eq!((&run["failed"][0]["instance"], &run["busy"]), (&json!("gone"), &json!([])));
    assert!(run["next"]["due_at"].is_string());
    // Neither again at once.
    let again = place.json(["policy", "run", "--json"]);
    assert_eq!((taken(&again), &again["failed"]), (0, &json!([])));
    assert_eq!(place.run(["policy", "run", "--quiet"]).succeeds().stdout, "");
    assert!(place.run(["policy", "run"]).succeeds().stdout.starts_with("next: "));
    let last = place.json(["policy", "show", "gone", "--json"])["last"].clone();
    assert_eq!((&last["status"], &last["attempts"]), (&json!("failed"), &json!(1)));
    assert!(place.run(["policy", "show", "gone"]).succeeds().stdout.contains("failed 1 times"));
}

#[test]
fn of_several_runs_at_once_one_takes_it() {
    let place = place();
    missed(&place, "shop");
    let started: Vec<_> = (0..3).map(|_| place.command(["policy", "run", "--json"]).spawn().unwrap()).collect();
    let runs: Vec<Value> =
        started.into_iter().map(|child| Done::of(child.wait_with_output().unwrap()).succeeds().object()).collect();
    assert_eq!(runs.iter().map(taken).sum::<usize>(), 1, "{runs:?}");
    assert_eq!(place.ids().len(), 1);
}

#[test]
fn an_instance_of_a_plan_with_a_cadence_begins_with_a_snapshot() {
    let place = place();
    place.run(["instance", "edit", "shop", "--plan", "auradb-professional"]).succeeds();
    assert_eq!(taken(&place.json(["policy", "run", "--no-check", "--json"])), 0);
    let run = place.json(["policy", "run", "--json"]);
    let snapshot = &run["taken"][0]["snapshot"];
    assert_eq!((&snapshot["type"], &snapshot["description"]), (&json!("scheduled"), &json!("the first snapshot")));
    assert!(snapshot["expires_at"].is_string() && run["taken"][0]["due_at"].is_null());
    assert_eq!(taken(&place.json(["policy", "run", "--json"])), 0);
}
