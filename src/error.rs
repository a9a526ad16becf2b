//! One error type for the library. Its kinds tell a caller what to do, and are the exit codes of the command line.

use std::io;
use std::path::PathBuf;

/// What went wrong, with the name of the thing it went wrong with.
///
/// The text of every variant is one line that a user can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is wrong: a malformed name, contradictory options.
    #[error("{0}")]
    Usage(String),
    /// Nothing answers to a name: an instance, a snapshot, a path, a repository.
    #[error("{0}")]
    NotFound(String),
    /// Understood and refused: no confirmation, a plan's limit, a hold, a target that is not empty, a wrong passphrase.
    #[error("{0}")]
    Refused(String),
    /// A stored object does not hold what was written to it.
    #[error("{object} is damaged: {detail}")]
    Damaged {
        /// The object's name in its storage, such as `packs/ab/ab12…`.
        object: String,
        /// What about it is wrong.
        detail: String,
    },
    /// Somebody else holds what this needs; trying again later may work.
    #[error("{0}")]
    Busy(String),
    /// The repository or object is of a format that this program does not know.
    #[error("{object} needs a newer snaphold: {detail}")]
    Unsupported {
        /// The object's name.
        object: String,
        /// The version or feature flag that is not known.
        detail: String,
    },
    /// The user's data could not be read (never a fault of the repository).
    #[error("cannot read {}: {error}", path.display())]
    Source {
        /// The file or folder that could not be read.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// A restore, export or staging target could not be written.
    #[error("cannot write {}: {error}", path.display())]
    Target {
        /// The file or folder that could not be written.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// The repository's storage failed (never a fault of the user's data).
    #[error("the repository's storage failed: cannot {action} {object}: {error}")]
    Storage {
        /// `put`, `get`, `list`, `delete`, …
        action: &'static str,
        /// The object's name.
        object: String,
        /// The system's word.
        error: io::Error,
    },
    /// Whoever asked for the work asked for its end, before it was done.
    #[error("it was cancelled")]
    Cancelled,
    /// Anything else that failed, said in full.
    #[error("{0}")]
    Failed(String),
}

/// The coarse kinds of [`Error`]: what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It failed; see the message.
    Failed,
    /// Call again, corrected.
    Usage,
    /// The thing named does not exist.
    NotFound,
    /// Refused: confirmation, plan, hold, passphrase.
    Refused,
    /// Stored data is damaged.
    Damaged,
    /// Busy or locked; try again.
    Busy,
    /// Stopped because somebody asked for that.
    Cancelled,
}

impl ErrorKind {
    /// The process exit code for this kind (PRODUCT: 1 failed … 6 busy).
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Failed | ErrorKind::Cancelled => 1,
            ErrorKind::Usage => 2,
            ErrorKind::NotFound => 3,
            ErrorKind::Refused => 4,
            ErrorKind::Damaged => 5,
            ErrorKind::Busy => 6,
        }
    }

    /// The stable word used in `{"error":{"kind":…}}`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Failed => "failed",
            ErrorKind::Usage => "usage",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Refused => "refused",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Busy => "busy",
            ErrorKind::Cancelled => "cancelled",
        }
    }
}

impl Error {
    /// The coarse kind, which decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Usage(_) => ErrorKind::Usage,
            Error::NotFound(_) => ErrorKind::NotFound,
            Error::Refused(_) => ErrorKind::Refused,
            Error::Damaged { .. } => ErrorKind::Damaged,
            Error::Busy(_) => ErrorKind::Busy,
            Error::Cancelled => ErrorKind::Cancelled,
            Error::Unsupported { .. }
            | Error::Source { .. }
            | Error::Target { .. }
            | Error::Storage { .. }
            | Error::Failed(_) => ErrorKind::Failed,
        }
    }

    /// A damaged object, by name.
    pub fn damaged(object: impl ToString, detail: impl ToString) -> Self {
        Error::Damaged { object: object.to_string(), detail: detail.to_string() }
    }

    /// The same kind of error, saying first what it is about.
    pub fn with_context(self, about: &str) -> Self {
        match self {
            Error::Usage(text) => Error::Usage(format!("{about}: {text}")),
            Error::NotFound(text) => Error::NotFound(format!("{about}: {text}")),
            Error::Refused(text) => Error::Refused(format!("{about}: {text}")),
            Error::Busy(text) => Error::Busy(format!("{about}: {text}")),
            Error::Failed(text) => Error::Failed(format!("{about}: {text}")),
            Error::Source { .. } => Error::Failed(format!("{about}: {self}")),
            // What these say of the repository or the target stands by itself.
            other @ (Error::Cancelled
            | Error::Damaged { .. }
            | Error::Unsupported { .. }
            | Error::Target { .. }
            | Error::Storage { .. }) => other,
        }
    }

    /// A source file that could not be read.
    pub fn source(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Error::Source { path: path.into(), error }
    }

    /// A target file that could not be written.
    pub fn target(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Error::Target { path: path.into(), error }
    }
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
