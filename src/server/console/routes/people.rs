//! Users, tokens, the account itself, its audit, its usage, the plans.

use axum::extract::{Path, Query};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use maud::Markup;
use serde::Deserialize;
use serde_json::Value;

use crate::server::actions::accounts::{self, Shred};
use crate::server::actions::care::{self, Gc, Verify};
use crate::server::actions::page::Paging;
use crate::server::actions::tokens::{self as token_actions, NewToken};
use crate::server::actions::usage as told;
use crate::server::actions::users::{self as user_actions, EditUser, NewUser, Role};
use crate::server::console::link;
use crate::server::console::pages::{account, audit, plans, tokens, usage, users};
use crate::server::console::view::{self, AuditRow, Filled, Section, UserRow};
use crate::server::fault::{Fault, Outcome, Problem};

use super::gather::{self, Names};
use super::sent::Sent;
use super::visit::Visitor;

/// Entries of the audit on a page.
const PAGE: u32 = 100;

/// What the account uses.
pub async fn usage(visitor: Visitor) -> Response {
    let page = async { Ok(usage::account(&visitor.shell, &gather::account_usage(&visitor).await?)) };
    visitor.show(Section::Usage, page.await)
}

/// What each plan promises.
pub async fn plans(visitor: Visitor) -> Response {
    let page = async {
        let all = crate::server::actions::instances::list(&visitor.desk, &visitor.who).await?.instances;
        let mut used: Vec<(String, u64)> = Vec::new();
        for instance in all {
            match used.iter_mut().find(|(plan, _)| *plan == instance.plan) {
                Some((_, count)) => *count += 1,
                None => used.push((instance.plan, 1)),
            }
        }
        Ok(plans::list(&visitor.shell, &visitor.desk.plans.all().collect::<Vec<_>>(), &used))
    };
    visitor.show(Section::Plans, page.await)
}

#[derive(Deserialize)]
pub struct Asking {
    #[serde(default)]
    after: String,
}

/// Who did what.
pub async fn audit(visitor: Visitor, Query(Asking { after }): Query<Asking>) -> Response {
    let page = async {
        let cursor = Some(after.clone()).filter(|after| !after.is_empty());
        let found = told::audit(&visitor.desk, &visitor.who, None, Paging { limit: Some(PAGE), cursor }).await?;
        let names = Names::of(&visitor).await?;
        let rows: Vec<AuditRow> = found
            .entries
            .into_iter()
            .map(|entry| AuditRow {
                at: entry.at,
                actor: names.name(&entry.actor),
                action: entry.action,
                object: entry.object.unwrap_or_default(),
                detail: details(&entry.detail),
                address: entry.address,
                request: entry.request_id,
            })
            .collect();
        let to = |after: &str| link::with_query("/console/audit", &[("after", after)]);
        let paging = view::Paging {
            next: found.next.as_deref().map(to),
            first: (!after.is_empty()).then(|| to("")),
            total: None,
        };
        Ok(audit::list(&visitor.shell, &rows, &paging))
    };
    visitor.show(Section::Audit, page.await)
}

/// Names and values, without those that say nothing.
fn details(detail: &Value) -> Vec<(String, String)> {
    let shown = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let entries = detail.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), shown(value)?))).collect()
}

async fn tokens_page(visitor: &Visitor, made: Option<&str>) -> Outcome<Markup> {
    let mut found = token_actions::list(&visitor.desk, &visitor.who, false).await?.tokens;
    let names = Names::of(visitor).await?;
    found.iter_mut().for_each(|token| token.created_by = names.name(&token.created_by));
    Ok(tokens::list(&visitor.shell, &found, made))
}

/// The account's tokens.
pub async fn tokens(visitor: Visitor) -> Response {
    let page = tokens_page(&visitor, None).await;
    visitor.show(Section::Tokens, page)
}

/// The form that makes one.
pub async fn token_form(visitor: Visitor) -> Response {
    visitor.show(Section::Tokens, Ok(tokens::create(&visitor.shell, &Filled::default())))
}

