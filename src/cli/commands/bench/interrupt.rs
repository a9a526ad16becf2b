//! Work in a folder that is gone afterwards, also where a signal ends it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;
use snaphold::bench::Stop;
use snaphold::error::{Error, Result};

use crate::cli::context::STACK_BYTES;

const PREFIX: &str = "snaphold-bench-";
/// How long work that was stopped may take to end before its folder is removed under it.
const GRACE: Duration = Duration::from_secs(10);
/// How often removing is tried while work still makes files.
const TRIES: usize = 1000;

enum Event<T> {
    Done(Result<T>),
    Signal(i32),
}

/// Gives `work` a new folder below `parent`. It runs in a thread of its own; this one waits for it or for a signal, upon
/// which it calls `stop`, and removes the folder in any case.
pub fn in_scratch<T: Send + 'static>(
    parent: &Path,
    stop: &Stop,
    work: impl FnOnce(PathBuf) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, events) = channel();
    // Before there is anything to remove.
    listen(sender.clone())?;
    let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
    let scratch = made.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("there is no folder {} to work in", parent.display())),
        _ => Error::target(parent, error),
    })?;
    let folder = scratch.path().to_path_buf();
    let run = move || {
        let done = catch_unwind(AssertUnwindSafe(|| work(folder))).unwrap_or_else(|panic| Err(died(&*panic)));
        // Whoever waited has gone, and the process with it.
        let _ = sender.send(Event::Done(done));
    };
    let started = Builder::new().name("bench".into()).stack_size(STACK_BYTES).spawn(run);
    started.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
    let done = match events.recv() {
        Ok(Event::Done(done)) => done,
        Ok(Event::Signal(signal)) => {
            stop.stop();
            wait(&events);
            let name = signal_name(signal).unwrap_or("a signal");
            Err(Error::Failed(format!("stopped by {name}; nothing is left behind")))
        }
        Err(_) => Err(Error::Failed("nobody is left to wait for".into())),
    };
    let folder = scratch.keep();
    let removed = remove(&folder);
    done.and_then(|result| removed.map(|()| result))
}

fn died(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<&str>().copied().unwrap_or("for no reason that it said");
    Error::Failed(format!("a thread died: {said}"))
}

fn listen<T: Send + 'static>(sender: Sender<Event<T>>) -> Result<()> {
    let failed = |error| Error::Failed(format!("cannot listen to signals: {error}"));
    // Whoever began this by `nohup` wants it to go on when the terminal has gone.
    let heard = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(*signal));
    let mut signals = Signals::new(heard).map_err(failed)?;
    let forward = move || {
        for signal in signals.forever() {
            if sender.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    };
    Builder::new().name("signals".into()).spawn(forward).map(|_| ()).map_err(failed)
}

/// Whether this process was begun with a signal ignored, as Linux tells it: a mask in hexadecimal.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Waits until the work has ended, but not for ever; further signals change nothing.
fn wait<T>(events: &Receiver<Event<T>>) {
    let end = Instant::now() + GRACE;
    while let Ok(Event::Signal(_)) = events.recv_timeout(end.saturating_duration_since(Instant::now())) {}
}

fn remove(folder: &Path) -> Result<()> {
    let mut tried = std::fs::remove_dir_all(folder);
    for _ in 0..TRIES {
        match &tried {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) => tried = std::fs::remove_dir_all(folder),
        }
    }
    tried.map_err(|error| Error::target(folder, error))
}
