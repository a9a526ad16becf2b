//! `snaphold load`, `export`, `restore` and `clone`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::instance::SettingsOptions;
use super::snapshot::SNAPSHOT_HELP;

/// Bring a dump into an instance
///
/// Containers (.dump, .tar, .gz, .zst) are opened, so that a dump, yesterday's dump and the live instance share their data;
/// an export writes the container again. An instance that has a source is overwritten: that needs the word RESTORE, and a
/// safety snapshot is taken first. An instance of a new name is made.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold load graph neo4j.dump
  pg_dump shop | snaphold load shop-dump - --name-as shop.sql")]
pub struct LoadArgs {
    /// The instance
    pub name: String,
    /// The file, or - for standard input
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// The file name to store it under [default: its own, or `dump` for standard input]
    #[arg(long, value_name = "FILE_NAME")]
    pub name_as: Option<String>,
    /// What it is, in your words
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// How long the snapshot is kept, such as 30d [default: as the instance or its plan says]
    #[arg(long, value_name = "DURATION", value_parser = super::values::duration)]
    pub retain: Option<i64>,
    /// The word RESTORE, which a script gives and a person types
    #[arg(long, value_name = "WORD")]
    pub confirm: Option<String>,
    /// Take no snapshot of what is overwritten
    #[arg(long)]
    pub no_safety: bool,
}

/// Turn a snapshot into a file
///
/// The same snapshot gives the same bytes each time. With `--output -` standard output carries the data; the JSON object of
/// --json then goes to standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold export latest --format tar.gz --output shop.tar.gz
  snaphold export graph@latest --format dump --output graph.dump
  snaphold export latest --format dump --output - | sqlite3 copy.db")]
pub struct ExportArgs {
    #[arg(help = SNAPSHOT_HELP)]
    pub snapshot: String,
    /// dump, sql, tar.gz, tar or dir
    #[arg(long, value_name = "FORMAT")]
    pub format: String,
    /// A file that does not exist yet (a folder for dir), or - for standard output
    #[arg(long, short, value_name = "FILE|-")]
    pub output: PathBuf,
    /// Only the folder or file at this path of the snapshot (for tar, tar.gz and dir)
    #[arg(long, value_name = "PATH")]
    pub path: Option<OsString>,
    /// Only this part of the database, as `snapshot ls` names it, such as table=public.orders or key=0:user:17 (for dump and
    /// sql)
    #[arg(long, value_name = "KIND=NAME", conflicts_with = "path")]
    pub only: Option<String>,
    /// Only this component of an environment
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// The form of a Neo4j dump: 5 is the present one, 4 the older one
    #[arg(long, value_enum, default_value = "5")]
    pub neo4j_format: Neo4jChoice,
    /// Replace a file that is there
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Neo4jChoice {
    /// A bare zstd frame, as 4.x reads it
    #[value(name = "4")]
    Four,
    /// With DZV1
    #[value(name = "5")]
    Five,
}

/// Bring a snapshot's data back, in place or elsewhere
///
/// Without --to the instance's source is overwritten: only what differs is written, a snapshot of what was there is taken
/// first, and `snaphold restore undo NAME` goes back to it. That needs the word RESTORE, typed or given by --confirm.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  snaphold restore latest --to /tmp/shop
  snaphold restore shop@latest~1 --plan
  snaphold restore shop@latest~1 --confirm RESTORE
  snaphold restore latest --path documents/order-17.txt --to /tmp/order
  snaphold restore undo shop --confirm RESTORE
  snaphold restore --resume shop"
)]
pub struct RestoreArgs {
    #[command(subcommand)]
    pub command: Option<RestoreCommand>,
    #[arg(help = SNAPSHOT_HELP, required_unless_present_any = ["resume", "abort"])]
    pub snapshot: Option<String>,
    /// A folder, or another instance to overwrite; write ./NAME for a folder that is called as an instance is
    #[arg(long, value_name = "DIR|INSTANCE")]
    pub to: Option<String>,
    /// Only say what would be written
    #[arg(long)]
    pub plan: bool,
    /// Only this folder or file of it
    #[arg(long, value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// Only this component of an environment
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// Complete a restore over this instance that was cut short
    #[arg(long, value_name = "NAME", conflicts_with_all = ["snapshot", "to", "plan", "path", "component", "abort"])]
    pub resume: Option<String>,
    /// Go back to the state before a restore over this instance that was cut short
    #[arg(long, value_name = "NAME", conflicts_with_all = ["snapshot", "to", "plan", "path", "component"])]
    pub abort: Option<String>,
    #[command(flatten)]
    pub consent: ConsentArgs,
}

/// What overwriting asks for.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// Take no snapshot of what is overwritten
    #[arg(long)]
    pub no_safety: bool,
    /// The word RESTORE, which a script gives and a person types
    #[arg(long, value_name = "WORD")]
    pub confirm: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum RestoreCommand {
    /// Go back to the state before an instance's last restore or load
    Undo {
        /// The instance
        name: String,
        /// Only say what would be written
        #[arg(long)]
        plan: bool,
        #[command(flatten)]
        consent: ConsentArgs,
    },
}

/// Make a new instance from a snapshot
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold clone latest --name shop-test --source files:/srv/shop-test
  snaphold clone graph@latest --name graph2")]
pub struct CloneArgs {
    #[arg(help = SNAPSHOT_HELP)]
    pub snapshot: String,
    /// The new instance's name
    #[arg(long, value_name = "NEW")]
    pub name: String,
    /// Where its data goes: a folder or database that does not exist yet [default: the repository alone]
    #[arg(long, value_name = "URL")]
    pub source: Option<String>,
    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Prove that a snapshot can be restored
///
/// It is restored into a throw-away server, the database's own checks are run there, and the snapshot is marked with the
/// result. Nothing is left running.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold drill latest
  snaphold drill shop@latest --query 'SELECT count(*) FROM orders' --json")]
pub struct DrillArgs {
    #[arg(help = SNAPSHOT_HELP)]
    pub snapshot: String,
    /// Also run this query there; it fails where it gives an error or no row
    #[arg(long, value_name = "QUERY")]
    pub query: Option<String>,
    /// Only this component of an environment; then nothing is marked
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
}
