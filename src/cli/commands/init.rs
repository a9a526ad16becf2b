//! `snaphold init`.

use std::sync::Arc;

use serde::Serialize;
use snaphold::crypto::Encryption;
use snaphold::error::{Error, Result};
use snaphold::repo::{InitOptions, Repository};
use snaphold::storage::{LocalFolder, Storage};

use crate::cli::args::{ChunkerChoice, EncryptionChoice, InitArgs};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::secret;

/// What the first key slot is called.
const FIRST_LABEL: &str = "first";

#[derive(Serialize)]
struct Made {
    repository: String,
    id: String,
    encryption: &'static str,
}

pub fn run(context: &Context, arguments: &InitArgs) -> Result<Report> {
    let folder = context.repository_folder()?;
    let chunker = match arguments.chunker {
        ChunkerChoice::Mincdc => "mincdc",
        ChunkerChoice::Fastcdc => "fastcdc",
    };
    let (encryption, encryption_name) = match arguments.encryption {
        EncryptionChoice::Aes => (Encryption::Aes256Gcm, "aes"),
        EncryptionChoice::None => (Encryption::None, "none"),
    };
    let options = InitOptions { encryption, chunker: chunker.parse().map_err(Error::Usage)? };
    refuse_second(&folder)?;
    // The secret comes before the folder: without one nothing is made.
    let secret = match encryption {
        Encryption::Aes256Gcm => Some(secret::first(&context.global)?),
        Encryption::None => None,
    };
    let storage: Arc<dyn Storage> = Arc::new(LocalFolder::create(&folder)?);
    let repository = Repository::create(
        storage,
        &context.index_dir()?,
        context.surroundings.clone(),
        options,
        secret.as_ref().map(|secret| (secret, FIRST_LABEL)),
    )?;
    let made = Made {
        repository: folder.display().to_string(),
        id: repository.config().repo.to_string(),
        encryption: encryption_name,
    };
    let advice = match encryption {
        Encryption::Aes256Gcm => "encrypted; whoever loses every passphrase and key file loses the data",
        Encryption::None => "not encrypted: anybody who reads the folder reads the data",
    };
    Report::new(&made, format!("made repository {} at {}\n{advice}\n", made.id, made.repository))
}

/// Says that there is a repository already before anything is asked.
fn refuse_second(folder: &std::path::Path) -> Result<()> {
    let Ok(storage) = LocalFolder::open(folder) else { return Ok(()) };
    match Repository::stored_config(&storage) {
        Ok(_) => Err(Error::Refused(format!("there is a repository at {} already", folder.display()))),
        Err(_) => Ok(()),
    }
}
