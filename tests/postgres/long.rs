//! Longer runs: `cargo test --release --test postgres -- --ignored --nocapture --test-threads=1`.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::program::Place;
use crate::server::{Commands, Postgres, place, run, server};

/// One word where the money adds up, another where it does not.
const BALANCE: &str = "SELECT CASE WHEN a = t AND t = b AND b = h THEN 'balanced' ELSE 'lost' END FROM
 (SELECT (SELECT sum(abalance) FROM pgbench_accounts) AS a, (SELECT sum(tbalance) FROM pgbench_tellers) AS t,
         (SELECT sum(bbalance) FROM pgbench_branches) AS b, (SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS h) AS sums";
const PAGE: usize = 8192;
const GRAIN: usize = 16 * 1024;

fn add(server: &Postgres, place: &Place, name: &str, mode: &str) {
    let (stop, start) =
        (server.control(&server.data(), server.port, "stop"), server.control(&server.data(), server.port, "start"));
    let (url, data) = (server.url("bank", &format!("?mode={mode}")), server.data());
    let data = data.to_str().unwrap();
    place
        .run(["instance", "add", name, "--source", &url, "--data-directory", data, "--stop", &stop, "--start", &start])
        .succeeds();
}

#[test]
#[ignore = "long: 20 snapshots under load in each mode, each restored and checked"]
fn twenty_snapshots_under_load_are_each_proven() {
    let server = server("twenty").expect("a server");
    let place = place();
    server.make_bank("bank", 3);
    for mode in ["logical", "physical"] {
        add(&server, &place, mode, mode);
        let load = server.load("bank");
        for number in 0..20 {
            place.do_(&format!("snapshot take {mode}"));
            let spec = format!("{mode}@latest");
            let drilled = place.json(["drill", &spec, "--query", BALANCE, "--json"]);
            assert_eq!(drilled["proven"], true, "{mode} {number}: {drilled}");
            let checks = drilled["checks"].as_array().unwrap();
            let query = checks.iter().find(|check| check["name"] == "query").unwrap();
            assert_eq!(query["detail"], "balanced", "{mode} {number}");
        }
        drop(load);
        println!("{mode}: 20 snapshots under load, each restored, checked and balanced");
    }
}

/// Restores killed after ever longer times, then taken up or given up: the data is the old or the new, whole.
fn killed_restores(mode: &str, rounds: u32, step: Duration) {
    let server = server("killed").expect("a server");
    let place = place();
    server.make_bank("bank", 1);
    server.sql("bank", "CREATE TABLE state (name text); INSERT INTO state VALUES ('snapshot')");
    add(&server, &place, "bank", mode);
    place.do_("snapshot take bank");
    let id = place.ids()[0].clone();
    let mut seen: HashMap<String, u32> = HashMap::new();
    for round in 0..rounds {
        server.sql("bank", &format!("UPDATE state SET name = 'round {round}'"));
        let before = format!("round {round}");
        let mut command = place.command(["restore", &id, "--no-safety", "--confirm", "RESTORE"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(step * round);
        let _ = child.kill();
        child.wait().unwrap();
        let goes_on = round % 2 == 0;
        let word = if goes_on { "--resume" } else { "--abort" };
        let shown = place.json(["instance", "show", "bank", "--json"]);
        let stage = shown["unfinished_restore"].as_str().unwrap_or("nothing").to_string();
        let done = place.run(["restore", word, "bank", "--confirm", "RESTORE"]);
        let state = server.sql("bank", "SELECT name FROM state");
        let what = format!("round {round}, {word}: was {stage}; ended with {} and {state}: {}", done.code, done.stderr);
        match (stage.as_str(), goes_on) {
            // It had not begun, or was over.
            ("nothing", _) => assert!(["snapshot", &before].contains(&state.as_str()), "{what}"),
            (_, true) => assert!(done.code == 0 && state == "snapshot", "{what}"),
            // Complete but for cleaning up: it does not go back.
            ("finishing", false) => {
                assert!(done.code == 4 && state == "snapshot", "{what}");
                place.do_("restore --resume bank --confirm RESTORE");
            }
            (_, false) => assert!(done.code == 0 && state == before, "{what}"),
        }
        assert!(server.is_balanced(server.port, "bank"), "{what}");
        assert_eq!(server.left_over(), "", "{what}");
        *seen.entry(format!("{stage} {word} -> {}", if state == "snapshot" { "new" } else { "old" })).or_default() += 1;
        place.do_("snapshot take bank");
    }
    let mut seen: Vec<_> = seen.into_iter().collect();
    seen.sort();
    println!("{mode}: {seen:#?}");
}

#[test]
#[ignore = "long: a logical restore killed at 40 moments"]
fn a_logical_restore_killed_anywhere_ends_whole() {
    killed_restores("logical", 40, Duration::from_millis(40));
}

#[test]
#[ignore = "long: a physical restore killed at 24 moments"]
fn a_physical_restore_killed_anywhere_ends_whole() {
    killed_restores("physical", 24, Duration::from_millis(100));
}

#[test]
#[ignore = "long: pgbench hourly ten times (SNAPHOLD_PGBENCH_SCALE, 20 unless set)"]
fn hourly_snapshots_of_pgbench_store_little() {
    let scale: u32 = std::env::var("SNAPHOLD_PGBENCH_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let server = server("hourly").expect("a server");
    let place = place();
    server.make_bank("bank", scale);
    server.sql("bank", "VACUUM ANALYZE");
    add(&server, &place, "physical", "physical");
    add(&server, &place, "logical", "logical");
    for mode in ["physical", "logical"] {
        let taken = place.json(["snapshot", "take", mode, "--json"]);
        println!("first {mode}: read {}, stored {}", taken["bytes_read"], taken["bytes_stored"]);
    }
    server.sql("bank", "CHECKPOINT");
    let mut pages = pages_of(&server.data());
    let mut text = Text::of(&server);
    println!(
        "hour  pages changed  physical stored  of it  lines changed  grains changed  logical stored  of lines  of grains"
    );
    let mut sums = [0_u64; 5];
    for hour in 1..=10 {
        run(server.client("pgbench", server.port).args(["-n", "-c", "2", "-t", "5000", "bank"]));
        server.sql("bank", "CHECKPOINT");
        let stored = |mode: &str| place.json(["snapshot", "take", mode, "--json"])["bytes_stored"].as_u64().unwrap();
        let (physical, logical) = (stored("physical"), stored("logical"));
        let now = pages_of(&server.data());
        let changed = changed_pages(&pages, &now);
        let next = Text::of(&server);
        let (lines, grains) = next.changed_since(&text);
        let of = |part: u64, whole: u64| format!("1/{:.1}", whole as f64 / part as f64);
        println!(
            "{hour:4}  {changed:13}  {physical:15}  {:5}  {lines:13}  {grains:14}  {logical:14}  {:8}  {:9}",
            of(physical, changed),
            of(logical, lines),
            of(logical, grains)
        );
        for (sum, value) in sums.iter_mut().zip([changed, physical, lines, grains, logical]) {
            *sum += value;
        }
        (pages, text) = (now, next);
    }
    println!(
        "sums of ten: pages {}, physical {}, lines {}, grains {}, logical {}",
        sums[0], sums[1], sums[2], sums[3], sums[4]
    );
    for mode in ["physical", "logical"] {
        let spec = format!("{mode}@latest");
        let drilled = place.json(["drill", &spec, "--query", BALANCE, "--json"]);
        assert_eq!(drilled["proven"], true, "{drilled}");
    }
    assert!(sums[1] * 20 <= sums[0], "physical: more than a twentieth of the changed pages");
    assert!(sums[4] * 10 <= sums[3], "logical: more than a tenth of the changed text");
}

type Pages = HashMap<String, Vec<[u8; 8]>>;

/// Digests of the pages of all relations.
fn pages_of(data: &Path) -> Pages {
    let mut pages = HashMap::new();
    for folder in
        fs::read_dir(data.join("base")).unwrap().flatten().map(|entry| entry.path()).chain([data.join("global")])
    {
        for file in fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()) {
            let bytes = fs::read(&file).unwrap();
            let digest = |page: &[u8]| blake3::hash(page).as_bytes()[..8].try_into().unwrap();
            pages.insert(file.display().to_string(), bytes.chunks(PAGE).map(digest).collect());
        }
    }
    pages
}

/// Bytes of the pages that are new or others.
fn changed_pages(before: &Pages, now: &Pages) -> u64 {
    let none = Vec::new();
    let changed = |(file, pages): (&String, &Vec<[u8; 8]>)| {
        let before = before.get(file).unwrap_or(&none);
        pages.iter().enumerate().filter(|(at, page)| before.get(*at) != Some(*page)).count()
    };
    now.iter().map(changed).sum::<usize>() as u64 * PAGE as u64
}

/// A dump as text: how often each line is in it, and the lines in their order.
struct Text {
    counts: HashMap<u64, (u32, u32)>,
    lines: Vec<(u64, u32)>,
}

impl Text {
    fn of(server: &Postgres) -> Self {
        let mut command = server.client("pg_dump", server.port);
        let mut child = command.arg("bank").stdout(Stdio::piped()).spawn().unwrap();
        let mut text = Self { counts: HashMap::new(), lines: Vec::new() };
        for line in BufReader::with_capacity(1 << 20, child.stdout.take().unwrap()).split(b'\n') {
            let line = line.unwrap();
            let digest = u64::from_le_bytes(blake3::hash(&line).as_bytes()[..8].try_into().unwrap());
            let len = line.len() as u32 + 1;
            text.counts.entry(digest).or_insert((0, len)).0 += 1;
            text.lines.push((digest, len));
        }
        assert!(child.wait().unwrap().success());
        text
    }

    /// Bytes of lines that one of the two has and the other has not; and of this one's grains of 16 KiB in which a line
    /// is new, or follows another one than before.
    fn changed_since(&self, before: &Self) -> (u64, u64) {
        let missing = |from: &Self, of: &Self| -> u64 {
            let one = |(line, (count, len)): (&u64, &(u32, u32))| {
                let there = of.counts.get(line).map_or(0, |(count, _)| *count);
                u64::from(count.saturating_sub(there)) * u64::from(*len)
            };
            from.counts.iter().map(one).sum()
        };
        let followed: HashMap<u64, u64> = before.lines.windows(2).map(|pair| (pair[1].0, pair[0].0)).collect();
        let (mut at, mut grains, mut last) = (0_u64, Vec::new(), 0);
        for (line, len) in &self.lines {
            if followed.get(line) != Some(&last) {
                grains.push(at / GRAIN as u64);
            }
            (at, last) = (at + u64::from(*len), *line);
        }
        grains.dedup();
        (missing(self, before) + missing(before, self), grains.len() as u64 * GRAIN as u64)
    }
}
