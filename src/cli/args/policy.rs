//! `snaphold policy`.

use clap::{Args, Subcommand};
use snaphold::service::policy::{Days, Hours, Window, Zone};

use super::values::duration;

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show an instance's policy and its next slots
    Show {
        /// The instance
        name: String,
    },
    /// Change an instance's policy; what is not given stays as it is
    ///
    /// An instance without a policy of its own starts from its plan's, else from once a day. Nothing runs by itself:
    /// `snaphold policy run` takes what is due, by a systemd timer or cron, every five minutes, say.
    #[command(after_help = "Examples:
  snaphold policy set shop --days mon,thu --hours 2,14 --timezone Europe/Paris --retain 14d
  snaphold policy set shop --hours once --window 22:00-04:00
  snaphold policy set shop --off")]
    Set(PolicySetArgs),
    /// Take an instance's own policy away: its plan's counts again
    Reset {
        /// The instance
        name: String,
    },
    /// Take what is due now, of all instances, and let go what is over
    ///
    /// Several of these may run at once: what is due is taken once. What goes wrong with one instance keeps no other from
    /// its turn; the exit code is then 1. An instance whose plan has a cadence is also captured when it has no snapshot
    /// yet, and when the system under it has changed.
    #[command(after_help = "Examples:
  snaphold policy run
  snaphold policy run shop orders --json")]
    Run(PolicyRunArgs),
}

#[derive(Debug, Args)]
pub struct PolicySetArgs {
    /// The instance
    pub name: String,
    /// Days of the week, such as mon,thu, or every
    #[arg(long, value_name = "DAYS")]
    pub days: Option<Days>,
    /// Hours of the day, such as 2,14; every; or once, at any time that the window leaves
    #[arg(long, value_name = "HOURS")]
    pub hours: Option<Hours>,
    /// Snapshots begin in it alone, such as 01:00-05:00, or 22:00-04:00 over midnight
    #[arg(long, value_name = "HH:MM-HH:MM")]
    pub window: Option<Window>,
    /// Snapshots may begin at any time
    #[arg(long, conflicts_with = "window")]
    pub no_window: bool,
    /// Whose clock days, hours and window are by, such as Europe/Paris
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<Zone>,
    /// How long its snapshots are kept, such as 14d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub retain: Option<i64>,
    /// They are kept as long as the instance or its plan says
    #[arg(long, conflicts_with = "retain")]
    pub no_retain: bool,
    /// Follow it no longer
    #[arg(long, conflicts_with = "on")]
    pub off: bool,
    /// Follow it again
    #[arg(long)]
    pub on: bool,
}

#[derive(Debug, Args)]
pub struct PolicyRunArgs {
    /// Only these instances
    pub names: Vec<String>,
    /// Do not look whether the systems under instances have changed
    #[arg(long)]
    pub no_check: bool,
}
