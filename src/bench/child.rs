//! Processes of other programs, with what they cost.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use wait4::Wait4;

use crate::error::{Error, Result};

use super::measure::{Meter, speed};
use super::report::Speed;

/// What a program printed on standard error is shown up to this many letters.
const SAID_MAX: usize = 300;

/// How a program is run.
pub struct Job<'a> {
    pub program: &'a Path,
    pub arguments: Vec<OsString>,
    /// All of its environment.
    pub environment: &'a [(String, OsString)],
    pub folder: &'a Path,
    /// Files for what it prints.
    pub output: PathBuf,
}

/// What a run cost.
pub struct Ran {
    pub speed: Speed,
    pub peak_memory_bytes: u64,
}

/// Runs a program to its end. One that cannot be run, or fails, is an error that has its last words.
///
/// It is a process group of its own, so that it can be killed with its children, and a key typed at the terminal
/// reaches only the one who runs it.
pub fn run(meter: &Meter<'_>, job: &Job<'_>, bytes: u64) -> Result<Ran> {
    meter.stop.check()?;
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| job.output.with_extension(name));
    let create = |path: &Path| File::create(path).map_err(|error| Error::target(path, error));
    let name = job.program.display();
    let mut command = Command::new(job.program);
    command
        .args(&job.arguments)
        .env_clear()
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(job.folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(create(&stdout)?)
        .stderr(create(&stderr)?);
    let began = meter.stopwatch.wall();
    let mut child = command.spawn().map_err(|error| Error::Failed(format!("cannot run {name}: {error}")))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    meter.stop.runs(pid);
    // It is waited for without being reaped, so that its number is not another's while it can still be killed by it.
    if let Some(pid) = pid {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), ended) {}
    }
    meter.stop.runs(None);
    let done = child.wait4().map_err(|error| Error::Failed(format!("cannot wait for {name}: {error}")))?;
    let wall = meter.stopwatch.wall().saturating_sub(began);
    meter.stop.check()?;
    if !done.status.success() {
        return Err(Error::Failed(format!("{name} ended with {}: {}", done.status, last_words(&stderr))));
    }
    let cpu: Duration = done.rusage.utime + done.rusage.stime;
    Ok(Ran { speed: speed(bytes, wall.as_secs_f64(), cpu.as_secs_f64()), peak_memory_bytes: done.rusage.maxrss })
}

/// The first line that a program printed when it was run last.
pub fn first_line(output: &Path) -> String {
    let printed = fs::read(output.with_extension("stdout")).unwrap_or_default();
    let printed = String::from_utf8_lossy(&printed);
    printed.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("unknown").to_string()
}

fn last_words(stderr: &Path) -> String {
    let printed = fs::read(stderr).unwrap_or_default();
    let printed = String::from_utf8_lossy(&printed);
    let line = printed.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
    line.chars().take(SAID_MAX).collect()
}
