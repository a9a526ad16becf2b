//! `mode=logical`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::server::{Commands, PASSWORD, place, run, server};

#[test]
fn a_snapshot_under_load_is_of_one_moment_and_comes_back() {
    let Some(server) = server("logical under load") else { return };
    let place = place();
    server.make_bank("bank", 1);
    place.run(["instance", "add", "bank", "--source", &server.url("bank", "")]).succeeds();
    let load = server.load("bank");
    place.do_("snapshot take bank");
    place.do_("snapshot take bank");
    // While others are logged in and write: they are thrown out, and come back to what was restored.
    place.do_("restore bank@latest~1 --confirm RESTORE");
    drop(load);
    assert!(server.is_balanced(server.port, "bank"));
    assert_eq!(server.left_over(), "");

    // The invariant can fail.
    server.sql("bank", "UPDATE pgbench_tellers SET tbalance = tbalance + 1 WHERE tid = 1");
    assert!(!server.is_balanced(server.port, "bank"));
    place.do_("restore undo bank --confirm RESTORE");
    assert!(server.is_balanced(server.port, "bank"));

    let drilled = place.json(["drill", "bank@latest", "--query", "SELECT count(*) FROM pgbench_accounts", "--json"]);
    assert_eq!(drilled["proven"], true, "{drilled}");
    let checks = drilled["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pg_restore", "pg_amcheck", "counts", "query"]);
    assert_eq!(checks[3]["detail"], "100000");
    let wrong = place.run(["drill", "bank@latest", "--query", "SELECT nothing", "--json"]);
    assert_eq!(wrong.object()["proven"], false);
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0, "a drill leaves nothing");

    // Where its server's user, who is not root, cannot come, the server is elsewhere.
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(place.json(["drill", "bank@latest", "--json"])["proven"], true);
}

