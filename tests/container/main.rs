//! Containers: what is loaded is read strictly, what is exported is read by everybody.

mod damage;
mod hostile;
mod neo4j;
mod round_trip;
#[path = "../support/skipped.rs"]
mod skipped;
mod support;
mod tools;
