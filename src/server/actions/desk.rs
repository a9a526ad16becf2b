//! What actions are done with, and the few steps that nearly all of them share.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::error::Result;
use crate::server::State;
use crate::server::auth::{Auth, Principal, Right, Throttle};
use crate::server::catalog::{Account, Instance, Job, NewAudit, Snapshot};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::jobs::Asker;
use crate::server::work::JobSpec;
use crate::service::{InstanceView, Service, SnapshotView};

/// What all actions share: the service's parts, who may do what, and how often.
pub struct Desk {
    state: State,
    /// Knows who asks.
    pub auth: Auth,
    /// How often each may ask.
    pub requests: Throttle,
    edits: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Deref for Desk {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Desk {
    /// Over the service's parts.
    pub fn new(state: State) -> Self {
        let limits = &state.config.limits;
        let requests = Throttle::per_second(limits.requests_per_second, limits.burst);
        let auth = Auth::new(state.catalog.clone());
        Self { state, auth, requests, edits: Mutex::default() }
    }

    /// Refuses who has not this right.
    pub fn need(&self, who: &Principal, right: Right) -> Outcome<()> {
        if who.may(right) {
            return Ok(());
        }
        let detail = format!("this needs the right to {}, which {:?} does not give", right.as_str(), who.title);
        Err(Fault::new(Problem::Forbidden, detail))
    }

    /// The account that is acted on.
    pub async fn account(&self, who: &Principal) -> Outcome<Account> {
        if who.account.is_empty() {
            let detail = "there is no default account; name one by the header Snaphold-Account";
            return Err(Fault::new(Problem::NotFound, detail));
        }
        let account = self.catalog.account(&who.account).await?;
        if account.shredded_us.is_some() {
            return Err(Fault::new(Problem::Refused, "the account's key was destroyed, and its data with it"));
        }
        Ok(account)
    }

    /// Works with the account's repository, apart from the threads that answer requests.
    pub async fn work<T: Send + 'static>(
        &self,
        who: &Principal,
        work: impl FnOnce(&Service) -> Result<T> + Send + 'static,
    ) -> Outcome<T> {
        let account = self.account(who).await?;
        Ok(self.with_service(&account, work).await?)
    }

    /// An instance of the account, by id or name.
    pub async fn instance(&self, who: &Principal, id_or_name: &str) -> Outcome<Instance> {
        Ok(self.catalog.instance(&who.account, id_or_name).await?)
    }

    /// A snapshot of the account.
    pub async fn snapshot(&self, who: &Principal, id: &str) -> Outcome<Snapshot> {
        Ok(self.catalog.snapshot(&who.account, id).await?)
    }

    /// Queues a job.
    pub async fn submit(&self, who: &Principal, spec: &JobSpec) -> Outcome<Job> {
        self.account(who).await?;
        let asker = Asker { actor: &who.actor, request_id: Some(&who.origin.request_id) };
        Ok(self.jobs.submit(&who.account, spec, &asker).await?)
    }

    /// Enters what changed about an instance.
    pub async fn mirror_instance(&self, who: &Principal, view: &InstanceView) -> Outcome<Instance> {
        Ok(self.catalog.put_instance(&who.account, view).await?)
    }

    /// Enters what changed about a snapshot.
    pub async fn mirror_snapshot(&self, who: &Principal, view: &SnapshotView) -> Outcome<Snapshot> {
        self.catalog.put_snapshot(&who.account, view).await?;
        self.snapshot(who, &view.id).await
    }

    /// Enters who did what.
    pub async fn note(&self, who: &Principal, action: &str, object: &str, detail: Value) -> Outcome<()> {
        let entry = NewAudit {
            account: Some(who.account.clone()).filter(|account| !account.is_empty()),
            actor: who.actor.clone(),
            action: action.to_string(),
            object: Some(object.to_string()),
            detail,
            request_id: Some(who.origin.request_id.clone()),
            address: who.origin.address.clone(),
        };
        Ok(self.catalog.add_audit(&entry).await?)
    }

    /// Held while something of an account is read and then changed, so that what was read is what is changed. Between
    /// servers the repository's own ledger refuses the second of two changes.
    pub async fn editing(&self, account: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut edits = self.edits.lock().unwrap_or_else(PoisonError::into_inner);
            edits.retain(|_, lock| Arc::strong_count(lock) > 1);
            edits.entry(account.to_string()).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// Random hexadecimal digits, as many as `bytes` say twice.
    pub fn random_digits(&self, bytes: usize) -> String {
        let mut random = vec![0; bytes];
        self.catalog.surroundings().entropy.fill(&mut random);
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
