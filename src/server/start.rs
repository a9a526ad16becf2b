//! Starting and stopping a server: the data folder, the catalog, workers, the scheduler, HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Surroundings;
use crate::error::{Error, Result};
use crate::service::Plans;
use crate::source::program::Programs;

use super::actions::Desk;
use super::aura;
use super::auth::DEFAULT_ACCOUNT;
use super::catalog::Catalog;
use super::config::Config;
use super::jobs::{Bench, Jobs, Workers, blocking};
use super::operate::{Operation, count_requests};
use super::rebuild::{Rebuilt, rebuild};
use super::scheduler::{Pace, Scheduler};
use super::state::{Folders, State};
use super::tenants::{Tenants, TenantsConfig};
use super::vault::Vault;
use super::{api, console};

/// Who sends its request's head slower than that is sent away.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// Accounts whose repositories stay open though nobody uses them.
const ACCOUNTS_OPEN: usize = 64;
/// What it is called.
const DEFAULT_NAME: &str = "default";

/// What a server is started with.
pub struct Start {
    /// How it is run; checked.
    pub config: Config,
    /// Its data folder.
    pub data: PathBuf,
    /// Clock, randomness, processes.
    pub surroundings: Surroundings,
    /// Runs databases' tools.
    pub programs: Programs,
    /// The master key.
    pub vault: Vault,
    /// The plans that there are.
    pub plans: Plans,
    /// The first administrator's token, where the operator chose it.
    pub admin_token: Option<String>,
}

/// A server that runs.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The first administrator's token, where it was made just now: it is not shown again.
    pub new_token: Option<String>,
    /// Its parts.
    pub state: State,
    workers: Workers,
    stop: watch::Sender<bool>,
    duties: JoinSet<()>,
    http: Handle<SocketAddr>,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

impl Server {
    /// Starts a server. It answers when this returns.
    pub async fn start(start: Start) -> Result<Self> {
        let Start { config, data, surroundings, programs, vault, plans, admin_token } = start;
        // First of all, so that what cannot listen begins nothing.
        let listener = bind(config.listen).await?;
        let address = listener.local_addr().map_err(|error| cannot_listen(config.listen, &error))?;
        let folders = Folders::of(&data);
        let making = folders.clone();
        blocking(move || making.make()).await?;
        let url = catalog_url(&config, &folders)?;
        let catalog = Catalog::open(&url, surroundings).await?;
        let plans = Arc::new(plans);
        let (state, parts) = parts(config, folders, catalog, vault, plans, programs.clone()).await?;
        let desk = Arc::new(Desk::new(state.clone()));
        let new_token = desk.auth.ensure_administrator(admin_token.as_deref()).await?;
        let (stop, stopping) = watch::channel(false);
        let workers = Workers::start(&parts.bench, state.config.jobs.workers);
        let mut duties = JoinSet::new();
        if state.config.scheduler.enabled {
            duties.spawn(parts.scheduler.run(stopping.clone()));
        }
        let beaten_us = Some(workers.beaten_us()).filter(|_| state.config.jobs.workers > 0);
        let operation = Operation::new(&state, &url, programs, beaten_us)?;
        let counted = from_fn_with_state(operation.metrics(), count_requests);
        let pages = console::router(desk.clone());
        let all = api::router(desk.clone()).merge(pages).merge(aura::router(desk)).merge(operation.routes());
        let router = aura::front(all.layer(counted));
        operation.start(&mut duties, &stopping);
        let (http, serving) = serve(&state.config, listener, router).await?;
        tracing::info!(%address, catalog = ?state.catalog, "listening");
        Ok(Self { address, new_token, state, workers, stop, duties, http, serving })
    }

    /// Stops it: requests have a while to end, jobs that run too; what does not end is begun again at the next start.
    pub async fn stop(mut self) {
        tracing::info!("stopping");
        let patience =
            Duration::from_micros(u64::try_from(self.state.config.jobs.stop_within.as_us()).unwrap_or_default());
        self.stop.send_replace(true);
        self.http.graceful_shutdown(Some(patience.min(Duration::from_secs(10))));
        self.workers.stop(patience).await;
        while self.duties.join_next().await.is_some() {}
        if let Ok(Err(error)) = self.serving.await {
            tracing::error!("serving ended: {error}");
        }
        self.state.catalog.close().await;
        tracing::info!("stopped");
    }
}

/// Makes a service's catalog anew from its accounts' repositories.
pub async fn rebuild_catalog(start: Start) -> Result<Rebuilt> {
    let Start { config, data, surroundings, programs, vault, plans, .. } = start;
    let folders = Folders::of(&data);
    let making = folders.clone();
    blocking(move || making.make()).await?;
    let catalog = Catalog::open(&catalog_url(&config, &folders)?, surroundings).await?;
    let tenants = Arc::new(tenants(&config, &folders, &catalog, vault, plans, programs));
    let rebuilt = rebuild(&catalog, &tenants).await?;
    catalog.close().await;
    Ok(rebuilt)
}

