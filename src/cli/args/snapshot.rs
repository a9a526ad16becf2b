//! `snaphold snapshot`.

use clap::{Args, Subcommand, ValueEnum};

use super::values::{Until, duration};

/// How a snapshot is named, in every help text.
pub const SNAPSHOT_HELP: &str = "A snapshot: its id or a unique beginning of it, latest, latest~1, or shop@latest";

#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Take a snapshot of an instance
    #[command(after_help = "Examples:
  snaphold snapshot take shop
  snaphold snapshot take shop --description 'before the upgrade' --retain 90d --json")]
    Take(TakeArgs),
    /// List snapshots, newest first
    List {
        /// Only this instance's
        name: Option<String>,
    },
    /// Show one snapshot
    Show {
        #[arg(help = SNAPSHOT_HELP)]
        snapshot: String,
    },
    /// Delete snapshots
    ///
    /// Their data goes after the grace time, by `snaphold gc`; until then `undelete` brings them back.
    #[command(after_help = "Examples:
  snaphold snapshot delete 3f2a
  snaphold snapshot delete 3f2a 81c0 --confirm DELETE --grace 0")]
    Delete {
        #[arg(help = SNAPSHOT_HELP, required = true, value_name = "SNAPSHOT")]
        snapshots: Vec<String>,
        /// The word DELETE, which a script gives and a person types
        #[arg(long, value_name = "WORD")]
        confirm: Option<String>,
        /// How long the data stays at least [default: 7d]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        grace: Option<i64>,
    },
    /// Bring a deleted snapshot back
    Undelete {
        #[arg(help = SNAPSHOT_HELP)]
        snapshot: String,
    },
    /// Hold a snapshot: nobody deletes it before that time, and nobody can shorten it
    #[command(after_help = "Examples:
  snaphold snapshot hold 3f2a --until 30d
  snaphold snapshot hold 3f2a --until 2027-01-31T00:00:00Z")]
    Hold {
        #[arg(help = SNAPSHOT_HELP)]
        snapshot: String,
        /// A time, or how long from now
        #[arg(long, value_name = "TIME|DURATION")]
        until: Until,
    },
    /// Compare two snapshots
    #[command(after_help = "Example:
  snaphold snapshot diff latest~1 latest")]
    Diff {
        /// The older snapshot
        a: String,
        /// The newer snapshot
        b: String,
        /// Files as they are stored, also of databases
        #[arg(long)]
        files: bool,
    },
    /// List what is in a snapshot
    #[command(after_help = "Examples:
  snaphold snapshot ls latest
  snaphold snapshot ls latest documents --recursive")]
    Ls {
        #[arg(help = SNAPSHOT_HELP)]
        snapshot: String,
        /// A folder or file in it; without it, a database's tables or keys are listed
        path: Option<std::path::PathBuf>,
        /// Files as they are stored, also of databases
        #[arg(long)]
        files: bool,
        /// Also what is in the folders below
        #[arg(long, short)]
        recursive: bool,
    },
}

#[derive(Debug, Args)]
pub struct TakeArgs {
    /// The instance
    pub name: String,
    /// What it is, in your words
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// How long it is kept, such as 30d [default: as the instance or its plan says]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub retain: Option<i64>,
    /// Also capture this optional component of an environment; may be given again
    #[arg(long, value_name = "COMPONENT")]
    pub include: Vec<String>,
    /// How hard to compress
    #[arg(long, value_enum, default_value = "default")]
    pub compression: Compression,
    /// Leave out files that cannot be read, and record that they are missing
    #[arg(long)]
    pub skip_unreadable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Quick: for a first snapshot of much data
    Fast,
    /// In between
    Default,
    /// Small: slow
    Best,
}
