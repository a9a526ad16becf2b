//! Plans: named sets of limits and defaults.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

use super::duration::parse_duration;
use super::policy::{Hours, Policy};

const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// How often a plan takes snapshots by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cadence {
    /// Never.
    #[default]
    None,
    /// Once an hour.
    Hourly,
    /// Once a day.
    Daily,
}

/// Snapshots that stay beyond their expiry: the newest of each of so many hours, days, … that have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of so many hours.
    pub hourly: u32,
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks (ISO).
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
    /// The newest of each of so many years.
    pub yearly: u32,
}

/// A named set of limits and defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub description: String,
    /// Whether it has snapshots at all.
    pub snapshots: bool,
    /// How often snapshots are taken by themselves.
    pub cadence: Cadence,
    /// How long snapshots are kept, nanoseconds; `None`: until they are deleted.
    pub retain_ns: Option<i64>,
    /// How many of an instance's snapshots can be restored and exported, newest first; `None`: all.
    pub available: Option<u32>,
    /// What stays beyond that.
    pub keep: Keep,
    /// The policy of an instance that has none of its own.
    pub policy: Option<Policy>,
}

impl Plan {
    /// Whether an instance of this plan may have such a policy: not more often than the plan's cadence.
    pub fn allows(&self, policy: &Policy) -> Result<()> {
        let name = &self.name;
        if !self.snapshots {
            return Err(Error::Refused(format!(
                "plan {name:?} has no snapshots, so nothing can be scheduled; `snaphold plan list` shows plans that have"
            )));
        }
        if self.cadence == Cadence::Daily && policy.times_a_day() > 1 {
            return Err(Error::Refused(format!(
                "plan {name:?} takes snapshots daily, and a policy may not take them more often; name one hour, or once"
            )));
        }
        Ok(())
    }
}

impl Cadence {
    /// The policy that takes snapshots so often.
    fn policy(self) -> Option<Policy> {
        match self {
            Cadence::None => None,
            Cadence::Daily => Some(Policy::default()),
            Cadence::Hourly => Some(Policy { hours: Hours::Every, ..Policy::default() }),
        }
    }
}

/// The plans that there are, by name.
#[derive(Debug, Clone)]
pub struct Plans {
    plans: BTreeMap<String, Plan>,
}

/// The plan of an instance that names none.
pub const DEFAULT_PLAN: &str = "unlimited";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlansFile {
    #[serde(default)]
    plans: BTreeMap<String, PlanText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanText {
    #[serde(default)]
    description: String,
    #[serde(default = "yes")]
    snapshots: bool,
    #[serde(default)]
    cadence: Cadence,
    retain: Option<String>,
    available: Option<u32>,
    #[serde(default)]
    keep: Keep,
    policy: Option<Policy>,
}

fn yes() -> bool {
    true
}

impl Plans {
    /// These plans.
    pub fn of(plans: Vec<Plan>) -> Self {
        Self { plans: plans.into_iter().map(|plan| (plan.name.clone(), plan)).collect() }
    }

    /// The built-in plans: what the services of PRODUCT's table promise.
    pub fn built_in() -> Self {
        let plan = |name: &str, description: &str, cadence: Cadence, days: Option<i64>| Plan {
            name: name.to_string(),
            description: description.to_string(),
            snapshots: true,
            cadence,
            retain_ns: days.map(|days| days * DAY_NS),
            available: None,
            keep: Keep::default(),
            policy: cadence.policy(),
        };
        let free = Plan {
            available: Some(1),
            ..plan("auradb-free", "only the latest snapshot, 7 days", Cadence::Daily, Some(7))
        };
        let none = Plan { snapshots: false, ..plan("xano-free", "no backups", Cadence::None, None) };
        let plans = [
            plan("aurads", "kept 180 days", Cadence::Daily, Some(180)),
            free,
            plan("auradb-professional", "daily, kept 7 days", Cadence::Daily, Some(7)),
            plan("auradb-enterprise", "hourly, kept 90 days", Cadence::Hourly, Some(90)),
            none,
            plan("xano-paid", "daily, a rolling 3 days", Cadence::Daily, Some(3)),
            plan("dragonfly-cloud", "on its own schedule, kept 30 days unless said otherwise", Cadence::None, Some(30)),
            plan("magento-cloud", "on demand, restorable for 14 days", Cadence::None, Some(14)),
            plan(DEFAULT_PLAN, "kept until they are deleted", Cadence::None, None),
        ];
        Self { plans: plans.into_iter().map(|plan| (plan.name.clone(), plan)).collect() }
    }

    /// Adds the plans of a TOML file: tables `[plans.NAME]` with `description`, `snapshots`, `cadence`, `retain`,
    /// `available`, `keep` and `policy` (else that of its cadence). A plan of a built-in name takes its place.
    pub fn add_file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::source(path, error))?;
        let wrong = |detail: String| Error::Usage(format!("the plans in {} are wrong: {detail}", path.display()));
        let file: PlansFile = toml::from_str(&text).map_err(|error| wrong(one_line(error.message())))?;
        for (name, text) in file.plans {
            let retain_ns = text.retain.as_deref().map(parse_duration).transpose();
            let plan = Plan {
                name: name.clone(),
                description: text.description,
                snapshots: text.snapshots,
                cadence: text.cadence,
                retain_ns: retain_ns.map_err(|error| wrong(format!("{name}: {error}")))?,
                available: text.available,
                keep: text.keep,
                policy: text.policy.or_else(|| text.cadence.policy()).filter(|_| text.snapshots),
            };
            if let Some(policy) = &plan.policy {
                plan.allows(policy).map_err(|error| wrong(error.to_string()))?;
            }
            self.plans.insert(name, plan);
        }
        Ok(())
    }

    /// All plans, by name.
    pub fn all(&self) -> impl Iterator<Item = &Plan> {
        self.plans.values()
    }

    /// The plan of a name.
    pub fn get(&self, name: &str) -> Result<&Plan> {
        self.plans
            .get(name)
            .ok_or_else(|| Error::NotFound(format!("there is no plan {name:?}; `snaphold plan list` shows them")))
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
