//! What is asked of a service alone: jobs, tokens, accounts, usage, audit.

use clap::{Args, Subcommand, ValueEnum};

use super::values::Until;

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List jobs, newest first
    #[command(after_help = "Examples:
  snaphold job list --status running
  snaphold job list --instance shop --limit 100")]
    List {
        /// In this status: queued, running, succeeded, failed or cancelled
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        /// Of this kind, such as snapshot or restore
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// About this instance
        #[arg(long, value_name = "NAME")]
        instance: Option<String>,
        /// Jobs at most
        #[arg(long, value_name = "COUNT", default_value = "50")]
        limit: usize,
    },
    /// Show one job
    Show {
        /// Its id
        id: String,
    },
    /// Call a job off: what waits ends at once, what runs is asked to stop
    Cancel {
        /// Its id
        id: String,
    },
    /// Wait for a job's end; the exit code tells how it ended
    Wait {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; its secret is printed once
    #[command(after_help = "Examples:
  snaphold token create nightly --scope capture --expires 365d
  snaphold token create console --scope read --scope restore")]
    Create {
        /// What it is for
        name: String,
        /// What it may do; may be given again
        #[arg(long, value_enum, required = true)]
        scope: Vec<Scope>,
        /// When it ends: a time, or how long from now [default: when it is revoked]
        #[arg(long, value_name = "TIME|DURATION")]
        expires: Option<Until>,
    },
    /// List the account's tokens
    List {
        /// The service's own tokens rather than the account's
        #[arg(long)]
        service: bool,
    },
    /// Revoke a token: it counts no more from now on
    Revoke {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// To look, and to download
    Read,
    /// To take snapshots, and nothing of the data
    Capture,
    /// To read, and to change: instances, policies, restores, loads, clones, deletion
    Restore,
    /// Everything in the account
    Admin,
    /// The service itself, and every account
    Service,
}

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account, with a repository and keys of its own
    Create {
        /// Its name
        name: String,
        /// How many of its jobs may run at once [default: as the service says]
        #[arg(long, value_name = "COUNT")]
        jobs: Option<u32>,
    },
    /// List the accounts
    List,
    /// Show one account
    Show {
        /// Its id or name
        account: String,
    },
}

/// What the account uses: logical, stored, saved
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Days that it is shown over, in JSON
    #[arg(long, value_name = "COUNT")]
    pub days: Option<u32>,
}

/// Who did what in the account, newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:
  snaphold audit --action snapshot. --limit 20")]
pub struct AuditArgs {
    /// Only what begins so, such as snapshot. or export.download
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Entries at most
    #[arg(long, value_name = "COUNT", default_value = "50")]
    pub limit: usize,
}
