//! Owner, mode, times and extended attributes: compared, and set where they differ.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown, fstat, futimens,
    openat, utimensat,
};
use rustix::io::Errno;
use xattr::FileExt;

use crate::error::Result;
use crate::format::tree::Metadata;
use crate::ops::Progress;

use super::sink::{Spot, kind, proc_path};

const SPECIAL_BITS: u32 = 0o6000;

type Attribute = (Vec<u8>, Vec<u8>);

/// Sets metadata, and tells once of each kind of thing that the system does not permit.
pub(super) struct Attributes<'p> {
    progress: &'p dyn Progress,
    is_root: bool,
    told: Mutex<HashSet<String>>,
}

impl<'p> Attributes<'p> {
    pub(super) fn new(progress: &'p dyn Progress) -> Self {
        Self { progress, is_root: rustix::process::geteuid().is_root(), told: Mutex::default() }
    }

    /// Whether this user may do anything to any file.
    pub(super) fn is_root(&self) -> bool {
        self.is_root
    }

    /// Tells the user of something, the first time that it happens.
    pub(super) fn tell_once(&self, what: impl Into<String>, line: impl FnOnce() -> String) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(what.into()) {
            self.progress.notice(&line());
        }
    }

    /// Whether an opened file or folder has the wanted metadata already.
    pub(super) fn are_set(&self, spot: &Spot<'_>, file: &File, wanted: &Metadata) -> Result<bool> {
        let stat = fstat(file).map_err(|error| spot.error(error))?;
        let present = list(file).map_err(|error| spot.error(error))?;
        Ok(self.stat_is(&stat, wanted) && same_attributes(&present, &wanted.xattrs))
    }

    /// Whether a symbolic link, FIFO or device has the wanted metadata already.
    pub(super) fn of_other_are_set(&self, stat: &Stat, wanted: &Metadata) -> bool {
        let is_link = kind(stat) == rustix::fs::FileType::Symlink;
        let mode = if is_link { stat.st_mode & 0o7777 } else { wanted.mode };
        self.stat_is(stat, &Metadata { mode, ..wanted.clone() })
    }

    fn stat_is(&self, stat: &Stat, wanted: &Metadata) -> bool {
        // A user who cannot give files away has them under the own name, restored or not.
        let owner = !self.is_root || (stat.st_uid, stat.st_gid) == (wanted.uid, wanted.gid);
        owner && stat.st_mode & 0o7777 == wanted.mode & 0o7777 && mtime_ns(stat) == i128::from(wanted.mtime_ns)
    }

    /// Gives an opened file or folder the wanted metadata. With `exact`, attributes that it should not have are
    /// removed; a file that was just made in a folder without default ACLs has none.
    pub(super) fn set(&self, spot: &Spot<'_>, file: &File, wanted: &Metadata, exact: bool) -> Result<()> {
        let stat = fstat(file).map_err(|error| spot.error(error))?;
        let mut mode = wanted.mode & 0o7777;
        let mut owner_set = false;
        if (stat.st_uid, stat.st_gid) != (wanted.uid, wanted.gid) {
            let result = fchown(file, Some(Uid::from_raw(wanted.uid)), Some(Gid::from_raw(wanted.gid)));
            owner_set = self.owner_result(spot, result)?;
            if !owner_set {
                // Set-uid for whoever happens to restore would be a right that nobody gave.
                mode &= !SPECIAL_BITS;
            }
        }
        if exact || !wanted.xattrs.is_empty() {
            self.set_attributes(spot, file, wanted, exact)?;
        }
        // After the owner, whose change clears set-uid; after the ACL, which holds the group's bits.
        if owner_set || exact || !wanted.xattrs.is_empty() || stat.st_mode & 0o7777 != mode {
            let now = fstat(file).map_err(|error| spot.error(error))?;
            if now.st_mode & 0o7777 != mode {
                fchmod(file, Mode::from_raw_mode(mode)).map_err(|error| spot.error(error))?;
            }
        }
        if mtime_ns(&stat) != i128::from(wanted.mtime_ns) {
            futimens(file, &times(wanted.mtime_ns)).map_err(|error| spot.error(error))?;
        }
        Ok(())
    }

    fn owner_result(&self, spot: &Spot<'_>, result: Result<(), Errno>) -> Result<bool> {
        match result {
            Ok(()) => Ok(true),
            Err(Errno::PERM | Errno::INVAL) => {
                self.tell_once("owner", || {
                    "owners were not restored: this user may not give files away (set-uid and set-gid bits were left out)"
                        .into()
                });
                Ok(false)
            }
            Err(error) => Err(spot.error(error)),
        }
    }

    fn set_attributes(&self, spot: &Spot<'_>, file: &File, wanted: &Metadata, exact: bool) -> Result<()> {
        let present = if exact { list(file).map_err(|error| spot.error(error))? } else { Vec::new() };
        for (name, value) in &wanted.xattrs {
            if !present.iter().any(|(other, is)| other == name && is == value) {
                let result = file.set_xattr(OsStr::from_bytes(name), value);
                self.attribute_result(spot, name, result)?;
            }
        }
        for (name, _) in present.iter().filter(|(name, _)| is_ours_to_remove(name)) {
            if !wanted.xattrs.iter().any(|(other, _)| other == name) {
                let result = file.remove_xattr(OsStr::from_bytes(name));
                self.attribute_result(spot, name, result)?;
            }
        }
        Ok(())
    }

    fn attribute_result(&self, spot: &Spot<'_>, name: &[u8], result: io::Result<()>) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        let refused = [Errno::PERM, Errno::ACCESS, Errno::OPNOTSUPP, Errno::INVAL];
        if !refused.iter().any(|errno| Some(errno.raw_os_error()) == error.raw_os_error()) {
            return Err(spot.error(error));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let namespace = name.split('.').next().unwrap_or_default().to_string();
        self.tell_once(format!("xattr {namespace}"), || {
            format!("attributes of the kind {namespace}.* were not all restored ({name}: {error})")
        });
        Ok(())
    }

    /// Gives a symbolic link, FIFO or device the wanted metadata.
    pub(super) fn set_other(&self, spot: &Spot<'_>, wanted: &Metadata) -> Result<()> {
        let parent = spot.parent()?;
        let Some(stat) = spot.stat()? else { return Err(spot.error(io::Error::from(io::ErrorKind::NotFound))) };
        let is_link = kind(&stat) == rustix::fs::FileType::Symlink;
        let mut mode = wanted.mode & 0o7777;
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        if (stat.st_uid, stat.st_gid) != (wanted.uid, wanted.gid) {
            let (uid, gid) = (Uid::from_raw(wanted.uid), Gid::from_raw(wanted.gid));
            let result = chownat(&*parent, spot.name, Some(uid), Some(gid), nofollow);
            if !self.owner_result(spot, result)? {
                mode &= !SPECIAL_BITS;
            }
        }
        let is_to_change = stat.st_mode & 0o7777 != mode && !is_link;
        if is_to_change || !wanted.xattrs.is_empty() {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = openat(&*parent, spot.name, flags, Mode::empty()).map_err(|error| spot.error(error))?;
            let path = proc_path(&handle);
            for (name, value) in &wanted.xattrs {
                // A link's own attributes cannot be reached through a handle of it, but by its name in its folder's.
                let result = if is_link {
                    let name_in_folder = [proc_path_of(&parent).as_bytes(), b"/", spot.name].concat();
                    xattr::set(OsStr::from_bytes(&name_in_folder), OsStr::from_bytes(name), value)
                } else {
                    xattr::set_deref(&path, OsStr::from_bytes(name), value)
                };
                self.attribute_result(spot, name, result)?;
            }
            if is_to_change {
                rustix::fs::chmod(&path, Mode::from_raw_mode(mode)).map_err(|error| spot.error(error))?;
            }
        }
        utimensat(&*parent, spot.name, &times(wanted.mtime_ns), nofollow).map_err(|error| spot.error(error))
    }

    /// Takes away what a folder inherited from the one that it was made in.
    pub(super) fn strip_inherited(&self, folder: &File) {
        for name in ["system.posix_acl_access", "system.posix_acl_default"] {
            // Absent in nearly every case, and unknown to some file systems; where it stays, nothing worse happens
            // than that files made below inherit it too.
            let _ = folder.remove_xattr(name);
        }
    }
}

