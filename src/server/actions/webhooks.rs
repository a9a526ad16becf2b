//! Webhooks: where an account is told of what happens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::server::auth::{Principal, Right};
use crate::server::catalog::{self, from_microseconds};
use crate::server::fault::{Fault, Outcome, Problem};
use crate::server::operate::{EventKind, check_url, new_secret};

use super::Desk;

/// Webhooks of one account.
const WEBHOOKS_MAX: usize = 50;
/// Events that one webhook names.
const EVENTS_MAX: usize = 32;
/// A URL is at most so long, bytes.
const URL_MAX: usize = 2000;
/// Deliveries of one list.
const LISTED_MAX: i64 = 200;
/// What is told when somebody tries a webhook.
const TEST: &str = "webhook.test";

/// A webhook.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Webhook {
    /// `w` and 16 hexadecimal digits.
    pub id: String,
    /// Where it is posted to.
    pub url: String,
    /// Of what: `snapshot.completed`, …; none: of everything.
    pub events: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Webhook {
    fn of(webhook: &catalog::Webhook) -> Self {
        Self {
            id: webhook.id.clone(),
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            created_at: from_microseconds(webhook.created_us),
        }
    }
}

/// The account's webhooks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Webhooks {
    /// Oldest first.
    pub webhooks: Vec<Webhook>,
    /// Always `null`: all are in one page.
    pub next: Option<String>,
}

/// The account's webhooks.
pub async fn list(desk: &Desk, who: &Principal) -> Outcome<Webhooks> {
    desk.need(who, Right::Administer)?;
    let webhooks = desk.catalog.webhooks(&who.account).await?;
    Ok(Webhooks { webhooks: webhooks.iter().map(Webhook::of).collect(), next: None })
}

/// A webhook that is to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where it is posted to: `https://…`.
    #[schema(max_length = 2000, pattern = "^https?://", example = "https://example.com/hooks")]
    pub url: String,
    /// Of what: `snapshot.completed`, `snapshot.failed`, `restore.completed`, …; left out: of everything.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub events: Vec<String>,
}

/// A webhook that was made.
#[derive(Clone, Serialize, ToSchema)]
pub struct MadeWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// What signs what is posted. It is shown now and never again. `null` in the repeated answer to a request with an
    /// `Idempotency-Key`: then remove this webhook, and make another one.
    pub secret: Option<String>,
}

/// Makes a webhook.
pub async fn create(desk: &Desk, who: &Principal, request: NewWebhook) -> Outcome<MadeWebhook> {
    desk.need(who, Right::Administer)?;
    let url = check_url(request.url.trim(), desk.config.webhooks.allow_private)
        .map_err(|error| Fault::invalid("url", error.to_string()))?;
    if url.as_str().len() > URL_MAX {
        return Err(Fault::invalid("url", format!("url is longer than {URL_MAX} bytes")));
    }
    if request.events.len() > EVENTS_MAX {
        return Err(Fault::invalid("events", format!("events are {EVENTS_MAX} at most")));
    }
    if let Some(wrong) = request.events.iter().find(|event| !EventKind::is_meant_by(event)) {
        let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let detail =
            format!("{wrong:?} is no event; there are {}, and parts of them such as snapshot.*", names.join(", "));
        return Err(Fault::invalid("events", detail));
    }
    let account = desk.account(who).await?;
    if desk.catalog.webhooks(&account.id).await?.len() >= WEBHOOKS_MAX {
        return Err(Fault::new(Problem::Refused, format!("an account has at most {WEBHOOKS_MAX} webhooks")));
    }
    let own = new_secret(&*desk.surroundings().entropy);
    let sealed = desk.vault.seal(&account.id, own.as_bytes())?;
    let webhook = desk.catalog.add_webhook(&account.id, url.as_str(), &request.events, &sealed).await?;
    let detail = json!({ "url": webhook.url, "events": webhook.events });
    desk.note(who, "webhook.create", &webhook.id, detail).await?;
    Ok(MadeWebhook { webhook: Webhook::of(&webhook), secret: Some(own.to_string()) })
}

/// Removes a webhook.
pub async fn remove(desk: &Desk, who: &Principal, id: &str) -> Outcome<()> {
    desk.need(who, Right::Administer)?;
    let webhook = desk.catalog.webhook(&who.account, id).await?;
    desk.catalog.remove_webhook(&who.account, id).await?;
    desk.note(who, "webhook.remove", id, json!({ "url": webhook.url })).await
}

/// Something that was or is to be told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Delivery {
    /// Its id, the same each time that it is tried.
    pub id: String,
    /// What happened.
    pub event: String,
    /// `waiting`, `delivered` or `given_up`.
    pub status: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, of one that waits.
    pub next_at: Option<Timestamp>,
    /// When it was entered.
    pub created_at: Timestamp,
    /// Why it failed last.
    pub last_error: Option<String>,
}

/// The newest deliveries to a webhook.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Deliveries {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// Always `null`: older ones are not shown.
    pub next: Option<String>,
}

/// The newest deliveries to a webhook.
pub async fn deliveries(desk: &Desk, who: &Principal, id: &str) -> Outcome<Deliveries> {
    desk.need(who, Right::Administer)?;
    let webhook = desk.catalog.webhook(&who.account, id).await?;
    let deliveries = desk.catalog.deliveries(&webhook.id, LISTED_MAX).await?;
    let shown = deliveries.into_iter().map(|delivery| Delivery {
        next_at: (delivery.status == "waiting").then(|| from_microseconds(delivery.next_us)),
        id: delivery.id,
        event: delivery.event,
        status: delivery.status,
        attempts: delivery.attempts,
        created_at: from_microseconds(delivery.created_us),
        last_error: delivery.last_error,
    });
    Ok(Deliveries { deliveries: shown.collect(), next: None })
}

/// Tries a webhook: something is told that says that it is a test. Returns the newest deliveries.
pub async fn test(desk: &Desk, who: &Principal, id: &str) -> Outcome<Deliveries> {
    desk.need(who, Right::Administer)?;
    let webhook = desk.catalog.webhook(&who.account, id).await?;
    let at = from_microseconds(desk.catalog.now_us());
    let body = json!({ "type": TEST, "timestamp": at, "data": { "account": who.account, "webhook": webhook.id } });
    desk.catalog.add_delivery(&webhook, TEST, &body.to_string()).await?;
    desk.note(who, "webhook.test", id, json!({ "url": webhook.url })).await?;
    deliveries(desk, who, id).await
}
