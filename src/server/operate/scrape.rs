//! `/metrics`: what this process counted, and how everything stands by the catalog and the disk.
//!
//! What the catalog says is the same in every process that shares it; it is read at most once in [`FRESH_US`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::server::catalog::Catalog;

use super::metrics::{Labels, Metrics, seconds};

/// How old what was read may be, microseconds.
const FRESH_US: i64 = 10_000_000;
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What `/metrics` shows, and to whom.
#[derive(Debug)]
pub struct Scrape {
    /// The catalog.
    pub catalog: Catalog,
    /// What this process counted.
    pub metrics: Metrics,
    /// The data folder, whose free space is shown.
    pub data: PathBuf,
    /// The token that is wanted; `None`: none is.
    pub token: Option<String>,
    /// For how many instances there are numbers.
    pub instances_max: usize,
    /// When the catalog was last copied, where this process does that; 0: it does not know.
    pub copied_us: Option<Arc<AtomicI64>>,
}

#[derive(Debug)]
struct Shared {
    scrape: Scrape,
    /// When the catalog was last read, and what it gave.
    last: Mutex<(i64, String)>,
}

/// `/metrics`.
pub fn metrics_routes(scrape: Scrape) -> Router {
    let shared = Arc::new(Shared { scrape, last: Mutex::new((i64::MIN, String::new())) });
    Router::new().route("/metrics", get(show)).with_state(shared)
}

async fn show(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.scrape.admits(&headers) {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, "the token of metrics.token_file is wanted\n").into_response();
    }
    match shared.text().await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::warn!(%error, "the numbers for /metrics cannot be read");
            (StatusCode::SERVICE_UNAVAILABLE, "the numbers cannot be read; the log says why\n").into_response()
        }
    }
}

impl Shared {
    async fn text(&self) -> Result<String> {
        let unwritten = |_| Error::Failed("the numbers cannot be written".into());
        let mut text = String::new();
        encode_registry(&mut text, self.scrape.metrics.registry()).map_err(unwritten)?;
        let mut last = self.last.lock().await;
        let now = self.scrape.catalog.now_us();
        // A clock that went back counts as stale, too.
        if last.0 > now || last.0 < now.saturating_sub(FRESH_US) {
            let mut fresh = String::new();
            encode_registry(&mut fresh, &self.scrape.look(now).await?).map_err(unwritten)?;
            *last = (now, fresh);
        }
        text.push_str(&last.1);
        text.push_str("# EOF\n");
        Ok(text)
    }
}

type Gauges<const N: usize> = Family<Labels<N>, Gauge<f64, AtomicU64>>;

/// Registers gauges of one name and sets them.
fn put<const N: usize>(
    registry: &mut Registry,
    (name, help, unit): (&str, &str, Option<Unit>),
    values: impl IntoIterator<Item = (Labels<N>, f64)>,
) {
    let family = Gauges::<N>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, family),
        None => registry.register(name, help, family),
    }
}

/// Registers a gauge without labels.
fn put_one(registry: &mut Registry, (name, help, unit): (&str, &str, Option<Unit>), value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, gauge),
        None => registry.register(name, help, gauge),
    }
}

