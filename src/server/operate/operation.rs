//! All of it together, as a server starts it.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use axum::Router;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::server::State;
use crate::server::config::Config;
use crate::source::program::Programs;

use super::backup::{Backups, CatalogBackup, OpenBackup, service_folder};
use super::health::{Health, health_routes};
use super::mail::Mailer;
use super::metrics::Metrics;
use super::notices::Notices;
use super::notify::Notifier;
use super::scrape::{Scrape, metrics_routes};
use super::webhook::{Deliverer, secrets_of};

/// What is run beside the service's own work.
pub struct Operation {
    metrics: Metrics,
    notices: Notices,
    backups: Backups,
    routes: Router,
}

/// What was read of the files that the config names.
struct Words {
    metrics_token: Option<String>,
    smtp_password: Option<String>,
}

impl Operation {
    /// Over a server's parts. `catalog_url`: as the catalog was opened; `workers`: when the workers of this process were
    /// last heard of, `None` where it has none. Reads the files of the config's secrets.
    pub fn new(state: &State, catalog_url: &str, programs: Programs, workers: Option<Arc<AtomicI64>>) -> Result<Self> {
        let config = &state.config;
        let words = Words::read(config)?;
        let catalog = state.catalog.clone();
        let metrics = Metrics::new(catalog.surroundings().clone());
        let backups = Backups::new(catalog.clone(), config.backup.clone(), open_backup(state, catalog_url, programs));
        let health = Health { catalog: catalog.clone(), data: state.folders.data.clone(), workers };
        let mut routes = health_routes(health);
        if config.metrics.enabled {
            routes = routes.merge(metrics_routes(Scrape {
                catalog: catalog.clone(),
                metrics: metrics.clone(),
                data: state.folders.data.clone(),
                token: words.metrics_token,
                instances_max: config.metrics.instances_max,
                copied_us: Some(backups.newest_us()).filter(|_| !config.backup.every.is_zero()),
            }));
        }
        let webhooks = config.webhooks.clone();
        let mailer = match &config.smtp {
            None => None,
            Some(smtp) => {
                let password = words.smtp_password;
                Some(Arc::new(Mailer::new(catalog.clone(), smtp, password, webhooks.clone(), metrics.clone())?))
            }
        };
        let secrets = secrets_of((*state.vault).clone());
        let notices = Notices {
            notifier: Notifier::new(catalog.clone(), config.smtp.as_ref(), config.public_url.clone()),
            deliverer: Deliverer::new(catalog.clone(), webhooks, secrets, metrics.clone())?,
            mailer,
            plans: state.plans.clone(),
            metrics: metrics.clone(),
            overdue_after: config.scheduler.overdue_after,
            kept: config.retention.deliveries,
            audit_kept: config.retention.audit,
            catalog,
        };
        Ok(Self { metrics, notices, backups, routes })
    }

    /// `/healthz`, `/readyz`, `/metrics`.
    pub fn routes(&self) -> Router {
        self.routes.clone()
    }

    /// Counters of this process, for the layer [`super::count_requests`].
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Begins what goes on by itself, until it is told to stop.
    pub fn start(self, duties: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
        duties.spawn(self.notices.run(stop.clone()));
        duties.spawn(self.backups.run(stop.clone()));
    }
}

fn open_backup(state: &State, catalog_url: &str, programs: Programs) -> OpenBackup {
    let folder = service_folder(&state.folders.data);
    let (url, vault, staging) = (catalog_url.to_string(), state.vault.clone(), state.folders.staging.clone());
    let (surroundings, keep_ns) = (state.surroundings().clone(), state.config.backup.keep.as_ns());
    Arc::new(move || {
        let (secret, means) = (vault.service_secret(), (staging.as_path(), programs.clone()));
        CatalogBackup::open(&folder, &url, secret, means, surroundings.clone()).map(|backup| backup.keeping(keep_ns))
    })
}

impl Words {
    fn read(config: &Config) -> Result<Self> {
        let read = |path: Option<&std::path::PathBuf>| {
            path.map(|path| {
                let text = std::fs::read_to_string(path).map_err(|error| Error::source(path, error))?;
                match text.trim() {
                    "" => Err(Error::Usage(format!("{} is empty", path.display()))),
                    text => Ok(text.to_string()),
                }
            })
            .transpose()
        };
        Ok(Self {
            metrics_token: read(config.metrics.token_file.as_ref())?,
            smtp_password: read(config.smtp.as_ref().and_then(|smtp| smtp.password_file.as_ref()))?,
        })
    }
}