/// Everything that pg_dump knows how to dump, about: odd names, large objects, owners, grants, settings, a view, a
/// partitioned table, an identity, a policy.
const ODD: &str = r#"
CREATE ROLE "Odd Owner"; CREATE ROLE reader;
ALTER DATABASE odd SET work_mem = '7MB';
ALTER DATABASE odd SET default_transaction_read_only = on;
GRANT TEMPORARY ON DATABASE odd TO reader;
COMMENT ON DATABASE odd IS 'a remark; with -- marks';
CREATE SCHEMA "sch.ema";
CREATE TABLE "sch.ema"."ta/ble~1" (id serial PRIMARY KEY, "t%xt" text UNIQUE DEFAULT 'x');
INSERT INTO "sch.ema"."ta/ble~1" ("t%xt") SELECT g || E'\n\t\\.' FROM generate_series(1, 1000) AS g;
CREATE TABLE parted (id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
INSERT INTO parted (day) SELECT '2020-02-02' FROM generate_series(1, 50);
CREATE VIEW seen AS SELECT count(*) FROM parted;
CREATE MATERIALIZED VIEW kept AS SELECT count(*) AS n FROM parted;
GRANT SELECT ON parted TO reader;
ALTER TABLE parted ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON parted TO reader USING (id > 1);
ALTER TABLE "sch.ema"."ta/ble~1" OWNER TO "Odd Owner";
SELECT lo_from_bytea(0, 'an object'), lo_from_bytea(0, ''), lo_from_bytea(0, decode(repeat('00ff', 400000), 'hex'));
CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2';
CREATE TABLE empty ();
"#;
const LOOK: &str = r#"SELECT (SELECT md5(string_agg("t%xt", ',' ORDER BY id)) FROM "sch.ema"."ta/ble~1"), (SELECT n FROM kept),
 (SELECT count(*) FROM seen), (SELECT sum(length(lo_get(oid))) FROM pg_largeobject_metadata), twice(4), nextval('"sch.ema"."ta/ble~1_id_seq"')"#;
const ABOUT: &str = "SELECT array_to_string(datacl, ' '), shobj_description(oid, 'pg_database'),
 (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole = 0), pg_get_userbyid(datdba)
 FROM pg_database d WHERE datname = 'odd'";

#[test]
fn everything_of_a_database_comes_back_by_restore_clone_and_export() {
    let Some(server) = server("logical whole") else { return };
    let place = place();
    server.sql("postgres", "CREATE DATABASE odd");
    server.sql("odd", ODD);
    let about = server.sql("odd", ABOUT);
    place.run(["instance", "add", "odd", "--source", &server.url("odd", "")]).succeeds();
    let taken = place.json(["snapshot", "take", "odd", "--json"]);
    let looked = |database: &str, port: u16| {
        // Without the sequence's value, which looking changes.
        let look = format!("SET transaction_read_only = off; {LOOK}");
        server.sql_at(port, database, &look)
    };
    let before = looked("odd", server.port);

    // Unchanged: nothing but what the manifest says. (The sequence has moved, so what is asked is the one after.)
    place.do_("snapshot take odd");
    let again = place.json(["snapshot", "take", "odd", "--json"]);
    assert_eq!(again["bytes_new"], 0, "{again}");
    assert!(again["bytes_stored"].as_u64().unwrap() < 1000, "{again}");

    server.sql("odd", "SET transaction_read_only = off; DROP SCHEMA \"sch.ema\" CASCADE; DROP VIEW seen;");
    server.sql("postgres", "ALTER DATABASE odd RESET work_mem; REVOKE TEMPORARY ON DATABASE odd FROM reader");
    let id = taken["id"].as_str().unwrap();
    place.run(["restore", id, "--confirm", "RESTORE"]).succeeds();
    assert_eq!(looked("odd", server.port), before);
    assert_eq!(server.sql("odd", ABOUT), about);
    assert_eq!(server.left_over(), "");

    let source = server.url("twin", "");
    place.run(["clone", id, "--name", "twin", "--source", &source]).succeeds();
    assert_eq!(looked("twin", server.port), before);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname IN ('odd', 'twin')"), "2");

    let dump = place.text_path("odd.dump");
    place.run(["export", id, "--format", "dump", "--output", &dump]).succeeds();
    server.sql("postgres", "CREATE DATABASE from_dump");
    run(server.client("pg_restore", server.port).args(["--exit-on-error", "-j", "2", "-d", "from_dump", &dump]));
    assert_eq!(looked("from_dump", server.port), before);
    let sql = place.text_path("odd.sql");
    place.run(["export", id, "--format", "sql", "--output", &sql]).succeeds();
    let again = place.run(["export", id, "--format", "sql", "--output", "-"]).succeeds();
    assert_eq!(fs::read_to_string(&sql).unwrap(), again.stdout);
    server.sql("postgres", "CREATE DATABASE from_sql");
    run(server.client("psql", server.port).args([
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-d",
        "from_sql",
        "-o",
        "/dev/null",
        "-f",
        &sql,
    ]));
    assert_eq!(looked("from_sql", server.port), before);

    let drilled = place.json(["drill", id, "--json"]);
    assert_eq!(drilled["proven"], true, "{drilled}");
}

#[test]
fn tables_are_listed_compared_and_exported_alone() {
    let Some(server) = server("logical tables") else { return };
    let place = place();
    server.make_bank("bank", 1);
    server.sql("bank", "CREATE TABLE note (id serial PRIMARY KEY, text text UNIQUE)");
    server.sql("bank", "INSERT INTO note (text) SELECT 'note ' || g FROM generate_series(1, 200) AS g");
    place.run(["instance", "add", "bank", "--source", &server.url("bank", "")]).succeeds();
    place.do_("snapshot take bank");
    server.sql("bank", "DELETE FROM note WHERE id > 150; CREATE VIEW v AS SELECT 1 AS one");
    place.do_("snapshot take bank");

    let listed = place.do_("snapshot ls bank@latest");
    let line = listed.stdout.lines().find(|line| line.ends_with("public.note")).unwrap();
    assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), ["table", "150"], "{line}");
    assert!(listed.stdout.contains("view") && listed.stdout.contains("public.pgbench_accounts"), "{}", listed.stdout);
    let changed = place.do_("snapshot diff bank@latest~1 bank@latest").stdout;
    assert!(changed.contains("public.note") && changed.contains("public.v"), "{changed}");
    assert!(!changed.contains("pgbench"), "{changed}");

    // One table, with its key, its unique constraint and its sequence, into an empty database.
    let dump = place.text_path("note.dump");
    place
        .run(["export", "bank@latest~1", "--format", "dump", "--only", "table=public.note", "--output", &dump])
        .succeeds();
    server.sql("postgres", "CREATE DATABASE alone");
    run(server.client("pg_restore", server.port).args(["--exit-on-error", "-d", "alone", &dump]));
    assert_eq!(server.sql("alone", "SELECT count(*), nextval('note_id_seq') FROM note"), "200|201");
    let tables = server.sql(
        "alone",
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    );
    assert_eq!(tables, "note note_id_seq note_pkey note_text_key");
    let sql = place.do_("export bank@latest --format sql --only table=note --output -").stdout;
    assert!(sql.contains("CREATE TABLE public.note") && !sql.contains("pgbench"));
    place.fails("export bank@latest --format sql --only table=public.none --output -", 3, &["no table public.none"]);
    place.fails("export bank@latest --format sql --only key=a --output -", 2, &["table="]);
}

