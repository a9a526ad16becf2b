//! `snaphold bench`: what it reports belongs together, and it leaves nothing behind, however it ends.

#[path = "cli/program.rs"]
mod program;
#[path = "support/skipped.rs"]
mod skipped;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use program::{Done, Place};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use skipped::missing;

const THERE: &[&str] = &["read", "cut", "hash", "look up, new", "look up, known", "delta", "compress", "seal", "write"];
const BACK: &[&str] = &["read packs", "open", "decompress", "apply deltas", "check", "write files"];
const WHOLE: &[&str] = &["first_snapshot", "again_unchanged", "again_all_read", "next_version", "restore", "verify"];

/// A place with data of every kind that is cut its own way: rows, pages, noise, small files, an empty one, a link.
fn place() -> Place {
    let place = Place::bare();
    let put = |name: &str, bytes: Vec<u8>| {
        let path = place.path("data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("dump.sql", snaphold::bench::data::text(1, 300_000));
    put("base/5/16384", snaphold::bench::data::pages(2, 64 * 8192));
    put("noise", snaphold::bench::data::random(3, 200_000));
    put("zeros", vec![0; 100_000]);
    put("empty", Vec::new());
    (0..40).for_each(|number| put(&format!("small/{number}"), snaphold::bench::data::text(number, 700)));
    std::os::unix::fs::symlink("/nowhere", place.path("data/link")).unwrap();
    place
}

/// Bytes and number of the regular files below a folder.
fn total(folder: &Path) -> (u64, u64) {
    let (mut bytes, mut files) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            let below = total(&entry.path());
            (bytes, files) = (bytes + below.0, files + below.1);
        } else if metadata.is_file() {
            (bytes, files) = (bytes + metadata.len(), files + 1);
        }
    }
    (bytes, files)
}

fn names<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect()
}

