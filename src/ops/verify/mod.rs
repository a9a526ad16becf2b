//! Looks at everything that is stored, and names each object that is not as it was written.

mod affected;
mod objects;
mod packs;
mod problems;
mod report;
mod run;

pub use report::{ReadData, VerifyError, VerifyOptions, VerifyReport};
pub use run::verify;

pub(super) use affected::damaged_snapshots;
pub(super) use objects::{check_config, check_key, check_seal, key_copies};
pub(super) use packs::{PackCheck, check_packs};
