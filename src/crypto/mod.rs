//! Keys, ids and seals. Pure: randomness and time come from outside, nothing is read or written.
//!
//! A repository has one random [`MasterKey`]. [`KeySlot`]s keep it wrapped, one for each passphrase or key file;
//! [`RepoKeys`] are derived from it; a [`Sealer`] holds the key of one stored object.
//!
//! ```text
//! passphrase ─ Argon2id ─┐
//! key file ─── BLAKE3 ───┴─ unwraps ─ master ┬─ chunk-id key: ids of chunks
//!                                            ├─ config key:   MAC of the config
//!                                            ├─ pack root ────┬─ salt of a pack ───── its key; nonce: number of a block
//!                                            └─ object root ──┴─ kind and salt ────── its key; nonce: number of a part
//! ```
//!
//! No key is derived from what a chunk holds. Every byte string that is hashed here is made of parts of fixed length,
//! but for its last.

mod derive;
mod keys;
mod master;
mod seal;
mod slot;
mod wrapping;

pub use keys::RepoKeys;
pub use master::{KEY_LEN, MasterKey};
pub use seal::{Encryption, SALT_LEN, Sealer, TAG_LEN};
pub use slot::{Argon2Params, Kdf, KeySlot, Secret};
pub use wrapping::WrappingKey;
