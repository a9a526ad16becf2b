//! A service's instances.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use snaphold::error::{Error, Result};
use snaphold::service::find::no_instance;
use snaphold::service::{InstanceCheck, InstanceSpec, InstanceView, SettingsSpec, check_instance_name};

use super::{Remote, days};
use crate::cli::backend::Instances;
use crate::cli::progress::Teller;

#[derive(Deserialize)]
struct All {
    instances: Vec<InstanceView>,
}

#[derive(Deserialize)]
struct Tagged {
    etag: String,
}

impl Instances for Remote {
    fn instances(&self) -> Result<Vec<InstanceView>> {
        let All { mut instances } = self.client.get(&["instances"], &[])?;
        instances.extend(self.removed()?.into_iter().filter(|removed| !removed.defined));
        instances.sort_by(|a, b| (&a.name, !a.defined).cmp(&(&b.name, !b.defined)));
        instances.dedup_by(|later, first| later.name == first.name);
        Ok(instances)
    }

    fn instance(&self, name: &str) -> Result<InstanceView> {
        match self.client.get(&["instances", name], &[]) {
            Err(Error::NotFound(_)) => {
                self.removed()?.into_iter().find(|removed| removed.name == name).ok_or_else(|| no_instance(name))
            }
            found => found,
        }
    }

    fn add_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView> {
        check_instance_name(name)?;
        let mut body = self.body(spec)?;
        body.insert("name".into(), name.into());
        self.client.post(&["instances"], &body.into())
    }

    fn edit_instance(&self, name: &str, spec: InstanceSpec) -> Result<InstanceView> {
        let body = self.body(spec)?.into();
        let Tagged { etag } = self.client.get(&["instances", name], &[]).map_err(|error| absent(error, name))?;
        self.client.change(Method::PATCH, &["instances", name], &etag, &body)
    }

    fn remove_instance(&self, name: &str) -> Result<()> {
        self.client.delete::<()>(&["instances", name]).map_err(|error| absent(error, name))
    }

    fn check_instance(&self, name: &str, teller: &Teller) -> Result<InstanceCheck> {
        self.run(&["instances", name, "check"], &json!({}), teller).map_err(|error| absent(error, name))
    }
}

/// What is not there by the name of an instance is the instance.
pub fn absent(error: Error, name: &str) -> Error {
    match error {
        Error::NotFound(_) => no_instance(name),
        error => error,
    }
}

impl Remote {
    /// Instances that have snapshots, as those of them look that are not defined any more.
    fn removed(&self) -> Result<Vec<InstanceView>> {
        let usage = self.usage(Some(1))?.instances.into_iter();
        let view = |name: &str, snapshots: i64, newest| {
            InstanceView::of(name, None, u64::try_from(snapshots).unwrap_or_default(), newest)
        };
        Ok(usage.map(|usage| view(&usage.instance, usage.snapshots, usage.newest_at)).collect())
    }

    /// What is said of an instance, but for its name.
    fn body(&self, spec: InstanceSpec) -> Result<Map<String, Value>> {
        let InstanceSpec { source, plan, retain_ns, description, always_read, settings } = spec;
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(name.into(), value);
            }
        };
        put("source", source.map(|source| json!(source)));
        if let Some(plan) = &plan {
            self.plans()?.get(plan)?;
        }
        put("plan", plan.map(Value::from));
        put("retention_days", retain_ns.map(|retain| Ok(json!(retain.map(days).transpose()?))).transpose()?);
        put("description", description.map(Value::from));
        put("always_read", always_read.map(Value::from));
        put("password", self.source_password.as_ref().map(|password| password.expose().into()));
        put("settings", settings_body(settings));
        Ok(body)
    }

    /// What is said of a source.
    pub fn source_body(&self, source: Option<String>, settings: SettingsSpec) -> Map<String, Value> {
        let password = self.source_password.as_ref().map(|password| Value::from(password.expose()));
        let parts =
            [("source", source.map(Value::from)), ("password", password), ("settings", settings_body(settings))];
        parts.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect()
    }
}

/// Settings that are said; nothing where none is.
fn settings_body(settings: SettingsSpec) -> Option<Value> {
    let SettingsSpec { password: _, password_file, stop, start, before, after, data_directory } = settings;
    let all = [
        ("password_file", password_file),
        ("stop", stop),
        ("start", start),
        ("before", before),
        ("after", after),
        ("data_directory", data_directory),
    ];
    let said: Map<String, Value> =
        all.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?.into()))).collect();
    (!said.is_empty()).then(|| said.into())
}
