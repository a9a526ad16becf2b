//! Every bound on what is read from a repository, a container or a user, in one place.
//!
//! A length or count that comes from outside is held against its limit before anything is allocated for it.

/// Smallest stream chunk but for the last of a stream, bytes.
pub const CHUNK_MIN: usize = 4 * 1024;
/// Largest chunk of any class, bytes.
pub const CHUNK_MAX: usize = 64 * 1024;
/// Largest plain length of a block, bytes. A block is filled to about [`BLOCK_TARGET`].
pub const BLOCK_MAX: usize = 2 * 1024 * 1024;
/// A block is closed when its plain length reaches this, bytes.
pub const BLOCK_TARGET: usize = 512 * 1024;
/// A pack is closed when its stored length reaches this, bytes.
pub const PACK_TARGET: usize = 16 * 1024 * 1024;
/// Largest pack that is read, bytes.
pub const PACK_MAX: usize = 256 * 1024 * 1024;
/// Largest pack footer, plain bytes.
pub const FOOTER_MAX: usize = 32 * 1024 * 1024;
/// Most blocks in a pack.
pub const PACK_BLOCKS_MAX: usize = 1 << 16;
/// Most chunks in a pack.
pub const PACK_CHUNKS_MAX: usize = 1 << 20;
/// References in a recipe node of a page-class file; the mean of a stream's.
pub const NODE_FANOUT: usize = 128;
/// Most references in a recipe node.
pub const NODE_REFS_MAX: usize = 512;
/// Deepest recipe: 128^6 chunks of 4 KiB are 16 PiB.
pub const RECIPE_DEPTH_MAX: u8 = 8;
/// Deepest folder nesting of a captured tree.
pub const PATH_DEPTH_MAX: usize = 1024;
/// Longest file name, bytes (Linux: 255; others allow a little more).
pub const NAME_MAX: usize = 1024;
/// Longest symbolic-link target, bytes.
pub const LINK_TARGET_MAX: usize = 64 * 1024;
/// Largest encoded folder listing, bytes.
pub const DIRECTORY_MAX: usize = 1 << 30;
/// Most extended attributes of a file, and the longest value.
pub const XATTRS_MAX: usize = 4096;
/// Longest extended-attribute value, bytes.
pub const XATTR_VALUE_MAX: usize = 64 * 1024;
/// Largest manifest, ledger record, key slot, writer or condemned record, bytes.
pub const SMALL_OBJECT_MAX: usize = 16 * 1024 * 1024;
/// Files whose content is at most this long are kept inside their folder's listing, bytes.
pub const INLINE_MAX: usize = 128;
/// Most bytes that a compressed container may expand to for each byte read from it.
/// One public Neo4j dump of 41 KB expands to 263 MB (6,400:1), so the bound is generous and free space is checked too.
pub const CONTAINER_RATIO_MAX: u64 = 1 << 20;
/// Most members in a container that is loaded.
pub const CONTAINER_MEMBERS_MAX: u64 = 50_000_000;
/// Largest PAX header of a tar member, bytes: its path, its link's target and its extended attributes.
pub const PAX_HEADER_MAX: u64 = 16 * 1024 * 1024;
/// Largest Argon2id memory cost accepted from a key slot, KiB.
pub const ARGON2_MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Largest Argon2id time cost accepted from a key slot.
pub const ARGON2_TIME_MAX: u32 = 32;
/// Most Argon2id lanes accepted from a key slot.
pub const ARGON2_LANES_MAX: u32 = 16;
/// Longest label of a key slot, bytes.
pub const KEY_LABEL_MAX: usize = 256;
/// Shortest content of a key file, bytes: as many as the key that it protects.
pub const KEY_FILE_MIN: usize = 32;
/// Longest passphrase or key-file content, bytes.
pub const SECRET_MAX: usize = 64 * 1024;
