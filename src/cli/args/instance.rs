//! `snaphold instance`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::duration;

#[derive(Debug, Subcommand)]
pub enum InstanceCommand {
    /// Define an instance
    ///
    /// Without a source it lives in the repository alone: `snaphold load` brings data in.
    #[command(after_help = "Examples:
  snaphold instance add shop --source sqlite:/srv/shop.db --retain 90d
  snaphold instance add pages --source files:/srv/www --plan auradb-enterprise
  snaphold instance add orders --source 'postgres://backup@db.local/orders' --password-file /etc/snaphold/orders
  snaphold instance add whole --source env:/etc/snaphold/shop.toml
  snaphold instance add graph")]
    Add {
        /// Its name: letters, digits, '.', '_' and '-'
        name: String,
        /// Where its data is: files:/folder, sqlite:/file, postgres://user@host/db, mariadb://…, redis://…, neo4j:/home#db,
        /// env:FILE.toml
        #[arg(long, value_name = "URL")]
        source: Option<String>,
        #[command(flatten)]
        options: InstanceOptions,
        #[command(flatten)]
        settings: SettingsOptions,
    },
    /// List the instances
    List,
    /// Show one instance
    Show {
        /// Its name
        name: String,
    },
    /// Change an instance; its snapshots stay as they are
    #[command(after_help = "Examples:
  snaphold instance edit shop --retain 14d
  snaphold instance edit shop --no-retain --description ''
  snaphold instance edit shop --no-source")]
    Edit {
        /// Its name
        name: String,
        /// Where its data is
        #[arg(long, value_name = "URL")]
        source: Option<String>,
        /// It has no source any more
        #[arg(long, conflicts_with = "source")]
        no_source: bool,
        #[command(flatten)]
        options: InstanceOptions,
        #[command(flatten)]
        settings: SettingsOptions,
        /// The plan's retention counts again
        #[arg(long, conflicts_with = "retain")]
        no_retain: bool,
        /// Files whose size, times and inode are as before are not read again
        #[arg(long, conflicts_with = "always_read")]
        no_always_read: bool,
    },
    /// Look whether the system under an instance has changed, and take a scheduled snapshot where it has
    ///
    /// A change is another version of the database than the newest snapshot was taken of, or that there is no snapshot yet.
    Check {
        /// Its name
        name: String,
    },
    /// Remove an instance's definition; its snapshots stay until they are deleted
    Remove {
        /// Its name
        name: String,
    },
}

/// What both `add` and `edit` say.
#[derive(Debug, Args)]
pub struct InstanceOptions {
    /// Its plan, which `snaphold plan list` shows
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<String>,
    /// How long its snapshots are kept, such as 30d or 12h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub retain: Option<i64>,
    /// What it is, in your words
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Read every file each time, though its size, times and inode are as before
    #[arg(long)]
    pub always_read: bool,
}

/// How its source is reached and handled. An empty text takes a setting away.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The source")]
pub struct SettingsOptions {
    /// A file whose first line is the password [also: in the URL, or SNAPHOLD_SOURCE_PASSWORD]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Stops the server, where a restore exchanges its data folder, or a snapshot needs it stopped
    #[arg(long, value_name = "COMMAND")]
    pub stop: Option<String>,
    /// Starts it again
    #[arg(long, value_name = "COMMAND")]
    pub start: Option<String>,
    /// The server's data folder, where a physical restore goes
    #[arg(long, value_name = "DIR")]
    pub data_directory: Option<PathBuf>,
    /// Run before each snapshot; where it fails, there is none
    #[arg(long, value_name = "COMMAND")]
    pub before: Option<String>,
    /// Run after each snapshot, also after one that failed
    #[arg(long, value_name = "COMMAND")]
    pub after: Option<String>,
}
