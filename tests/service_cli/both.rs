//! Two places that are alike: one with a repository, one with a service.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::normal;
use crate::program::{Done, Place};

pub const TOKEN: &str = "the-administrators-token";

/// A service in a place of its own; killed when it is dropped.
pub struct Service {
    pub place: Place,
    pub url: String,
    child: Child,
}

impl Service {
    pub fn start() -> Self {
        let place = Place::bare();
        let log = fs::File::create(place.path("log")).unwrap();
        let mut child = place
            .command(["serve", "--listen", "127.0.0.1:0", "--json", "--data", "service"])
            .env("SNAPHOLD_ADMIN_TOKEN", TOKEN)
            .env_remove("SNAPHOLD_REPO")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{error}: {line}; its log: {}", fs::read_to_string(place.path("log")).unwrap_or_default())
        });
        let url = said["listening"].as_str().unwrap().to_string();
        Self { place, url, child }
    }

    /// The program as this service's client.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_by(&self.url, arguments)
    }

    /// The same, that reaches the service at another address.
    pub fn command_by(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.env_remove("SNAPHOLD_REPO").env_remove("SNAPHOLD_PASSPHRASE");
        command.env("SNAPHOLD_SERVER", url).env("SNAPHOLD_TOKEN", TOKEN);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        self.run(&arguments).succeeds().object()
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A place's own folder.
fn folder(place: &Place) -> String {
    place.path("data").parent().unwrap().to_str().unwrap().to_string()
}

/// A repository and a service that are told the same.
pub struct Both {
    pub local: Place,
    pub service: Service,
}

/// What both said of one command.
#[derive(Debug)]
pub struct Said {
    pub local: Done,
    pub remote: Done,
}

impl Both {
    pub fn new() -> Self {
        let local = Place::bare();
        local.run(["init", "--encryption", "none"]).succeeds();
        Self { local, service: Service::start() }
    }

    /// Does the same to the files of both.
    pub fn change(&self, change: impl Fn(PathBuf)) {
        change(self.local.path("."));
        change(self.service.place.path("."));
    }

    /// Runs a command on both sides, with `PLACE` in it as each side's own folder.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, Stdio::null)
    }

    /// The same, with something on standard input.
    pub fn run_with<S: Into<Stdio>>(&self, arguments: &[&str], input: impl Fn() -> S) -> Said {
        let of = |place: &Place| -> Vec<String> {
            arguments.iter().map(|argument| argument.replace("PLACE", &folder(place))).collect()
        };
        let local = Done::of(self.local.command(of(&self.local)).stdin(input()).output().unwrap());
        let own = of(&self.service.place);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let remote = Done::of(self.service.command(&own).stdin(input()).output().unwrap());
        Said { local, remote }
    }

    /// Runs a command on both sides, in words; both say the same and end with `code`.
    #[track_caller]
    pub fn say(&self, arguments: &[&str], code: i32) -> Said {
        let said = self.run(arguments);
        self.alike(&said, arguments);
        assert_eq!(said.local.code, code, "{arguments:?}: {said:#?}");
        said
    }

    /// The same with `--json`: the same keys, and the same under them.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> (Value, Value) {
        let mut asked = arguments.to_vec();
        asked.push("--json");
        let said = self.run(&asked);
        assert_eq!(said.local.code, said.remote.code, "{arguments:?}: {said:#?}");
        let (local, remote) = (said.local.object(), said.remote.object());
        let (own, its) = (folder(&self.local), folder(&self.service.place));
        assert_eq!(normal::json(&local, &own), normal::json(&remote, &its), "{arguments:?}: {said:#?}");
        (local, remote)
    }

    #[track_caller]
    pub fn alike(&self, said: &Said, arguments: &[&str]) {
        let of = |done: &Done, place: &Place| {
            let normal = |text: &str| normal::text(text, &folder(place));
            (done.code, normal(&done.stdout), normal(&done.stderr))
        };
        assert_eq!(of(&said.local, &self.local), of(&said.remote, &self.service.place), "{arguments:?}: {said:#?}");
    }
}
