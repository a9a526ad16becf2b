//! Policies: a simulated year of a thousand instances beside a model that walks minutes; the runner through outages,
//! crashes and failures; and real snapshots by a clock that the test sets.

#[path = "../store/mod.rs"]
mod store;

mod clock_changes;
mod many;
mod minutes;
mod runner;
mod service;
mod year;
