//! Why a request was not done: what every edge (REST, console) says of an error. One table: [`Problem`].

use crate::error::Error;

/// The kinds of problems. Their names are stable: programs tell them apart by these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// It cannot be read: JSON, a parameter, a field that is not known.
    MalformedRequest,
    /// No token or session, or one that does not count.
    Unauthenticated,
    /// The token or role does not give this right.
    Forbidden,
    /// It is not there, or is another account's.
    NotFound,
    /// The address has no such method.
    MethodNotAllowed,
    /// The body came too slowly.
    RequestTimeout,
    /// Understood and refused: a plan's limit, a hold, a state in which it cannot be.
    Refused,
    /// Somebody else holds what this needs.
    Busy,
    /// The first request with this `Idempotency-Key` is still being answered.
    RequestInProgress,
    /// An upload goes on at another place.
    OffsetMismatch,
    /// It was changed since it was read.
    PreconditionFailed,
    /// The body is too large.
    TooLarge,
    /// The body is of another kind than this address takes.
    UnsupportedMediaType,
    /// The range lies outside the file.
    RangeNotSatisfiable,
    /// A value is wrong.
    InvalidValue,
    /// What overwrites data was not confirmed.
    ConfirmationRequired,
    /// The instance's source cannot be used as it is said.
    SourceUnusable,
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// Too many requests.
    TooManyRequests,
    /// It failed inside the service.
    Internal,
    /// Stored data is damaged.
    Damaged,
    /// Not now: the service stops, or its catalog does not answer.
    Unavailable,
}

impl Problem {
    /// All of them.
    pub const ALL: [Problem; 23] = [
        Problem::MalformedRequest,
        Problem::Unauthenticated,
        Problem::Forbidden,
        Problem::NotFound,
        Problem::MethodNotAllowed,
        Problem::RequestTimeout,
        Problem::Refused,
        Problem::Busy,
        Problem::RequestInProgress,
        Problem::OffsetMismatch,
        Problem::PreconditionFailed,
        Problem::TooLarge,
        Problem::UnsupportedMediaType,
        Problem::RangeNotSatisfiable,
        Problem::InvalidValue,
        Problem::ConfirmationRequired,
        Problem::SourceUnusable,
        Problem::IdempotencyKeyReused,
        Problem::PreconditionRequired,
        Problem::TooManyRequests,
        Problem::Internal,
        Problem::Damaged,
        Problem::Unavailable,
    ];

    /// Its name, HTTP status and title.
    fn about(self) -> (&'static str, u16, &'static str) {
        match self {
            Problem::MalformedRequest => ("malformed-request", 400, "The request cannot be read"),
            Problem::Unauthenticated => ("unauthenticated", 401, "Who are you?"),
            Problem::Forbidden => ("forbidden", 403, "That is not yours to do"),
            Problem::NotFound => ("not-found", 404, "It is not there"),
            Problem::MethodNotAllowed => ("method-not-allowed", 405, "The address does not take this method"),
            Problem::RequestTimeout => ("request-timeout", 408, "The request came too slowly"),
            Problem::Refused => ("refused", 409, "Refused"),
            Problem::Busy => ("busy", 409, "Somebody else is at it"),
            Problem::RequestInProgress => ("request-in-progress", 409, "The first request is still being answered"),
            Problem::OffsetMismatch => ("offset-mismatch", 409, "The upload goes on elsewhere"),
            Problem::PreconditionFailed => ("precondition-failed", 412, "It was changed meanwhile"),
            Problem::TooLarge => ("too-large", 413, "The body is too large"),
            Problem::UnsupportedMediaType => ("unsupported-media-type", 415, "The body is of another kind"),
            Problem::RangeNotSatisfiable => ("range-not-satisfiable", 416, "The range lies outside the file"),
            Problem::InvalidValue => ("invalid-value", 422, "A value is wrong"),
            Problem::ConfirmationRequired => {
                ("confirmation-required", 422, "This overwrites data, and was not confirmed")
            }
            Problem::SourceUnusable => ("source-unusable", 422, "The source cannot be used"),
            Problem::IdempotencyKeyReused => ("idempotency-key-reused", 422, "The key was used for another request"),
            Problem::PreconditionRequired => ("precondition-required", 428, "If-Match is missing"),
            Problem::TooManyRequests => ("too-many-requests", 429, "Too many requests"),
            Problem::Internal => ("internal", 500, "It failed inside the service"),
            Problem::Damaged => ("damaged", 500, "Stored data is damaged"),
            Problem::Unavailable => ("unavailable", 503, "Not now"),
        }
    }

