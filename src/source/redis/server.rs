//! What a server says of itself.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

use super::rdb::Counts;
use super::resp::{Client, Reply};

/// What `INFO` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info(BTreeMap<String, String>);

impl Info {
    /// Asks for everything.
    pub fn of(client: &mut Client) -> Result<Self> {
        match client.call(&[b"INFO"])? {
            Reply::Bulk(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            other => Err(Error::Failed(format!("a server answers INFO with {}", other.to_text()))),
        }
    }

    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.trim().split_once(':'));
        Self(pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    /// A field; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A field that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }

    /// Whether it is Dragonfly.
    pub fn is_dragonfly(&self) -> bool {
        !self.get("dragonfly_version").is_empty()
    }

    /// The server's version.
    pub fn version(&self) -> String {
        match self.is_dragonfly() {
            true => format!("dragonfly {}", self.get("dragonfly_version")),
            false => self.get("redis_version").to_string(),
        }
    }

    /// Whether it takes its data from another server.
    pub fn is_replica(&self) -> bool {
        ["slave", "replica"].contains(&self.get("role"))
    }

    /// Whether it is a part of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.get("cluster_enabled") == "1"
    }

    /// How many keys each database has; those without any are not among them.
    pub fn keys(&self) -> BTreeMap<u64, u64> {
        let databases = self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix("db")?.parse().ok()?, value)));
        let keys = |value: &str| value.split(',').find_map(|part| part.strip_prefix("keys=")?.parse().ok());
        databases.filter_map(|(db, value)| Some((db, keys(value).filter(|keys| *keys > 0)?))).collect()
    }
}

/// What is not as `expected` says; `None`: the same keys are there, as many.
pub fn other_counts(expected: &BTreeMap<u64, Counts>, found: &BTreeMap<u64, u64>) -> Option<String> {
    let databases: std::collections::BTreeSet<u64> = expected.keys().chain(found.keys()).copied().collect();
    databases.into_iter().find_map(|db| {
        let wanted = expected.get(&db).map_or(0, |counts| counts.keys);
        let found = found.get(&db).copied().unwrap_or_default();
        (wanted != found).then(|| format!("database {db} has {found} keys instead of {wanted}"))
    })
}

/// A setting; `None` where the server has none of this name.
pub fn setting(client: &mut Client, name: &str) -> Result<Option<String>> {
    let mut parts = client.call(&[b"CONFIG", b"GET", name.as_bytes()])?.parts().into_iter();
    let (_, value) = (parts.next(), parts.next());
    Ok(value.map(|value| value.to_text()))
}

/// Changes a setting.
pub fn set(client: &mut Client, name: &str, value: &str) -> Result<()> {
    client.call(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]).map(drop)
}

/// Databases that a server has unless it says otherwise.
const DATABASES: u64 = 16;

/// How many databases the server has.
pub fn databases(client: &mut Client, info: &Info) -> u64 {
    if info.is_cluster() {
        return 1;
    }
    // Who may not ask believes in the usual number.
    setting(client, "databases").ok().flatten().and_then(|text| text.parse().ok()).unwrap_or(DATABASES)
}

/// The modules that it has loaded, sorted. Empty too where it does not say.
pub fn modules(client: &mut Client) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for module in client.ask(&[b"MODULE", b"LIST"])?.parts() {
        let parts = module.parts();
        let pairs = parts.chunks(2).find_map(|pair| match pair {
            [Reply::Bulk(word), value] if word == b"name" => Some(value.to_text()),
            _ => None,
        });
        names.extend(pairs);
    }
    names.sort();
    Ok(names)
}

/// The newest version of RDB that a server reads.
pub fn rdb_version(client: &mut Client, info: &Info) -> Result<u32> {
    // It stands at the end of whatever the server serialises, and functions are serialised even where there are none.
    if let Reply::Bulk(bytes) = client.ask(&[b"FUNCTION", b"DUMP"])?
        && let Some(version) = bytes.len().checked_sub(10).and_then(|at| bytes.get(at..at + 2))
    {
        return Ok(version.iter().rev().fold(0, |version, byte| version << 8 | u32::from(*byte)));
    }
    let mut parts = info.get("redis_version").split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    Ok(match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) {
        (8.., _) | (7, 4..) => 12,
        (7, 2..) => 11,
        (7, _) => 10,
        (5 | 6, _) => 9,
        (4, _) => 8,
        (3, 2..) => 7,
        _ => 6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read() {
        let info = Info::parse(
            "# Server\r\nredis_version:7.0.15\r\nrole:slave\r\n# Keyspace\r\ndb0:keys=3,expires=0\r\ndb12:keys=5,expires=1\r\n",
        );
        assert_eq!(info.version(), "7.0.15");
        assert!(info.is_replica() && !info.is_dragonfly() && !info.is_cluster());
        assert_eq!(info.keys(), BTreeMap::from([(0, 3), (12, 5)]));
        let expected = BTreeMap::from([(0, Counts { keys: 3, ..Counts::default() })]);
        assert_eq!(other_counts(&expected, &info.keys()).unwrap(), "database 12 has 5 keys instead of 0");
        assert_eq!(other_counts(&expected, &BTreeMap::from([(0, 3)])), None);
    }
}
