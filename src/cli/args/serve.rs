//! The service's arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Serve many accounts: REST API, scheduler, web console
///
/// Starts with nothing but a folder: the catalog is SQLite in it, each account has an encrypted repository in it, and the
/// first administrator's token is printed once (or is what SNAPHOLD_ADMIN_TOKEN says). Stops on SIGTERM and SIGINT:
/// requests end, jobs that run have a while to end, and what does not is begun again at the next start.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold serve --data /var/lib/snaphold --listen 127.0.0.1:8300
  snaphold serve --config /etc/snaphold.toml
  snaphold serve --data /srv/snaphold --catalog postgres://snaphold@db/snaphold")]
pub struct ServeArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Where it listens [default: 127.0.0.1:8300]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Check the config and its files, and end
    #[arg(long)]
    pub check: bool,
}

/// Where a service's things are.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Where its files are; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The catalog's PostgreSQL database [default: SQLite in the data folder]
    #[arg(long, value_name = "URL", env = "SNAPHOLD_CATALOG", hide_env_values = true)]
    pub catalog: Option<String>,
    /// A TOML file that says more (docs/OPERATING.md)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Make the catalog of `snaphold serve` anew from the accounts' repositories
    ///
    /// For a catalog that was lost or is behind: accounts, instances and snapshots are entered from what stands in the data
    /// folder, which needs the master key. Users and tokens were in the catalog alone; SNAPHOLD_ADMIN_TOKEN gives the
    /// first administrator's token at the next start. What is there already stays.
    #[command(after_help = "Example:
  snaphold catalog rebuild --data /var/lib/snaphold")]
    Rebuild(PlaceArgs),
}
