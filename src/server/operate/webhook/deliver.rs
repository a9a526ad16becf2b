//! Posts what waits in the catalog. Several processes may do so: what one has taken, no other takes meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::redirect;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::server::catalog::{Catalog, Delivery, Webhook};
use crate::server::config::Webhooks;
use crate::server::vault::Vault;

use super::super::metrics::Metrics;
use super::super::retry::next_try_us;
use super::address::{PublicNames, check_url};
use super::signature::{secret_of, sign};

/// Deliveries at once.
const AT_ONCE: i64 = 16;
/// How long after the longest attempt a delivery is another's, where its process died, microseconds.
const LEASE_US: i64 = 30_000_000;
/// What is kept of why an attempt failed, characters.
const WORDS_MAX: usize = 300;

/// Opens a webhook's sealed secret.
pub type OpenSecret = Arc<dyn Fn(&Webhook) -> Result<Zeroizing<Vec<u8>>> + Send + Sync>;

/// Opens secrets that a vault sealed for their accounts, as the text that the user was shown.
pub fn secrets_of(vault: Vault) -> OpenSecret {
    Arc::new(move |webhook| {
        let opened = vault.open(&webhook.account, &webhook.sealed_secret)?;
        let secret = std::str::from_utf8(&opened).ok().and_then(secret_of);
        secret.ok_or_else(|| Error::damaged(format!("the secret of webhook {}", webhook.id), "it is none"))
    })
}

/// Posts to webhooks.
pub struct Deliverer {
    catalog: Catalog,
    config: Webhooks,
    client: reqwest::Client,
    open_secret: OpenSecret,
    metrics: Metrics,
}

/// Why an attempt failed.
struct Failure {
    why: String,
    is_final: bool,
}

impl Failure {
    fn later(why: impl ToString) -> Self {
        Self { why: why.to_string(), is_final: false }
    }

    fn never(why: impl ToString) -> Self {
        Self { why: why.to_string(), is_final: true }
    }
}

impl Deliverer {
    /// A client that follows no redirect, uses no proxy, and connects to no address that webhooks may not lead to.
    pub fn new(catalog: Catalog, config: Webhooks, open_secret: OpenSecret, metrics: Metrics) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(!config.allow_private)
            .timeout(config.timeout.duration())
            .pool_idle_timeout(Duration::from_secs(30))
            .dns_resolver(PublicNames { allow_private: config.allow_private })
            .user_agent(concat!("snaphold/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Failed(format!("webhooks cannot be posted: {error}")))?;
        Ok(Self { catalog, config, client, open_secret, metrics })
    }

    /// Tries what is due, once. Returns how many it tried: where that is none, nothing waits now.
    pub async fn deliver_due(&self) -> Result<usize> {
        let lease = self.config.timeout.as_us().saturating_add(LEASE_US);
        let due = self.catalog.due_deliveries(lease, AT_ONCE).await?;
        let count = due.len();
        let mut attempts: FuturesUnordered<_> = due.iter().map(|delivery| self.deliver(delivery)).collect();
        while let Some(ended) = attempts.next().await {
            ended?;
        }
        Ok(count)
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<()> {
        let Err(failure) = self.post(delivery).await else {
            self.metrics.delivery("delivered");
            return self.catalog.end_delivery(&delivery.id, None).await;
        };
        let mut random = [0];
        self.catalog.surroundings().entropy.fill(&mut random);
        let failures = delivery.attempts.saturating_add(1);
        let [random] = random;
        let next = next_try_us(self.catalog.now_us(), failures, random, &self.config).filter(|_| !failure.is_final);
        let (id, webhook, why) = (&delivery.id, &delivery.webhook, &failure.why);
        match next {
            Some(_) => tracing::info!(delivery = id, webhook, attempt = failures, why, "a delivery failed for now"),
            None => tracing::warn!(delivery = id, webhook, attempt = failures, why, "a delivery was given up"),
        }
        self.metrics.delivery(if next.is_some() { "retried" } else { "given_up" });
        let why: String = why.chars().take(WORDS_MAX).collect();
        self.catalog.end_delivery(id, Some((&why, next))).await
    }

    async fn post(&self, delivery: &Delivery) -> Result<(), Failure> {
        let webhook =
            self.catalog.webhook(&delivery.account, &delivery.webhook).await.map_err(|error| match error {
                Error::NotFound(_) => Failure::never("the webhook was removed"),
                error => Failure::later(error),
            })?;
        let url = check_url(&webhook.url, self.config.allow_private).map_err(Failure::never)?;
        let secret = (self.open_secret)(&webhook).map_err(Failure::later)?;
        let timestamp = self.catalog.now_us().div_euclid(1_000_000);
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", &delivery.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", sign(&secret, &delivery.id, timestamp, &delivery.body))
            .body(delivery.body.clone());
        let status = request.send().await.map_err(|error| Failure::later(reason(&error)))?.status();
        match status.as_u16() {
            200..=299 => Ok(()),
            410 => Err(Failure::never("it answered 410: it wants no more of this")),
            300..=399 => Err(Failure::later(format!("it answered {status}, and redirects are not followed"))),
            _ => Err(Failure::later(format!("it answered {status}"))),
        }
    }
}

/// Why a request failed, without its URL, which may hold a secret.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".into();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let what = if error.is_connect() { "it cannot be connected to" } else { "the request failed" };
    format!("{what}: {deepest}")
}
