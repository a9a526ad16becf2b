//! What happened in this process, counted: jobs, requests, deliveries. Several processes count each for itself.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Surroundings;

/// The labels of a metric that has so many.
pub(super) type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Seconds: jobs take from a tenth of one to a day.
const JOB_SECONDS: [f64; 14] =
    [0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 36_000.0, 86_400.0];
/// Seconds: requests take from a millisecond to a minute.
const REQUEST_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Counters of this process.
#[derive(Clone)]
pub struct Metrics {
    surroundings: Surroundings,
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    jobs: Counters<2>,
    job_seconds: Histograms<1>,
    job_wait_seconds: Histograms<1>,
    requests: Counters<3>,
    request_seconds: Histograms<2>,
    deliveries: Counters<1>,
    mails: Counters<1>,
}

impl Metrics {
    /// Everything at zero.
    pub fn new(surroundings: Surroundings) -> Self {
        let jobs = || Histogram::new(JOB_SECONDS);
        let requests = || Histogram::new(REQUEST_SECONDS);
        let mut inner = Inner {
            registry: Registry::with_prefix("snaphold"),
            jobs: Family::default(),
            job_seconds: Family::new_with_constructor(jobs),
            job_wait_seconds: Family::new_with_constructor(jobs),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(requests),
            deliveries: Family::default(),
            mails: Family::default(),
        };
        let registry = &mut inner.registry;
        registry.register("jobs", "Jobs that ended, by kind and outcome", inner.jobs.clone());
        let seconds = || Unit::Seconds;
        registry.register_with_unit("job_duration", "How long jobs ran", seconds(), inner.job_seconds.clone());
        let wait = "How long jobs waited before they were begun";
        registry.register_with_unit("job_wait", wait, seconds(), inner.job_wait_seconds.clone());
        registry.register("http_requests", "Requests, by route and status", inner.requests.clone());
        let duration = "How long requests took until their answer began";
        registry.register_with_unit("http_request_duration", duration, seconds(), inner.request_seconds.clone());
        registry.register("webhook_deliveries", "Attempts to deliver, by outcome", inner.deliveries.clone());
        registry.register("mails", "Attempts to send mail, by outcome", inner.mails.clone());
        Self { surroundings, inner: Arc::new(inner) }
    }

    /// A job ended as `outcome` (`succeeded`, `failed`, `cancelled`), after it waited and ran so many microseconds.
    pub fn job_ended(&self, kind: &str, outcome: &str, waited_us: i64, ran_us: i64) {
        self.inner.jobs.get_or_create(&[("kind", kind.into()), ("outcome", outcome.into())]).inc();
        self.inner.job_seconds.get_or_create(&[("kind", kind.into())]).observe(seconds(ran_us));
        self.inner.job_wait_seconds.get_or_create(&[("kind", kind.into())]).observe(seconds(waited_us));
    }

    /// An attempt to deliver ended: `delivered`, `retried` or `given_up`.
    pub fn delivery(&self, outcome: &'static str) {
        self.inner.deliveries.get_or_create(&[("outcome", outcome.into())]).inc();
    }

    /// An attempt to send mail ended: `sent`, `retried` or `given_up`.
    pub fn mail(&self, outcome: &'static str) {
        self.inner.mails.get_or_create(&[("outcome", outcome.into())]).inc();
    }

    /// A request was answered.
    pub fn request(&self, method: &str, route: &str, status: u16, took_us: i64) {
        let labels = [("method", method.into()), ("route", route.into()), ("status", status.to_string())];
        self.inner.requests.get_or_create(&labels).inc();
        let labels = [("method", method.into()), ("route", route.into())];
        self.inner.request_seconds.get_or_create(&labels).observe(seconds(took_us));
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.inner.registry
    }
}

/// Seconds of microseconds.
pub(super) fn seconds(us: i64) -> f64 {
    us.max(0) as f64 / 1e6
}

/// A layer that counts requests. Paths count by the route that they matched, so that their number is bounded.
pub async fn count_requests(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_string();
    let method = request.method().clone();
    let method = if is_usual(method.as_str()) { method.as_str().to_string() } else { "other".to_string() };
    let began = metrics.surroundings.clock.now();
    let response = next.run(request).await;
    let took_us = metrics.surroundings.clock.now().as_microsecond().saturating_sub(began.as_microsecond());
    metrics.request(&method, &route, response.status().as_u16(), took_us);
    response
}

fn is_usual(method: &str) -> bool {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method)
}
