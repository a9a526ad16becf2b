//! Which tables and keys differ between two snapshots, and by how much.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::format::manifest::Component;
use crate::format::tree::Node;
use crate::ops::diff::{What, differing};
use crate::source::access::Place;
use crate::source::kind::{Holds, Item};
use crate::source::kinds::kind_that_made;
use crate::source::stored::Stored;

use super::catalog::Snapshot;

/// A table or key, as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ItemView {
    /// The component that it is in, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// `table`, `view`, `key` ….
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
    /// How much data it has, bytes.
    pub bytes: u64,
    /// Rows, members, where that is known.
    pub rows: Option<u64>,
}

/// A table or key that is not the same in two snapshots.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ItemChange {
    /// The component that it is in, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// `table`, `view`, `key` ….
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: String,
    /// `added`, `removed` or `changed`.
    pub change: What,
    /// Bytes that are new in it; absent where only that it changed is known.
    pub bytes_new: Option<u64>,
    /// Bytes that are gone from it.
    pub bytes_gone: Option<u64>,
    /// Its size before, bytes.
    pub bytes_before: u64,
    /// Its size now, bytes.
    pub bytes_after: u64,
    /// Rows before and now, where both are known.
    pub rows: Option<(u64, u64)>,
}

/// A component's name, and what the older and the newer snapshot have of it.
pub(super) type Side<'c> = (&'c str, Option<&'c Component>, Option<&'c Component>);

/// The components of two snapshots by their names. Two that have just one each are compared whatever these are called.
pub(super) fn side_by_side<'c>(a: &'c Snapshot, b: &'c Snapshot) -> Result<Vec<Side<'c>>> {
    let (a, b) = (a.components()?, b.components()?);
    if let ([a], [b]) = (a, b) {
        return Ok(vec![(b.name.as_str(), Some(a), Some(b))]);
    }
    let mut names: Vec<&str> = a.iter().chain(b).map(|component| component.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |components: &'c [Component], name: &str| components.iter().find(|component| component.name == name);
    Ok(names.into_iter().map(|name| (name, of(a, name), of(b, name))).collect())
}

type Key = (String, &'static str);

fn items_of(stored: Option<&Stored<'_>>, place: &Place) -> Result<Option<BTreeMap<Key, Item>>> {
    let mut items = BTreeMap::new();
    let Some((stored, kind)) = stored.and_then(|stored| Some((stored, kind_that_made(stored.origin())?))) else {
        return Ok(None);
    };
    let has = kind.items(stored, place, &mut |item| {
        items.insert((item.name.clone(), item.kind), item);
        Ok(())
    })?;
    Ok(has.then_some(items))
}

/// Hands over the items that differ. `false`: neither has any.
pub(super) fn diff_items(
    before: Option<&Stored<'_>>,
    after: Option<&Stored<'_>>,
    place: &Place,
    visit: &mut dyn FnMut(ItemChange) -> Result<()>,
) -> Result<bool> {
    let (old, new) = (items_of(before, place)?, items_of(after, place)?);
    if old.is_none() && new.is_none() {
        return Ok(false);
    }
    let (mut old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let mut changes: BTreeMap<Key, ItemChange> = BTreeMap::new();
    for (key, item) in new {
        match old.remove(&key) {
            None => _ = changes.insert(key, change(What::Added, &item, (Some(item.bytes), Some(0)), 0, item.bytes)),
            Some(was) if was.holds == item.holds && matches!(item.holds, Holds::Digest(_)) => {}
            Some(was) => {
                let bytes = match (before, after, &was.holds, &item.holds) {
                    (Some(before), Some(after), Holds::Files(a), Holds::Files(b)) => {
                        let (new, gone) = differing_files((before, a), (after, b))?;
                        (Some(new), Some(gone))
                    }
                    _ => (None, None),
                };
                if bytes != (Some(0), Some(0)) {
                    let rows = was.rows.zip(item.rows);
                    let changed = change(What::Changed, &item, bytes, was.bytes, item.bytes);
                    changes.insert(key, ItemChange { rows, ..changed });
                }
            }
        }
    }
    for (key, item) in old {
        changes.insert(key, change(What::Removed, &item, (Some(0), Some(item.bytes)), item.bytes, 0));
    }
    changes.into_values().try_for_each(visit)?;
    Ok(true)
}

fn change(change: What, item: &Item, bytes: (Option<u64>, Option<u64>), before: u64, after: u64) -> ItemChange {
    ItemChange {
        component: None,
        kind: item.kind.into(),
        name: item.name.clone(),
        change,
        bytes_new: bytes.0,
        bytes_gone: bytes.1,
        bytes_before: before,
        bytes_after: after,
        rows: None,
    }
}

/// Bytes that are new and gone in the files of one item. Files are compared in their order.
fn differing_files(
    (before, a): (&Stored<'_>, &[Vec<u8>]),
    (after, b): (&Stored<'_>, &[Vec<u8>]),
) -> Result<(u64, u64)> {
    let (mut new, mut gone) = (0, 0);
    for number in 0..a.len().max(b.len()) {
        let of = |stored: &Stored<'_>, paths: &[Vec<u8>]| -> Result<_> {
            let Some(path) = paths.get(number) else { return Ok(None) };
            Ok(match stored.find(path)?.node {
                Node::File { content, class, .. } => Some((content, class)),
                _ => None,
            })
        };
        match (of(before, a)?, of(after, b)?) {
            (Some(a), Some(b)) if a.0 == b.0 => {}
            (Some(a), Some(b)) => {
                let differs = differing(after.reader, (&a.0, a.1), (&b.0, b.1))?;
                new += differs.new;
                gone += differs.gone;
            }
            (Some((content, _)), None) => gone += content.len(),
            (None, Some((content, _))) => new += content.len(),
            (None, None) => {}
        }
    }
    Ok((new, gone))
}
