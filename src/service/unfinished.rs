//! What an instance says whose restore is not over.

use crate::error::Error;
use crate::format::ledger::RestoreState;

use super::Service;

/// What a process has claimed that restores over an instance.
pub(super) fn restore_claim(instance: &str) -> String {
    format!("restore {instance}")
}

/// Whether the process that a restore's record names is still at it.
pub(super) fn is_at_it(service: &Service, state: &RestoreState) -> Option<bool> {
    service.is_at_work(&state.process, &restore_claim(&state.instance))
}

/// Why an instance whose restore is not over cannot be used.
pub(super) fn unfinished(service: &Service, state: &RestoreState) -> Error {
    let (instance, stage) = (&state.instance, state.stage.as_str());
    match is_at_it(service, state) {
        Some(false) => Error::Refused(format!(
            "a restore over {instance} was cut short ({stage}); `snaphold restore --resume {instance}` completes it, `snaphold restore --abort {instance}` goes back"
        )),
        _ => Error::Busy(format!(
            "{instance} is being restored by process {} ({stage}); try again when that is over",
            state.process.pid
        )),
    }
}
