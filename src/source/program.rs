//! The databases' own tools, run as children.
//!
//! A child gets the environment that was handed in and what the caller adds; passwords go there or into a file, never
//! into its arguments. What it complains is kept for the error. A child that is dropped is killed, and those that are
//! there when the program is told to stop are killed by [`Programs::stop_all`].

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::error::{Error, Result};

use super::password::Password;

/// Bytes of a child's complaints that are kept: the last ones.
const COMPLAINTS_MAX: usize = 16 * 1024;

/// Finds and runs programs.
#[derive(Clone, Default)]
pub struct Programs {
    environment: Arc<Vec<(OsString, OsString)>>,
    running: Arc<Mutex<HashMap<u32, Option<PathBuf>>>>,
}

impl Programs {
    /// Programs that run with `environment`, which says by `PATH` where they are.
    pub fn new(environment: Vec<(OsString, OsString)>) -> Self {
        Self { environment: Arc::new(environment), ..Self::default() }
    }

    /// A variable of the environment that children get.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
    }

    /// The program `name`: in one of the folders `first`, or on `PATH`. Where it is not there, the error says that
    /// `package` has it.
    pub fn find(&self, name: &str, first: &[PathBuf], package: &str) -> Result<PathBuf> {
        let is_program =
            |path: &PathBuf| path.metadata().is_ok_and(|stat| stat.is_file() && stat.permissions().mode() & 0o111 != 0);
        let path = self.variable("PATH").map(OsStr::to_os_string).unwrap_or_default();
        let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let folders = first.iter().cloned().chain(std::env::split_paths(&path)).chain(more);
        folders.map(|folder| folder.join(name)).find(is_program).ok_or_else(|| {
            Error::Failed(format!("{name} is not installed; install {package}, or put the folder it is in into PATH"))
        })
    }

    /// A command that runs `program`, with its environment and without any input.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Messages are looked through, so they are in one language.
        command.env("LC_ALL", "C.UTF-8").env_remove("LANGUAGE").stdin(Stdio::null());
        command
    }

    /// A command that runs `program` as `user` where this process is root, which servers refuse to be; else as it is.
    pub fn command_as(&self, program: &Path, user: Option<&User>) -> Result<Command> {
        let setpriv = self.find("setpriv", &[], "util-linux");
        let mut command = match (&setpriv, user) {
            (Ok(setpriv), _) => self.command(setpriv),
            // Without setpriv nothing stops the child when this process is killed; that is no reason not to run it.
            (Err(_), None) => return Ok(self.command(program)),
            (Err(_), Some(_)) => return Err(setpriv.err().unwrap_or_else(|| Error::Failed("no setpriv".into()))),
        };
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = user {
            let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
            command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
        }
        command.arg("--").arg(program);
        Ok(command)
    }

    /// Runs a shell command of the user's, such as a hook or one that starts a server. `what` names it in errors.
    ///
    /// What it prints goes into memory, not into a pipe: a server that it leaves running keeps its output open, and
    /// waiting for the end of that would be waiting for the server.
    pub fn shell(&self, what: &str, text: &str) -> Result<()> {
        let failed = |error: io::Error| Error::Failed(format!("cannot run {what}: {error}"));
        let said = memfd_create("said", MemfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let mut said = File::from(said);
        let mut command = self.command(Path::new("/bin/sh"));
        command.args(["-c", text]);
        command.stdout(said.try_clone().map_err(failed)?).stderr(said.try_clone().map_err(failed)?);
        let mut child = command.spawn().map_err(failed)?;
        self.running().insert(child.id(), None);
        let status = child.wait();
        self.running().remove(&child.id());
        let status = status.map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        let len = said.metadata().map_or(0, |stat| stat.len());
        let from = len.saturating_sub(COMPLAINTS_MAX as u64);
        let mut text = Vec::new();
        said.seek(SeekFrom::Start(from))
            .and_then(|_| said.take(COMPLAINTS_MAX as u64).read_to_end(&mut text))
            .map_err(failed)?;
        Err(Error::Failed(format!("{what} failed: {}", reason(&String::from_utf8_lossy(&text), status))))
    }

    /// Starts `command`; its standard output is read from what is returned. `name` stands in errors, and `password` never
    /// does.
    pub fn start(&self, mut command: Command, name: &str, password: Option<&Password>) -> Result<Running> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |error: io::Error| Error::Failed(format!("cannot start {name}: {error}"));
        let mut child = command.spawn().map_err(failed)?;
        self.running().insert(child.id(), None);
        let stderr = child.stderr.take();
        let complaints = std::thread::Builder::new().name("complaints".into()).spawn(move || last_of(stderr));
        let complaints = match complaints {
            Ok(thread) => Some(thread),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                self.running().remove(&child.id());
                return Err(failed(error));
            }
        };
        Ok(Running {
            stdout: child.stdout.take(),
            stdin: child.stdin.take(),
            child,
            complaints,
            name: name.to_string(),
            password: password.cloned(),
            programs: self.clone(),
        })
    }

    /// Runs `command` to its end and returns what it printed.
    pub fn run(&self, command: Command, name: &str, password: Option<&Password>) -> Result<Vec<u8>> {
        let mut running = self.start(command, name, password)?;
        let mut printed = Vec::new();
        let read = running.stdout().map(|mut stdout| stdout.read_to_end(&mut printed));
        running.finish()?;
        match read {
            Some(Err(error)) => Err(Error::Failed(format!("cannot read what {name} printed: {error}"))),
            _ => Ok(printed),
        }
    }

    /// Runs `command` with `input` as its standard input, and returns what it printed.
    pub fn run_with(
        &self,
        mut command: Command,
        name: &str,
        password: Option<&Password>,
        input: impl FnOnce(&mut dyn Write) -> Result<()> + Send,
    ) -> Result<Vec<u8>> {
        command.stdin(Stdio::piped());
        let mut running = self.start(command, name, password)?;
        let stdin = running.stdin.take();
        let mut stdout = running.stdout.take();
        let mut printed = Vec::new();
        let fed = std::thread::scope(|scope| {
            let reading = scope.spawn(|| stdout.as_mut().map(|stdout| stdout.read_to_end(&mut printed)));
            let fed = match stdin {
                Some(mut stdin) => input(&mut stdin),
                None => Ok(()),
            };
            let _ = reading.join();
            fed
        });
        // A child that breaks off closes its input: what it says itself is the better reason.
        running.finish()?;
        fed.map(|()| printed)
    }

    /// Kills every child that runs, and removes the folders of throw-away servers. For a program that was told to stop.
    pub fn stop_all(&self) {
        for (pid, folder) in self.running().drain() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            if let Some(folder) = folder {
                let _ = std::fs::remove_dir_all(folder);
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<u32, Option<PathBuf>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Someone whom a throw-away server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl User {
    /// Who a server must run as here: `None` where this process is not root; else the first of `names` in `/etc/passwd`,
    /// or `nobody`.
    pub fn for_servers(names: &[&str]) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let of = |name: &str| {
            let mut fields = passwd.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
            Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        };
        names.iter().copied().chain(["nobody"]).find_map(of).or(Some(User { uid: 65_534, gid: 65_534 }))
    }

    /// Whether this user may come to a folder and pass through it, as the modes of it and of all above it say.
    pub fn may_enter(self, folder: &Path) -> bool {
        folder.ancestors().filter_map(|folder| std::fs::metadata(folder).ok()).all(|stat| {
            let bits = match () {
                () if stat.uid() == self.uid => stat.mode() >> 6,
                () if stat.gid() == self.gid => stat.mode() >> 3,
                () => stat.mode(),
            };
            bits & 1 != 0
        })
    }
}

/// A child that runs. It is killed when this is dropped.
pub struct Running {
    child: Child,
    stdout: Option<ChildStdout>,
    stdin: Option<ChildStdin>,
    complaints: Option<JoinHandle<String>>,
    name: String,
    password: Option<Password>,
    programs: Programs,
}

impl Running {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it prints: to be taken once, and read to its end before [`Running::finish`].
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Its standard input, where the command asked for a pipe.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// A folder that goes with it, where the program is told to stop.
    pub fn owns(&self, folder: &Path) {
        self.programs.running().insert(self.child.id(), Some(folder.to_path_buf()));
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end. One that fails is an error with the last that it said.
    pub fn finish(mut self) -> Result<()> {
        drop(self.stdin.take());
        drop(self.stdout.take());
        let status = self.child.wait();
        let said = self.complained();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Failed(format!("{} failed: {}", self.name, reason(&said, status)))),
            Err(error) => Err(Error::Failed(format!("cannot wait for {}: {error}", self.name))),
        }
    }

    /// Kills it, and returns what it said.
    pub fn stop(mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.complained()
    }

    /// Asks it by `signal` to end, and waits for that.
    pub fn end(mut self, signal: Signal) -> String {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        let _ = self.child.wait();
        self.complained()
    }

    fn complained(&mut self) -> String {
        self.programs.running().remove(&self.child.id());
        let said = self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        match &self.password {
            Some(password) if !password.expose().is_empty() => said.replace(password.expose(), "********"),
            _ => said,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.complaints.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.complained();
        }
    }
}