fn tenants(
    config: &Config,
    folders: &Folders,
    catalog: &Catalog,
    vault: Vault,
    plans: Plans,
    programs: Programs,
) -> Tenants {
    let config = TenantsConfig {
        accounts: folders.accounts.clone(),
        staging: folders.staging.clone(),
        plans,
        programs,
        surroundings: catalog.surroundings().clone(),
        grace_ns: config.scheduler.grace.as_ns(),
        open_max: ACCOUNTS_OPEN,
    };
    Tenants::new(config, vault)
}

/// What runs beside the answers.
struct Parts {
    bench: Bench,
    scheduler: Scheduler,
}

async fn parts(
    config: Config,
    folders: Folders,
    catalog: Catalog,
    vault: Vault,
    plans: Arc<Plans>,
    programs: Programs,
) -> Result<(State, Parts)> {
    is_the_key(&catalog, &vault).await?;
    let tenants = Arc::new(tenants(&config, &folders, &catalog, vault.clone(), Plans::clone(&plans), programs));
    let jobs = Jobs::new(catalog.clone());
    let (folders, config) = (Arc::new(folders), Arc::new(config));
    let state = State {
        config: config.clone(),
        catalog: catalog.clone(),
        vault: Arc::new(vault),
        tenants: tenants.clone(),
        jobs: jobs.clone(),
        plans,
        folders: folders.clone(),
    };
    default_account(&state).await?;
    let bench = Bench {
        catalog: catalog.clone(),
        tenants,
        jobs: jobs.clone(),
        exports: folders.exports.clone(),
        uploads: folders.uploads.clone(),
        jobs_per_account: config.jobs.per_account.into(),
        silence_us: config.jobs.silent_after.as_us(),
    };
    let pace = Pace {
        check_us: Some(config.scheduler.check_every.as_us()).filter(|every| *every > 0),
        gc_us: config.scheduler.gc_every.as_us(),
        jobs_kept_us: config.retention.jobs.as_us(),
        answers_kept_us: config.retention.idempotency.as_us(),
    };
    let scheduler = Scheduler::new(catalog, jobs, pace, state.plans.clone(), (&folders.exports, &folders.uploads));
    Ok((state, Parts { bench, scheduler }))
}

fn catalog_url(config: &Config, folders: &Folders) -> Result<String> {
    match &config.catalog {
        Some(url) => Ok(url.clone()),
        None => Ok(format!("sqlite://{}", folders.catalog()?.display())),
    }
}

/// That the master key is the one under which the accounts' secrets are sealed. Under another, none of them would open,
/// and those that are made from now on would open under that one alone.
async fn is_the_key(catalog: &Catalog, vault: &Vault) -> Result<()> {
    let accounts = catalog.accounts().await?;
    let sealed = accounts.iter().find_map(|account| Some((&account.id, account.sealed_secret.as_deref()?)));
    match sealed.map(|(account, sealed)| vault.open_secret(account, sealed)) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err(Error::Refused(
            "this is not the master key under which the accounts' secrets are sealed; start with that one".into(),
        )),
    }
}

/// The account of whoever names none, made at the first start.
async fn default_account(state: &State) -> Result<()> {
    if state.catalog.fact(DEFAULT_ACCOUNT).await?.is_some() {
        return Ok(());
    }
    let account = match state.catalog.account_named(DEFAULT_NAME).await? {
        Some(account) => account,
        None => state.make_account(DEFAULT_NAME).await?,
    };
    state.catalog.set_fact(DEFAULT_ACCOUNT, &account.id).await.map(drop)
}

/// Tokio's listener keeps more callers waiting than the standard library's: a thousand may come at once.
async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let bound = tokio::net::TcpListener::bind(address).await;
    bound.and_then(tokio::net::TcpListener::into_std).map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Error {
    Error::Failed(match error.kind() {
        io::ErrorKind::AddrInUse => format!("cannot listen on {address}: another program does"),
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// Begins to serve who comes to `listener`.
async fn serve(
    config: &Config,
    listener: TcpListener,
    router: Router,
) -> Result<(Handle<SocketAddr>, tokio::task::JoinHandle<io::Result<()>>)> {
    let handle = Handle::new();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let failed = |error: io::Error| cannot_listen(config.listen, &error);
    let serving = match &config.tls {
        None => {
            let mut server = axum_server::from_tcp(listener).map_err(failed)?.handle(handle.clone());
            server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
            tokio::spawn(server.serve(service))
        }
        Some(tls) => {
            let certificate = RustlsConfig::from_pem_file(&tls.certificate, &tls.key)
                .await
                .map_err(|error| Error::Usage(format!("the certificate and key in [tls] cannot be used: {error}")))?;
            let server = axum_server::from_tcp_rustls(listener, certificate).map_err(failed)?;
            let mut server = server.handle(handle.clone());
            server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
            tokio::spawn(server.serve(service))
        }
    };
    Ok((handle, serving))
}
