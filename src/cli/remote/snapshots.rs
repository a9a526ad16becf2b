//! A service's snapshots.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use snaphold::error::{Error, Result};
use snaphold::service::find::{Name, Named, Wanted, no_snapshot};
use snaphold::service::{SnapshotView, TakeOptions, timestamp};

use super::instances::absent;
use super::{Remote, days, only_here};
use crate::cli::backend::Snapshots;
use crate::cli::progress::Teller;

/// Digits of a whole id.
const ID_LEN: usize = 16;

#[derive(Deserialize)]
struct Page {
    snapshots: Vec<SnapshotView>,
    next: Option<String>,
}

impl Snapshots for Remote {
    fn snapshots(&self, instance: Option<&str>) -> Result<Vec<SnapshotView>> {
        let query: Vec<(&str, &str)> = instance.map(|name| ("instance", name)).into_iter().collect();
        let listed = self.listed(&query, usize::MAX);
        listed.map_err(|error| match instance {
            Some(name) => absent(error, name),
            None => error,
        })
    }

    fn snapshot(&self, spec: &str) -> Result<SnapshotView> {
        let name = Name::read(spec)?;
        if let Name { instance: None, wanted: Wanted::Id(id), .. } = name
            && id.len() == ID_LEN
        {
            return self.client.get(&["snapshots", id], &[]).map_err(|error| match error {
                Error::NotFound(_) => no_snapshot(id),
                error => error,
            });
        }
        let mut query: Vec<(&str, &str)> = name.instance.map(|name| ("instance", name)).into_iter().collect();
        let listed = match name.wanted {
            Wanted::Latest(back) => {
                query.push(("status", "completed"));
                self.newest(&query, back)
            }
            Wanted::Id(_) => self.listed(&query, usize::MAX),
        };
        let mut listed = listed.map_err(|error| match (error, name.instance) {
            (Error::NotFound(_), Some(instance)) => Error::NotFound(format!("there is no instance {instance:?}")),
            (error, _) => error,
        })?;
        listed.reverse();
        name.choose(&listed).cloned()
    }

    fn take(&self, instance: &str, options: TakeOptions, teller: &Teller) -> Result<SnapshotView> {
        let TakeOptions { id: _, description, retain_ns, effort, skip_unreadable, include } = options;
        if effort != TakeOptions::default().effort {
            return Err(only_here("--compression"));
        }
        let body = json!({
            "description": description,
            "retention_days": retain_ns.map(days).transpose()?,
            "include": include,
            "skip_unreadable": skip_unreadable,
        });
        self.run(&["instances", instance, "snapshots"], &body, teller).map_err(|error| absent(error, instance))
    }

    fn delete_snapshot(&self, spec: &str, grace_ns: Option<i64>) -> Result<SnapshotView> {
        if grace_ns.is_some() {
            return Err(only_here("--grace"));
        }
        self.client.delete(&["snapshots", &self.id(spec)?])
    }

    fn undelete_snapshot(&self, spec: &str) -> Result<SnapshotView> {
        self.client.post(&["snapshots", &self.id(spec)?, "undelete"], &json!({}))
    }

    fn hold_snapshot(&self, spec: &str, until_ns: i64) -> Result<SnapshotView> {
        let until: Timestamp = timestamp(until_ns);
        self.client.post(&["snapshots", &self.id(spec)?, "hold"], &json!({ "until": until }))
    }
}

impl Remote {
    /// The id of the snapshot that is meant.
    pub fn id(&self, spec: &str) -> Result<String> {
        self.snapshot(spec).map(|view| view.id)
    }

    /// Snapshots, newest first, at most so many.
    pub fn listed(&self, query: &[(&str, &str)], limit: usize) -> Result<Vec<SnapshotView>> {
        self.pages(&["snapshots"], query, limit, |page: Page| (page.snapshots, page.next))
    }

    /// As many of the newest snapshots as it takes to know the one that is `back` before the newest: those that count
    /// may lie behind any number of safety snapshots.
    fn newest(&self, query: &[(&str, &str)], back: usize) -> Result<Vec<SnapshotView>> {
        let mut limit = back.saturating_add(1).saturating_mul(2);
        loop {
            let listed = self.listed(query, limit)?;
            let counted = listed.iter().filter(|view| !view.is_safety()).count();
            if counted > back || listed.len() < limit {
                return Ok(listed);
            }
            limit = limit.saturating_mul(8);
        }
    }
}
