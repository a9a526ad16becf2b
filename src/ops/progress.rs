//! How long work tells how far it is, and hears that it is to stop.

use crate::error::{Error, Result};

/// Is told how far a piece of work is. Called from many threads; must be quick.
pub trait Progress: Sync {
    /// A stage begins. `total` is how much there is to do, in bytes, where that is known.
    fn stage(&self, name: &'static str, total: Option<u64>);
    /// So many bytes more are done.
    fn advance(&self, bytes: u64);
    /// Something that the user should know, in one line.
    fn notice(&self, line: &str);

    /// Whether the work is to stop. Asked from many threads, for every few megabytes; once it is so it stays so.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// [`Error::Cancelled`] where the work is to stop. Called between steps where stopping leaves nothing half done.
    fn go_on(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Tells nobody.
pub struct Silent;

/// Tells another one, and does not stop: for steps that must come to their end once they were begun.
pub struct ToTheEnd<'p>(pub &'p dyn Progress);

impl Progress for ToTheEnd<'_> {
    fn stage(&self, name: &'static str, total: Option<u64>) {
        self.0.stage(name, total);
    }

    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn notice(&self, line: &str) {
        self.0.notice(line);
    }
}

impl Progress for Silent {
    fn stage(&self, _: &'static str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn notice(&self, _: &str) {}
}
