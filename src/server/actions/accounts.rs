//! Accounts: made, limited, ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::catalog::{self, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::jobs::blocking;

use super::{Desk, check};

/// Jobs of one account at once at most.
const JOBS_MAX: i64 = 1000;

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its id: `a` and 16 hexadecimal digits.
    pub id: String,
    /// Its name, which no other has.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its key was destroyed, and its data with it.
    pub shredded_at: Option<Timestamp>,
    /// How many of its jobs may run at once; `null`: as the service says.
    pub jobs_max: Option<i64>,
    /// What `If-Match` takes when it is changed.
    pub etag: String,
}

impl Account {
    fn of(account: &catalog::Account) -> Self {
        Self {
            id: account.id.clone(),
            name: account.name.clone(),
            created_at: from_microseconds(account.created_us),
            shredded_at: account.shredded_us.map(from_microseconds),
            jobs_max: account.jobs_max,
            etag: super::instances::short_digest(&format!("{account:?}")),
        }
    }
}

/// Accounts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Accounts {
    /// By their names.
    pub accounts: Vec<Account>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// All accounts for the service's own tokens; for others their own.
pub async fn list(desk: &Desk, who: &Principal) -> Outcome<Accounts> {
    desk.need(who, Right::Read)?;
    let accounts = match who.is_service() {
        true => desk.catalog.accounts().await?,
        false => vec![desk.catalog.account(&who.account).await?],
    };
    Ok(Accounts { accounts: accounts.iter().map(Account::of).collect(), next: None })
}

/// One account.
pub async fn get(desk: &Desk, who: &Principal, id: &str) -> Outcome<Account> {
    desk.need(who, Right::Read)?;
    Ok(Account::of(&find(desk, who, id).await?))
}

/// Somebody else's account is answered as one that is not there.
async fn find(desk: &Desk, who: &Principal, id: &str) -> Outcome<catalog::Account> {
    match who.is_service() || who.account == id {
        true => Ok(desk.catalog.account(id).await?),
        false => Err(Fault::new(Problem::NotFound, format!("there is no account {id:?}"))),
    }
}

/// An account that is to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Its name, which no other has.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// How many of its jobs may run at once.
    #[schema(minimum = 1, maximum = 1000)]
    pub jobs_max: Option<i64>,
}

/// Makes an account, with a repository and keys of its own.
pub async fn create(desk: &Desk, who: &Principal, request: NewAccount) -> Outcome<Account> {
    desk.need(who, Right::Service)?;
    let name = check::name("name", &request.name)?;
    check_jobs(request.jobs_max)?;
    if desk.catalog.account_named(name).await?.is_some() {
        let detail = format!("there is an account {name:?} already");
        return Err(Fault::new(Problem::Refused, detail).of_field("name"));
    }
    let account = desk.make_account(name).await?;
    if request.jobs_max.is_some() {
        desk.catalog.limit_account(&account.id, request.jobs_max).await?;
    }
    let of_account = Principal { account: account.id.clone(), ..who.clone() };
    desk.note(&of_account, "account.create", &account.id, json!({ "name": name })).await?;
    Ok(Account::of(&desk.catalog.account(&account.id).await?))
}

fn check_jobs(jobs_max: Option<i64>) -> Outcome<()> {
    match jobs_max {
        None | Some(1..=JOBS_MAX) => Ok(()),
        Some(_) => Err(Fault::invalid("jobs_max", format!("jobs_max is from 1 to {JOBS_MAX}, or null"))),
    }
}

/// What is to be changed about an account.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditAccount {
    /// How many of its jobs may run at once; `null`: as the service says.
    #[schema(minimum = 1, maximum = 1000)]
    pub jobs_max: Option<i64>,
}

/// Changes an account's limits.
pub async fn edit(
    desk: &Desk,
    who: &Principal,
    id: &str,
    if_match: Option<&[String]>,
    request: EditAccount,
) -> Outcome<Account> {
    desk.need(who, Right::Service)?;
    check_jobs(request.jobs_max)?;
    let _editing = desk.editing(id).await;
    let account = find(desk, who, id).await?;
    super::instances::must_match(if_match, &Account::of(&account).etag)?;
    desk.catalog.limit_account(id, request.jobs_max).await?;
    let of_account = Principal { account: id.to_string(), ..who.clone() };
    desk.note(&of_account, "account.edit", id, json!({ "jobs_max": request.jobs_max })).await?;
    Ok(Account::of(&desk.catalog.account(id).await?))
}

/// That an account's end was confirmed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shred {
    /// The account's name, as it is written.
    pub confirm: Option<String>,
}

/// Destroys an account's key, and its data with it. Nothing brings it back.
pub async fn shred(desk: &Desk, who: &Principal, id: &str, request: Shred) -> Outcome<Account> {
    desk.need(who, Right::Administer)?;
    let account = find(desk, who, id).await?;
    if request.confirm.as_deref() != Some(account.name.as_str()) {
        let detail = "this destroys all data of the account for ever; the account's name confirms it";
        return Err(Fault::new(Problem::ConfirmationRequired, detail).of_field("confirm"));
    }
    let of_account = Principal { account: id.to_string(), ..who.clone() };
    // Said first: what follows cannot be taken back, and must not pass without a trace.
    desk.note(&of_account, "account.shred", id, json!({ "name": account.name })).await?;
    desk.catalog.shred_account(id).await?;
    let (tenants, shredded) = (desk.tenants.clone(), id.to_string());
    blocking(move || tenants.shred(&shredded)).await?;
    Ok(Account::of(&desk.catalog.account(id).await?))
}
