//! The service behind a platform's console: accounts, jobs, a scheduler, REST and web pages over [`crate::service`].

pub mod catalog;
pub mod config;
pub mod console;
pub mod tenants;
pub mod vault;
pub mod work;
