//! Instances that missed a time of their policy. It does not matter why: the server that should have captured them may be
//! the one that is down, and then another tells.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::error::Result;
use crate::server::catalog::{Catalog, from_microseconds, microseconds};
use crate::server::config::Span;
use crate::service::Plans;
use crate::service::policy::{Policy, Spread};

use super::events::Event;
use super::notify::Notifier;

/// A slot without a window is taken within an hour of its beginning, whatever the spread.
const SLOT: SignedDuration = SignedDuration::from_hours(1);

/// Looks at every instance, and tells of those that are late since the last look. Returns how many were told of.
pub async fn look_for_overdue(catalog: &Catalog, plans: &Plans, after: Span, notifier: &Notifier) -> Result<usize> {
    let now = from_microseconds(catalog.now_us());
    let mut told = 0;
    for instance in catalog.watched(i64::MAX).await? {
        let policy = policy_of(&instance.view, plans);
        let text = policy.as_ref().and_then(|policy| serde_json::to_string(policy).ok()).unwrap_or_default();
        // A policy counts from when it was first seen; an instance that was not seen before, from its beginning.
        let since_us = match (&instance.policy, instance.since_us) {
            (Some(seen), Some(since_us)) if *seen == text => since_us,
            (None, _) => instance.created_us,
            _ => microseconds(now),
        };
        let done = from_microseconds(since_us.max(instance.newest_us.unwrap_or(i64::MIN)));
        let missed = policy.and_then(|policy| missed(&policy, done, now, after));
        let is_seen = instance.policy.as_ref() == Some(&text) && instance.since_us == Some(since_us);
        let overdue_us = missed.map(microseconds);
        if is_seen && instance.overdue_us == overdue_us {
            continue;
        }
        let is_new = catalog.put_watch(&instance.instance_id, &text, since_us, overdue_us).await?;
        if let Some(missed) = missed.filter(|_| is_new) {
            notifier.tell(&Event::overdue(&instance, missed, now)).await?;
            told += 1;
        }
    }
    Ok(told)
}

/// The instance's own policy, or its plan's.
fn policy_of(view: &Value, plans: &Plans) -> Option<Policy> {
    let own = view.get("policy").filter(|policy| !policy.is_null());
    match own {
        Some(own) => serde_json::from_value(own.clone()).ok(),
        None => plans.get(view.get("plan")?.as_str()?).ok()?.policy.clone(),
    }
    .filter(|policy| policy.enabled)
}

/// The first time after `done` that was missed: it is over since at least `after`.
fn missed(policy: &Policy, done: Timestamp, now: Timestamp, after: Span) -> Option<Timestamp> {
    let patience = SignedDuration::try_from(after.duration()).ok()?;
    let slot = policy.slots(Spread::NONE, done).next()?;
    let over = slot.closes.map_or_else(|| slot.due.checked_add(SLOT), Ok).ok()?.checked_add(patience).ok()?;
    (over <= now).then_some(slot.due)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn policy(text: &str) -> Policy {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_time_counts_as_missed_when_it_is_over_for_long_enough() {
        let daily = policy(r#"{"hours": [2]}"#);
        let done = at("2027-03-01T02:03:00Z");
        let late = |now: &str| missed(&daily, done, at(now), Span::hours(2));
        assert_eq!(late("2027-03-02T01:59:00Z"), None);
        assert_eq!(late("2027-03-02T04:59:59Z"), None);
        assert_eq!(late("2027-03-02T05:00:00Z"), Some(at("2027-03-02T02:00:00Z")));
        assert_eq!(late("2027-03-09T05:00:00Z"), Some(at("2027-03-02T02:00:00Z")));
    }

    #[test]
    fn a_window_counts_to_its_end() {
        let nightly = policy(r#"{"window": "01:00-05:00", "timezone": "Europe/Paris"}"#);
        let done = at("2027-01-10T01:30:00Z");
        let late = |now: &str| missed(&nightly, done, at(now), Span::hours(1));
        assert_eq!(late("2027-01-11T04:59:00Z"), None);
        assert_eq!(late("2027-01-11T05:00:00Z"), Some(at("2027-01-11T00:00:00Z")));
    }

    #[test]
    fn the_own_policy_counts_before_the_plans() {
        let plans = Plans::built_in();
        let of = |view: Value| policy_of(&view, &plans).is_some();
        assert!(of(serde_json::json!({"plan": "aurads"})));
        assert!(!of(serde_json::json!({"plan": "unlimited"})));
        assert!(of(serde_json::json!({"plan": "unlimited", "policy": {"hours": [2]}})));
        assert!(!of(serde_json::json!({"plan": "aurads", "policy": {"enabled": false}})));
        assert!(!of(serde_json::json!({"plan": "gone"})));
    }
}
