//! What is refused, and with which exit code.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use crate::both::{Service, TOKEN};
use crate::cutter::Cutter;
use crate::program::{Done, Place};

#[test]
fn who_may_not_ask_and_who_does_not_answer() {
    let mut service = Service::start();
    let with = |name: &str, value: &str, arguments: &[&str]| {
        Done::of(service.command(arguments).env(name, value).output().unwrap())
    };
    with("SNAPHOLD_TOKEN", "sh_t0123456789abcdef_wrong", &["instance", "list"]).fails(4, "token");
    with("SNAPHOLD_TOKEN", "", &["instance", "list"]).fails(2, "SNAPHOLD_TOKEN");
    with("SNAPHOLD_ACCOUNT", "nobody", &["instance", "list"]).fails(3, "nobody");
    with("SNAPHOLD_REPO", "somewhere", &["instance", "list"]).fails(2, "not both");
    with("SNAPHOLD_SERVER", "ftp://example.com", &["instance", "list"]).fails(2, "--server");
    with("SNAPHOLD_SERVER", "http://me:secret@127.0.0.1:1", &["instance", "list"]).fails(2, "more than an address");
    fs::write(service.place.path("token"), format!("{TOKEN}\n")).unwrap();
    with("SNAPHOLD_TOKEN", "", &["instance", "list", "--token-file", "token"]).succeeds();
    with("SNAPHOLD_TOKEN", "", &["instance", "list", "--token-file", "absent"]).fails(3, "absent");
    let wrong = with("SNAPHOLD_TOKEN", "wrong", &["instance", "list", "--json"]);
    assert_eq!((wrong.code, wrong.object()["error"]["kind"].as_str()), (4, Some("refused")), "{wrong:?}");
    // Who may only capture reads nothing.
    let made = service.json(&["token", "create", "nightly", "--scope", "capture"]);
    let secret = made["secret"].as_str().unwrap();
    with("SNAPHOLD_TOKEN", secret, &["snapshot", "list"]).fails(4, "read");
    let command = |service: &Service| Done::of(service.command(&["instance", "list"]).output().unwrap());
    service.stop();
    command(&service).fails(1, "cannot reach the service");
}

#[test]
fn what_is_of_one_machine_is_not_asked_of_another() {
    let service = Service::start();
    for arguments in [
        &["init"][..],
        &["key", "list"],
        &["repair"],
        &["check-storage"],
        &["bench"],
        &["serve", "--data", "x"],
        &["policy", "run"],
    ] {
        service.run(arguments).fails(2, "on the machine that has the repository");
    }
    service.run(&["gc", "--dry-run"]).fails(2, "--dry-run");
    service.run(&["gc", "--grace", "0"]).fails(2, "--grace");
    service.run(&["instance", "add", "a", "--retain", "5h"]).fails(2, "whole days");
    service.run(&["instance", "add", "a"]).succeeds();
    service.run(&["snapshot", "take", "a", "--compression", "best"]).fails(2, "--compression");
    service.run(&["completions", "bash"]).succeeds();
    // And the other way round.
    for arguments in [&["job", "list"][..], &["token", "list"], &["account", "list"], &["usage"], &["audit"]] {
        service.place.run(arguments).fails(2, "SNAPHOLD_SERVER");
    }
}

/// Answers requests one after the other, each with the next of these; ends when there is none left.
fn answering(answers: &'static [&'static str]) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, thread)
}

#[test]
fn a_service_that_says_when_is_asked_again_then() {
    let place = Place::bare();
    let ask = |url: &str| {
        let mut command = place.command(["plan", "list"]);
        command.env_remove("SNAPHOLD_REPO").env("SNAPHOLD_SERVER", url).env("SNAPHOLD_TOKEN", TOKEN);
        Done::of(command.output().unwrap())
    };
    let (url, thread) = answering(&[
        "HTTP/1.1 429 Slowly\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 503 Later\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 24\r\nconnection: close\r\n\r\n{\"plans\":[],\"next\":null}",
    ]);
    assert_eq!(ask(&url).succeeds().stdout, "there are no plans\n");
    thread.join().unwrap();
    // What answers, and is no service.
    let (url, thread) = answering(&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"]);
    ask(&url).fails(1, "is it a snaphold service?");
    thread.join().unwrap();
    let (url, thread) = answering(&[
        "HTTP/1.1 308 Elsewhere\r\nlocation: https://other/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ]);
    ask(&url).fails(1, "the service is at https://other/");
    thread.join().unwrap();
}

#[test]
fn what_was_done_is_not_done_twice_where_the_answer_is_lost() {
    let service = Service::start();
    service.run(&["instance", "add", "pages", "--source", &service.place.source()]).succeeds();
    let way = Cutter::losing(&service.url, "POST /v1/instances/pages/snapshots");
    Done::of(service.command_by(&way.url, &["snapshot", "take", "pages"]).output().unwrap()).succeeds();
    assert_eq!(way.count(), 2, "the answer was lost once, and the request sent twice");
    assert_eq!(service.json(&["snapshot", "list", "pages"])["snapshots"].as_array().unwrap().len(), 1);
}

#[test]
fn an_interrupted_wait_says_where_to_look() {
    let service = Service::start();
    let source = service.place.source();
    service.run(&["instance", "add", "slow", "--source", &source, "--before", "sleep 8"]).succeeds();
    // It waits when it has asked for its job again, though an answer was lost.
    let way = Cutter::losing(&service.url, "GET /v1/jobs/");
    let mut child = service.command_by(&way.url, &["snapshot", "take", "slow"]).spawn().unwrap();
    while way.count() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let job = service.json(&["job", "list", "--instance", "slow"])["jobs"][0]["id"].as_str().unwrap().to_string();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(said.contains(&format!("job {job} goes on; `snaphold job show {job}`")), "{said}");
    let waited = service.json(&["job", "wait", &job]);
    assert_eq!(waited["status"], "succeeded");
    assert_eq!(service.json(&["snapshot", "list", "slow"])["snapshots"].as_array().unwrap().len(), 1);
}
