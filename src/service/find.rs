//! Which snapshot a user means: an id, the beginning of one, `latest`, `latest~1`, also as `INSTANCE@…`.

use crate::error::{Error, Result};
use crate::format::manifest::SnapshotType;

use super::view::SnapshotView;

/// Something that can be named as snapshots are.
pub trait Named {
    /// Its id.
    fn id(&self) -> String;
    /// Its instance.
    fn instance(&self) -> &str;
    /// Whether it is complete and not deleted.
    fn is_usable(&self) -> bool;
    /// Whether it was taken before a restore.
    fn is_safety(&self) -> bool;
}

impl Named for SnapshotView {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn instance(&self) -> &str {
        &self.instance
    }

    fn is_usable(&self) -> bool {
        self.status == "completed"
    }

    fn is_safety(&self) -> bool {
        self.kind == SnapshotType::Safety.as_str()
    }
}

/// What a text asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted<'t> {
    /// The newest usable snapshot, or one that is so many before it. Safety snapshots do not count where there are others.
    Latest(usize),
    /// The one whose id begins so.
    Id(&'t str),
}

/// A snapshot as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name<'t> {
    /// Of this instance.
    pub instance: Option<&'t str>,
    /// Which one.
    pub wanted: Wanted<'t>,
    /// The text without the instance.
    spec: &'t str,
}

impl<'t> Name<'t> {
    /// Reads a name. What can be no snapshot's name is an error.
    pub fn read(text: &'t str) -> Result<Self> {
        let (instance, spec) = match text.rsplit_once('@') {
            Some((instance, spec)) => (Some(instance), spec),
            None => (None, text),
        };
        if let Some(rest) = spec.strip_prefix("latest") {
            let back = match rest.strip_prefix('~') {
                Some(digits) => digits.parse::<usize>().ok(),
                None => rest.is_empty().then_some(0),
            };
            let back =
                back.ok_or_else(|| Error::Usage(format!("{text:?} is no snapshot; write latest or latest~1")))?;
            return Ok(Self { instance, wanted: Wanted::Latest(back), spec });
        }
        if spec.is_empty() || spec.len() > 16 || !spec.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Error::NotFound(format!(
                "{text:?} is no snapshot's id; an id is up to 16 hexadecimal digits, or latest, or latest~1"
            )));
        }
        Ok(Self { instance, wanted: Wanted::Id(spec), spec })
    }

    /// The one of `snapshots`, oldest first, that is meant.
    pub fn choose<'s, S: Named>(&self, snapshots: &'s [S]) -> Result<&'s S> {
        let mut fitting: Vec<&S> =
            snapshots.iter().filter(|snapshot| self.instance.is_none_or(|name| snapshot.instance() == name)).collect();
        match self.wanted {
            Wanted::Latest(back) => {
                fitting.retain(|snapshot| snapshot.is_usable());
                // What a restore kept by itself is named by its id, or by undoing the restore.
                if fitting.iter().any(|snapshot| !snapshot.is_safety()) {
                    fitting.retain(|snapshot| !snapshot.is_safety());
                }
                let (spec, of) = (self.spec, self.instance.map_or(String::new(), |name| format!(" of {name}")));
                fitting.into_iter().rev().nth(back).ok_or_else(|| {
                    Error::NotFound(format!("there is no snapshot {spec}{of}; `snaphold snapshot list` shows them"))
                })
            }
            Wanted::Id(spec) => {
                fitting.retain(|snapshot| snapshot.id().starts_with(spec));
                match fitting.as_slice() {
                    [snapshot] => Ok(snapshot),
                    [] => Err(no_snapshot(spec)),
                    several => Err(Error::Usage(format!(
                        "{spec:?} is ambiguous: it begins the ids of {} snapshots",
                        several.len()
                    ))),
                }
            }
        }
    }
}

/// No snapshot's id begins so.
pub fn no_snapshot(spec: &str) -> Error {
    Error::NotFound(format!("no snapshot's id begins with {spec:?}"))
}

/// No instance has this name.
pub fn no_instance(name: &str) -> Error {
    Error::NotFound(format!("there is no instance {name:?}; `snaphold instance list` shows them"))
}
