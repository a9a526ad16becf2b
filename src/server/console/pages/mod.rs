//! The pages, each a function from what it shows to its text.

pub mod account;
pub mod audit;
pub mod browse;
pub mod compare;
pub mod exports;
pub mod failure;
pub mod instance;
pub mod instances;
pub mod jobs;
pub mod load;
pub mod plans;
pub mod restore;
pub mod schedule;
pub mod settings;
pub mod sign_in;
pub mod snapshot;
pub mod snapshots;
pub mod take;
pub mod tokens;
pub mod usage;
pub mod users;
