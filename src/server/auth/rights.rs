//! What who may do: one table.

use crate::server::catalog::Role;

/// Something that may be done in an account, or to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// To look: instances, snapshots, jobs, usage.
    Read,
    /// To take snapshots, and to see the jobs that one asked for oneself.
    Capture,
    /// To get data out: exports, and what is in a snapshot.
    Download,
    /// To change things: instances, policies, restores, loads, clones, deletion, holds.
    Operate,
    /// Users, tokens, webhooks, audit, the account's end.
    Administer,
    /// The service itself: accounts.
    Service,
}

impl Right {
    /// All of them.
    pub const ALL: [Right; 6] =
        [Right::Read, Right::Capture, Right::Download, Right::Operate, Right::Administer, Right::Service];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Capture => "capture",
            Right::Download => "download",
            Right::Operate => "operate",
            Right::Administer => "administer",
            Right::Service => "service",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

impl Rights {
    /// These.
    pub fn of(rights: &[Right]) -> Self {
        Self(rights.iter().fold(0, |bits, right| bits | right.bit()))
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this one is among them.
    pub fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether all of `other` are among them: nobody hands out more than they have.
    pub fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a token may be made for, and what that gives.
pub const SCOPES: [(&str, &[Right]); 5] = [
    ("read", &[Right::Read, Right::Download]),
    ("capture", &[Right::Capture]),
    ("restore", &[Right::Read, Right::Download, Right::Operate]),
    ("admin", &[Right::Read, Right::Capture, Right::Download, Right::Operate, Right::Administer]),
    ("service", &Right::ALL),
];

/// What a user's role gives.
pub fn of_role(role: Role) -> Rights {
    Rights::of(match role {
        Role::Viewer => &[Right::Read],
        Role::Operator => &[Right::Read, Right::Capture, Right::Download, Right::Operate],
        Role::Owner => &[Right::Read, Right::Capture, Right::Download, Right::Operate, Right::Administer],
    })
}

/// What a token's scopes give. A scope that is not known gives nothing.
pub fn of_scopes<'s>(scopes: impl IntoIterator<Item = &'s str>) -> Rights {
    let given = scopes.into_iter().filter_map(|scope| SCOPES.iter().find(|(name, _)| *name == scope));
    given.fold(Rights::default(), |rights, (_, more)| rights.and(Rights::of(more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_writes_and_reads_nothing() {
        let rights = of_scopes(["capture"]);
        assert!(rights.has(Right::Capture));
        for right in Right::ALL.into_iter().filter(|right| *right != Right::Capture) {
            assert!(!rights.has(right), "{right:?}");
        }
    }

    #[test]
    fn only_the_service_scope_reaches_the_service() {
        for (scope, _) in SCOPES {
            assert_eq!(of_scopes([scope]).has(Right::Service), scope == "service", "{scope}");
        }
        for role in [Role::Viewer, Role::Operator, Role::Owner] {
            assert!(!of_role(role).has(Right::Service));
        }
    }

    #[test]
    fn unknown_scopes_give_nothing() {
        assert_eq!(of_scopes(["everything", ""]), Rights::default());
        assert!(of_scopes(["admin"]).covers(of_scopes(["read", "capture"])));
        assert!(!of_scopes(["read"]).covers(of_scopes(["capture"])));
    }
}
