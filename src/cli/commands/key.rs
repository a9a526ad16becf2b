//! `snaphold key`.

use jiff::Timestamp;
use serde::Serialize;
use snaphold::crypto::Encryption;
use snaphold::error::{Error, Result};
use snaphold::repo::{KeySlotView, Repository};
use snaphold::service::timestamp;

use crate::cli::args::{KeyCommand, NewSecretArgs};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::secret;
use crate::cli::table::{Side, Table, time};

/// Digits of a slot's id in a table: enough to type, never the same for two of a handful.
const SHORT_ID: usize = 12;

#[derive(Serialize)]
struct Key {
    id: String,
    label: String,
    kind: &'static str,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<Key>,
    /// Copies of key slots that cannot be read.
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct Changed {
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<String>,
}

pub fn run(context: &Context, command: KeyCommand) -> Result<Report> {
    match command {
        KeyCommand::Add { label, secret } => add(context, &label, &secret),
        KeyCommand::List => list(context),
        KeyCommand::Remove { id } => remove(context, &id),
        KeyCommand::Passwd { secret } => passwd(context, &secret),
    }
}

fn add(context: &Context, label: &str, arguments: &NewSecretArgs) -> Result<Report> {
    let repository = context.repository()?;
    refuse_without_encryption(&repository)?;
    let secret = secret::new(arguments)?;
    let id = repository.add_key_slot(Some((&secret, label)))?;
    let text = format!("added key {}\n", short(&id));
    Report::new(&Changed { added: Some(id), removed: None }, text)
}

fn list(context: &Context) -> Result<Report> {
    let view = context.repository()?.key_slots()?;
    let key = |slot: KeySlotView| Key {
        id: slot.id,
        label: slot.label,
        kind: slot.kind,
        created_at: timestamp(slot.created_at_ns),
    };
    let damaged = view.damaged.iter().map(|(_, error)| error.to_string()).collect();
    let keys = Keys { keys: view.slots.into_iter().map(key).collect(), damaged };
    let mut table =
        Table::new([("ID", Side::Left), ("KIND", Side::Left), ("CREATED (UTC)", Side::Left), ("LABEL", Side::Left)]);
    for key in &keys.keys {
        table.row([short(&key.id), key.kind.to_string(), time(key.created_at), key.label.clone()]);
    }
    let mut text = table.text("there are no keys");
    keys.damaged.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    Report::new(&keys, text)
}

fn remove(context: &Context, id: &str) -> Result<Report> {
    if id.is_empty() {
        return Err(Error::Usage("which key? `snaphold key list` shows their ids".into()));
    }
    let removed = context.repository()?.remove_key_slot(id)?;
    let text = format!("removed key {}\n", short(&removed));
    Report::new(&Changed { added: None, removed: Some(removed) }, text)
}

/// The new slot comes before the end of the old one: at no moment is there none.
fn passwd(context: &Context, arguments: &NewSecretArgs) -> Result<Report> {
    let (repository, old) = context.repository_and_secret()?;
    refuse_without_encryption(&repository)?;
    let slots = repository.key_slots()?.slots;
    let old = repository.key_slot_of(&old)?.and_then(|id| slots.into_iter().find(|slot| slot.id == id));
    let old = old.ok_or_else(|| Error::Failed("the key that opened the repository is gone".into()))?;
    let secret = secret::new(arguments)?;
    let added = repository.add_key_slot(Some((&secret, &old.label)))?;
    let removed = repository.remove_key_slot(&old.id)?;
    let text = format!("key {} takes the place of {}\n", short(&added), short(&removed));
    Report::new(&Changed { added: Some(added), removed: Some(removed) }, text)
}

fn refuse_without_encryption(repository: &Repository) -> Result<()> {
    match repository.config().encryption {
        Encryption::Aes256Gcm => Ok(()),
        Encryption::None => Err(Error::Refused("the repository is not encrypted, so it has no keys".into())),
    }
}

fn short(id: &str) -> String {
    id.chars().take(SHORT_ID).collect()
}
