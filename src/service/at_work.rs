//! Whether the process that a note in the ledger names is still at it.

use crate::clock::ProcessIdentity;

use super::Service;
use super::claims::Claim;

impl Service {
    /// Says that this process does `what` from now on. To be said before the ledger hears of it.
    pub(super) fn claim_work(&self, what: String) -> Claim {
        self.claims.claim(what)
    }

    /// Whether the process that a note names is still at `what`; `None` where that cannot be known from here.
    pub(super) fn is_at_work(&self, process: &ProcessIdentity, what: &str) -> Option<bool> {
        let processes = &self.repo.surroundings().processes;
        match *process == processes.identity() {
            true => Some(self.claims.has(what)),
            false => processes.is_alive(process),
        }
    }
}
