//! The service behind a platform's console: accounts, jobs, a scheduler, REST and web pages over [`crate::service`].

pub mod actions;
pub mod api;
pub mod aura;
pub mod auth;
pub mod catalog;
pub mod config;
pub mod console;
pub mod fault;
pub mod jobs;
pub mod operate;
mod rebuild;
pub mod scheduler;
mod start;
mod state;
pub mod tenants;
pub mod vault;
pub mod work;

pub use rebuild::Rebuilt;
pub use start::{Server, Start, rebuild_catalog};
pub use state::{Folders, State};
