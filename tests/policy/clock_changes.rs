//! What happens when the clock is changed, by hand.

use jiff::Timestamp;
use snaphold::service::policy::{Policy, PolicyEdit, Spread};

fn policy(zone: &str, days: &str, hours: &str, window: &str) -> Policy {
    let edit = PolicyEdit {
        days: Some(days.parse().unwrap()),
        hours: Some(hours.parse().unwrap()),
        window: (!window.is_empty()).then(|| Some(window.parse().unwrap())),
        zone: Some(zone.parse().unwrap()),
        ..PolicyEdit::default()
    };
    Policy::default().edited(edit).unwrap()
}

/// The slots in a stretch of time, those that close with their closing.
#[track_caller]
fn assert_slots(policy: &Policy, from: &str, to: &str, expected: &[&str]) {
    let (from, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
    let slots = policy.slots(Spread::NONE, from).take_while(|slot| slot.due < to);
    let found: Vec<String> = slots
        .map(|slot| match slot.closes {
            Some(closes) => format!("{} until {closes}", slot.due),
            None => slot.due.to_string(),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_named_hour_that_is_skipped_is_due_at_the_jump() {
    let at = |hours: &str, window: &str, expected: &[&str]| {
        let policy = policy("Europe/Paris", "every", hours, window);
        assert_slots(&policy, "2027-03-27T22:00:00Z", "2027-03-28T12:00:00Z", expected);
    };
    at("2", "", &["2027-03-28T01:00:00Z"]);
    // With the hour that the clock jumps to it is one.
    at("2,3", "", &["2027-03-28T01:00:00Z"]);
    at("1,2,4", "", &["2027-03-28T00:00:00Z", "2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"]);
    at("2", "01:00-05:00", &["2027-03-28T01:00:00Z until 2027-03-28T03:00:00Z"]);
    // Where the window is skipped too it is open for a quarter of an hour.
    at("2", "01:00-03:00", &["2027-03-28T01:00:00Z until 2027-03-28T01:15:00Z"]);
    at("once", "02:00-03:00", &["2027-03-28T01:00:00Z until 2027-03-28T01:15:00Z"]);
    at("once", "02:30-03:30", &["2027-03-28T01:00:00Z until 2027-03-28T01:30:00Z"]);
    at("every", "02:00-03:00", &[]);
}

#[test]
fn a_named_hour_that_comes_twice_is_due_once() {
    let at = |hours: &str, window: &str, expected: &[&str]| {
        let policy = policy("Europe/Paris", "every", hours, window);
        assert_slots(&policy, "2027-10-30T23:00:00Z", "2027-10-31T03:00:00Z", expected);
    };
    at("2", "", &["2027-10-31T00:00:00Z"]);
    at("2,3", "", &["2027-10-31T00:00:00Z", "2027-10-31T02:00:00Z"]);
    at("once", "02:30-05:00", &["2027-10-31T01:30:00Z until 2027-10-31T04:00:00Z"]);
    at("once", "01:30-02:30", &["2027-10-30T23:30:00Z until 2027-10-31T00:30:00Z"]);
    // `every` is each hour that passes.
    let hours = ["2027-10-31T00:00:00Z", "2027-10-31T01:00:00Z", "2027-10-31T02:00:00Z"];
    at("every", "", &hours);
}

#[test]
fn half_an_hour_is_skipped_and_comes_again() {
    let lord_howe = |hours: &str| policy("Australia/Lord_Howe", "every", hours, "");
    assert_slots(&lord_howe("2"), "2027-10-02T12:00:00Z", "2027-10-03T00:00:00Z", &["2027-10-02T15:30:00Z"]);
    assert_slots(&lord_howe("1"), "2027-04-03T12:00:00Z", "2027-04-04T00:00:00Z", &["2027-04-03T14:00:00Z"]);
    let kathmandu = policy("Asia/Kathmandu", "mon", "0", "");
    assert_slots(&kathmandu, "2027-01-01T00:00:00Z", "2027-01-10T00:00:00Z", &["2027-01-03T18:15:00Z"]);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
    let once = policy("UTC", "mon", "once", "22:00-04:00");
    let expected = ["2027-01-04T22:00:00Z until 2027-01-05T04:00:00Z"];
    assert_slots(&once, "2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z", &expected);
    // An hour belongs to its own day.
    let hours = policy("UTC", "mon", "2,23", "22:00-04:00");
    let expected =
        ["2027-01-04T02:00:00Z until 2027-01-04T04:00:00Z", "2027-01-04T23:00:00Z until 2027-01-05T04:00:00Z"];
    assert_slots(&hours, "2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z", &expected);
}

#[test]
fn a_day_that_is_left_out_is_due_when_the_clock_jumps() {
    let samoa = |hours: &str| policy("Pacific/Apia", "fri", hours, "");
    for hours in ["once", "2,14"] {
        assert_slots(&samoa(hours), "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z", &["2011-12-30T10:00:00Z"]);
    }
    assert_slots(&samoa("every"), "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z", &[]);
}

#[test]
fn a_policy_that_is_off_or_at_the_end_of_time_is_never_due() {
    let off = Policy { enabled: false, ..Policy::default() };
    assert_eq!(off.slots(Spread::NONE, Timestamp::UNIX_EPOCH).next(), None);
    for zone in ["UTC", "Europe/Paris"] {
        let policy = policy(zone, "every", "every", "");
        assert!(policy.slots(Spread::NONE, Timestamp::MAX).next().is_none());
    }
}
