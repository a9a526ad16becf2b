//! `mode=physical`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::program::Place;
use crate::server::{Commands, Postgres, place, run, server_with};

fn whole(server: &Postgres) -> Place {
    let place = place();
    server.make_bank("bank", 1);
    let url = server.url("bank", "?mode=physical");
    let (data, stop, start) = (
        server.data(),
        server.control(&server.data(), server.port, "stop"),
        server.control(&server.data(), server.port, "start"),
    );
    let data = data.to_str().unwrap();
    place
        .run([
            "instance",
            "add",
            "bank",
            "--source",
            &url,
            "--data-directory",
            data,
            "--stop",
            &stop,
            "--start",
            &start,
        ])
        .succeeds();
    place
}

#[test]
fn a_server_is_copied_under_load_and_comes_back_whole() {
    let Some(server) = server_with("physical under load", &["--data-checksums"]) else { return };
    let place = whole(&server);
    let load = server.load("bank");
    place.do_("snapshot take bank");
    let taken = place.json(["snapshot", "take", "bank", "--json"]);
    drop(load);
    assert!(taken["chunks_delta"].as_u64().unwrap() > 0, "{taken}");

    let drilled = place.json(["drill", "bank@latest", "--query", "SELECT count(*) FROM pgbench_accounts", "--json"]);
    assert_eq!(drilled["proven"], true, "{drilled}");
    let checks = drilled["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pg_verifybackup", "start", "pg_amcheck", "counts", "query", "pg_checksums"]);
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0, "a drill leaves nothing");

    let owner = fs::metadata(server.data()).unwrap().uid();
    server.sql("bank", "UPDATE pgbench_tellers SET tbalance = tbalance + 1; CREATE TABLE later (a int)");
    place.do_("restore bank@latest --confirm RESTORE");
    assert!(server.is_balanced(server.port, "bank"));
    assert_eq!(server.sql("bank", "SELECT to_regclass('later') IS NULL"), "t");
    assert_eq!(fs::metadata(server.data()).unwrap().uid(), owner);
    assert_eq!(fs::metadata(server.data().join("base")).unwrap().uid(), owner);
    place.do_("restore undo bank --confirm RESTORE");
    assert_eq!(server.sql("bank", "SELECT to_regclass('later') IS NULL"), "f");
    assert!(!server.is_balanced(server.port, "bank"));
    // Nothing lies beside the data folder.
    let beside: Vec<_> = fs::read_dir(server.path("")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().contains("snaphold-")), "{beside:?}");
}

#[test]
fn a_copy_runs_beside_its_original_and_exports_as_a_dump() {
    let Some(server) = server_with("physical clone", &[]) else { return };
    let place = whole(&server);
    server.sql("bank", "CREATE TABLE note (id int PRIMARY KEY, text text)");
    server.sql("bank", "INSERT INTO note SELECT g, repeat('long ', 5000) || g FROM generate_series(1, 20) AS g");
    let first = place.json(["snapshot", "take", "bank", "--json"]);
    let again = place.json(["snapshot", "take", "bank", "--json"]);
    assert!(again["bytes_stored"].as_u64().unwrap() < 20_000, "an idle server: {again}");
    server.sql("bank", "UPDATE note SET text = 'short' WHERE id = 1");
    place.do_("snapshot take bank");
    let changed = place.do_("snapshot diff bank@latest~1 bank@latest").stdout;
    assert!(
        changed.lines().any(|line| line.contains("public.note")) && !changed.contains("public.pgbench"),
        "{changed}"
    );
    let listed = place.do_("snapshot ls bank@latest").stdout;
    assert!(listed.contains("public.pgbench_accounts_pkey") && listed.contains("public.note"), "{listed}");

    let (port, data) = (server.other_port(), server.path("twin"));
    let url = server.url_at(port, "bank", "?mode=physical");
    let (stop, start) = (server.control(&data, port, "stop"), server.control(&data, port, "start"));
    // The port must come from the folder's own settings, too.
    let start = start.replace(&format!(" -p {port}"), "");
    let data = data.to_str().unwrap();
    let id = first["id"].as_str().unwrap();
    place
        .run([
            "clone",
            id,
            "--name",
            "twin",
            "--source",
            &url,
            "--data-directory",
            data,
            "--stop",
            &stop,
            "--start",
            &start,
        ])
        .succeeds();
    assert_eq!(server.sql_at(port, "bank", "SELECT count(*) FROM note WHERE length(text) > 9"), "20");
    assert_eq!(server.sql("bank", "SELECT count(*) FROM note WHERE length(text) > 9"), "19");
    place.do_("snapshot take twin");

    let dump = place.text_path("bank.dump");
    place.run(["export", id, "--format", "dump", "--output", &dump]).succeeds();
    server.sql("postgres", "CREATE DATABASE from_dump");
    run(server.client("pg_restore", server.port).args(["--exit-on-error", "-d", "from_dump", &dump]));
    assert_eq!(server.sql("from_dump", "SELECT count(*) FROM note WHERE length(text) > 9"), "20");
    let sql = place.do_(&format!("export {id} --format sql --only table=public.note --output -")).stdout;
    assert!(sql.contains("CREATE TABLE public.note") && !sql.contains("pgbench_accounts"));
    place.fails(&format!("export {id} --format sql --only table=public.none --output -"), 3, &["no table"]);
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0, "an export leaves nothing");
    let packed = place.text_path("bank.tar.gz");
    place.run(["export", id, "--format", "tar.gz", "--output", &packed]).succeeds();
    let listed = run(std::process::Command::new("tar").args(["tzf", &packed])).stdout;
    assert!(String::from_utf8(listed).unwrap().lines().any(|line| line.ends_with("data/PG_VERSION")));
}

#[test]
fn a_server_that_does_not_start_gets_its_old_folder_back() {
    let Some(server) = server_with("physical start", &[]) else { return };
    let place = whole(&server);
    place.do_("snapshot take bank");
    server.sql("bank", "CREATE TABLE later (a int)");
    // It starts the old folder, and not the new one.
    let start = server.control(&server.data(), server.port, "start");
    let picky = format!("if test -e {}/backup_label; then exit 1; fi; {start}", server.data().display());
    place.run(["instance", "edit", "bank", "--start", &picky]).succeeds();
    place.fails("restore bank@latest --confirm RESTORE", 1, &["starts the server"]);
    assert_eq!(server.sql("bank", "SELECT to_regclass('later') IS NULL"), "f");
    place.run(["instance", "edit", "bank", "--start", &start, "--stop", "exit 7"]).succeeds();
    place.fails("restore bank@latest --confirm RESTORE", 1, &["stops the server"]);
    assert_eq!(server.sql("bank", "SELECT to_regclass('later') IS NULL"), "f");
}
