//! A file that is loaded: a dump or an archive is opened, and its members are stored as files.

use std::io::Read;

use crate::container::{Body, RelativePath, open};
use crate::error::{Error, Result};
use crate::format::manifest::{Component, Origin};
use crate::ops::capture::Capture;

use super::members::{MemberStore, plain_metadata};

/// Captures what `input` holds as the component `name`. `file_name` is the loaded file's own name.
pub fn capture(capture: &Capture<'_>, name: &str, input: Box<dyn Read + Send>, file_name: &str) -> Result<Component> {
    let opened = open(input, file_name)?;
    capture.progress.stage("reading", None);
    let mut store = MemberStore::new(capture, name, file_name);
    match opened.body {
        Body::Members(mut members) => {
            while let Some(member) = members.next_member()? {
                store.member(member, &mut *members)?;
            }
            for keyword in members.not_kept() {
                capture.progress.notice(&format!("{file_name} says {keyword} of its members, which is not kept"));
            }
        }
        Body::Single { name, mut reader } => {
            let path = RelativePath::from_components([name.into_bytes()])
                .map_err(|problem| Error::Usage(format!("{file_name}: {problem}")))?;
            store.file(&path, plain_metadata(0o644, capture.began_at_ns), &mut reader)?;
        }
    }
    let origin = Origin::Loaded { file_name: file_name.to_string(), form: opened.form };
    Ok(Component { name: name.to_string(), origin, root: store.finish()?, unreadable: 0 })
}
