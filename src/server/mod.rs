//! The service behind a platform's console: accounts, jobs, a scheduler, REST and web pages over [`crate::service`].

pub mod catalog;
pub mod config;
pub mod jobs;
pub mod operate;
pub mod scheduler;
mod start;
mod state;
pub mod tenants;
pub mod vault;
pub mod work;

pub use start::{Server, Start};
pub use state::{Folders, State};
