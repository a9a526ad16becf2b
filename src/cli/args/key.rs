//! `snaphold key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Add a passphrase or key file
    ///
    /// The new passphrase is asked for twice on a terminal; a script gives it by SNAPHOLD_NEW_PASSPHRASE or by
    /// --new-passphrase-file. No stored data is rewritten.
    #[command(after_help = "Examples:
  snaphold key add --label 'the night job' --new-key-file /etc/snaphold.key
  snaphold key add --label anna")]
    Add {
        /// What you call it
        #[arg(long, value_name = "LABEL", default_value = "")]
        label: String,
        #[command(flatten)]
        secret: NewSecretArgs,
    },
    /// List the passphrases and key files, without their secrets
    List,
    /// Remove a passphrase or key file; the last one stays
    Remove {
        /// The id, or a unique beginning of it, as `snaphold key list` shows it
        id: String,
    },
    /// Change the passphrase that you give
    ///
    /// The one with which the repository was opened is replaced by the new one; others stay as they are.
    Passwd {
        #[command(flatten)]
        secret: NewSecretArgs,
    },
}

/// Where a new secret comes from.
#[derive(Debug, Args)]
pub struct NewSecretArgs {
    /// A file with the new passphrase; one newline at its end is left out
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// A new key file: at least 32 bytes, which should be random
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_file")]
    pub new_key_file: Option<PathBuf>,
}
