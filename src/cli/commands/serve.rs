//! `snaphold serve`: a server, from its first start to the signal that stops it; and its catalog made anew.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use zeroize::Zeroizing;

use snaphold::clock::Surroundings;
use snaphold::error::{Error, Result};
use snaphold::server::config::{Config, Log, LogFormat, MasterKey};
use snaphold::server::vault::Vault;
use snaphold::server::{Rebuilt, Server, Start, rebuild_catalog};
use snaphold::service::Plans;

use super::super::args::{CatalogCommand, PlaceArgs, ServeArgs};
use super::super::context::{Context, STACK_BYTES, programs};
use super::super::output::{Report, print_pieces};

/// The first administrator's token, where the operator chooses it.
const ADMIN_TOKEN: &str = "SNAPHOLD_ADMIN_TOKEN";
const MASTER_KEY_FILE: &str = "master.key";

#[derive(Serialize)]
struct Checked {
    checked: bool,
    warnings: Vec<String>,
}

/// What is printed once the server answers.
#[derive(Serialize)]
struct Listening {
    listening: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_token: Option<String>,
}

/// Serves until a signal says stop.
pub fn run(context: &Context, arguments: &ServeArgs) -> Result<Report> {
    let mut config = config(&arguments.place)?;
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    config.validate()?;
    if arguments.check {
        plans(context, &config)?;
        let checked = Checked { checked: true, warnings: config.warnings() };
        let text: String = checked.warnings.iter().map(|line| format!("warning: {line}\n")).collect();
        return Report::new(&checked, format!("{text}The config is well.\n"));
    }
    log(&config.log)?;
    let start = start(context, config)?;
    let programs = start.programs.clone();
    let report = runtime()?.block_on(serve(start, context.global.json));
    programs.stop_all();
    report
}

/// Makes the catalog anew.
pub fn catalog(context: &Context, command: &CatalogCommand) -> Result<Report> {
    let CatalogCommand::Rebuild(place) = command;
    let config = config(place)?;
    config.validate()?;
    let rebuilt = runtime()?.block_on(rebuild_catalog(start(context, config)?))?;
    let failed: String = rebuilt.failed.iter().map(|line| format!("not read: {line}\n")).collect();
    let Rebuilt { accounts, instances, snapshots, .. } = &rebuilt;
    let text =
        format!("{failed}{accounts} accounts, {instances} instances, {snapshots} snapshots are in the catalog.\n");
    Report::with_code(&rebuilt, text, u8::from(!rebuilt.failed.is_empty()))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(|error| Error::Failed(format!("cannot start threads: {error}")))
}

fn plans(context: &Context, config: &Config) -> Result<Plans> {
    let mut plans = config.check()?;
    if let Some(path) = context.global.plans.as_deref().filter(|path| !path.as_os_str().is_empty()) {
        plans.add_file(path)?;
    }
    Ok(plans)
}

fn start(context: &Context, config: Config) -> Result<Start> {
    let plans = plans(context, &config)?;
    let data = config
        .data
        .clone()
        .ok_or_else(|| Error::Usage("which folder? give --data DIR, or data = \"DIR\" in the config file".into()))?;
    let data = std::path::absolute(&data).map_err(|error| Error::source(&data, error))?;
    std::fs::create_dir_all(&data).map_err(|error| Error::target(&data, error))?;
    let vault = vault(&config.master_key, &data, &context.surroundings)?;
    let admin_token = std::env::var(ADMIN_TOKEN).ok().filter(|token| !token.is_empty());
    let surroundings = context.surroundings.clone();
    Ok(Start { config, data, surroundings, programs: programs(), vault, plans, admin_token })
}

async fn serve(start: Start, json: bool) -> Result<Report> {
    let failed = |error: std::io::Error| Error::Failed(format!("cannot wait for signals: {error}"));
    // Before the start, so that a signal during it stops what was started.
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (warnings, scheme) = (start.config.warnings(), if start.config.tls.is_some() { "https" } else { "http" });
    let server = Server::start(start).await?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let listening = format!("{scheme}://{}", server.address);
    tell(&Listening { listening, admin_token: server.new_token.clone() }, json)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // A second signal ends it at once: everything that runs is gone on with after the next start.
    tokio::select! {
        () = server.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(Report::printed())
}

fn tell(listening: &Listening, json: bool) -> Result<()> {
    let text = if json {
        serde_json::to_string(listening).map_err(|error| Error::Failed(format!("cannot print JSON: {error}")))?
    } else {
        let token = listening
            .admin_token
            .as_ref()
            .map_or(String::new(), |token| format!("The administrator's token, shown this once:\n\n  {token}\n\n"));
        format!("{token}Snaphold answers at {}", listening.listening)
    };
    print_pieces(|out| writeln!(out, "{text}").map_err(super::super::output::cannot_write)).map(drop)
}

/// The config file with what the command line says instead.
fn config(place: &PlaceArgs) -> Result<Config> {
    let mut config = match &place.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Error::source(path, error))?;
            Config::read(&text).map_err(|error| error.with_context(&path.display().to_string()))?
        }
        None => Config::default(),
    };
    if let Some(data) = &place.data {
        config.data = Some(data.clone());
    }
    if let Some(catalog) = &place.catalog {
        config.catalog = Some(catalog.clone());
    }
    Ok(config)
}

fn vault(given: &MasterKey, data: &Path, surroundings: &Surroundings) -> Result<Vault> {
    let entropy = Arc::clone(&surroundings.entropy);
    if let Some(name) = &given.environment {
        let text = std::env::var(name).map(Zeroizing::new).map_err(|_| {
            Error::Usage(format!("master_key.environment: there is no variable {name}, or it is no text"))
        })?;
        return Vault::of_text(&text, entropy).map_err(|error| error.with_context(name));
    }
    if let Some(command) = &given.command {
        return Vault::of_text(&printed(command)?, entropy).map_err(|error| error.with_context("master_key.command"));
    }
    let path: PathBuf = given.file.clone().unwrap_or_else(|| data.join(MASTER_KEY_FILE));
    Vault::of_file(&path, entropy)
}

/// What a command prints that tells the master key.
fn printed(command: &[String]) -> Result<Zeroizing<String>> {
    let failed = |detail: String| Error::Failed(format!("master_key.command: {detail}"));
    let (program, arguments) = command.split_first().ok_or_else(|| failed("it is empty".into()))?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(format!("cannot run {program}: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("{program} ended with {}", output.status)));
    }
    String::from_utf8(output.stdout).map(Zeroizing::new).map_err(|_| failed(format!("{program} printed no text")))
}

/// Log lines on standard error.
fn log(config: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| Error::Usage(format!("the config file is wrong: log.level: {error}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let set = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    set.map_err(|error| Error::Failed(format!("cannot begin the log: {error}")))
}
