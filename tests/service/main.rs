//! The service: what its jobs do, its accounts' repositories.

mod operate;