impl Scrape {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        given.is_some_and(|given| verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok())
    }

    async fn look(&self, now_us: i64) -> Result<Registry> {
        let mut registry = Registry::with_prefix("snaphold");
        self.queue(&mut registry, now_us).await?;
        self.accounts(&mut registry).await?;
        self.instances(&mut registry, now_us).await?;
        self.disk(&mut registry).await;
        self.copies(&mut registry);
        let version = [("version", env!("CARGO_PKG_VERSION").to_string())];
        put(&mut registry, ("build", "The program that runs; always 1", None), [(version, 1.0)]);
        Ok(registry)
    }

    async fn queue(&self, registry: &mut Registry, now_us: i64) -> Result<()> {
        let depth = self.catalog.queue_depth().await?;
        let counts = self.catalog.service_counts().await?;
        let since = |at: Option<i64>| at.map_or(0.0, |at| seconds(now_us.saturating_sub(at)));
        put_one(registry, ("jobs_queued", "Jobs that wait", None), depth.queued as f64);
        put_one(registry, ("jobs_running", "Jobs that run", None), depth.running as f64);
        let oldest = ("jobs_oldest_queued", "How long the oldest job waits that was not begun", Some(Unit::Seconds));
        put_one(registry, oldest, since(depth.oldest_us));
        let lag = ("scheduler_lag", "How long the earliest instance is due that was not seen to", Some(Unit::Seconds));
        put_one(registry, lag, since(counts.next_due_us));
        put_one(registry, ("accounts", "Accounts", None), counts.accounts as f64);
        put_one(registry, ("instances", "Instances", None), counts.instances as f64);
        let overdue = ("instances_overdue", "Instances that missed a time of their policy", None);
        put_one(registry, overdue, counts.overdue as f64);
        let waiting = ("webhook_deliveries_waiting", "Deliveries that wait to be tried, or tried again", None);
        put_one(registry, waiting, counts.deliveries_waiting as f64);
        put_one(registry, ("mails_waiting", "Mails that wait to be sent", None), counts.mails_waiting as f64);
        Ok(())
    }

    async fn accounts(&self, registry: &mut Registry) -> Result<()> {
        let totals = self.catalog.account_totals().await?;
        let each = |value: fn(&crate::server::catalog::AccountTotals) -> i64| {
            totals.iter().map(move |total| ([("account", total.account_name.clone())], value(total) as f64))
        };
        put(registry, ("snapshots", "Completed snapshots", None), each(|total| total.snapshots));
        let logical = ("logical", "What completed snapshots would take if each were stored whole", Some(Unit::Bytes));
        put(registry, logical, each(|total| total.bytes_logical));
        let stored = ("stored", "What completed snapshots added to their repositories", Some(Unit::Bytes));
        put(registry, stored, each(|total| total.bytes_stored));
        Ok(())
    }

    async fn instances(&self, registry: &mut Registry, now_us: i64) -> Result<()> {
        let limit = i64::try_from(self.instances_max).unwrap_or(i64::MAX);
        let watched = self.catalog.watched(limit).await?;
        let labels = |of: &crate::server::catalog::Watched| {
            [("account", of.account_name.clone()), ("instance_name", of.instance.clone())]
        };
        let newest = watched.iter().filter_map(|of| Some((labels(of), seconds(of.newest_us?))));
        let newest_of =
            ("last_good_snapshot_timestamp", "When the newest completed snapshot was begun", Some(Unit::Seconds));
        put(registry, newest_of, newest);
        let overdue =
            watched.iter().filter_map(|of| Some((labels(of), seconds(now_us.saturating_sub(of.overdue_us?)))));
        let overdue_of = ("instance_overdue", "How long ago the time was that a policy missed", Some(Unit::Seconds));
        put(registry, overdue_of, overdue);
        Ok(())
    }

    async fn disk(&self, registry: &mut Registry) {
        let data = self.data.clone();
        let looked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&data)).await;
        let Ok(Ok(disk)) = looked else { return };
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize) as f64;
        let free = ("data_free", "Free space where the data folder is", Some(Unit::Bytes));
        put_one(registry, free, bytes(disk.f_bavail));
        let size = ("data_size", "All space where the data folder is", Some(Unit::Bytes));
        put_one(registry, size, bytes(disk.f_blocks));
    }

    fn copies(&self, registry: &mut Registry) {
        let newest_us = self.copied_us.as_ref().map_or(0, |newest_us| newest_us.load(Ordering::Relaxed));
        if newest_us > 0 {
            let copy = ("catalog_copy_timestamp", "When the catalog's newest copy was taken", Some(Unit::Seconds));
            put_one(registry, copy, seconds(newest_us));
        }
    }
}