#[test]
fn the_password_is_nowhere_but_sealed() {
    let Some(server) = server("secrets") else { return };
    let place = crate::program::Place::with_repository();
    server.make_bank("bank", 1);
    place.run(["instance", "add", "bank", "--source", &server.url("bank", "")]).succeeds();
    // A dump that waits for a lock is there long enough to be looked at.
    let mut holding = server.client("psql", server.port);
    holding.args(["-X", "-q", "-d", "bank", "-c", "BEGIN; LOCK TABLE pgbench_tellers; SELECT pg_sleep(600)"]);
    let mut holding = holding.stdout(std::process::Stdio::null()).spawn().unwrap();
    let held =
        "SELECT count(*) FROM pg_locks WHERE relation = 'pgbench_tellers'::regclass AND mode = 'AccessExclusiveLock'";
    while server.sql("bank", held).trim() == "0" {
        assert!(holding.try_wait().unwrap().is_none(), "it must hold the lock");
    }
    let mut taking = place.command(["snapshot", "take", "bank"]).spawn().unwrap();
    let mut children = Vec::new();
    while !children.iter().any(|line: &String| line.contains("pg_dump") && line.contains("--lock-wait-timeout")) {
        assert!(taking.try_wait().unwrap().is_none(), "it must wait for the lock");
        children = command_lines_of_children(taking.id());
    }
    assert!(!children.iter().any(|line| line.contains(PASSWORD)), "a child has the password in its arguments");
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()");
    let _ = holding.wait();
    let done = taking.wait_with_output().unwrap();
    assert!(done.status.success());
    let show = place.do_("instance show bank");
    for text in [&done.stdout[..], &done.stderr, show.stdout.as_bytes()] {
        assert!(!contains(text, PASSWORD.as_bytes()));
    }
    let mut files = 0;
    for (path, (.., bytes)) in place.state() {
        files += 1;
        assert!(!contains(&bytes, PASSWORD.as_bytes()), "{} has the password", path.display());
    }
    assert!(files > 5);
}

fn command_lines_of_children(parent: u32) -> Vec<String> {
    let is_child = |folder: &Path| {
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        // After the name, which may hold anything: the state, then the parent.
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).is_some_and(|pid| pid == parent.to_string())
    };
    let folders = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let lines = folders.filter(|folder| is_child(folder)).filter_map(|folder| fs::read(folder.join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
