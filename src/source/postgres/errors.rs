//! What PostgreSQL's tools complain of, as an error that says what to do.

use crate::error::Error;

/// What a tool says, and what that means.
struct Known {
    /// It says one of these.
    says: &'static [&'static str],
    kind: fn(String) -> Error,
    /// What to do.
    advice: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        says: &["password authentication failed", "no password supplied", "authentication failed for user"],
        kind: Error::Refused,
        advice: "give the right user and password (in the URL, by --password-file or SNAPHOLD_SOURCE_PASSWORD)",
    },
    Known {
        says: &["eer authentication failed", "dent authentication failed"],
        kind: Error::Refused,
        advice: "run snaphold as the system's user of that name, or allow the user a password in the server's pg_hba.conf",
    },
    Known {
        says: &["no pg_hba.conf entry for replication"],
        kind: Error::Refused,
        advice: "allow this user replication connections in the server's pg_hba.conf, or use mode=logical",
    },
    Known {
        says: &["no pg_hba.conf entry"],
        kind: Error::Refused,
        advice: "allow this user to connect in the server's pg_hba.conf",
    },
    Known {
        says: &[
            "must be superuser or replication role",
            "permission denied to start WAL sender",
            "REPLICATION attribute",
        ],
        kind: Error::Refused,
        advice: "grant the right by ALTER ROLE … REPLICATION, or use mode=logical",
    },
    Known {
        says: &["permission denied to create database"],
        kind: Error::Refused,
        advice: "grant the right by ALTER ROLE … CREATEDB: a restore makes a database beside the present one",
    },
    Known {
        says: &["must be owner of database"],
        kind: Error::Refused,
        advice: "log in as the database's owner or as a superuser",
    },
    Known {
        says: &["permission denied for", "permission denied to"],
        kind: Error::Refused,
        advice: "grant the user the right to it (pg_read_all_data is enough for a snapshot)",
    },
    Known {
        says: &["server version mismatch"],
        kind: Error::Failed,
        advice: "install the postgresql-client of the server's version or a newer one",
    },
    Known {
        says: &["lock timeout"],
        kind: Error::Busy,
        advice: "something has held a lock on a table for minutes; try again when it is done",
    },
    Known {
        says: &["too many connections", "remaining connection slots", "number of requested standby connections"],
        kind: Error::Busy,
        advice: "try again later, or raise max_connections or max_wal_senders",
    },
    Known {
        says: &["the database system is starting up", "the database system is shutting down"],
        kind: Error::Busy,
        advice: "try again when it is up",
    },
    Known {
        says: &["No space left on device", "Disk quota exceeded"],
        kind: Error::Failed,
        advice: "make room on the server's disk",
    },
    Known {
        says: &[
            "Connection refused",
            "could not translate host name",
            "No such file or directory",
            "timeout expired",
            "could not connect",
            "No route to host",
            "Network is unreachable",
        ],
        kind: Error::Failed,
        advice: "start the server, or correct the host and port",
    },
];

/// What a tool complained of, as an error that says what to do; other errors as they are. `shown` is the source.
pub fn explain(error: Error, shown: &str) -> Error {
    let Error::Failed(said) = error else { return error };
    if let Some(missing) = missing(&said, "database \"") {
        return Error::NotFound(format!(
            "{shown}: there is no database {missing:?} on this server; create it, or name another"
        ));
    }
    if let Some(role) = missing(&said, "role \"") {
        return Error::Refused(format!("{shown}: there is no role {role:?} on this server; create it there ({said})"));
    }
    if said.contains("is not installed") || said.contains("which POSTGRES_BIN names") {
        return Error::Failed(said);
    }
    match KNOWN.iter().find(|known| known.says.iter().any(|text| said.contains(text))) {
        Some(known) => (known.kind)(format!("{shown}: {}; {}", short(&said), known.advice)),
        None => Error::Failed(format!("{shown}: {said}")),
    }
}

/// The name of something that a message says does not exist.
fn missing<'s>(said: &'s str, before: &str) -> Option<&'s str> {
    said.match_indices(before).find_map(|(at, _)| {
        let (name, after) = said.get(at + before.len()..)?.split_once('"')?;
        after.starts_with(" does not exist").then_some(name)
    })
}

/// Without the tool's names for itself.
fn short(said: &str) -> String {
    let said = said.split_once(" failed: ").map_or(said, |(_, rest)| rest);
    said.replace("psql: error: ", "").replace("pg_dump: error: ", "").replace("pg_basebackup: error: ", "")
}
