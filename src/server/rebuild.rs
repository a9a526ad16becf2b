//! The catalog made anew from what stands beside the accounts' repositories: accounts, instances, snapshots, and when
//! each instance is due. Users, tokens, jobs and the audit were in the catalog alone.

use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};

use super::catalog::Catalog;
use super::jobs::{blocking, mirror_account};
use super::tenants::Tenants;

/// What a rebuild found.
#[derive(Debug, Default, Serialize)]
pub struct Rebuilt {
    /// Accounts that are in the catalog now.
    pub accounts: u64,
    /// Their instances.
    pub instances: u64,
    /// Their snapshots.
    pub snapshots: u64,
    /// Accounts whose repository could not be read, with the reason.
    pub failed: Vec<String>,
}

/// Fills a catalog from all accounts' repositories. What is there already is brought up to date.
pub async fn rebuild(catalog: &Catalog, tenants: &Arc<Tenants>) -> Result<Rebuilt> {
    let reading = tenants.clone();
    let notes = blocking(move || reading.noted()).await?;
    let mut rebuilt = Rebuilt::default();
    for note in notes {
        match catalog.account(&note.account).await {
            Ok(_) => {}
            Err(Error::NotFound(_)) => {
                catalog.add_account(&note.account, &note.name, &note.sealed_secret).await?;
            }
            Err(error) => return Err(error),
        }
        let (opening, id, sealed) = (tenants.clone(), note.account.clone(), note.sealed_secret.clone());
        let mirrored = match blocking(move || opening.service(&id, &sealed)).await {
            Ok(service) => mirror_account(catalog, &service, &note.account).await,
            Err(error) => Err(error),
        };
        match mirrored {
            Ok(()) => {
                rebuilt.accounts += 1;
                rebuilt.instances += catalog.instances(&note.account).await?.len() as u64;
                rebuilt.snapshots += catalog.snapshot_ids(&note.account).await?.len() as u64;
            }
            Err(error) => rebuilt.failed.push(format!("{} ({}): {error}", note.name, note.account)),
        }
    }
    Ok(rebuilt)
}
