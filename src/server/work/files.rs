//! Names in the exports and uploads folders. They come from requests, so each is one plain name.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{Error, Result};

/// Whether a text names one restore: eight hexadecimal digits.
pub fn is_run(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is an id such as the service makes: 1 to 64 lower-case letters and digits.
pub fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The file of an id in a folder.
pub fn file_of(folder: &Path, id: &str) -> Result<PathBuf> {
    match is_plain(id) {
        true => Ok(folder.join(id)),
        false => Err(Error::Usage(format!("{id:?} is no id"))),
    }
}

/// Removes an upload's file. May be done again.
pub fn remove_upload(uploads: &Path, upload: &str) -> Result<()> {
    let path = file_of(uploads, upload)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::target(path, error)),
        _ => Ok(()),
    }
}

/// The name that a loaded file is stored under is no path.
pub fn check_file_name(name: &str) -> Result<()> {
    let is_path = name.is_empty() || name.contains(['/', '\0']) || matches!(name, "." | "..");
    match is_path || name.len() > 255 {
        true => Err(Error::Usage(format!("{name:?} is no file's name; give one without a folder"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_its_folder() {
        let folder = Path::new("/exports");
        assert_eq!(file_of(folder, "e0123456789abcdef").unwrap(), folder.join("e0123456789abcdef"));
        for id in ["", "..", "../x", "/etc/passwd", "a/b", "a.b", "A", "a\0", &"a".repeat(65)] {
            assert!(file_of(folder, id).is_err(), "{id:?}");
        }
        check_file_name("shop 2026.dump").unwrap();
        for name in ["", ".", "..", "a/b", "/a", "a\0b", &"a".repeat(256)] {
            assert!(check_file_name(name).is_err(), "{name:?}");
        }
    }
}
