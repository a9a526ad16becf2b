//! Trees to restore.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, makedev, mknodat, utimensat};

use super::support::noise;

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn set_mtime(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A file of `len` bytes that is a hole but for what is written into it.
pub fn sparse(path: &Path, len: u64, parts: &[(u64, &[u8])]) {
    let file = File::create(path).unwrap();
    file.set_len(len).unwrap();
    for (offset, bytes) in parts {
        file.write_all_at(bytes, *offset).unwrap();
    }
}

/// A file that is taken for a database of pages of 4 KiB.
pub fn pages(path: &Path, seed: u64, count: usize) {
    let mut bytes = noise(seed, count * 4096);
    let mut header = b"SQLite format 3\0".to_vec();
    header.extend([0x10, 0x00, 1, 1, 0, 64, 32, 32]);
    bytes[..header.len()].copy_from_slice(&header);
    fs::write(path, bytes).unwrap();
}

/// An ACL in the kernel's form: the owner, one user more, the group, the mask, others.
fn acl(mask: u16) -> Vec<u8> {
    let entries =
        [(0x01u16, 7u16, u32::MAX), (0x02, 4, 1000), (0x04, 5, u32::MAX), (0x10, mask, u32::MAX), (0x20, 0, u32::MAX)];
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// One of everything that a file system holds.
pub fn everything(root: &Path) {
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    for len in [0usize, 1, 127, 128, 129, 4095, 4096, 20_000, 100_000] {
        fs::write(root.join(format!("noise-{len}")), noise(len as u64, len)).unwrap();
    }
    fs::write(root.join("sub/large"), noise(1, 3_000_000)).unwrap();
    pages(&root.join("sub/pages.db"), 2, 800);
    fs::write(root.join("sub/text"), "the same line again\n".repeat(50_000)).unwrap();
    fs::write(root.join("zeros"), vec![0; 2_000_000]).unwrap();
    fs::write(root.join("ones"), vec![1; 2_000_001]).unwrap();
    sparse(&root.join("hole"), 5_000_000, &[]);
    sparse(&root.join("holes"), 5_000_000, &[(0, b"start"), (2_000_000, &noise(3, 70_000)), (4_999_000, b"end")]);
    names_and_links(root);
    metadata(root);
    // What is made in a folder changes its time, so folders come last, the deepest first.
    set_mtime(&root.join("sub/empty"), 1_000_000_000, 5);
    set_mtime(&root.join("sub"), -1, 999_999_999);
    set_mtime(root, 1_234_567_890, 123_456_789);
}

fn names_and_links(root: &Path) {
    for name in [&b"\xff\xfe"[..], b"new\nline", b" ", b"\xc3\xa9", &[b'n'; 255]] {
        fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(root.join("linked-a"), noise(4, 50_000)).unwrap();
    fs::hard_link(root.join("linked-a"), root.join("linked-b")).unwrap();
    fs::hard_link(root.join("linked-a"), root.join("sub/linked-c")).unwrap();
    fs::write(root.join("empty-linked-a"), b"").unwrap();
    fs::hard_link(root.join("empty-linked-a"), root.join("sub/empty-linked-b")).unwrap();
    symlink("noise-1", root.join("link")).unwrap();
    symlink("/nowhere/at/all", root.join("dangling")).unwrap();
    symlink("sub", root.join("link-to-folder")).unwrap();
    symlink(OsStr::from_bytes(b"\xff"), root.join("link-bytes")).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    let deep: PathBuf = (0..60).map(|level| format!("level-{level}")).collect();
    fs::create_dir_all(root.join(&deep)).unwrap();
    fs::write(root.join(&deep).join("file"), b"deep").unwrap();
}

fn metadata(root: &Path) {
    set_mode(&root.join("noise-129"), 0o444);
    set_mode(&root.join("noise-4096"), 0o1777);
    set_mode(&root.join("sub/empty"), 0o555);
    set_mtime(&root.join("noise-1"), -5_000_000_000, 1);
    set_mtime(&root.join("link"), 77, 7);
    set_mtime(&root.join("fifo"), 78, 8);
    set_mtime(&root.join("linked-a"), 79, 9);
    xattr::set(root.join("noise-128"), "user.small", b"value").unwrap();
    xattr::set(root.join("noise-100000"), "user.binary", &[0, 255, 0]).unwrap();
    xattr::set(root.join("sub"), "user.folder", b"").unwrap();
    if is_root() {
        set_mode(&root.join("noise-4095"), 0o600);
        chown(root.join("noise-4095"), Some(1000), Some(1001)).unwrap();
        chown(root.join("noise-20000"), Some(1000), Some(1001)).unwrap();
        set_mode(&root.join("noise-20000"), 0o6755);
        chown(root.join("sub/empty"), Some(1000), Some(0)).unwrap();
        lchown(root.join("dangling"), Some(1000), Some(1001)).unwrap();
        chown(root.join("fifo"), Some(0), Some(1001)).unwrap();
        xattr::set(root.join("link"), "trusted.of-a-link", b"1").unwrap();
        xattr::set(root.join("fifo"), "trusted.of-a-fifo", b"1").unwrap();
        mknodat(CWD, root.join("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 3)).unwrap();
        mknodat(CWD, root.join("loop"), FileType::BlockDevice, Mode::from_raw_mode(0o600), makedev(7, 0)).unwrap();
    }
    xattr::set(root.join("ones"), "system.posix_acl_access", &acl(4)).unwrap();
    xattr::set(root.join("sub"), "system.posix_acl_default", &acl(5)).unwrap();
}
