//! The routes, by what they are about.

mod accounts;
mod exports;
mod instances;
mod jobs;
mod kind;
mod loads;
mod snapshots;
mod usage;

use kind::Routes;

/// Routes for who is known.
pub fn known() -> Routes {
    Routes::new()
        .merge(instances::routes())
        .merge(snapshots::routes())
        .merge(jobs::routes())
        .merge(exports::routes())
        .merge(loads::routes())
        .merge(usage::routes())
        .merge(accounts::routes())
}

/// Routes for everybody.
pub fn public() -> Routes {
    exports::public_routes()
}
