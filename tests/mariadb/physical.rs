//! A whole server's data folder.

use std::fs;

use crate::server::{BANK, HOLDS, INVARIANT, Load, Server, ask_at, is_here, place, shut_down};

#[test]
fn a_server_is_copied_under_load_exchanged_and_cloned() {
    if !is_here("a_server_is_copied_under_load_exchanged_and_cloned") {
        return;
    }
    let place = place();
    let server = Server::new(&place.path("server"));
    server.ask(BANK);
    let url = format!("mariadb://root@localhost/bank?mode=physical&socket={}", server.socket.display());
    let (stop, start) = Server::stop_and_start(&server.data, &server.socket, server.port);
    let data = server.data.display().to_string();
    place.run(["instance", "add", "bare", "--source", &url]).succeeds();
    let settings = ["--stop", &stop, "--start", &start, "--data-directory", &data];
    place.run([&["instance", "add", "bank", "--source", url.as_str()][..], &settings].concat()).succeeds();
    {
        let _load = Load::new(&server.socket, 2);
        for _ in 0..2 {
            place.run(["snapshot", "take", "bank"]).succeeds();
        }
    }
    let listed = place.run(["snapshot", "ls", "latest"]).succeeds().stdout;
    assert!(listed.contains("bank.accounts"), "{listed}");

    // Nothing says how the server is stopped.
    let id = place.ids()[0].clone();
    place.run(["restore", &id, "--to", "bare", "--confirm", "RESTORE", "--no-safety"]).fails(4, "--data-directory");

    server.ask("DROP TABLE bank.transfers; CREATE TABLE bank.later (a INT)");
    place.run(["restore", &id, "--to", "bank", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(server.ask(INVARIANT), HOLDS);
    assert!(server.ask("SELECT COUNT(*) FROM bank.transfers").trim().parse::<u64>().unwrap() > 0, "nobody worked");
    place.run(["restore", "undo", "bank", "--confirm", "RESTORE"]).succeeds();
    assert_eq!(server.ask("SHOW TABLES FROM bank LIKE 'la%'"), "later\n");
    assert_eq!(
        fs::read_dir(place.path("server"))
            .unwrap()
            .flatten()
            .filter(|entry| { entry.file_name().to_string_lossy().contains("snaphold") })
            .count(),
        0
    );

    // A second server beside the first one.
    let socket = place.path("socket2");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (stop, start) = Server::stop_and_start(&place.path("data2"), &socket, port);
    let second = format!("mariadb://root@localhost/bank?mode=physical&socket={}", socket.display());
    let data = place.text_path("data2");
    let settings = ["--stop", &stop, "--start", &start, "--data-directory", &data];
    let cloned = place.run([&["clone", id.as_str(), "--name", "second", "--source", &second][..], &settings].concat());
    let sum = if cloned.code == 0 { ask_at(&socket, INVARIANT) } else { String::new() };
    shut_down(&socket);
    cloned.succeeds();
    assert_eq!(sum, HOLDS);
    assert_eq!(server.ask("SHOW TABLES FROM bank LIKE 'la%'"), "later\n");

    // As SQL, through a server that goes again.
    place.run(["export", &id, "--format", "sql", "-o", "bank.sql"]).succeeds();
    server.ask(&format!("DROP DATABASE bank; CREATE DATABASE bank; USE bank; SOURCE {};", place.text_path("bank.sql")));
    assert_eq!(server.ask(INVARIANT), HOLDS);
    let drill = place.run(["drill", &id, "--json", "--query", "SELECT SUM(balance) FROM accounts"]).succeeds().object();
    assert_eq!(drill["proven"], true, "{drill}");
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0);
}