/// What a child said last, in one line; how it ended, where it said nothing.
fn reason(said: &str, status: ExitStatus) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => status.to_string(),
        lines => lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join("; "),
    }
}

fn last_of(stderr: Option<impl Read>) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let Some(stderr) = stderr else { return String::new() };
    let mut reader = BufReader::new(stderr);
    loop {
        match reader.fill_buf() {
            Ok([]) | Err(_) => break,
            Ok(bytes) => {
                kept.extend_from_slice(bytes);
                let len = bytes.len();
                reader.consume(len);
            }
        }
        if kept.len() > 2 * COMPLAINTS_MAX {
            kept.drain(..kept.len() - COMPLAINTS_MAX);
        }
    }
    String::from_utf8_lossy(kept.get(kept.len().saturating_sub(COMPLAINTS_MAX)..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        Programs::new(vec![("PATH".into(), "/usr/bin:/bin".into())])
    }

    fn shell(text: &str) -> (Programs, Command) {
        let programs = programs();
        let mut command = programs.command(Path::new("/bin/sh"));
        command.args(["-c", text]);
        (programs, command)
    }

    #[test]
    fn a_program_that_fails_says_why_without_its_password() {
        let (programs, command) = shell("echo out; echo 'login hunter2 was refused' >&2; exit 3");
        let error = programs.run(command, "tool", Some(&Password::new("hunter2"))).unwrap_err();
        assert_eq!(error.to_string(), "tool failed: login ******** was refused");
        let (programs, command) = shell("exit 3");
        assert_eq!(programs.run(command, "tool", None).unwrap_err().to_string(), "tool failed: exit status: 3");
    }

    #[test]
    fn a_program_that_is_not_there_names_its_package() {
        let error = programs().find("no-such-tool", &[], "the package tools").unwrap_err().to_string();
        assert!(error.contains("no-such-tool is not installed; install the package tools"), "{error}");
    }

    #[test]
    fn children_get_the_environment_that_was_handed_in_and_no_more() {
        let programs = Programs::new(vec![("PATH".into(), "/usr/bin:/bin".into()), ("GIVEN".into(), "yes".into())]);
        let env = programs.find("env", &[], "coreutils").unwrap();
        let printed = programs.run(programs.command(&env), "env", None).unwrap();
        let mut lines: Vec<&str> = std::str::from_utf8(&printed).unwrap().lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["GIVEN=yes", "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"]);
    }

    #[test]
    fn a_command_that_leaves_a_server_running_is_not_waited_for() {
        let programs = programs();
        let dir = tempfile::Builder::new().tempdir().unwrap();
        let fifo = dir.path().join("end");
        // It ends when the pipe is opened for writing, which is after the command is over.
        let text = format!("mkfifo {0} && (read x < {0}; echo done) & until [ -p {0} ]; do :; done", fifo.display());
        programs.shell("the start command", &text).unwrap();
        std::fs::write(&fifo, "go\n").unwrap();
        let error = programs.shell("the stop command", "echo first; echo 'no such server' >&2; exit 3").unwrap_err();
        assert_eq!(error.to_string(), "the stop command failed: first; no such server");
    }

    #[test]
    fn a_child_that_is_dropped_is_gone() {
        let (programs, command) = shell("exec sleep 1000");
        let running = programs.start(command, "sleep", None).unwrap();
        let folder = PathBuf::from(format!("/proc/{}", running.id()));
        assert!(folder.exists());
        drop(running);
        assert!(!folder.exists());
        assert!(programs.running().is_empty());
    }

    #[test]
    fn much_input_and_output_at_once_do_not_block_each_other() {
        let programs = programs();
        let cat = programs.find("cat", &[], "coreutils").unwrap();
        let sent = vec![7_u8; 1 << 20];
        let got = programs
            .run_with(programs.command(&cat), "cat", None, |out| {
                out.write_all(&sent).map_err(|error| Error::Failed(error.to_string()))
            })
            .unwrap();
        assert!(got == sent);
    }
}
