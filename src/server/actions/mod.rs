//! What may be asked of the service: one function an action, for REST and the console alike.
//!
//! Each takes the [`Desk`], who asks ([`Principal`](super::auth::Principal)) and a typed request. It checks the right,
//! does the work (over the account's repository on threads that may wait, or as a job), enters what changed in the
//! catalog's mirror, and writes the audit. Nothing here knows HTTP.

pub mod accounts;
pub mod care;
pub mod check;
mod desk;
pub mod exports;
mod files;
pub mod inside;
pub mod instances;
pub mod jobs;
pub mod loads;
pub mod page;
pub mod policies;
pub mod restores;
pub mod snapshots;
pub mod sources;
pub mod tokens;
pub mod usage;
pub mod users;
pub mod webhooks;

pub use desk::Desk;
pub use files::open_export;
