//! Instances: defined, changed, removed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::crypto::Encryption;
use crate::error::{Error, Result};
use crate::format::ledger::{InstanceSettings, LedgerRecord};
use crate::format::manifest::{Component, InstanceRecord, Origin, SnapshotType};
use crate::ops::Progress;
use crate::source::kind::Description;
use crate::source::url::SourceUrl;

use super::catalog::{Catalog, Definition, check_instance_name};
use super::settings::SettingsSpec;
use super::snapshots::TakeOptions;
use super::view::{InstanceView, SnapshotView};
use super::{Service, settings};

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
    /// How its source is reached and handled.
    pub settings: SettingsSpec,
}

/// What a look at an instance's system showed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceCheck {
    /// The instance.
    pub name: String,
    /// Whether its system is another one than the newest snapshot was taken of.
    pub changed: bool,
    /// What was found, of each source.
    pub components: Vec<ComponentCheck>,
    /// The snapshot that was taken because of that.
    pub snapshot: Option<SnapshotView>,
}

/// What a look at one source showed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComponentCheck {
    /// The component.
    pub name: String,
    /// The system's version now.
    pub version: String,
    /// Its version in the newest snapshot; absent where it has no snapshot.
    pub version_before: Option<String>,
    /// How much data there is, about, bytes.
    pub bytes: Option<u64>,
    /// What a user should know.
    pub notes: Vec<String>,
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
        self.put_instance(&catalog, name, record, InstanceSettings::default(), spec)
    }

    /// Changes an instance. What its snapshots say stays as it was.
    pub fn edit_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView> {
        let catalog = self.catalog()?;
        let Definition { record, settings, .. } = catalog.definition(name)?.clone();
        self.put_instance(&catalog, name, record, settings, spec)
    }

    fn put_instance(
        &self,
        catalog: &Catalog,
        name: &str,
        mut record: InstanceRecord,
        mut settings: InstanceSettings,
        spec: InstanceSpec,
    ) -> Result<InstanceView> {
        self.apply(&mut record, &mut settings, spec)?;
        let plan = self.plans.get(&record.plan)?;
        if let Ok(Some(own)) = settings::policy(&settings) {
            plan.allows(&own.policy)?;
        }
        self.define(catalog, name, record, settings)
    }

    /// Writes an instance's definition.
    pub(super) fn define(
        &self,
        catalog: &Catalog,
        name: &str,
        record: InstanceRecord,
        settings: InstanceSettings,
    ) -> Result<InstanceView> {
        let name = name.to_string();
        let topic = self.repo.instance_topic(&name);
        let after = catalog.instance_revision(&name);
        let revision = match settings.0.is_empty() {
            true => LedgerRecord::Instance { name: name.clone(), record: Some(record) },
            false => LedgerRecord::Defined { name: name.clone(), record, settings },
        };
        self.repo.append_ledger(&topic, after, &revision)?;
        Ok(self.catalog()?.instance_view(&name))
    }

    fn apply(&self, record: &mut InstanceRecord, settings: &mut InstanceSettings, spec: InstanceSpec) -> Result<()> {
        let mut said = spec.settings;
        match spec.source {
            Some(Some(text)) => {
                let (url, password) = text.parse::<SourceUrl>()?.without_password();
                said.password = said.password.or(password);
                let relative = PathBuf::from(url.path().unwrap_or(Path::new("")));
                let url = url.absolute().map_err(|error| Error::source(relative, error))?;
                // Kept for the next time, where it can be; else it is given each time.
                if said.password.is_none()
                    && said.password_file.is_none()
                    && url.server().is_ok()
                    && self.keeps_secrets()
                {
                    said.password = self.password_given.clone();
                }
                self.apply_settings(settings, said)?;
                self.look_at(&url, settings)?;
                record.source = Some(url.to_string());
            }
            source => {
                self.apply_settings(settings, said)?;
                if source.is_some() {
                    record.source = None;
                }
            }
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
        Ok(())
    }

    fn apply_settings(&self, settings: &mut InstanceSettings, said: SettingsSpec) -> Result<()> {
        settings::apply(settings, said, self.keeps_secrets())
    }

    fn keeps_secrets(&self) -> bool {
        self.repo.config().encryption != Encryption::None
    }

    /// Whether a source can be reached as it is said. What is wrong with it shows now, not at night.
    fn look_at(&self, url: &SourceUrl, settings: &InstanceSettings) -> Result<()> {
        let parts = self.parts(url, &settings::of_source(settings)?)?;
        parts.describe().map(drop)
    }

    /// Looks whether the system under an instance has changed since its newest snapshot (or whether it has none), and
    /// takes a scheduled snapshot where it has.
    pub fn check_instance(&self, name: &str, progress: &dyn Progress) -> Result<InstanceCheck> {
        let catalog = self.catalog()?;
        let (components, changed) = self.look_for_change(&catalog, name)?;
        let Some(description) = changed else {
            return Ok(InstanceCheck { name: name.to_string(), changed: false, components, snapshot: None });
        };
        let options = TakeOptions { description: Some(description), ..TakeOptions::default() };
        let snapshot = self.take_as(&catalog, name, SnapshotType::Scheduled, options, progress)?;
        Ok(InstanceCheck { name: name.to_string(), changed: true, components, snapshot: Some(snapshot) })
    }

    /// What the system under an instance is, and in words what about it has changed since the newest snapshot.
    pub(super) fn look_for_change(
        &self,
        catalog: &Catalog,
        name: &str,
    ) -> Result<(Vec<ComponentCheck>, Option<String>)> {
        let parts = self.parts_of(catalog, name)?;
        let newest = |part: &str| {
            let mut snapshots = catalog.usable(Some(name)).into_iter().rev();
            snapshots.find_map(|snapshot| {
                snapshot.components().ok()?.iter().find(|component| component.name == part).map(version_of)
            })
        };
        let described = parts.describe()?.into_iter().zip(&parts.parts);
        let components: Vec<ComponentCheck> = described
            .map(|(Description { version, bytes, notes }, part)| ComponentCheck {
                name: part.name.clone(),
                version_before: newest(&part.name),
                version,
                bytes,
                notes,
            })
            .collect();
        let is_other = |component: &&ComponentCheck| component.version_before.as_ref() != Some(&component.version);
        let of_optional = |component: &&ComponentCheck| {
            component.version_before.is_none()
                && parts.parts.iter().any(|part| part.name == component.name && part.optional)
        };
        let changed: Vec<&ComponentCheck> =
            components.iter().filter(is_other).filter(|component| !of_optional(component)).collect();
        let words = changed.iter().map(|component| match &component.version_before {
            Some(before) => format!("the system of {} changed from {before} to {}", component.name, component.version),
            None => "the first snapshot".to_string(),
        });
        let words = words.collect::<Vec<_>>().join("; ");
        Ok((components, Some(words).filter(|words| !words.is_empty())))
    }

    /// Removes an instance's definition. Its snapshots stay until they are deleted.
    pub fn remove_instance(&self, name: &str) -> Result<()> {
        let catalog = self.catalog()?;
        catalog.instance(name)?;
        let revision = LedgerRecord::Instance { name: name.to_string(), record: None };
        self.repo.append_ledger(&self.repo.instance_topic(name), catalog.instance_revision(name), &revision)
    }
}

/// The version of the system that a component was captured of.
fn version_of(component: &Component) -> String {
    match &component.origin {
        Origin::Sqlite { version } => version.clone(),
        Origin::Database(database) => database.version.clone(),
        Origin::Files | Origin::Loaded { .. } => String::new(),
    }
}