/// Makes a token, and shows it this once.
pub async fn token_create(sent: Sent) -> Response {
    let made = async {
        let scopes = serde_json::from_value(Value::from(sent.all("scope")));
        let days = sent.number("days")?;
        let ends = |days: u32| sent.shell.now.checked_add(SignedDuration::from_hours(24 * i64::from(days)));
        let expires_at: Option<Timestamp> =
            days.map(|days| ends(days).map_err(|_| Fault::invalid("days", "that is too far away"))).transpose()?;
        let asked = NewToken {
            name: sent.text("name").unwrap_or_default(),
            scopes: scopes.map_err(|_| Fault::invalid("scope", "choose what it may do"))?,
            expires_at,
        };
        token_actions::create(&sent.desk, &sent.who, asked).await
    };
    match made.await {
        Ok(made) => {
            // Where it is not shown the whole page has to be: the dialog would take it away with itself.
            let page = tokens_page(&sent, made.secret.as_deref()).await;
            whole(sent.show(Section::Tokens, page))
        }
        Err(fault) => {
            let filled = sent.refused(&fault, &["name", "days"]);
            sent.show_again(Section::Tokens, &fault, Ok(tokens::create(&sent.shell, &filled)))
        }
    }
}

/// Tells the script to put an answer in the place of the page that is open.
fn whole(mut response: Response) -> Response {
    use axum::http::HeaderValue;
    let headers = response.headers_mut();
    headers.insert("hx-retarget", HeaderValue::from_static("body"));
    headers.insert("hx-reswap", HeaderValue::from_static("outerHTML"));
    response
}

/// Revokes a token.
pub async fn token_revoke(Path(id): Path<String>, sent: Sent) -> Response {
    match token_actions::revoke(&sent.desk, &sent.who, &id).await {
        Ok(_) => sent.go("/console/tokens", "revoked"),
        Err(fault) => sent.failed(Section::Tokens, &fault),
    }
}

fn user_row(visitor: &Visitor, view: user_actions::User) -> UserRow {
    UserRow { is_self: visitor.who.actor == format!("user:{}", view.id), view }
}

/// Who may sign in.
pub async fn users(visitor: Visitor) -> Response {
    let page = async {
        let found = user_actions::list(&visitor.desk, &visitor.who).await?.users;
        let rows: Vec<UserRow> = found.into_iter().map(|user| user_row(&visitor, user)).collect();
        Ok(users::list(&visitor.shell, &rows))
    };
    visitor.show(Section::Users, page.await)
}

/// The form that adds one.
pub async fn user_form(visitor: Visitor) -> Response {
    visitor.show(Section::Users, Ok(users::add(&visitor.shell, &Filled::default())))
}

fn role(sent: &Sent) -> Outcome<Role> {
    serde_json::from_value(Value::from(sent.text("role"))).map_err(|_| Fault::invalid("role", "choose a role"))
}

/// Adds one.
pub async fn user_add(sent: Sent) -> Response {
    let done = async {
        let asked = NewUser {
            email: sent.text("email").unwrap_or_default(),
            password: sent.raw("password").unwrap_or_default(),
            role: role(&sent)?,
        };
        user_actions::create(&sent.desk, &sent.who, asked).await
    };
    match done.await {
        Ok(_) => sent.go("/console/users", "saved"),
        Err(fault) => {
            let filled = sent.refused(&fault, &["email", "password"]);
            sent.show_again(Section::Users, &fault, Ok(users::add(&sent.shell, &filled)))
        }
    }
}

async fn user_page(visitor: &Visitor, id: &str, tab: &str, filled: &Filled) -> Outcome<Markup> {
    let row = user_row(visitor, user_actions::get(&visitor.desk, &visitor.who, id).await?);
    Ok(match tab {
        "role" => users::role(&visitor.shell, &row, filled),
        "password" => users::password(&visitor.shell, &row, filled),
        "disable" => users::disable(&visitor.shell, &row, true, filled),
        "enable" => users::disable(&visitor.shell, &row, false, filled),
        _ => return Err(Fault::new(Problem::NotFound, "there is no such page")),
    })
}

/// A form about a user.
pub async fn user_tab(visitor: Visitor, Path((id, tab)): Path<(String, String)>) -> Response {
    let page = user_page(&visitor, &id, &tab, &Filled::default()).await;
    visitor.show(Section::Users, page)
}

