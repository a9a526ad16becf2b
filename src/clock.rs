//! Time, randomness and the identity of this process, given to the library from outside.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// The server's clock.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
}

/// Measures how long work takes. Only benches need one, so it is not among the [`Surroundings`].
pub trait Stopwatch: Send + Sync {
    /// Time since a moment that stays the same while the process runs. Never goes back.
    fn wall(&self) -> Duration;
    /// Processor time that this process has used so far, with all its threads.
    fn cpu(&self) -> Duration;
}

/// A source of cryptographically secure random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// Who this process is, so that another one can find out whether it is still alive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessIdentity {
    /// A name for the machine that stays the same over a reboot.
    pub host: String,
    /// The id of the machine's current boot; empty where it cannot be had.
    pub boot: String,
    /// Process id.
    pub pid: u32,
    /// When the process started, in the machine's clock ticks since boot: a pid is used again, this pair is not.
    pub started: u64,
}

/// Finds out about other processes.
pub trait Processes: Send + Sync {
    /// This process.
    fn identity(&self) -> ProcessIdentity;
    /// Whether the process that `other` names still runs; `None` where that cannot be known from here.
    fn is_alive(&self, other: &ProcessIdentity) -> Option<bool>;
}

/// Everything that the library takes from the world around it, but for files.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Processes.
    pub processes: Arc<dyn Processes>,
}
