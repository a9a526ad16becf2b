//! Policies and plans of a service.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use snaphold::error::{Error, Result};
use snaphold::service::policy::{Policy, PolicyEdit};
use snaphold::service::{Cadence, Keep, Plan, Plans, PolicyView, parse_duration};

use super::Remote;
use super::instances::absent;
use crate::cli::backend::Policies;

#[derive(Deserialize)]
struct Tagged {
    etag: String,
    #[serde(flatten)]
    view: PolicyView,
}

#[derive(Deserialize)]
struct PlanText {
    name: String,
    description: String,
    snapshots: bool,
    cadence: Cadence,
    retain: Option<String>,
    available: Option<u32>,
    #[serde(default)]
    keep: Keep,
    policy: Option<Policy>,
}

#[derive(Deserialize)]
struct PlanTexts {
    plans: Vec<PlanText>,
}

impl Policies for Remote {
    fn policy(&self, instance: &str) -> Result<PolicyView> {
        self.client.get(&["instances", instance, "policy"], &[]).map_err(|error| absent(error, instance))
    }

    fn set_policy(&self, instance: &str, edit: PolicyEdit) -> Result<PolicyView> {
        let path = ["instances", instance, "policy"];
        let Tagged { etag, view } = self.client.get(&path, &[]).map_err(|error| absent(error, instance))?;
        let policy = view.policy.unwrap_or_default().edited(edit)?;
        self.client.change(Method::PUT, &path, &etag, &json!(policy))
    }

    fn reset_policy(&self, instance: &str) -> Result<PolicyView> {
        self.client.delete(&["instances", instance, "policy"]).map_err(|error| absent(error, instance))
    }
}

impl Remote {
    /// The plans that the service has.
    pub fn plans(&self) -> Result<Plans> {
        let PlanTexts { plans } = self.client.get(&["plans"], &[])?;
        let plans: Result<Vec<Plan>, Error> = plans.into_iter().map(plan).collect();
        Ok(Plans::of(plans?))
    }
}

fn plan(text: PlanText) -> Result<Plan> {
    let PlanText { name, description, snapshots, cadence, retain, available, keep, policy } = text;
    let retain_ns = retain.as_deref().map(parse_duration).transpose()?;
    Ok(Plan { name, description, snapshots, cadence, retain_ns, available, keep, policy })
}
