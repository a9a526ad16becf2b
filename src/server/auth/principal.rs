//! Who asks, for which account, and what they may do there.

use super::rights::{Right, Rights};

/// Where a request comes from, for the audit.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The request's id.
    pub request_id: String,
    /// The address that it came from.
    pub address: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Principal {
    /// `token:t…` or `user:u…`, as the audit has it.
    pub actor: String,
    /// The account that is acted on.
    pub account: String,
    /// What may be done there.
    pub rights: Rights,
    /// Whether it may name local files and commands of the server.
    pub is_trusted: bool,
    /// What the token may do in words, or the user's role.
    pub title: String,
    /// The request.
    pub origin: Origin,
}

impl Principal {
    /// Whether this may be done.
    pub fn may(&self, right: Right) -> bool {
        self.rights.has(right)
    }

    /// Whether it acts for the service itself.
    pub fn is_service(&self) -> bool {
        self.may(Right::Service)
    }
}