fn proc_path_of(handle: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd())
}

/// All attributes of an opened file. A file system that has none is no error.
fn list(file: &File) -> io::Result<Vec<Attribute>> {
    let names: Vec<OsString> = match file.list_xattr() {
        Ok(names) => names.collect(),
        Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut attributes = Vec::new();
    for name in names {
        if let Some(value) = file.get_xattr(&name)? {
            attributes.push((name.into_vec(), value));
        }
    }
    Ok(attributes)
}

fn same_attributes(present: &[Attribute], wanted: &[Attribute]) -> bool {
    let missing = wanted.iter().any(|attribute| !present.contains(attribute));
    let extra = |(name, _): &Attribute| is_ours_to_remove(name) && !wanted.iter().any(|(other, _)| other == name);
    !missing && !present.iter().any(extra)
}

/// Whether a restore removes the attribute where the snapshot does not have it: what users and administrators set, and
/// what gives rights; not the labels that the system puts on everything.
fn is_ours_to_remove(name: &[u8]) -> bool {
    [&b"user."[..], b"trusted.", b"system.posix_acl_", b"security.capability"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn mtime_ns(stat: &Stat) -> i128 {
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ between platforms")]
    let (seconds, nanoseconds) = (stat.st_mtime as i64, stat.st_mtime_nsec as i64);
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// The time of the last change, the time of the last access left as it is.
fn times(mtime_ns: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec {
            tv_sec: mtime_ns.div_euclid(1_000_000_000),
            tv_nsec: mtime_ns.rem_euclid(1_000_000_000),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, value: &str) -> Attribute {
        (name.into(), value.into())
    }

    #[test]
    fn labels_of_the_system_are_no_difference_and_rights_are() {
        let wanted = [attribute("user.a", "1")];
        assert!(same_attributes(&wanted, &wanted));
        assert!(same_attributes(&[attribute("security.selinux", "x"), attribute("user.a", "1")], &wanted));
        assert!(!same_attributes(&[], &wanted));
        assert!(!same_attributes(&[attribute("user.a", "2")], &wanted));
        assert!(!same_attributes(&[attribute("user.a", "1"), attribute("user.b", "1")], &wanted));
        assert!(!same_attributes(&[attribute("user.a", "1"), attribute("security.capability", "x")], &wanted));
    }

    #[test]
    fn times_before_1970_are_times() {
        let times = times(-1);
        assert_eq!((times.last_modification.tv_sec, times.last_modification.tv_nsec), (-1, 999_999_999));
    }
}
