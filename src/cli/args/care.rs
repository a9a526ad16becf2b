//! `snaphold gc`, `verify`, `stats` and `check-storage`.

use std::path::PathBuf;

use clap::Args;

use super::values::{Fraction, duration};

/// Let expired snapshots go, then free what nothing needs any more
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold gc --dry-run
  snaphold gc
  snaphold gc --grace 0")]
pub struct GcArgs {
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Deleted snapshots go this long after their deletion, though they were promised longer [default: as was said when
    /// they were deleted, and 7d for those that expire now]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub grace: Option<i64>,
    /// Look for garbage even where nothing says that there is any: a session that failed may have left some
    #[arg(long)]
    pub full: bool,
}

/// Check that every snapshot is whole; what is damaged is named, and the exit code is 5
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold verify
  snaphold verify --read-data
  snaphold verify --read-data=3/30")]
pub struct VerifyArgs {
    /// Also read and check all stored data, or one part of so many
    #[arg(long, value_name = "N/T", num_args = 0..=1, require_equals = true)]
    pub read_data: Option<Option<Fraction>>,
}

/// Sizes, and what deduplication and deltas save
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Only this instance
    pub name: Option<String>,
}

/// Find out whether a storage keeps the promises that a repository rests on
///
/// Writes a few small objects and removes them again. Without a path the repository's own storage is probed.
#[derive(Debug, Args)]
pub struct CheckStorageArgs {
    /// A folder, which is made for the probe if it does not exist
    pub path: Option<PathBuf>,
}
