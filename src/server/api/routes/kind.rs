//! What routes share.

use std::sync::Arc;

use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::server::actions::Desk;

/// Routes over the desk, with their part of the document.
pub type Routes = OpenApiRouter<Arc<Desk>>;

/// The bytes of a file, as the document has them.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct FileBytes(#[allow(dead_code, reason = "it stands in the document alone")] Vec<u8>);
