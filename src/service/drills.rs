//! Drills: a snapshot is restored into a throw-away server, looked at, and marked as proven.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::format::ledger::{LedgerRecord, Proof};
use crate::ops::Progress;
use crate::repo::proof_topic;
use crate::source::kind::Check;
use crate::source::kinds::kind_that_made;
use crate::source::stored::Stored;

use super::Service;

/// What a drill showed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DrillOutcome {
    /// The snapshot's id.
    pub snapshot: String,
    /// Its instance.
    pub instance: String,
    /// When it was held.
    pub at: jiff::Timestamp,
    /// Whether all checks came out well.
    pub proven: bool,
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl Service {
    /// Holds a drill of a snapshot, and notes what it showed. With `component` only of that one, which proves nothing of
    /// the others: then nothing is noted.
    pub fn drill(
        &self,
        spec: &str,
        component: Option<&str>,
        query: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<DrillOutcome> {
        let catalog = self.catalog()?;
        let snapshot = self.restorable(&catalog, spec)?;
        let id = snapshot.manifest.id;
        let all = snapshot.components()?;
        let wanted: Vec<_> = match component {
            Some(_) => vec![super::restores::component_of(snapshot, component)?],
            None => all.iter().collect(),
        };
        if query.is_some() && wanted.len() > 1 {
            return Err(Error::Usage("which component is the query for? name it by --component".into()));
        }
        let reader = self.reader(progress)?;
        let mut checks = Vec::new();
        for component in &wanted {
            let kind = kind_that_made(&component.origin).ok_or_else(|| {
                Error::Refused(format!(
                    "snapshot {id} is of a file that was loaded; it can be exported, and no server can be started on it"
                ))
            })?;
            let stored = Stored::of(&reader, &snapshot.manifest, component);
            let several = all.len() > 1;
            let named = |check: Check| match several {
                true => Check { name: format!("{}: {}", component.name, check.name), ..check },
                false => check,
            };
            checks.extend(kind.drill(&stored, query, &self.place, progress)?.into_iter().map(named));
        }
        let proven = !checks.is_empty() && checks.iter().all(|check| check.ok);
        let at = self.repo.surroundings().clock.now();
        if wanted.len() == all.len() {
            let noted = checks.iter().map(|check| (check.name.clone(), check.ok, check.detail.clone())).collect();
            let proof = Proof { snapshot: id, at_ns: self.repo.now_ns(), proven, checks: noted };
            let before = snapshot.proof.as_ref().map(|(number, _)| *number);
            self.repo.append_ledger(&proof_topic(&id), before, &LedgerRecord::Proof(proof))?;
        }
        let instance = snapshot.manifest.instance.clone();
        Ok(DrillOutcome { snapshot: id.to_string(), instance, at, proven, checks })
    }
}
