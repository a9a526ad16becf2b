//! A server of a test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::program::Place;
use crate::skipped;

/// Runs until it is dropped.
pub struct Server {
    child: Child,
    pub folder: TempDir,
    pub port: u16,
    password: Option<String>,
}

/// Whether there is a server here at all. A test that cannot run says so, and fails where all must.
pub fn is_there(test: &str) -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skipped::missing(test, "redis-server");
    }
    found
}

impl Server {
    pub fn start(options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), options)
    }

    pub fn start_in(folder: TempDir, options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--unixsocket"]);
        command.arg(folder.path().join("socket")).arg("--dir").arg(folder.path());
        command.args(["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--logfile", "log"]);
        let child = command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let after = options.iter().position(|option| *option == "--requirepass").map(|at| options[at + 1].to_string());
        let mut server = Self { child, folder, port, password: after };
        while !server.answers() {
            assert!(server.child.try_wait().unwrap().is_none(), "the server ended: {}", server.log());
            std::thread::yield_now();
        }
        server
    }

    fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.ask(&["PING"]) == "PONG"
    }

    /// With keys of all types, in three databases, and functions.
    pub fn with_all_types() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/redis/redis-7.0-all-types.rdb");
        std::fs::copy(fixture, folder.path().join("dump.rdb")).unwrap();
        Self::start_in(folder, &[])
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// What `redis-cli` prints.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.folder.path().join("socket")).args(words);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_string()
    }

    pub fn digest(&self) -> String {
        let digest = self.ask(&["DEBUG", "DIGEST"]);
        assert_eq!(digest.len(), 40, "{digest}");
        digest
    }

    /// What the server calls this run of itself: another after each start.
    pub fn run_id(&self) -> String {
        let info = self.ask(&["INFO", "server"]);
        info.lines().find_map(|line| line.trim().strip_prefix("run_id:")).unwrap().to_string()
    }

    pub fn setting(&self, name: &str) -> String {
        self.ask(&["CONFIG", "GET", name]).lines().nth(1).unwrap_or_default().to_string()
    }

    /// Whether it is a master, with the settings that it was started with.
    pub fn is_itself(&self) -> bool {
        self.ask(&["ROLE"]).starts_with("master")
            && self.setting("repl-diskless-load") == "disabled"
            && self.setting("masterauth").is_empty()
    }

    pub fn save(&self) {
        // The child that made a dump for a replica may still be at its end.
        loop {
            match self.ask(&["SAVE"]).as_str() {
                "OK" => return,
                busy => assert!(busy.contains("in progress"), "{busy}"),
            }
        }
    }

    /// Ends it as a user would, and starts it again on what it saved.
    pub fn restart(mut self) -> Self {
        self.save();
        self.ask(&["SHUTDOWN", "NOSAVE"]);
        self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Self::start_in(folder, &[])
    }

    /// Kills the child that writes a dump; waits until there is one.
    pub fn kill_child(&self) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        loop {
            let text = std::fs::read_to_string(&children).unwrap();
            if let Some(child) = text.split_whitespace().next() {
                assert!(Command::new("kill").args(["-9", child]).status().unwrap().success());
                return;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection for many commands.
pub struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    pub fn to(server: &Server) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(("127.0.0.1", server.port)).unwrap()) }
    }

    /// Sends commands, a line each, and reads as many simple answers. Of an array, its line and its parts' count.
    pub fn ask(&mut self, commands: &[String]) -> Vec<String> {
        let text: String = commands.iter().map(|command| format!("{command}\r\n")).collect();
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
        commands.iter().map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stream.read_line(&mut line).unwrap() > 0, "the server closed the connection");
        let line = line.trim_end().to_string();
        match line.split_at(1) {
            ("*", count) => {
                let parts: Vec<String> =
                    (0..count.parse::<i64>().unwrap_or_default().max(0)).map(|_| self.answer()).collect();
                format!("{line} {}", parts.join(" "))
            }
            ("$", len) if len != "-1" => {
                let mut bytes = vec![0; len.parse::<usize>().unwrap() + 2];
                self.stream.read_exact(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).trim_end().to_string()
            }
            _ => line,
        }
    }
}

/// A place with a repository and the instance `cache` of a server.
pub fn place_of(url: &str) -> Place {
    let place = Place::bare();
    // Passwords are kept only where they can be sealed.
    match url.contains('@') {
        true => place.run(["init"]).succeeds(),
        false => place.run(["init", "--encryption", "none"]).succeeds(),
    };
    place.run(["instance", "add", "cache", "--source", url]).succeeds();
    place
}

/// Names below the folder for temporary files.
pub fn left_behind(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Snapshots that can be restored.
pub fn completed(place: &Place) -> usize {
    let listed = place.json(["snapshot", "list", "--json"]);
    listed["snapshots"].as_array().unwrap().iter().filter(|snapshot| snapshot["status"] == "completed").count()
}
