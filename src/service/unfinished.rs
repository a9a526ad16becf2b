//! What an instance says whose restore is not over.

use crate::error::Error;
use crate::format::ledger::RestoreState;
use crate::repo::Repository;

/// Why an instance whose restore is not over cannot be used.
pub(super) fn unfinished(repo: &Repository, state: &RestoreState) -> Error {
    let (instance, stage) = (&state.instance, state.stage.as_str());
    match repo.surroundings().processes.is_alive(&state.process) {
        Some(false) => Error::Refused(format!(
            "a restore over {instance} was cut short ({stage}); `snaphold restore --resume {instance}` completes it, `snaphold restore --abort {instance}` goes back"
        )),
        _ => Error::Busy(format!(
            "{instance} is being restored by process {} ({stage}); try again when that is over",
            state.process.pid
        )),
    }
}
