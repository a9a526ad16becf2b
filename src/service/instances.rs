//! Instances: defined, changed, removed.

use crate::error::{Error, Result};
use crate::format::ledger::LedgerRecord;
use crate::format::manifest::InstanceRecord;
use crate::source::SourceUrl;

use super::Service;
use super::catalog::{Catalog, check_instance_name};
use super::view::InstanceView;

/// What may be said of an instance.
#[derive(Debug, Clone, Default)]
pub struct InstanceSpec {
    /// Its source; `Some(None)`: none.
    pub source: Option<Option<String>>,
    /// Its plan.
    pub plan: Option<String>,
    /// Its own retention, nanoseconds; `Some(None)`: the plan's.
    pub retain_ns: Option<Option<i64>>,
    /// The user's words.
    pub description: Option<String>,
    /// Whether every file is read each time.
    pub always_read: Option<bool>,
}

impl Service {
    /// All instances.
    pub fn instances(&self) -> Result<Vec<InstanceView>> {
        Ok(self.catalog()?.instance_views())
    }

    /// One instance.
    pub fn instance(&self, name: &str) -> Result<InstanceView> {
        let catalog = self.catalog()?;
        if !catalog.knows_instance(name) {
            catalog.instance(name)?;
        }
        Ok(catalog.instance_view(name))
    }

    /// Defines an instance.
    pub fn add_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView> {
        check_instance_name(name)?;
        let catalog = self.catalog()?;
        if catalog.instances.contains_key(name) {
            return Err(Error::Refused(format!(
                "there is an instance {name:?} already; `snaphold instance edit` changes it"
            )));
        }
        let record = InstanceRecord {
            created_at_ns: self.repo.now_ns(),
            source: None,
            plan: super::plan::DEFAULT_PLAN.to_string(),
            retain_ns: None,
            description: None,
            always_read: false,
        };
        self.put_instance(&catalog, name, apply(record, spec)?)
    }

    /// Changes an instance. What its snapshots say stays as it was.
    pub fn edit_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView> {
        let catalog = self.catalog()?;
        let record = catalog.instance(name)?.clone();
        self.put_instance(&catalog, name, apply(record, spec)?)
    }

    fn put_instance(&self, catalog: &Catalog, name: &str, record: InstanceRecord) -> Result<InstanceView> {
        self.plans.get(&record.plan)?;
        let revision = LedgerRecord::Instance { name: name.to_string(), record: Some(record) };
        self.repo.append_ledger(&self.repo.instance_topic(name), catalog.instance_revision(name), &revision)?;
        Ok(self.catalog()?.instance_view(name))
    }

    /// Removes an instance's definition. Its snapshots stay until they are deleted.
    pub fn remove_instance(&self, name: &str) -> Result<()> {
        let catalog = self.catalog()?;
        catalog.instance(name)?;
        let revision = LedgerRecord::Instance { name: name.to_string(), record: None };
        self.repo.append_ledger(&self.repo.instance_topic(name), catalog.instance_revision(name), &revision)
    }
}

fn apply(mut record: InstanceRecord, spec: InstanceSpec) -> Result<InstanceRecord> {
    if let Some(source) = spec.source {
        record.source = match source {
            Some(url) => {
                let url: SourceUrl = url.parse()?;
                let absolute = url.clone().absolute().map_err(|error| Error::source(url.path(), error))?;
                if !absolute.path().exists() {
                    return Err(Error::NotFound(format!("the source {absolute} is not there")));
                }
                Some(absolute.to_string())
            }
            None => None,
        };
    }
    if let Some(plan) = spec.plan {
        record.plan = plan;
    }
    if let Some(retain_ns) = spec.retain_ns {
        record.retain_ns = retain_ns;
    }
    if let Some(description) = spec.description {
        record.description = Some(description).filter(|text| !text.is_empty());
    }
    if let Some(always_read) = spec.always_read {
        record.always_read = always_read;
    }
    Ok(record)
}
