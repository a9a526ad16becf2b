//! A folder as an instance.

mod capture;
mod logs;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use capture::{FilesOptions, capture, capture_folder};

use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::ops::Progress;
use crate::ops::capture::Capture;
use crate::ops::restore::{Mark, RestorePlan, RestoreReport, incomplete_restore, plan_in_place};

use super::access::{Place, Settings};
use super::kind::{Attempt, Capturing, Check, Description, Kind, Material, Reverted, Source, Staged};
use super::stored::Stored;
use super::url::SourceUrl;

/// Folders.
pub struct Files;

impl Kind for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["files"]
    }

    fn example(&self) -> &'static str {
        "files:/path/of/a/folder"
    }

    fn made(&self, origin: &Origin) -> bool {
        matches!(origin, Origin::Files)
    }

    fn writes_dumps(&self) -> bool {
        false
    }

    fn source(&self, url: &SourceUrl, settings: &Settings, place: &Place) -> Result<Box<dyn Source>> {
        let folder = url.path()?.to_path_buf();
        let _ = place;
        Ok(Box::new(Folder { folder, settings: settings.clone(), planned: Mutex::default() }))
    }

    /// The folder is restored, which reads and checks all of it, and gone through again.
    fn drill(
        &self,
        stored: &Stored<'_>,
        query: Option<&str>,
        place: &Place,
        progress: &dyn Progress,
    ) -> Result<Vec<Check>> {
        if query.is_some() {
            return Err(Error::Usage("a folder answers no queries; leave --query away".into()));
        }
        let folder = place.folder("drill")?;
        let target = folder.path().join("restored");
        let report = stored.restore_to(&target, progress)?;
        let again = plan_in_place(stored.reader, &stored.component.root, &target, progress)?;
        let detail = format!("{} files, {} bytes", report.files, report.bytes_total);
        Ok(vec![match again.is_empty() {
            true => Check::passed("restored files", detail),
            false => Check::failed("restored files", format!("{detail}: what was written reads otherwise")),
        }])
    }
}

struct Folder {
    folder: PathBuf,
    settings: Settings,
    /// What staging found out, for the swap.
    planned: Mutex<Option<RestorePlan>>,
}

impl Folder {
    fn planned(&self) -> MutexGuard<'_, Option<RestorePlan>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Folder {
    fn shown(&self) -> String {
        format!("files:{}", self.folder.display())
    }

    fn target(&self) -> String {
        self.folder.display().to_string()
    }

    fn describe(&self) -> Result<Description> {
        let stat = std::fs::metadata(&self.folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(format!("the source {} is not there", self.shown())),
            _ => Error::source(&self.folder, error),
        })?;
        if !stat.is_dir() {
            return Err(Error::Usage(format!(
                "{} is not a folder; a database file is a source as sqlite:…, and any single file can be brought in by `snaphold load`",
                self.folder.display()
            )));
        }
        Ok(Description { version: String::new(), bytes: None, notes: Vec::new() })
    }

    fn begin<'s>(&'s self, _: &dyn Progress) -> Result<Box<dyn Capturing + 's>> {
        if let Some(of) = incomplete_restore(&self.folder)? {
            return Err(Error::Refused(format!(
                "{} holds a restore of {of} that was not finished; restore again first",
                self.folder.display()
            )));
        }
        Ok(Box::new(Reading(self)))
    }

    fn accepts(&self, origin: &Origin) -> Result<(), String> {
        match origin {
            Origin::Files | Origin::Loaded { .. } => Ok(()),
            _ => Err("it is of another kind".into()),
        }
    }

    fn is_vacant(&self) -> Result<bool> {
        super::open_file::is_vacant(&self.folder)
    }

    fn has_data(&self) -> Result<bool> {
        Ok(self.folder.exists() && incomplete_restore(&self.folder)?.is_none())
    }

    fn plan(&self, stored: &Stored<'_>, progress: &dyn Progress) -> Result<RestoreReport> {
        Ok(plan_in_place(stored.reader, &stored.component.root, &self.folder, progress)?.report)
    }

    /// The plan reads, decodes and checks all that will be written, before anything is touched.
    fn stage(&self, material: &Material<'_>, _: &Attempt, progress: &dyn Progress) -> Result<Staged> {
        let Material::Stored(stored) = material else {
            return Err(Error::Refused("a folder is restored from a snapshot".into()));
        };
        let plan = plan_in_place(stored.reader, &stored.component.root, &self.folder, progress)?;
        let report = plan.report;
        *self.planned() = Some(plan);
        Ok(Staged { report, ..Staged::default() })
    }

    fn swap(&self, stored: Option<&Stored<'_>>, attempt: &Attempt, _: &Staged, progress: &dyn Progress) -> Result<()> {
        let stored = stored.ok_or_else(|| Error::Refused("a folder is restored from a snapshot".into()))?;
        let kept = self.planned().take();
        let plan = match kept {
            Some(plan) => plan,
            None => plan_in_place(stored.reader, &stored.component.root, &self.folder, progress)?,
        };
        let mark = Mark { snapshot: attempt.of.clone(), started_at: attempt.started_at };
        plan.apply(stored.reader, &mark, progress).map(drop)
    }

    /// Applying ends with everything in its place, synced: there is nothing more to ask a folder.
    fn check(&self, _: &Attempt, _: &Staged, _: &dyn Progress) -> Result<Vec<Check>> {
        Ok(Vec::new())
    }

    fn finish(&self, _: &Attempt, _: &Staged) -> Result<()> {
        Ok(())
    }

    fn revert(&self, attempt: &Attempt, staged: Option<&Staged>) -> Result<Reverted> {
        let _ = attempt;
        self.planned().take();
        Ok(match (staged, incomplete_restore(&self.folder)?) {
            (None, None) => Reverted::Back,
            _ => Reverted::NeedsSafety,
        })
    }

    fn is_patched_in_place(&self) -> bool {
        true
    }

    fn loads_by_snapshot(&self) -> bool {
        true
    }

    fn part(&self, path: &[u8]) -> Result<Box<dyn Source>> {
        let mut folder = self.folder.clone();
        folder.extend(path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(OsStr::from_bytes));
        Ok(Box::new(Folder { folder, settings: self.settings.clone(), planned: Mutex::default() }))
    }
}

struct Reading<'s>(&'s Folder);

impl Capturing for Reading<'_> {
    fn store(self: Box<Self>, capture: &Capture<'_>, name: &str) -> Result<Component> {
        let Settings { skip_unreadable, always_read, ref excluded, .. } = self.0.settings;
        let options = FilesOptions { skip_unreadable, always_read, excluded: excluded.clone(), left_out: Vec::new() };
        self::capture(capture, name, &self.0.folder, &options)
    }
}
