//! What `snaphold serve` runs.

pub mod tenants;
pub mod vault;
pub mod work;
