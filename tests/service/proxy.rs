//! Behind nginx, with the configuration that the handbook gives: events and uploads go through as they come.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::Place;
use crate::served::{ADMINISTRATOR, Served, answer, value, word};
use crate::skipped::missing;

/// Long enough for any machine; only a hang comes to it.
const HANGS: Duration = Duration::from_secs(120);

struct Nginx {
    child: Child,
    port: u16,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master's own signal to end with its workers.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn program(test: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().map(PathBuf::from).find(|path| path.exists());
    if found.is_none() {
        missing(test, "nginx");
    }
    found
}

/// nginx with the handbook's configuration, but for addresses and certificates.
fn nginx(place: &Place, program: PathBuf, service: &str) -> Nginx {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let given = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating/nginx.conf")).unwrap();
    let service = service.strip_prefix("http://").unwrap();
    let lines = given.lines().filter(|line| !line.trim_start().starts_with("ssl_"));
    let server = lines.collect::<Vec<_>>().join("\n");
    let server = server.replace("127.0.0.1:8300;", &format!("{service};"));
    let server = server.replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port};"));
    assert!(server.contains(service) && server.contains(&format!("127.0.0.1:{port}")));
    let folder = place.path("nginx");
    fs::create_dir_all(&folder).unwrap();
    let below = |name: &str| folder.join(name).display().to_string();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};", below(kind)))
        .join("\n");
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let whole = format!(
        "daemon off; {user} pid {}; error_log {} warn; worker_processes 1;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\n{server}\n}}\n",
        below("pid"),
        below("error.log")
    );
    fs::write(folder.join("nginx.conf"), whole).unwrap();
    let child = Command::new(program)
        .args(["-p", &below(""), "-c", &below("nginx.conf"), "-e", &below("error.log")])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let nginx = Nginx { child, port };
    let since = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(since.elapsed() < HANGS, "{}", fs::read_to_string(below("error.log")).unwrap_or_default());
        std::thread::yield_now();
    }
    nginx
}

#[test]
fn behind_nginx_events_and_uploads_go_through_as_they_come() {
    let Some(program) = program("behind_nginx_events_and_uploads_go_through_as_they_come") else { return };
    let place = Place::bare();
    let mut served = Served::start(&place, "[proxy]\ntrusted = [\"127.0.0.1\"]\n");
    served.add_shop(&place, "books", "first");
    let nginx = nginx(&place, program, &served.url);
    let behind = std::mem::replace(&mut served.url, format!("http://127.0.0.1:{}", nginx.port));
    assert_ne!(behind, served.url);

    events_come_at_once(&served);
    an_upload_is_not_kept(&served, &place, nginx.port);
    the_client_is_known(&served);
    assert_eq!(served.client.get(format!("{}/metrics", served.url)).send().unwrap().status(), 404);
    assert_eq!(served.client.get(format!("{behind}/metrics")).send().unwrap().status(), 200);
}

fn events_come_at_once(served: &Served) {
    let answer = served.get("/v1/events").timeout(HANGS).send().unwrap();
    assert_eq!(answer.status(), 200);
    let mut lines = BufReader::new(answer).lines();
    let taken = value(served.post("/v1/instances/books/snapshots", json!({})));
    let id = taken["job"]["id"].as_str().unwrap();
    // The connection stays open: what arrives was not held back until its end.
    let over = lines.by_ref().map(Result::unwrap).find(|line| line.contains(id) && line.contains("succeeded"));
    assert!(over.is_some());
}

/// The first half is with the service while the second was not sent.
fn an_upload_is_not_kept(served: &Served, place: &Place, port: u16) {
    let dump = place.path("other.db");
    crate::sqlite_common::create(
        &dump,
        "CREATE TABLE t (w TEXT); INSERT INTO t VALUES ('loaded');
        CREATE TABLE noise (b BLOB); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64)
        INSERT INTO noise SELECT randomblob(100000) FROM n;",
    );
    let bytes = fs::read(&dump).unwrap();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    let head = format!(
        "POST /v1/instances/books/loads/file?file_name=other.db&confirm=RESTORE HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {ADMINISTRATOR}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(first).unwrap();
    let since = Instant::now();
    loop {
        let loads = value(served.get("/v1/loads"));
        let found = loads["loads"].as_array().unwrap().first().cloned().unwrap_or(Value::Null);
        if found.is_object() {
            break;
        }
        assert!(since.elapsed() < HANGS, "the service does not see the upload before its end");
        std::thread::yield_now();
    }
    stream.write_all(second).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let job: Value = serde_json::from_str(&answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()]).unwrap();
    let job = job["job"]["id"].as_str().unwrap();
    let ended = loop {
        let shown = value(served.get(&format!("/v1/jobs/{job}")));
        if shown["finished_at"].is_string() {
            break shown;
        }
    };
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(word(place, "books"), "loaded");
    let kept: u64 =
        ["client_body", "proxy"].map(|kind| files_below(&place.path(&format!("nginx/{kind}")))).iter().sum();
    assert_eq!(kept, 0, "nginx wrote temporary files");
}

fn files_below(folder: &std::path::Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

/// The audit has the address that the trusted proxy names.
fn the_client_is_known(served: &Served) {
    let request = served.post("/v1/instances/books/snapshots", json!({})).header("x-forwarded-for", "203.0.113.7");
    let (status, _) = answer(request);
    assert_eq!(status, 202);
    let audit = value(served.get("/v1/audit?limit=1"));
    // nginx adds whom it sees itself, which is trusted too: the one before counts.
    assert_eq!(audit["entries"][0]["address"], "203.0.113.7", "{audit}");
}
