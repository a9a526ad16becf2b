//! Looks at a file's name and first bytes to tell page files, logs and streams apart.
//!
//! A wrong answer costs deduplication, never data: every class restores what was read. So a name alone is believed only
//! where it is unmistakable, and a doubtful file is a stream.

use std::path::Path;

use super::{Class, Cutting};

/// How many of a file's first bytes [`cutting_of`] makes use of. Fewer will do; they tell less.
pub const HEAD_LEN: usize = 4096;

/// PostgreSQL's page size as it is built everywhere; InnoDB and Neo4j have their own.
const POSTGRES_PAGE: u32 = 8192;
const POSTGRES_WAL_SEGMENT_MIN: u64 = 1 << 20;
const POSTGRES_WAL_SEGMENT_MAX: u64 = 1 << 30;
const INNODB_DEFAULT_PAGE: u32 = 16 * 1024;
const NEO4J_PAGE: u32 = 8192;
const DISK_PAGE: u32 = 4096;

/// How to cut a file without a source that knows it: `path` is relative to the instance's root, `head` holds the
/// first bytes (best [`HEAD_LEN`] of them, or the whole file), `len` is the file's length in bytes.
///
/// Never fails: what is not recognised, or too short to be, is a stream.
pub fn cutting_of(path: &Path, head: &[u8], len: u64) -> Cutting {
    let names = Names::of(path);
    if is_postgres_log(&names, len) {
        return Cutting::Log;
    }
    sqlite(head)
        .or_else(|| postgres_relation(&names, head, len))
        .or_else(|| innodb(&names, head, len))
        .or_else(|| neo4j(&names, len))
        .or_else(|| disk_image(&names, head))
        .map_or(Cutting::Stream, |page_size| Cutting::Page { page_size })
}

/// The class of a file that is cut as [`cutting_of`] says.
pub fn class_of(path: &Path, head: &[u8], len: u64) -> Class {
    cutting_of(path, head, len).class()
}

/// The last four parts of a path, as bytes; empty where the path is shorter.
struct Names<'a> {
    file: &'a [u8],
    parent: &'a [u8],
    grandparent: &'a [u8],
    great_grandparent: &'a [u8],
}

impl<'a> Names<'a> {
    fn of(path: &'a Path) -> Self {
        let mut parts = path.components().rev().map(|part| part.as_os_str().as_encoded_bytes());
        let mut next = || parts.next().unwrap_or_default();
        Self { file: next(), parent: next(), grandparent: next(), great_grandparent: next() }
    }
}

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn is_digits(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}

fn is_whole_pages(len: u64, page_size: u32) -> bool {
    len > 0 && len.is_multiple_of(u64::from(page_size))
}

/// A SQLite database: its header begins with a fixed text and holds the page size in bytes 16 to 18, big-endian, where
/// 1 stands for 65,536. Its `-wal` is a stream: frame headers of 24 bytes move the pages in it.
fn sqlite(head: &[u8]) -> Option<u32> {
    if !head.starts_with(b"SQLite format 3\0") {
        return None;
    }
    match u32::from(u16::from_be_bytes(array(head, 16)?)) {
        1 => Some(65_536),
        size if size >= 512 && size.is_power_of_two() => Some(size),
        _ => None,
    }
}

/// A PostgreSQL relation: `16384`, a later segment `16384.1`, or a fork (`16384_fsm`, `_vm`, `_init`), in
/// `base/<database>/`, `global/` or a table space's `PG_<version>/<database>/`.
///
/// Its pages carry their size and layout version (4 since PostgreSQL 8.3) in bytes 18 to 20, in the machine's byte
/// order; a page that was added and not yet used is all zeros. The data folder may stand anywhere below the root, so
/// only the last names of the path count.
fn postgres_relation(names: &Names, head: &[u8], len: u64) -> Option<u32> {
    let in_database =
        is_digits(names.parent) && (names.grandparent == b"base" || names.grandparent.starts_with(b"PG_"));
    if !(in_database || names.parent == b"global") || !is_relation_name(names.file) {
        return None;
    }
    let size_and_version: [u8; 2] = array(head, 18)?;
    let page_size = if head.iter().all(|&byte| byte == 0) {
        POSTGRES_PAGE
    } else {
        [u16::from_le_bytes(size_and_version), u16::from_be_bytes(size_and_version)]
            .into_iter()
            .filter(|word| word & 0xff == 4)
            .map(|word| u32::from(word & 0xff00))
            .find(|size| (1024..=32_768).contains(size) && size.is_power_of_two())?
    };
    is_whole_pages(len, page_size).then_some(page_size)
}

/// `<digits>`, then perhaps `_fsm`, `_vm` or `_init`, then perhaps `.<digits>`.
fn is_relation_name(name: &[u8]) -> bool {
    let mut parts = name.splitn(2, |&byte| byte == b'.');
    let relation = parts.next().unwrap_or_default();
    let segment_fits = parts.next().is_none_or(is_digits);
    let number =
        [&b"_fsm"[..], b"_vm", b"_init"].into_iter().find_map(|fork| relation.strip_suffix(fork)).unwrap_or(relation);
    segment_fits && is_digits(number)
}

