//! The routes, by what they are about.

mod accounts;
mod exports;
mod instances;
mod jobs;
mod loads;
mod snapshots;
mod usage;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::server::actions::Desk;

type Routes = OpenApiRouter<Arc<Desk>>;

/// Routes for who is known.
pub fn known() -> Routes {
    OpenApiRouter::new()
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