/// Changes a user.
pub async fn user_edit(Path((id, tab)): Path<(String, String)>, sent: Sent) -> Response {
    let done = async {
        let asked = match tab.as_str() {
            "role" => EditUser { role: Some(role(&sent)?), ..EditUser::default() },
            "password" => EditUser { password: sent.raw("password"), ..EditUser::default() },
            "disable" | "enable" => EditUser { disabled: Some(tab == "disable"), ..EditUser::default() },
            _ => return Err(Fault::new(Problem::NotFound, "there is no such page")),
        };
        user_actions::edit(&sent.desk, &sent.who, &id, Some(&sent.etag()), asked).await
    };
    match done.await {
        Ok(_) => sent.go("/console/users", "user"),
        Err(fault) => {
            let page = user_page(&sent, &id, &tab, &sent.refused(&fault, &["password"])).await;
            sent.show_again(Section::Users, &fault, page)
        }
    }
}

async fn account_view(visitor: &Visitor) -> Outcome<account::AccountView> {
    let Visitor { desk, who, .. } = visitor;
    let found = accounts::get(desk, who, &who.account).await?;
    let usage = desk.catalog.usage(&who.account).await?;
    let instances = desk.catalog.instances(&who.account).await?.len() as u64;
    Ok(account::AccountView {
        id: found.id,
        name: found.name,
        created_at: found.created_at,
        instances,
        snapshots: usage.iter().map(|usage| u64::try_from(usage.snapshots).unwrap_or_default()).sum(),
        has_password: visitor.shell.may_own(),
        shredded_at: found.shredded_at,
    })
}

/// The account.
pub async fn account(visitor: Visitor) -> Response {
    let page = async { Ok(account::show(&visitor.shell, &account_view(&visitor).await?, &Filled::default())) };
    visitor.show(Section::Account, page.await)
}

/// Changes one's own password: the present one has to be known.
pub async fn own_password(sent: Sent) -> Response {
    let done = async {
        let current = sent.raw("current").unwrap_or_default();
        let signed = sent.desk.auth.sign_in(&sent.shell.user, &current, &sent.who.origin).await;
        let signed = signed.map_err(|fault| match fault.problem {
            Problem::Unauthenticated => Fault::invalid("current", "the present password is another one"),
            _ => fault,
        })?;
        sent.desk.auth.sign_out(&signed.cookie).await?;
        let asked = EditUser { password: sent.raw("password"), ..EditUser::default() };
        if asked.password.is_none() {
            return Err(Fault::invalid("password", "write the new password"));
        }
        user_actions::edit(&sent.desk, &sent.who, &signed.user.id, None, asked).await
    };
    match done.await {
        Ok(_) => sent.go("/console/sign-in", "password"),
        Err(fault) => {
            let filled = sent.refused(&fault, &["current", "password"]);
            let page = async { Ok(account::show(&sent.shell, &account_view(&sent).await?, &filled)) }.await;
            sent.show_again(Section::Account, &fault, page)
        }
    }
}

/// Verifies all data, or frees space.
pub async fn account_care(Path(what): Path<String>, sent: Sent) -> Response {
    let done = sent.once(async {
        let answer = match what.as_str() {
            "verify" => care::verify(&sent.desk, &sent.who, Verify { read_data: Some("all".into()) }).await?,
            "gc" => care::gc(&sent.desk, &sent.who, Gc { full: true }).await?,
            _ => return Err(Fault::new(Problem::NotFound, "there is no such page")),
        };
        Ok(link::job(&answer.job.id, ""))
    });
    let word = if what == "gc" { "freeing" } else { "verifying" };
    match done.await {
        Ok(to) => sent.go(&to, word),
        Err(fault) => sent.failed(Section::Account, &fault),
    }
}

/// The form that destroys the account's key.
pub async fn shred_form(visitor: Visitor) -> Response {
    let page = async { Ok(account::shred(&visitor.shell, &account_view(&visitor).await?, &Filled::default())) };
    visitor.show(Section::Account, page.await)
}

/// Destroys the account's key.
pub async fn shred(sent: Sent) -> Response {
    let asked = Shred { confirm: sent.text("confirm") };
    match accounts::shred(&sent.desk, &sent.who, &sent.who.account, asked).await {
        Ok(_) => sent.go("/console/account", ""),
        Err(fault) => {
            let filled = sent.refused(&fault, &["confirm"]);
            let page = async { Ok(account::shred(&sent.shell, &account_view(&sent).await?, &filled)) }.await;
            sent.show_again(Section::Account, &fault, page)
        }
    }
}
