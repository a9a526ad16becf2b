//! What a list of routes is.

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::server::actions::Desk;

/// Routes over the desk, with their part of the document.
pub type Routes = OpenApiRouter<Arc<Desk>>;
