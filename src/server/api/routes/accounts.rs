//! Accounts, users, tokens.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::server::actions::Desk;
use crate::server::actions::accounts::{self, Account, Accounts, EditAccount, NewAccount, Shred};
use crate::server::actions::tokens::{self, MadeToken, NewToken, Token, Tokens};
use crate::server::actions::users::{self, EditUser, NewUser, User, Users};
use crate::server::api::extract::{Body, IfMatch, Params, Search, Who};
use crate::server::api::problem::Answer;
use crate::server::api::respond::{created, tagged};

use super::kind::Routes;
use super::usage::secret_once;

pub fn routes() -> Routes {
    Routes::new()
        .routes(routes!(list, create))
        .routes(routes!(get, edit))
        .routes(routes!(shred))
        .routes(routes!(list_users, create_user))
        .routes(routes!(get_user, edit_user))
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(revoke_token))
}

/// All accounts for the service's own tokens; for others their own
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", responses((status = 200, description = "By their names", body = Accounts)))]
async fn list(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Accounts>> {
    Ok(Json(accounts::list(&desk, &who).await?))
}

/// Make an account
///
/// It has a repository and keys of its own.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", request_body = NewAccount,
    responses((status = 201, description = "It is made", body = Account)))]
async fn create(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Body(request): Body<NewAccount>,
) -> Answer<Response<HttpBody>> {
    let account = accounts::create(&desk, &who, request).await?;
    Ok(created(&account, &format!("/v1/accounts/{}", account.id), Some(&account.etag)))
}

/// One account
#[utoipa::path(get, path = "/v1/accounts/{id}", tag = "accounts",
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "The account", body = Account)))]
async fn get(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Response<HttpBody>> {
    let account = accounts::get(&desk, &who, &id).await?;
    Ok(tagged(&account, &account.etag))
}

/// Change an account's limits
#[utoipa::path(patch, path = "/v1/accounts/{id}", tag = "accounts", request_body = EditAccount,
    params(("id" = String, Path, description = "The account's id"),
        ("If-Match" = String, Header, description = "Its ETag")),
    responses((status = 200, description = "As it is now", body = Account)))]
async fn edit(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    IfMatch(if_match): IfMatch,
    Body(request): Body<EditAccount>,
) -> Answer<Response<HttpBody>> {
    let account = accounts::edit(&desk, &who, &id, if_match.as_deref(), request).await?;
    Ok(tagged(&account, &account.etag))
}

/// Destroy an account's key, and its data with it
///
/// Nothing brings it back.
#[utoipa::path(post, path = "/v1/accounts/{id}/shred", tag = "accounts", request_body = Shred,
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 200, description = "Its data is gone", body = Account)))]
async fn shred(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    Body(request): Body<Shred>,
) -> Answer<Json<Account>> {
    Ok(Json(accounts::shred(&desk, &who, &id, request).await?))
}

/// The account's users
#[utoipa::path(get, path = "/v1/users", tag = "accounts", responses((status = 200, description = "By their addresses", body = Users)))]
async fn list_users(State(desk): State<Arc<Desk>>, Who(who): Who) -> Answer<Json<Users>> {
    Ok(Json(users::list(&desk, &who).await?))
}

/// Make a user
#[utoipa::path(post, path = "/v1/users", tag = "accounts", request_body = NewUser,
    responses((status = 201, description = "It is made", body = User)))]
async fn create_user(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Body(request): Body<NewUser>,
) -> Answer<Response<HttpBody>> {
    let user = users::create(&desk, &who, request).await?;
    Ok(created(&user, &format!("/v1/users/{}", user.id), Some(&user.etag)))
}

/// One user
#[utoipa::path(get, path = "/v1/users/{id}", tag = "accounts",
    params(("id" = String, Path, description = "The user's id")),
    responses((status = 200, description = "The user", body = User)))]
async fn get_user(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
) -> Answer<Response<HttpBody>> {
    let user = users::get(&desk, &who, &id).await?;
    Ok(tagged(&user, &user.etag))
}

/// Change a user
///
/// It ends the user's sessions.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "accounts", request_body = EditUser,
    params(("id" = String, Path, description = "The user's id"),
        ("If-Match" = String, Header, description = "Its ETag")),
    responses((status = 200, description = "As it is now", body = User)))]
async fn edit_user(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Params(id): Params<String>,
    IfMatch(if_match): IfMatch,
    Body(request): Body<EditUser>,
) -> Answer<Response<HttpBody>> {
    let user = users::edit(&desk, &who, &id, if_match.as_deref(), request).await?;
    Ok(tagged(&user, &user.etag))
}

/// Whose tokens.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TokensQuery {
    /// The service's own rather than the account's.
    of_service: Option<bool>,
}

/// The account's tokens, newest first
#[utoipa::path(get, path = "/v1/tokens", tag = "accounts", params(TokensQuery),
    responses((status = 200, description = "Without their secrets", body = Tokens)))]
async fn list_tokens(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Search(query): Search<TokensQuery>,
) -> Answer<Json<Tokens>> {
    Ok(Json(tokens::list(&desk, &who, query.of_service.unwrap_or_default()).await?))
}

/// Make a token
///
/// Its secret is shown now and never again.
#[utoipa::path(post, path = "/v1/tokens", tag = "accounts", request_body = NewToken,
    responses((status = 201, description = "It is made", body = MadeToken)))]
async fn create_token(
    State(desk): State<Arc<Desk>>,
    Who(who): Who,
    Body(request): Body<NewToken>,
) -> Answer<Response<HttpBody>> {
    let made = tokens::create(&desk, &who, request).await?;
    let location = format!("/v1/tokens/{}", made.token.id);
    let kept = MadeToken { secret: None, ..made.clone() };
    Ok(secret_once((StatusCode::CREATED, Json(made)).into_response(), &kept, &location))
}

/// Revoke a token
///
/// It counts no more from now on.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "accounts",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 200, description = "As it is now", body = Token)))]
async fn revoke_token(State(desk): State<Arc<Desk>>, Who(who): Who, Params(id): Params<String>) -> Answer<Json<Token>> {
    Ok(Json(tokens::revoke(&desk, &who, &id).await?))
}
