//! The world around the library: the system's clock, randomness and processes.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use snaphold::clock::{Clock, Entropy, ProcessIdentity, Processes, Stopwatch, Surroundings};

/// The system's.
pub fn real() -> Surroundings {
    Surroundings { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), processes: Arc::new(ProcFolder) }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The system's measure of time that passes, and of this process's share of its processors.
pub struct SystemStopwatch(Instant);

impl SystemStopwatch {
    /// Begins to count.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Stopwatch for SystemStopwatch {
    fn wall(&self) -> Duration {
        self.0.elapsed()
    }

    fn cpu(&self) -> Duration {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(used).unwrap_or_default()
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "without randomness no key may be made, and the trait has no other answer")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system gives random bytes");
    }
}

/// Processes as Linux shows them below `/proc`.
struct ProcFolder;

impl Processes for ProcFolder {
    fn identity(&self) -> ProcessIdentity {
        let pid = std::process::id();
        let started = started(pid).map_or(0, |(_, started)| started);
        ProcessIdentity { host: host(), boot: boot(), pid, started }
    }

    fn is_alive(&self, other: &ProcessIdentity) -> Option<bool> {
        if other.host != host() {
            return None;
        }
        if other.boot != boot() {
            return Some(false);
        }
        match started(other.pid) {
            Some((state, started)) => Some(started == other.started && !matches!(state, 'Z' | 'X')),
            None if fs::exists("/proc/self/stat").unwrap_or(false) => Some(false),
            None => None,
        }
    }
}

/// The machine's id; where it has none its name, which several machines may share.
fn host() -> String {
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter().find_map(line);
    id.or_else(|| line("/proc/sys/kernel/hostname")).unwrap_or_default()
}

fn boot() -> String {
    line("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_string()).filter(|text| !text.is_empty())
}

/// A process's state letter, and when it started, in clock ticks since boot.
fn started(pid: u32) -> Option<(char, u64)> {
    parse_stat(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// The third and the 22nd field; the second is the program's name in parentheses, which may itself hold some.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let rest = "S 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 4711 9 9";
        assert_eq!(parse_stat(&format!("42 (sh) {rest}")), Some(('S', 4711)));
        assert_eq!(parse_stat(&format!("42 (a) S 9) {rest}")), Some(('S', 4711)));
        assert_eq!(parse_stat("42 (sh) S 1"), None);
    }

    #[test]
    fn this_process_is_alive_and_others_like_it_are_not() {
        let me = ProcFolder.identity();
        assert_eq!(ProcFolder.is_alive(&me), Some(true));
        let earlier = ProcessIdentity { started: me.started.wrapping_add(1), ..me.clone() };
        assert_eq!(ProcFolder.is_alive(&earlier), Some(false));
        let other_boot = ProcessIdentity { boot: "another".into(), ..me.clone() };
        assert_eq!(ProcFolder.is_alive(&other_boot), Some(false));
        let elsewhere = ProcessIdentity { host: "another".into(), ..me };
        assert_eq!(ProcFolder.is_alive(&elsewhere), None);
    }

    #[test]
    fn a_child_that_ended_and_waits_to_be_reaped_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let started = started(child.id()).unwrap().1;
        let identity = ProcessIdentity { pid: child.id(), started, ..ProcFolder.identity() };
        // It ends without being reaped: its state is seen as a zombie's sooner or later.
        while ProcFolder.is_alive(&identity) == Some(true) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(ProcFolder.is_alive(&identity), Some(false));
    }
}