/// A PostgreSQL write-ahead-log segment: 24 hexadecimal digits in `pg_wal` (`pg_xlog` before version 10), of a length
/// that is a power of two from 1 MiB to 1 GiB.
fn is_postgres_log(names: &Names, len: u64) -> bool {
    let in_log = names.parent == b"pg_wal" || names.parent == b"pg_xlog";
    let is_segment = names.file.len() == 24 && names.file.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    let fits = len.is_power_of_two() && (POSTGRES_WAL_SEGMENT_MIN..=POSTGRES_WAL_SEGMENT_MAX).contains(&len);
    in_log && is_segment && fits
}

/// An InnoDB table space: `*.ibd`, `ibdata*`, and undo (`undo001`, `undo_001`, `innodb_undo_001`, `*.ibu`).
///
/// Page 0 has page number 0 at byte 4, its type (8: file space header) at byte 24 and the table space's flags at byte
/// 54, all big-endian. The second and later `ibdata` files of one table space begin with any page: these are known by
/// name and whole pages alone. The redo log (`ib_logfile*`) is a stream.
fn innodb(names: &Names, head: &[u8], len: u64) -> Option<u32> {
    const FILE_SPACE_HEADER: u16 = 8;
    let name = names.file;
    let is_system = name.strip_prefix(b"ibdata").is_some_and(is_digits);
    let is_undo =
        [&b"innodb_undo_"[..], b"undo_", b"undo"].into_iter().any(|p| name.strip_prefix(p).is_some_and(is_digits));
    if !(is_system || is_undo || name.ends_with(b".ibd") || name.ends_with(b".ibu")) {
        return None;
    }
    let is_first_page = array(head, 4).map(u32::from_be_bytes) == Some(0)
        && array(head, 24).map(u16::from_be_bytes) == Some(FILE_SPACE_HEADER);
    let page_size = match array(head, 54).map(u32::from_be_bytes) {
        Some(flags) if is_first_page => innodb_page_size(flags)?,
        _ if is_system => INNODB_DEFAULT_PAGE,
        _ => return None,
    };
    is_whole_pages(len, page_size).then_some(page_size)
}

/// The page size in a file, from a table space's flags.
///
/// Bit 4 marks MariaDB's newer layout, whose low four bits are log2(size / 512). In the older layout (MySQL's too) bits
/// 1 to 4 are that of a compressed table, and bits 6 to 9 that of any other; 0 is the default, 16 KiB.
fn innodb_page_size(flags: u32) -> Option<u32> {
    let shift = if flags & 0x10 != 0 {
        flags & 0xf
    } else {
        match (flags >> 1 & 0xf, flags >> 6 & 0xf) {
            (0, 0) => return Some(INNODB_DEFAULT_PAGE),
            (0, page) => page,
            (compressed, _) => compressed,
        }
    };
    (1..=7).contains(&shift).then(|| 512 << shift)
}

/// A Neo4j store file, kept by its page cache in pages of 8 KiB: `neostore` and `neostore.*` (record formats, counts,
/// ids), `block.*.db` and `.id` (block format), and `schema/index/<provider>/<n>/index-<n>`.
///
/// Not the transaction logs (`neostore.transaction.db.*`, `checkpoint.*`), which are appended to, and not the page
/// cache's profiles. Older stores round pages down to whole records (8,160 bytes, say): records are still changed in
/// place, which is what fixed cuts need.
fn neo4j(names: &Names, len: u64) -> Option<u32> {
    let name = names.file;
    let is_log = name.starts_with(b"neostore.transaction.db");
    let is_record_store = name == b"neostore" || name.starts_with(b"neostore.");
    let is_block_store = name.starts_with(b"block.") && (name.ends_with(b".db") || name.ends_with(b".id"));
    let is_index = name.strip_prefix(b"index-") == Some(names.parent)
        && is_digits(names.parent)
        && names.great_grandparent == b"index";
    let is_page_file = is_record_store && !is_log && !name.ends_with(b".cacheprof")
        || (is_block_store || is_index) && is_whole_pages(len, NEO4J_PAGE);
    is_page_file.then_some(NEO4J_PAGE)
}

/// A virtual machine's disk, whose guest writes pages of 4 KiB: qcow2, VDI and VHDX by their magic; a raw one by its
/// name (`.img`, `.raw`, `.vmdk`) together with the boot signature that MBR and GPT disks have at byte 510.
fn disk_image(names: &Names, head: &[u8]) -> Option<u32> {
    const VDI_SIGNATURE: [u8; 4] = 0xbeda_107f_u32.to_le_bytes();
    let by_magic =
        head.starts_with(b"QFI\xfb") || head.starts_with(b"vhdxfile") || array(head, 64) == Some(VDI_SIGNATURE);
    let raw_name = [&b".img"[..], b".raw", b".vmdk"].into_iter().any(|suffix| names.file.ends_with(suffix));
    let by_signature = raw_name && array(head, 510) == Some([0x55, 0xaa]);
    (by_magic || by_signature).then_some(DISK_PAGE)
}

#[cfg(test)]
#[path = "sniff_tests.rs"]
mod tests;
