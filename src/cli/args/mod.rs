//! What can be said on the command line.

mod bench;
mod care;
mod data;
mod instance;
mod key;
mod policy;
mod serve;
mod service;
mod snapshot;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use bench::BenchArgs;
pub use care::{CheckStorageArgs, GcArgs, StatsArgs, VerifyArgs};
pub use data::{CloneArgs, ConsentArgs, DrillArgs, ExportArgs, LoadArgs, Neo4jChoice, RestoreArgs, RestoreCommand};
pub use instance::{InstanceCommand, InstanceOptions, SettingsOptions};
pub use key::{KeyCommand, NewSecretArgs};
pub use policy::{PolicyCommand, PolicyRunArgs, PolicySetArgs};
pub use serve::{CatalogCommand, PlaceArgs, ServeArgs};
pub use service::{AccountCommand, AuditArgs, JobCommand, Scope, TokenCommand, UsageArgs};
pub use snapshot::{Compression, SnapshotCommand, TakeArgs};
pub use values::Fraction;

/// Keeps snapshots of database instances: many of them cost little more than one, and any of them comes back.
#[derive(Debug, Parser)]
#[command(
    name = "snaphold",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "A first tour:
  export SNAPHOLD_REPO=/backup/shop
  snaphold init
  snaphold instance add shop --source sqlite:/srv/shop.db
  snaphold snapshot take shop
  snaphold snapshot list
  snaphold restore latest --to /tmp/shop

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused, 5 damaged, 6 busy."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// The repository's folder
    #[arg(long, global = true, env = "SNAPHOLD_REPO", value_name = "PATH", help_heading = "Global options")]
    pub repo: Option<PathBuf>,
    /// A service to ask instead of a repository, such as https://snaphold.example.com; its token is in SNAPHOLD_TOKEN
    #[arg(long, global = true, env = "SNAPHOLD_SERVER", value_name = "URL", help_heading = "Global options")]
    pub server: Option<String>,
    /// A file whose first line is the service's token
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub token_file: Option<PathBuf>,
    /// The account that a token of the service itself acts on, by its id or name
    #[arg(long, global = true, env = "SNAPHOLD_ACCOUNT", value_name = "NAME", help_heading = "Global options")]
    pub account: Option<String>,
    /// Print one JSON object on standard output, and nothing else there
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// No progress and no notes; results and errors are still printed
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// A file with the passphrase; one newline at its end is left out [env: SNAPHOLD_PASSPHRASE_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub passphrase_file: Option<PathBuf>,
    /// A command for `sh -c` that prints the passphrase
    #[arg(
        long,
        global = true,
        value_name = "COMMAND",
        conflicts_with = "passphrase_file",
        help_heading = "Global options"
    )]
    pub passphrase_command: Option<String>,
    /// A key file instead of a passphrase
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with_all = ["passphrase_file", "passphrase_command"],
        help_heading = "Global options"
    )]
    pub key_file: Option<PathBuf>,
    /// A TOML file with plans of your own, beside the built-in ones
    #[arg(long, global = true, env = "SNAPHOLD_PLANS", value_name = "FILE", help_heading = "Global options")]
    pub plans: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a repository
    ///
    /// The folder must be empty or new. The repository is encrypted (AES-256-GCM) under a passphrase, which is asked for
    /// twice on a terminal; a script gives it by SNAPHOLD_PASSPHRASE, --passphrase-file, --passphrase-command or
    /// --key-file. Whoever loses every passphrase and key file loses the data.
    #[command(after_help = "Examples:
  snaphold init --repo /backup/shop
  head -c 32 /dev/urandom > key && snaphold init --repo /backup/shop --key-file key
  snaphold init --repo /backup/public --encryption none")]
    Init(InitArgs),
    /// Passphrases and key files that open the repository
    #[command(subcommand)]
    Key(KeyCommand),
    /// Instances: named sources of data
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// Snapshots: take, list, compare, delete, hold
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    Load(LoadArgs),
    Export(ExportArgs),
    Restore(RestoreArgs),
    Clone(CloneArgs),
    Drill(DrillArgs),
    /// Policies: when instances are captured by themselves
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Plans: named limits and defaults
    #[command(subcommand)]
    Plan(PlanCommand),
    Gc(GcArgs),
    Verify(VerifyArgs),
    /// Rebuild what can be rebuilt: the index from the packs, spare copies
    ///
    /// Nothing is thrown away: what is damaged and cannot be made good is named.
    Repair,
    Stats(StatsArgs),
    CheckStorage(CheckStorageArgs),
    Bench(BenchArgs),
    Serve(ServeArgs),
    /// Jobs of a service
    #[command(subcommand)]
    Job(JobCommand),
    /// Tokens of a service: who may ask it
    #[command(subcommand)]
    Token(TokenCommand),
    /// Accounts of a service
    #[command(subcommand)]
    Account(AccountCommand),
    Usage(UsageArgs),
    Audit(AuditArgs),
    /// The catalog of `snaphold serve`
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Print a completion script for a shell
    #[command(after_help = "Example:
  snaphold completions bash > /etc/bash_completion.d/snaphold")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all pages into a folder
    #[command(after_help = "Examples:
  snaphold man | man -l -
  snaphold man --dir /usr/local/share/man/man1")]
    Man {
        /// Write one page for each command into this folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// What can only be done where the repository is; `None`: a service can be asked for it too.
    pub fn of_one_machine(&self) -> Option<&'static str> {
        match self {
            Command::Init(_) => Some("init"),
            Command::Key(_) => Some("key"),
            Command::Repair => Some("repair"),
            Command::CheckStorage(_) => Some("check-storage"),
            Command::Bench(_) => Some("bench"),
            Command::Serve(_) => Some("serve"),
            Command::Policy(PolicyCommand::Run(_)) => Some("policy run"),
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// How objects are sealed; `none` must be asked for
    #[arg(long, value_enum, default_value = "aes")]
    pub encryption: EncryptionChoice,
    /// How streams are cut (advanced; it cannot be changed later)
    #[arg(long, value_enum, default_value = "mincdc", hide_short_help = true)]
    pub chunker: ChunkerChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EncryptionChoice {
    /// AES-256-GCM under a passphrase or key file
    Aes,
    /// Stored plain: anybody who reads the folder reads the data
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChunkerChoice {
    /// MinCDC, 8 to 24 KiB
    Mincdc,
    /// FastCDC, 4 to 64 KiB
    Fastcdc,
}

#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// List the plans
    List,
    /// Show one plan
    Show {
        /// The plan's name
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
