//! What only a service has: accounts, tokens, usage, audit.

use serde_json::{Value, json};

use snaphold::error::Result;
use snaphold::server::actions::accounts::{Account, Accounts};
use snaphold::server::actions::tokens::{MadeToken, Token, Tokens};
use snaphold::server::actions::usage::{Audit, AuditEntry, Usage};

use super::Remote;

impl Remote {
    /// What the account uses, over so many days.
    pub fn usage(&self, days: Option<u32>) -> Result<Usage> {
        let days = days.map(|days| days.to_string());
        let query: Vec<(&str, &str)> = days.as_deref().map(|days| ("days", days)).into_iter().collect();
        self.client.get(&["usage"], &query)
    }

    /// Who did what, newest first, at most so many entries.
    pub fn audit(&self, action: Option<&str>, limit: usize) -> Result<Vec<AuditEntry>> {
        let query: Vec<(&str, &str)> = action.map(|action| ("action", action)).into_iter().collect();
        self.pages(&["audit"], &query, limit, |page: Audit| (page.entries, page.next))
    }

    /// The account's tokens; with `of_service` the service's own.
    pub fn tokens(&self, of_service: bool) -> Result<Vec<Token>> {
        let query: &[(&str, &str)] = if of_service { &[("of_service", "true")] } else { &[] };
        Ok(self.client.get::<Tokens>(&["tokens"], query)?.tokens)
    }

    /// Makes a token.
    pub fn make_token(&self, name: &str, scopes: &[String], expires_at: Option<jiff::Timestamp>) -> Result<MadeToken> {
        self.client.post(&["tokens"], &json!({ "name": name, "scopes": scopes, "expires_at": expires_at }))
    }

    /// Revokes a token.
    pub fn revoke_token(&self, id: &str) -> Result<Token> {
        self.client.delete(&["tokens", id])
    }

    /// The accounts that can be seen.
    pub fn accounts(&self) -> Result<Vec<Account>> {
        Ok(self.client.get::<Accounts>(&["accounts"], &[])?.accounts)
    }

    /// Makes an account.
    pub fn make_account(&self, name: &str, jobs_max: Option<u32>) -> Result<Account> {
        let body: Value = match jobs_max {
            Some(jobs_max) => json!({ "name": name, "jobs_max": jobs_max }),
            None => json!({ "name": name }),
        };
        self.client.post(&["accounts"], &body)
    }
}
