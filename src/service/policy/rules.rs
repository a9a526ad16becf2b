//! A policy: its parts, how it is changed, and what may not be said.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::service::duration::{format_duration, parse_duration};

use super::opening::openings;
use super::wall::HOUR;
use super::words::{Days, Hours, Window, Zone};

/// When an instance is captured by itself, and how long that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "PolicyText", try_from = "PolicyText")]
pub struct Policy {
    /// Whether it is followed.
    pub enabled: bool,
    /// On which days, by the zone's clock.
    pub days: Days,
    /// At which hours of them.
    pub hours: Hours,
    /// When snapshots may begin; `None`: at any time.
    pub window: Option<Window>,
    /// Whose clock counts.
    pub zone: Zone,
    /// How long its snapshots are kept, nanoseconds; `None`: as the instance or its plan says.
    pub retain_ns: Option<i64>,
}

/// A policy as it is written in JSON and TOML. What is left out is as in [`Policy::default`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// Whether it is followed.
    pub enabled: Option<bool>,
    /// `"every"`, or names of days.
    pub days: Option<Days>,
    /// `"every"`, `"once"`, or numbers from 0 to 23.
    pub hours: Option<Hours>,
    /// Such as `"01:00-05:00"`.
    pub window: Option<Window>,
    /// An IANA name.
    pub timezone: Option<Zone>,
    /// A duration such as `"14d"`.
    pub retain: Option<String>,
}

/// What is to be changed about a policy. `Some(None)` takes a part away.
#[derive(Debug, Clone, Default)]
pub struct PolicyEdit {
    /// Whether it is followed.
    pub enabled: Option<bool>,
    /// On which days.
    pub days: Option<Days>,
    /// At which hours.
    pub hours: Option<Hours>,
    /// When snapshots may begin.
    pub window: Option<Option<Window>>,
    /// Whose clock counts.
    pub zone: Option<Zone>,
    /// How long its snapshots are kept, nanoseconds.
    pub retain_ns: Option<Option<i64>>,
}

impl Default for Policy {
    /// Once a day, at any time.
    fn default() -> Self {
        Self { enabled: true, days: Days::EVERY, hours: Hours::Once, window: None, zone: Zone::utc(), retain_ns: None }
    }
}

impl TryFrom<PolicyText> for Policy {
    type Error = Error;

    fn try_from(text: PolicyText) -> Result<Self> {
        let before = Policy::default();
        let policy = Self {
            enabled: text.enabled.unwrap_or(before.enabled),
            days: text.days.unwrap_or(before.days),
            hours: text.hours.unwrap_or(before.hours),
            window: text.window,
            zone: text.timezone.unwrap_or(before.zone),
            retain_ns: text.retain.as_deref().map(parse_duration).transpose()?,
        };
        policy.check()?;
        Ok(policy)
    }
}

impl From<Policy> for PolicyText {
    fn from(policy: Policy) -> Self {
        Self {
            enabled: Some(policy.enabled),
            days: Some(policy.days),
            hours: Some(policy.hours),
            window: policy.window,
            timezone: Some(policy.zone),
            retain: policy.retain_ns.map(format_duration),
        }
    }
}

impl Policy {
    /// The policy with a change.
    pub fn edited(self, edit: PolicyEdit) -> Result<Self> {
        let policy = Self {
            enabled: edit.enabled.unwrap_or(self.enabled),
            days: edit.days.unwrap_or(self.days),
            hours: edit.hours.unwrap_or(self.hours),
            window: edit.window.unwrap_or(self.window),
            zone: edit.zone.unwrap_or(self.zone),
            retain_ns: edit.retain_ns.unwrap_or(self.retain_ns),
        };
        policy.check()?;
        Ok(policy)
    }

    /// Whether it can be followed.
    fn check(&self) -> Result<()> {
        if openings(self.hours, self.window).is_empty() {
            let window = self.window.map(|window| window.to_string()).unwrap_or_default();
            return Err(Error::Usage(format!(
                "no hour of {} is in the window {window}; the policy would never be due",
                self.hours
            )));
        }
        if self.retain_ns.is_some_and(|retain_ns| retain_ns < HOUR * 1_000_000_000) {
            return Err(Error::Usage("snapshots of a policy are kept for at least 1h".into()));
        }
        Ok(())
    }

    /// How often it is due on one of its days at most.
    pub fn times_a_day(&self) -> usize {
        match self.hours {
            Hours::Once => 1,
            hours => openings(hours, self.window).len(),
        }
    }

    /// What a user should know about it.
    pub fn notes(&self) -> Vec<String> {
        let Hours::At(_) = self.hours else { return Vec::new() };
        let due: Vec<u8> = openings(self.hours, self.window).iter().map(|opening| opening.hour).collect();
        let never = self.hours.each().filter(|hour| !due.contains(hour));
        let window = self.window.map(|window| window.to_string()).unwrap_or_default();
        never.map(|hour| format!("hour {hour} is outside the window {window} and never due")).collect()
    }

    /// Whether both are due at the same times.
    pub fn is_due_as(&self, other: &Policy) -> bool {
        Self { retain_ns: None, ..self.clone() } == Self { retain_ns: None, ..other.clone() }
    }
}
