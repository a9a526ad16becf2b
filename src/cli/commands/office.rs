//! `snaphold token`, `account`, `usage` and `audit`: what only a service has.

use clap::ValueEnum;
use serde::Serialize;
use snaphold::error::{Error, Result};
use snaphold::server::actions::accounts::Account;
use snaphold::server::actions::tokens::Token;
use snaphold::server::actions::usage::AuditEntry;
use snaphold::service::timestamp;

use crate::cli::args::{AccountCommand, AuditArgs, Scope, TokenCommand, UsageArgs};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, count, fields, printable, size, time, time_or_dash};

#[derive(Serialize)]
struct Tokens {
    tokens: Vec<Token>,
}

#[derive(Serialize)]
struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Entries {
    entries: Vec<AuditEntry>,
}

pub fn token(context: &Context, command: TokenCommand) -> Result<Report> {
    let remote = context.remote()?;
    match command {
        TokenCommand::Create { name, scope, expires } => {
            let scopes: Vec<String> = scope.iter().filter_map(word).collect();
            let expires_at = expires.map(|until| timestamp(until.at_ns(context.now_ns())));
            let made = remote.make_token(&name, &scopes, expires_at)?;
            let text = match &made.secret {
                Some(secret) => format!("made token {}; this is shown once:\n{secret}\n", made.token.id),
                None => format!("made token {}, but its secret was lost on the way; revoke it\n", made.token.id),
            };
            Report::new(&made, text)
        }
        TokenCommand::List { service } => {
            let tokens = Tokens { tokens: remote.tokens(service)? };
            Report::new(&tokens, token_table(&tokens.tokens).text("there are no tokens"))
        }
        TokenCommand::Revoke { id } => {
            let token = remote.revoke_token(&id)?;
            Report::new(&token, format!("revoked token {}\n", token.id))
        }
    }
}

fn word(scope: &Scope) -> Option<String> {
    scope.to_possible_value().map(|value| value.get_name().to_string())
}

fn token_table(tokens: &[Token]) -> Table {
    let mut table = Table::new([
        ("ID", Side::Left),
        ("NAME", Side::Left),
        ("SCOPES", Side::Left),
        ("CREATED (UTC)", Side::Left),
        ("EXPIRES (UTC)", Side::Left),
        ("LAST USED (UTC)", Side::Left),
        ("REVOKED (UTC)", Side::Left),
    ]);
    for token in tokens {
        table.row([
            token.id.clone(),
            printable(&token.name),
            token.scopes.join(", "),
            time(token.created_at),
            time_or_dash(token.expires_at),
            time_or_dash(token.last_used_at),
            time_or_dash(token.revoked_at),
        ]);
    }
    table
}

pub fn account(context: &Context, command: AccountCommand) -> Result<Report> {
    let remote = context.remote()?;
    match command {
        AccountCommand::Create { name, jobs } => {
            let account = remote.make_account(&name, jobs)?;
            Report::new(&account, format!("made account {} ({})\n", printable(&account.name), account.id))
        }
        AccountCommand::List => {
            let accounts = Accounts { accounts: remote.accounts()? };
            let mut table = Table::new([("ID", Side::Left), ("NAME", Side::Left), ("CREATED (UTC)", Side::Left)]);
            for account in &accounts.accounts {
                table.row([account.id.clone(), printable(&account.name), time(account.created_at)]);
            }
            Report::new(&accounts, table.text("there are no accounts"))
        }
        AccountCommand::Show { account: wanted } => {
            let found = remote.accounts()?.into_iter().find(|one| one.id == wanted || one.name == wanted);
            let account = found.ok_or_else(|| {
                Error::NotFound(format!("there is no account {wanted:?}; `snaphold account list` shows them"))
            })?;
            let text = fields(&[
                ("id", account.id.clone()),
                ("name", printable(&account.name)),
                ("created", time(account.created_at)),
                ("jobs at once", account.jobs_max.map_or_else(|| "as the service says".into(), |max| max.to_string())),
                ("key destroyed", time_or_dash(account.shredded_at)),
            ]);
            Report::new(&account, text)
        }
    }
}

pub fn usage(context: &Context, arguments: &UsageArgs) -> Result<Report> {
    let usage = context.remote()?.usage(arguments.days)?;
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let mut text = fields(&[
        ("snapshots", count(number(usage.snapshots))),
        ("their data", size(number(usage.bytes_logical))),
        ("stored", size(number(usage.bytes_stored))),
        ("saved", size(number(usage.bytes_saved))),
    ]);
    let mut table = Table::new([
        ("INSTANCE", Side::Left),
        ("SNAPSHOTS", Side::Right),
        ("DATA", Side::Right),
        ("STORED", Side::Right),
        ("LATEST (UTC)", Side::Left),
    ]);
    for instance in &usage.instances {
        table.row([
            instance.instance.clone(),
            count(number(instance.snapshots)),
            size(number(instance.bytes_logical)),
            size(number(instance.bytes_stored)),
            time_or_dash(instance.newest_at),
        ]);
    }
    text.push('\n');
    text.push_str(&table.text("there are no snapshots"));
    Report::new(&usage, text)
}

pub fn audit(context: &Context, arguments: &AuditArgs) -> Result<Report> {
    let entries = Entries { entries: context.remote()?.audit(arguments.action.as_deref(), arguments.limit)? };
    let mut table = Table::new([
        ("AT (UTC)", Side::Left),
        ("WHO", Side::Left),
        ("WHAT", Side::Left),
        ("OBJECT", Side::Left),
        ("FROM", Side::Left),
        ("DETAIL", Side::Left),
    ]);
    for entry in &entries.entries {
        table.row([
            time(entry.at),
            printable(&entry.actor),
            printable(&entry.action),
            printable(entry.object.as_deref().unwrap_or("-")),
            entry.address.clone().unwrap_or_else(|| "-".to_string()),
            printable(&entry.detail.to_string()),
        ]);
    }
    Report::new(&entries, table.text("nothing was done"))
}
