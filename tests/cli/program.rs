//! The real program in a place of its own: nothing of the user's environment, home or terminal reaches it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const PASSPHRASE: &str = "a passphrase that must not be seen";

/// A temporary folder with a home, a repository's place and a folder of data.
pub struct Place {
    folder: TempDir,
    passphrase: Option<String>,
}

/// What a run left.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// Without a repository.
    pub fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("data/a.txt"), "a text\n").unwrap();
        fs::write(folder.path().join("data/numbers"), (0..20_000).map(|n| format!("{n}\n")).collect::<String>())
            .unwrap();
        Self { folder, passphrase: Some(PASSPHRASE.to_string()) }
    }

    /// With an encrypted repository.
    pub fn with_repository() -> Self {
        let place = Self::bare();
        place.run(["init"]).succeeds();
        place
    }

    /// With a repository without encryption (key derivation costs time), an instance `shop` and two snapshots of it.
    pub fn with_snapshots() -> Self {
        let place = Self::bare();
        place.run(["init", "--encryption", "none"]).succeeds();
        place.run(["instance", "add", "shop", "--source", &place.source()]).succeeds();
        place.run(["snapshot", "take", "shop"]).succeeds();
        fs::write(place.path("data/a.txt"), "another text\n").unwrap();
        place.run(["snapshot", "take", "shop"]).succeeds();
        place
    }

    /// No passphrase in the environment from here on.
    pub fn without_passphrase(mut self) -> Self {
        self.passphrase = None;
        self
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub fn text_path(&self, below: &str) -> String {
        self.path(below).to_str().unwrap().to_string()
    }

    pub fn source(&self) -> String {
        format!("files:{}", self.text_path("data"))
    }

    /// The program, with the place's environment; neither its input nor its output is a terminal.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snaphold"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("SNAPHOLD_REPO", self.path("repository"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(passphrase) = &self.passphrase {
            command.env("SNAPHOLD_PASSPHRASE", passphrase);
        }
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Done {
        Done::of(self.command(arguments).output().unwrap())
    }

    pub fn run_with_input<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Done {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A program that refuses reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input);
        Done::of(child.wait_with_output().unwrap())
    }

    /// The object of a run with `--json` that must succeed.
    pub fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        self.run(arguments).succeeds().object()
    }

    /// Runs the program until it makes its `at`th of these system calls, and kills it there, by strace; with `threads` the calls
    /// of all its threads count, and of its children. `false` where it came to its end before.
    pub fn is_killed<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        calls: &str,
        at: usize,
        threads: bool,
    ) -> bool {
        let program = self.command(arguments);
        let mut strace = Command::new("strace");
        if threads {
            strace.arg("-f");
        }
        strace.args(["-o", "/dev/null", "-e"]).arg(format!("trace={calls}"));
        strace.arg("-e").arg(format!("inject={calls}:signal=SIGKILL:when={at}"));
        strace.arg(program.get_program()).args(program.get_args()).current_dir(self.folder.path());
        strace.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = strace.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.contains("ptrace"), "strace cannot trace here: {text}");
        output.status.code() != Some(0)
    }

    /// Ids of an instance's snapshots, newest first.
    pub fn ids(&self) -> Vec<String> {
        let listed = self.json(["snapshot", "list", "--json"]);
        let id = |snapshot: &Value| snapshot["id"].as_str().unwrap().to_string();
        listed["snapshots"].as_array().unwrap().iter().map(id).collect()
    }

    /// Everything that may not change by a command that is refused: the data, the home, and the repository but for its
    /// index, which is derived, and whose store writes a log whenever it is opened.
    pub fn state(&self) -> State {
        let mut state = State::new();
        walk(self.folder.path(), &self.path("repository/index"), &mut state);
        state
    }
}

pub type State = BTreeMap<PathBuf, (u32, i64, Vec<u8>)>;

fn walk(folder: &Path, except: &Path, state: &mut State) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if path == except {
            continue;
        }
        if metadata.is_dir() {
            state.insert(path.clone(), (metadata.mode(), 0, Vec::new()));
            walk(&path, except, state);
        } else {
            let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            state.insert(path, (metadata.mode(), metadata.mtime(), content));
        }
    }
}

impl Done {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        Self {
            code: output.status.code().expect("no signal"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Ended with `code` and one line on standard error that has `words` in it, and nothing on standard output.
    #[track_caller]
    pub fn fails(self, code: i32, words: &str) -> Self {
        assert_eq!(self.failure(code, words), None, "{self:?}");
        self
    }

    /// What is not as [`Done::fails`] wants it.
    pub fn failure(&self, code: i32, words: &str) -> Option<&'static str> {
        // Notes may come before it.
        let said: String = self.stderr.split_inclusive('\n').filter(|line| !line.starts_with("note: ")).collect();
        let line = said.strip_suffix('\n').unwrap_or_default();
        match () {
            () if self.code != code => Some("another exit code"),
            () if !self.stdout.is_empty() => Some("something on standard output"),
            () if line.contains('\n') || !line.starts_with("snaphold: ") => Some("not one line of the program's"),
            () if !line.contains(words) => Some("other words"),
            () => None,
        }
    }

    /// The one JSON object, on one line, that is all of standard output.
    #[track_caller]
    pub fn object(&self) -> Value {
        let line = self.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {self:?}"));
        assert!(!line.contains('\n'), "more than a line: {self:?}");
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert!(value.is_object(), "no object: {self:?}");
        value
    }
}