/// The numbers of a report fit each other, whatever the machine was doing.
#[track_caller]
fn belongs_together(report: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no number: {value} in {report}"));
    let bytes = report["data"]["bytes"].as_u64().unwrap();
    assert_eq!(names(&report["stages"], "name"), [THERE, BACK].concat());
    for stage in report["stages"].as_array().unwrap() {
        let is_there = THERE.contains(&stage["name"].as_str().unwrap());
        assert_eq!(stage["direction"], if is_there { "there" } else { "back" });
        let (one, all) = (&stage["one_core"], &stage["all_cores"]);
        for speed in [one, all].into_iter().filter(|speed| !speed.is_null()) {
            let [wall_s, cpu_s, mb_per_s] = ["wall_s", "cpu_s", "mb_per_s"].map(|key| number(&speed[key]));
            assert!(wall_s >= 0.0 && cpu_s >= 0.0, "{stage}");
            let expected = number(&stage["bytes"]) / 1e6 / wall_s.max(1e-9);
            assert!((mb_per_s - expected).abs() <= expected * 1e-6, "{stage}");
        }
        assert_eq!(all.is_null(), matches!(stage["name"].as_str().unwrap(), "seal" | "write"), "{stage}");
    }
    let stage = |name: &str| report["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == name).unwrap();
    for name in ["read", "cut", "hash", "write files"] {
        assert_eq!(stage(name)["bytes"], report["stage_bytes"], "{name}");
    }
    assert_eq!(stage("compress")["bytes_out"], stage("seal")["bytes"]);
    assert_eq!(stage("write")["bytes"], stage("read packs")["bytes"]);
    assert!(number(&stage("write")["bytes"]) > number(&stage("seal")["bytes"]));
    assert!(report["stage_bytes"].as_u64().unwrap() <= bytes);

    let step = |name: &str| report["whole"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap();
    for step in report["whole"].as_array().unwrap() {
        assert!(step["bytes"].as_u64().unwrap() >= bytes, "{step}");
    }
    assert_eq!(step("first_snapshot")["bytes"], bytes);
    assert!(number(&step("first_snapshot")["bytes_stored"]) > 0.0);
    assert_eq!(step("again_unchanged")["bytes_new"], 0);
    let read = number(&step("again_all_read")["bytes_read"]);
    assert_eq!((step("again_all_read")["bytes_new"].as_u64(), read), (Some(0), bytes as f64));
    let next = number(&step("next_version")["bytes_new"]);
    assert!(next > 0.0 && next < bytes as f64, "a part of it changed: {report}");

    assert!(number(&report["disturbed"]) > 0.0);
    let model = &report["model"];
    let shares: Vec<f64> = model["shares"].as_array().unwrap().iter().map(|share| number(&share["share"])).collect();
    assert_eq!(names(&model["shares"], "stage"), ["read", "cut", "hash", "look up, new", "compress", "seal", "write"]);
    let sum: f64 = shares.iter().sum::<f64>() + number(&model["unexplained_share"]);
    assert!((sum - 1.0).abs() < 1e-6, "{model}");
    assert_eq!(model["cpu_s"], step("first_snapshot")["cpu_s"]);
    assert!((0.0..=1.0).contains(&number(&model["cores_busy"])));
    assert!(model["sentence"].as_str().unwrap().contains("of the CPU time"));
}

#[test]
fn a_folder_is_measured_and_nothing_is_left_or_changed() {
    let place = place();
    let before = place.state();
    let report = place.json(["bench", "data", "--json"]);
    assert!(place.state() == before, "something was left behind, or changed");
    let (bytes, files) = total(&place.path("data"));
    let data = &report["data"];
    assert_eq!((data["bytes"].as_u64(), data["bytes_found"].as_u64()), (Some(bytes), Some(bytes)));
    assert_eq!((data["files"].as_u64(), data["files_found"].as_u64()), (Some(files), Some(files)));
    assert_eq!((&data["is_sample"], &data["in_place"], &data["unreadable"]), (&false.into(), &false.into(), &0.into()));
    assert_eq!(data["folder"], "data");
    assert_eq!(report["stage_bytes"], bytes);
    assert_eq!(names(&report["whole"], "name"), WHOLE);
    assert_eq!((&report["against"], &report["skipped"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    belongs_together(&report);
}

/// The checker itself: what it must notice.
#[test]
fn the_checker_can_fail() {
    let place = place();
    let report = place.json(["bench", "data", "--sample", "200KiB", "--json"]);
    belongs_together(&report);
    let breaks: &[fn(&mut Value)] = &[
        |report| _ = report["stages"].as_array_mut().unwrap().remove(3),
        |report| report["stages"][0]["one_core"]["mb_per_s"] = 1e9.into(),
        |report| report["stages"][0]["bytes"] = 1.into(),
        |report| report["model"]["unexplained_share"] = 7.0.into(),
        |report| report["whole"][2]["bytes_read"] = 0.into(),
        |report| report["whole"][3]["bytes_new"] = 0.into(),
    ];
    for (number, break_it) in breaks.iter().enumerate() {
        let mut broken = report.clone();
        break_it(&mut broken);
        let noticed = std::panic::catch_unwind(|| belongs_together(&broken)).is_err();
        assert!(noticed, "break {number} was not noticed");
    }
}

#[test]
fn a_sample_is_at_most_what_was_asked_for() {
    let place = place();
    let (bytes, files) = total(&place.path("data"));
    for (sample, most) in [("1", 1), ("100KiB", 100 << 10), ("1MiB", 1 << 20)] {
        let report = place.json(["bench", "data", "--sample", sample, "--json"]);
        let data = &report["data"];
        assert!((1..=most).contains(&data["bytes"].as_u64().unwrap()), "{data}");
        assert_eq!((data["bytes_found"].as_u64(), data["files_found"].as_u64()), (Some(bytes), Some(files)));
        assert_eq!(data["is_sample"], true);
    }
    let all = place.json(["bench", "data", "--all", "--json"]);
    assert_eq!((all["data"]["bytes"].as_u64(), &all["data"]["is_sample"]), (Some(bytes), &false.into()));
}

#[test]
fn without_a_folder_data_is_made() {
    let place = Place::bare();
    let before = place.state();
    let report = place.json(["bench", "--sample", "3MiB", "--json"]);
    assert_eq!(report["data"]["folder"], Value::Null);
    let bytes = report["data"]["bytes"].as_u64().unwrap();
    assert!((5 << 19..=7 << 19).contains(&bytes), "about 3 MiB, not {bytes}");
    belongs_together(&report);
    let again = place.json(["bench", "--sample", "3MiB", "--json"]);
    let stored = |report: &Value| report["whole"][0]["bytes_new"].clone();
    assert_eq!((&report["data"], stored(&report)), (&again["data"], stored(&again)), "the same data each time");
    let text = place.run(["bench", "--sample", "1MiB", "--quiet"]).succeeds();
    assert_eq!(text.stderr, "");
    for words in ["made here", "ONE CORE MB/S", "first snapshot", "not explained", "bound by "] {
        assert!(text.stdout.contains(words), "no {words:?} in {}", text.stdout);
    }
    assert!(place.state() == before);
}

#[test]
fn bad_input() {
    let place = place();
    fs::create_dir(place.path("nothing")).unwrap();
    fs::write(place.path("nothing/empty"), "").unwrap();
    fs::write(place.path("page.html"), "mine").unwrap();
    let before = place.state();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["absent"], 3, "there is no folder absent"),
        (&["data/dump.sql"], 2, "not a folder"),
        (&["nothing"], 2, "nothing to measure"),
        (&["data", "--scratch", "data/base"], 2, "never written to"),
        (&["data", "--scratch", "absent"], 3, "absent"),
        (&["data", "--scratch", "data/dump.sql"], 2, "never written to"),
        (&["data", "--scratch", "page.html"], 1, "page.html"),
        (&["data", "--html", "data/page.html"], 2, "never written to"),
        (&["data", "--html", "absent/page.html"], 3, "no folder absent"),
        (&["data", "--html", "page.html"], 4, "--overwrite"),
        (&["data", "--html", "data/../tmp"], 4, "is a folder"),
        (&["data", "--overwrite"], 2, "--html"),
        (&["data", "--against", "restic,tar"], 2, "'tar'"),
        (&["data", "--against", ""], 2, "--against"),
        (&["data", "--all", "--sample", "1MiB"], 2, "--sample"),
        (&["data", "--sample", "much"], 2, "500MiB"),
        (&["--all"], 2, "<DIR>"),
        (&["--sample", "7000000TiB"], 4, "MiB"),
        (&["data", "more"], 2, "'more'"),
    ];
    for (arguments, code, words) in rows {
        let done = place.run(["bench"].iter().chain(*arguments));
        assert_eq!(done.failure(*code, words), None, "{arguments:?}: {done:?}");
        let object = place.run(["bench", "--json"].iter().chain(*arguments)).object();
        assert!(object["error"]["message"].as_str().unwrap().contains(words), "{arguments:?}: {object}");
        assert!(place.state() == before, "{arguments:?} changed something");
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_left_out() {
    let place = place();
    let files = total(&place.path("data")).1;
    fs::set_permissions(place.path("data/noise"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(place.path("data/small"), fs::Permissions::from_mode(0o000)).unwrap();
    // A user whom modes do not bind reads all of it.
    let binds = fs::File::open(place.path("data/noise")).is_err();
    let report = place.json(["bench", "data", "--json"]);
    let (unreadable, fewer) = if binds { (2, 41) } else { (0, 0) };
    assert_eq!(report["data"]["unreadable"], unreadable);
    assert_eq!(report["data"]["files"], files - fewer);
    fs::set_permissions(place.path("data/small"), fs::Permissions::from_mode(0o700)).unwrap();
}

/// Ends the program by `signal` as soon as `path` is there below its folder. What it said.
fn stopped(place: &Place, arguments: &[&str], path: &str, signal: Signal) -> Done {
    let mut child = place.command(["bench"].iter().chain(arguments)).spawn().unwrap();
    let is_there = || {
        let folders = fs::read_dir(place.path("tmp")).unwrap();
        folders.flatten().any(|folder| folder.path().join(path).exists())
    };
    while !is_there() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before {path} was there");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    Done::of(child.wait_with_output().unwrap())
}

#[test]
fn a_signal_ends_it_and_nothing_is_left() {
    let place = place();
    let before = place.state();
    let moments = [
        (Signal::INT, "SIGINT", "data/source"),
        (Signal::TERM, "SIGTERM", "lookup"),
        (Signal::INT, "SIGINT", "repository/packs"),
        (Signal::TERM, "SIGTERM", "packs"),
    ];
    for (signal, name, moment) in moments {
        // So much that it is not done before the signal comes.
        let done = stopped(&place, &["--sample", "200MiB", "--quiet"], moment, signal);
        assert_eq!(done.failure(1, &format!("stopped by {name}; nothing is left behind")), None, "{moment}: {done:?}");
        assert!(place.state() == before, "stopped at {moment}, it left something behind");
    }
}

/// A program of that name in the place's `bin`, before all others.
fn fake(place: &Place, name: &str, script: &str) {
    let path = place.path("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_fakes(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(["bench"].iter().chain(arguments));
    command.env("PATH", format!("{}:/usr/bin:/bin", place.text_path("bin")));
    command
}

#[test]
fn a_signal_ends_the_tool_that_runs_too() {
    let place = place();
    // It says that it runs, and would run for ever, with a child of its own.
    fake(&place, "kopia", "echo $$ > $HOME/running\nsleep 1000000 &\nwait");
    let before = place.state();
    let mut child = with_fakes(&place, &["data", "--against", "kopia"]).spawn().unwrap();
    let pid = loop {
        let folders = fs::read_dir(place.path("tmp")).unwrap();
        let said =
            folders.flatten().find_map(|folder| fs::read_to_string(folder.path().join("tool/home/running")).ok());
        if let Some(pid) = said.and_then(|said| said.strip_suffix('\n').map(str::to_string)) {
            break pid;
        }
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::yield_now();
    };
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let done = Done::of(child.wait_with_output().unwrap());
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("stopped by SIGTERM"), "{done:?}");
    assert!(!Path::new("/proc").join(pid).exists(), "the tool runs on");
    assert!(place.state() == before);
}

#[test]
fn a_tool_that_is_missing_or_fails_is_named_and_the_others_go_on() {
    let place = place();
    fake(&place, "borg", "echo \"a lock; $BORG_REPO $BORG_PASSPHRASE_FD $SECRET $HOME\" >&2\nexit 3");
    let before = place.state();
    let mut command = with_fakes(&place, &["data", "--against", "borg,kopia,borg", "--json"]);
    command.env("BORG_REPO", "/the/users/own").env("BORG_PASSPHRASE_FD", "7").env("SECRET", "hunter2");
    let done = Done::of(command.output().unwrap()).succeeds();
    assert!(place.state() == before);
    let report = done.object();
    assert_eq!(names(&report["against"], "name"), ["snaphold"]);
    assert_eq!(names(&report["skipped"], "what"), ["borg", "kopia"]);
    let [borg, kopia] = [0, 1].map(|number| report["skipped"][number]["why"].as_str().unwrap());
    assert!(borg.contains("a lock; ") && borg.contains("exit status: 3"), "{borg}");
    let own = place.text_path("tmp");
    assert_eq!(borg.matches(&own).count(), 2, "repository and home are in the scratch place: {borg}");
    assert!(!borg.contains("/the/users/own") && !borg.contains("hunter2") && !borg.contains(" 7 "), "{borg}");
    assert_eq!(kopia, "there is no program kopia on PATH");
    for name in ["borg", "kopia"] {
        assert!(done.stderr.contains(&format!("note: {name} is skipped")), "{done:?}");
    }
    belongs_together(&report);
}

#[test]
fn what_a_tool_brings_back_is_compared() {
    let place = place();
    fake(&place, "restic", "case $1 in init) mkdir \"$RESTIC_REPOSITORY\";; version) echo fake 1.0;; esac");
    let report = Done::of(with_fakes(&place, &["data", "--against", "restic", "--json"]).output().unwrap()).succeeds();
    let report = report.object();
    assert_eq!(names(&report["against"], "name"), ["snaphold", "restic"]);
    assert_eq!(
        (&report["against"][0]["restored_equal"], &report["against"][1]["restored_equal"]),
        (&true.into(), &false.into())
    );
    assert_eq!(report["against"][1]["version"], "fake 1.0");
    let text = Done::of(with_fakes(&place, &["data", "--against", "restic"]).output().unwrap()).succeeds();
    assert!(text.stdout.contains("fake 1.0; --compression auto; WHAT CAME BACK DIFFERS"), "{text:?}");
}

/// Whether the tools are installed; where they are not, that is said.
fn have(test: &str, tools: &[&str]) -> bool {
    let is_there =
        |tool: &&str| Command::new(tool).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let have = tools.iter().all(is_there);
    if !have {
        missing(test, &format!("all of {tools:?}"));
    }
    have
}

#[test]
fn restic_and_borg_stand_beside() {
    if !have("restic_and_borg_stand_beside", &["restic", "borg"]) {
        return;
    }
    let place = place();
    let before = place.state();
    let report = place.json(["bench", "data", "--against", "restic,borg", "--html", "page.html", "--json"]);
    assert_eq!(report["skipped"], Value::Array(vec![]), "{report}");
    assert_eq!(names(&report["against"], "name"), ["snaphold", "restic", "borg"]);
    for tool in report["against"].as_array().unwrap() {
        assert_eq!(tool["restored_equal"], true, "{tool}");
        assert!(tool["version"].as_str().unwrap().chars().any(|letter| letter.is_ascii_digit()), "{tool}");
        assert_eq!(names(&tool["steps"], "name"), ["first_snapshot", "again_unchanged", "restore"]);
        let sizes: Vec<u64> =
            tool["steps"].as_array().unwrap().iter().map(|step| step["repository_bytes"].as_u64().unwrap()).collect();
        // The noise alone cannot be made smaller; and what is there already is not stored again.
        assert!(sizes[0] > 200_000 && sizes[1] < sizes[0] + 100_000, "{tool}");
        for step in tool["steps"].as_array().unwrap() {
            assert!(step["wall_s"].as_f64().unwrap() > 0.0 && step["cpu_s"].as_f64().unwrap() > 0.0, "{step}");
            assert!(step["peak_memory_bytes"].as_u64().unwrap() > 1 << 20, "{step}");
        }
    }
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert!(page.contains("restic") && page.contains("borg"));
    fs::remove_file(place.path("page.html")).unwrap();
    assert!(place.state() == before, "something was left behind, or changed");
}

/// What is wrong with a page: tags that are not closed in order, or something that it would load.
fn fault(page: &str) -> Option<String> {
    const VOID: &[&str] = &["meta", "br"];
    let body = page.strip_prefix("<!DOCTYPE html>")?;
    let plain = body.replace("http://www.w3.org/2000/svg", "");
    for loads in ["http:", "https:", "src=", "href=", "<script", "<link", "@import", "url(", "//"] {
        if plain.contains(loads) {
            return Some(format!("it has {loads}"));
        }
    }
    let mut open: Vec<&str> = Vec::new();
    for piece in body.split('<').skip(1) {
        let Some((tag, text)) = piece.split_once('>') else { return Some(format!("{piece:?} is no tag")) };
        if text.contains('>') && open.last() != Some(&"style") {
            return Some(format!("{text:?} is not escaped"));
        }
        match tag.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return Some(format!("{name} is closed out of order")),
            Some(_) => {}
            None => {
                let name = tag.split(' ').next().unwrap();
                if !VOID.contains(&name) {
                    open.push(name);
                }
            }
        }
    }
    (!open.is_empty()).then(|| format!("not closed: {open:?}"))
}

#[test]
fn the_page_needs_nothing_beside_it() {
    let place = place();
    fs::rename(place.path("data"), place.path("<b>&\"data")).unwrap();
    let run = |more: &[&str]| place.run(["bench", "<b>&\"data", "--html", "page.html"].iter().chain(more));
    run(&[]).succeeds();
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    assert_eq!(fault(&page), None);
    assert!(page.contains("&lt;b&gt;&amp;&quot;data"), "the folder's name is escaped");
    for words in ["<svg", "prefers-color-scheme", "name=\"viewport\"", "not explained", "first snapshot", "Bound by "] {
        assert!(page.contains(words), "no {words:?}");
    }
    run(&[]).fails(4, "--overwrite");
    assert_eq!(fs::read_to_string(place.path("page.html")).unwrap(), page);
    run(&["--overwrite"]).succeeds();
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0);
    // The checker itself.
    let broken = [
        page.replacen("</svg>", "", 1),
        page.replacen("<h2>", "<h2><img src=x>", 1),
        page.replacen("&lt;b&gt;", "<b>", 1),
        page.replacen("<h1>", "<h1>a > b", 1),
    ];
    assert!(broken.iter().all(|page| fault(page).is_some()));
}
