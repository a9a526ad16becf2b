//! What an account's repository holds, brought into the catalog.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::service::Service;

use super::super::catalog::Catalog;
use super::super::work::Done;

/// Enters what a job, or a change that needed none, did.
pub async fn mirror(catalog: &Catalog, account: &str, done: &Done) -> Result<()> {
    for snapshot in &done.snapshots {
        catalog.put_snapshot(account, snapshot).await?;
    }
    for id in &done.gone {
        catalog.forget_snapshot(account, id).await?;
    }
    for instance in &done.instances {
        if instance.defined {
            catalog.put_instance(account, instance).await?;
        } else {
            catalog.remove_instance(account, &instance.name).await?;
        }
    }
    Ok(())
}

/// Finds out from its repository when an instance is due next, and enters it.
pub async fn next_due(catalog: &Catalog, service: &Arc<Service>, account: &str, instance: &str) -> Result<()> {
    let (service, name) = (service.clone(), instance.to_string());
    let due = match blocking(move || service.next_due_of(&name)).await {
        Ok(due) => due,
        // It was removed meanwhile.
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    catalog.set_next_due(account, instance, due.map(|at| at.as_microsecond())).await
}

/// Brings all that an account's repository holds into the catalog, and takes out what it does not hold.
pub async fn mirror_account(catalog: &Catalog, service: &Arc<Service>, account: &str) -> Result<()> {
    let reading = service.clone();
    let (instances, snapshots) = blocking(move || Ok((reading.instances()?, reading.snapshots(None)?))).await?;
    let known: HashSet<&str> = snapshots.iter().map(|snapshot| snapshot.id.as_str()).collect();
    for id in catalog.snapshot_ids(account).await? {
        if !known.contains(id.as_str()) && catalog.snapshot(account, &id).await?.status != "in_progress" {
            catalog.forget_snapshot(account, &id).await?;
        }
    }
    for snapshot in &snapshots {
        catalog.put_snapshot(account, snapshot).await?;
    }
    let defined: HashSet<&str> =
        instances.iter().filter(|instance| instance.defined).map(|instance| instance.name.as_str()).collect();
    for instance in catalog.instances(account).await? {
        if !defined.contains(instance.name.as_str()) {
            catalog.remove_instance(account, &instance.name).await?;
        }
    }
    for instance in instances.iter().filter(|instance| instance.defined) {
        catalog.put_instance(account, instance).await?;
        next_due(catalog, service, account, &instance.name).await?;
    }
    Ok(())
}

/// Runs what blocks on a thread for that.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::Failed(format!("the work ended unexpectedly: {error}"))))
}
