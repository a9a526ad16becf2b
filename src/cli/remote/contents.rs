//! What is inside of a service's snapshots.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use snaphold::error::{Error, Result};
use snaphold::ops::Progress;
use snaphold::ops::diff::{Change, DiffSummary};
use snaphold::ops::ls::Listed;
use snaphold::service::{ItemChange, ItemView};

use super::{Remote, text_of};
use crate::cli::backend::{Contents, Visit};

/// Records that are asked for at once; there is no more in one answer.
const LIMIT: &str = "10000";

#[derive(Deserialize)]
struct Items {
    files: Vec<Listed>,
    items: Vec<ItemView>,
    has_items: bool,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Difference {
    summary: DiffSummary,
    files: Vec<Change>,
    items: Vec<ItemChange>,
    has_items: bool,
    truncated: bool,
}

impl Contents for Remote {
    fn ls(
        &self,
        spec: &str,
        path: &[u8],
        recursive: bool,
        _progress: &dyn Progress,
        visit: Visit<'_, Listed>,
    ) -> Result<()> {
        let path = text_of(path)?;
        let query = [("of", "files"), ("path", path.as_str()), ("recursive", if recursive { "true" } else { "false" })];
        self.each(spec, &query, |page: Items| {
            page.files.into_iter().try_for_each(&mut *visit)?;
            Ok(page.next)
        })
    }

    fn items(&self, spec: &str, _progress: &dyn Progress, visit: Visit<'_, ItemView>) -> Result<bool> {
        let mut has_items = false;
        self.each(spec, &[("of", "items")], |page: Items| {
            has_items = page.has_items;
            page.items.into_iter().try_for_each(&mut *visit)?;
            Ok(page.next)
        })?;
        Ok(has_items)
    }

    fn diff(&self, a: &str, b: &str, _progress: &dyn Progress, visit: Visit<'_, Change>) -> Result<DiffSummary> {
        let difference = self.difference(a, b)?;
        difference.files.into_iter().try_for_each(visit)?;
        Ok(difference.summary)
    }

    fn diff_items(&self, a: &str, b: &str, _progress: &dyn Progress, visit: Visit<'_, ItemChange>) -> Result<bool> {
        let difference = self.difference(a, b)?;
        difference.items.into_iter().try_for_each(visit)?;
        Ok(difference.has_items)
    }
}

impl Remote {
    /// Hands over page after page of a listing; `take` tells where the next one begins.
    fn each<P: DeserializeOwned>(
        &self,
        spec: &str,
        query: &[(&str, &str)],
        mut take: impl FnMut(P) -> Result<Option<String>>,
    ) -> Result<()> {
        let id = self.id(spec)?;
        let mut cursor: Option<String> = None;
        loop {
            let mut asked = query.to_vec();
            asked.push(("limit", LIMIT));
            asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            match take(self.client.get(&["snapshots", &id, "items"], &asked)?)? {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn difference(&self, older: &str, newer: &str) -> Result<Difference> {
        let (older, newer) = (self.id(older)?, self.id(newer)?);
        let found: Difference =
            self.client.get(&["snapshots", &newer, "diff"], &[("with", &older), ("limit", LIMIT)])?;
        match found.truncated {
            false => Ok(found),
            true => Err(Error::Refused(format!(
                "more than {LIMIT} files or items differ, and a service compares no more; export both snapshots instead"
            ))),
        }
    }
}
