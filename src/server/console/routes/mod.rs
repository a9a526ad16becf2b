//! The console's routes: each reads a request, asks the same actions that REST asks, and shows a page.

mod gather;
mod instances;
mod jobs;
mod loads;
mod notice;
mod people;
mod sent;
mod session;
mod snapshots;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::server::actions::Desk;
use crate::server::api::around;

/// All routes of the console.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .merge(of_instances())
        .merge(of_snapshots())
        .merge(of_account())
        .route("/", get(session::home))
        .route("/console", get(session::home))
        .route("/console/", get(session::home))
        .route("/console/{*rest}", get(session::absent))
        .route("/console/assets/{file}", get(session::asset))
        .route("/console/sign-in", get(session::form).post(session::sign_in))
        .route("/console/sign-out", post(session::sign_out))
        .route("/console/theme", post(session::theme))
        .layer(from_fn_with_state(desk.clone(), around))
        .with_state(desk)
}

fn of_instances() -> Router<Arc<Desk>> {
    let load = get(loads::form).post(loads::send).layer(DefaultBodyLimit::disable());
    Router::new()
        .route("/console/instances", get(instances::list))
        .route("/console/add-instance", get(instances::add_form).post(instances::add))
        .route("/console/instances/{name}", get(instances::snapshots_tab))
        .route("/console/instances/{name}/take", get(instances::take_form).post(instances::take))
        .route("/console/instances/{name}/load", load)
        .route("/console/instances/{name}/schedule", get(instances::schedule_tab).post(instances::set_schedule))
        .route("/console/instances/{name}/schedule/{what}", post(instances::switch_schedule))
        .route("/console/instances/{name}/usage", get(instances::usage_tab))
        .route("/console/instances/{name}/settings", get(instances::settings_tab).post(instances::edit))
        .route("/console/instances/{name}/check", post(instances::check))
        .route("/console/instances/{name}/remove", get(instances::remove_form).post(instances::remove))
        .route("/console/instances/{name}/unfinished/{what}", post(jobs::unfinished))
}

fn of_snapshots() -> Router<Arc<Desk>> {
    Router::new()
        .route("/console/snapshots", get(instances::backups))
        .route("/console/snapshots/{id}", get(snapshots::show))
        .route("/console/snapshots/{id}/browse", get(snapshots::browse))
        .route("/console/snapshots/{id}/compare", get(snapshots::compare))
        .route("/console/snapshots/{id}/restore/plan", get(snapshots::plan_part))
        .route("/console/snapshots/{id}/{tab}", get(snapshots::form).post(snapshots::send))
        .route("/console/jobs", get(jobs::list))
        .route("/console/jobs/{id}", get(jobs::show))
        .route("/console/jobs/{id}/cancel", post(jobs::cancel))
        .route("/console/exports", get(jobs::exports))
        .route("/console/exports/{id}/link", post(jobs::export_link))
}

fn of_account() -> Router<Arc<Desk>> {
    Router::new()
        .route("/console/usage", get(people::usage))
        .route("/console/plans", get(people::plans))
        .route("/console/audit", get(people::audit))
        .route("/console/tokens", get(people::tokens))
        .route("/console/tokens/new", get(people::token_form).post(people::token_create))
        .route("/console/tokens/{id}/revoke", post(people::token_revoke))
        .route("/console/users", get(people::users))
        .route("/console/users/new", get(people::user_form).post(people::user_add))
        .route("/console/users/{id}/{tab}", get(people::user_tab).post(people::user_edit))
        .route("/console/account", get(people::account))
        .route("/console/account/password", post(people::own_password))
        .route("/console/account/shred", get(people::shred_form).post(people::shred))
        .route("/console/account/{what}", post(people::account_care))
}
