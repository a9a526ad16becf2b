//! Users: people who sign in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right, rights};
pub use crate::server::catalog::Role;
use crate::server::catalog::{self, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};

use super::Desk;
use super::instances::{must_match, short_digest};

/// A user.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
    /// `u` and 16 hexadecimal digits.
    pub id: String,
    /// The address that the user signs in with.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub created_at: Timestamp,
    /// Since when the user may not sign in.
    pub disabled_at: Option<Timestamp>,
    /// What `If-Match` takes when it is changed.
    pub etag: String,
}

impl User {
    fn of(user: &catalog::User) -> Self {
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            role: user.role,
            created_at: from_microseconds(user.created_us),
            disabled_at: user.disabled_us.map(from_microseconds),
            etag: short_digest(&format!("{user:?}")),
        }
    }
}

/// The account's users.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Users {
    /// By their addresses.
    pub users: Vec<User>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// The account's users.
pub async fn list(desk: &Desk, who: &Principal) -> Outcome<Users> {
    desk.need(who, Right::Administer)?;
    let users = desk.catalog.users(&who.account).await?;
    Ok(Users { users: users.iter().map(User::of).collect(), next: None })
}

/// One user.
pub async fn get(desk: &Desk, who: &Principal, id: &str) -> Outcome<User> {
    desk.need(who, Right::Administer)?;
    Ok(User::of(&find(desk, who, id).await?))
}

async fn find(desk: &Desk, who: &Principal, id: &str) -> Outcome<catalog::User> {
    let absent = || Fault::new(Problem::NotFound, format!("there is no user {id:?}"));
    let user = desk.catalog.user(id).await?;
    if user.account == who.account { Ok(user) } else { Err(absent()) }
}

/// A user that is to be made.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The address that the user signs in with, which no other user has.
    #[schema(format = Email, max_length = 254)]
    pub email: String,
    /// The password: 10 characters or more.
    #[schema(format = Password, min_length = 10, max_length = 256)]
    pub password: String,
    /// What the user may do.
    pub role: Role,
}

/// Makes a user.
pub async fn create(desk: &Desk, who: &Principal, request: NewUser) -> Outcome<User> {
    desk.need(who, Right::Administer)?;
    covers(who, request.role)?;
    let email = request.email.trim();
    let is_address = email.len() <= 254
        && email.parse::<lettre::Address>().is_ok()
        && !email.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    if !is_address {
        return Err(Fault::invalid("email", "email is an address such as ann@example.com"));
    }
    let account = desk.account(who).await?;
    let entropy = &*desk.surroundings().entropy;
    let hash = desk.auth.passwords.hash(&request.password, entropy).await;
    let hash = hash.map_err(|error| Fault::from(error).of_field("password"))?;
    let user = desk.catalog.add_user(&account.id, email, &hash, request.role).await?;
    desk.note(who, "user.create", &user.id, json!({ "email": user.email, "role": request.role })).await?;
    Ok(User::of(&user))
}

/// Nobody makes somebody who may more.
fn covers(who: &Principal, role: Role) -> Outcome<()> {
    match who.rights.covers(rights::of_role(role)) {
        true => Ok(()),
        false => Err(Fault::new(Problem::Forbidden, "nobody can give a role that may do more than themselves")),
    }
}

/// What is to be changed about a user. What is left out stays. It ends the user's sessions.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditUser {
    /// A new password.
    #[schema(format = Password, min_length = 10, max_length = 256)]
    pub password: Option<String>,
    /// What the user may do.
    pub role: Option<Role>,
    /// Whether the user may not sign in.
    pub disabled: Option<bool>,
}

/// Changes a user.
pub async fn edit(
    desk: &Desk,
    who: &Principal,
    id: &str,
    if_match: Option<&[String]>,
    request: EditUser,
) -> Outcome<User> {
    desk.need(who, Right::Administer)?;
    let _editing = desk.editing(&who.account).await;
    let user = find(desk, who, id).await?;
    must_match(if_match, &User::of(&user).etag)?;
    let role = request.role.unwrap_or(user.role);
    covers(who, role)?;
    let is_disabled = request.disabled.unwrap_or(user.disabled_us.is_some());
    if (role != Role::Owner || is_disabled) && user.role == Role::Owner {
        another_owner(desk, who, id).await?;
    }
    let hash = match &request.password {
        Some(password) => {
            let hash = desk.auth.passwords.hash(password, &*desk.surroundings().entropy).await;
            hash.map_err(|error| Fault::from(error).of_field("password"))?
        }
        None => user.password_hash.clone(),
    };
    desk.catalog.change_user(id, &hash, role, is_disabled).await?;
    let detail = json!({ "role": role, "disabled": is_disabled, "password": request.password.is_some() });
    desk.note(who, "user.edit", id, detail).await?;
    get(desk, who, id).await
}

/// An account keeps one owner who can sign in, unless it never had a second one and is run by tokens.
async fn another_owner(desk: &Desk, who: &Principal, id: &str) -> Outcome<()> {
    if who.is_service() {
        return Ok(());
    }
    let users = desk.catalog.users(&who.account).await?;
    let is_owner = |user: &catalog::User| user.role == Role::Owner && user.disabled_us.is_none();
    match users.iter().any(|user| user.id != id && is_owner(user)) {
        true => Ok(()),
        false => Err(Fault::new(Problem::Refused, "the account would have no owner left; make another one first")),
    }
}