    /// Its stable name, the last part of `type`.
    pub fn name(self) -> &'static str {
        self.about().0
    }

    /// Its HTTP status.
    pub fn status(self) -> u16 {
        self.about().1
    }

    /// What it is, in a few words.
    pub fn title(self) -> &'static str {
        self.about().2
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Problem::MalformedRequest => {
                "Correct what `detail` names. Bodies are JSON objects; a field or parameter that is not known \
                is an error, so that a typing mistake does not pass for a default."
            }
            Problem::Unauthenticated => {
                "Send `Authorization: Bearer TOKEN` with a token that is neither revoked nor expired. An \
                owner of the account makes tokens."
            }
            Problem::Forbidden => "Use a token of another scope, or ask an owner of the account for another role.",
            Problem::NotFound => {
                "Look it up in its list. What belongs to another account is answered in the same way as what \
                is not there."
            }
            Problem::MethodNotAllowed => "The `Allow` header names the methods that it takes.",
            Problem::RequestTimeout => "Send it again. An upload goes on where it was cut: ask for its offset.",
            Problem::Refused => {
                "Nothing was changed. `detail` says why: a plan's limit, a hold, a name that is taken, a \
                state in which it cannot be done."
            }
            Problem::Busy => "Try again after the seconds in `Retry-After`.",
            Problem::RequestInProgress => {
                "Ask again with the same `Idempotency-Key` after the seconds in `Retry-After`: the answer \
                will be the first one's."
            }
            Problem::OffsetMismatch => {
                "The `Upload-Offset` header says how many bytes are there: send what comes after them."
            }
            Problem::PreconditionFailed => "Read it again, look what changed, and send your change with its new ETag.",
            Problem::TooLarge => {
                "Send less. Dumps are uploaded at /v1/instances/{id}/loads, in as many parts as you like."
            }
            Problem::UnsupportedMediaType => {
                "Send JSON with `Content-Type: application/json`, and parts of uploads with \
                `application/offset+octet-stream`."
            }
            Problem::RangeNotSatisfiable => "`Content-Range` says how long the file is.",
            Problem::InvalidValue => "Correct what `detail` and `field` name.",
            Problem::ConfirmationRequired => {
                "Nothing was touched. Look at the plan, then send the confirmation that `detail` names."
            }
            Problem::SourceUnusable => {
                "The service tried to reach the source and could not: check its address, its password, and \
                that the service may connect to it."
            }
            Problem::IdempotencyKeyReused => "Use a new `Idempotency-Key` for each request that differs.",
            Problem::PreconditionRequired => {
                "Read the object, and send its ETag as `If-Match` with the change, so that nobody's change is \
                lost."
            }
            Problem::TooManyRequests => "Wait for the seconds in `Retry-After`.",
            Problem::Internal => "Tell the operator the `request_id`: the service's log has the reason under it.",
            Problem::Damaged => "Start a verify of the account, and tell the operator: other snapshots may be whole.",
            Problem::Unavailable => "Try again after the seconds in `Retry-After`.",
        }
    }

    /// The problem of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.name() == name)
    }

    /// The problem that a bare status stands for.
    pub fn of_status(status: u16) -> Self {
        Self::ALL.into_iter().find(|problem| problem.status() == status).unwrap_or(match status {
            400..500 => Problem::MalformedRequest,
            _ => Problem::Internal,
        })
    }
}

/// Why a request was not done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// The kind.
    pub problem: Problem,
    /// What was wrong and what to do, one line.
    pub detail: String,
    /// The field of the request that it is about.
    pub field: Option<String>,
    /// When it may be tried again.
    pub retry_after_s: Option<u64>,
    /// For the log alone.
    pub inside: Option<String>,
}

impl Fault {
    /// Of a kind, with a line.
    pub fn new(problem: Problem, detail: impl Into<String>) -> Self {
        Self { problem, detail: detail.into(), field: None, retry_after_s: None, inside: None }
    }

    /// About a field of the request.
    pub fn of_field(self, field: &str) -> Self {
        Self { field: Some(field.to_string()), ..self }
    }

    /// That may be tried again.
    pub fn after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds.max(1)), ..self }
    }

    /// A value that is wrong.
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Problem::InvalidValue, detail).of_field(field)
    }

    /// What failed inside: the line goes into the log, not to whoever asks.
    pub fn internal(inside: impl ToString) -> Self {
        let inside = Some(inside.to_string());
        Self {
            inside,
            ..Self::new(Problem::Internal, "it failed inside the service; its log says more under this request's id")
        }
    }

    /// Writes it into the log. Who tries what is not theirs is to be seen there; what else was refused is of no interest
    /// but to who asked.
    pub fn log(&self) {
        match &self.inside {
            Some(inside) => tracing::error!(problem = self.problem.name(), "{inside}"),
            None if matches!(self.problem.status(), 401 | 403 | 429) => {
                tracing::warn!(problem = self.problem.name(), "{}", self.detail);
            }
            None => tracing::debug!(problem = self.problem.name(), "{}", self.detail),
        }
    }
}

/// Seconds after which what is busy is asked for again.
const BUSY_AFTER_S: u64 = 5;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Usage(_) => Self::new(Problem::InvalidValue, text),
            Error::NotFound(_) => Self::new(Problem::NotFound, text),
            Error::Refused(_) => Self::new(Problem::Refused, text),
            Error::Busy(_) => Self::new(Problem::Busy, text).after(BUSY_AFTER_S),
            Error::Damaged { .. } => Self { inside: Some(text.clone()), ..Self::new(Problem::Damaged, text) },
            _ => Self::internal(text),
        }
    }
}

/// What an action gives.
pub type Outcome<T> = std::result::Result<T, Fault>;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_tell_problems_apart() {
        let names: BTreeSet<_> = Problem::ALL.iter().map(|problem| problem.name()).collect();
        assert_eq!(names.len(), Problem::ALL.len());
        for problem in Problem::ALL {
            assert_eq!(Problem::named(problem.name()), Some(problem));
            assert!((400..600).contains(&problem.status()));
            assert!(!problem.advice().is_empty() && !problem.title().is_empty());
        }
    }

    #[test]
    fn what_failed_inside_is_not_told() {
        let fault = Fault::from(Error::Failed("the catalog failed: password=hunter2".into()));
        assert!(!fault.detail.contains("hunter2"));
        assert!(fault.inside.unwrap().contains("hunter2"));
    }
}
