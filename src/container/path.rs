//! Relative paths by type: a value of [`RelativePath`] cannot lead out of the folder that it is joined to.

use std::fmt;

use crate::limits;

/// Where a member lies below its container's root: components of bytes, none of them empty, `.` or `..`, none with
/// `/` or NUL. Without components it is the root itself. Sorts component by component, so that a folder comes
/// directly before all that lies below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Vec<Vec<u8>>);

/// Why bytes are no [`RelativePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// There is nothing at all.
    #[error("it is empty")]
    Empty,
    /// It begins with `/`.
    #[error("it is absolute")]
    Absolute,
    /// It has a component `..`.
    #[error("it has a component `..`")]
    Parent,
    /// It has a component `.` that is not the first, or two `/` in a row.
    #[error("it has an empty component")]
    EmptyComponent,
    /// It has a NUL byte.
    #[error("it has a NUL byte")]
    Nul,
    /// A component is longer than [`limits::NAME_MAX`].
    #[error("a component is longer than {} bytes", limits::NAME_MAX)]
    LongName,
    /// It has more components than [`limits::PATH_DEPTH_MAX`].
    #[error("it is deeper than {} folders", limits::PATH_DEPTH_MAX)]
    Deep,
}

impl RelativePath {
    /// The path that `bytes` name. A leading `./` and a trailing `/` say nothing and are taken off; `.` and `./` are
    /// the root.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathProblem> {
        match bytes.first() {
            None => return Err(PathProblem::Empty),
            Some(b'/') => return Err(PathProblem::Absolute),
            Some(_) => {}
        }
        let mut rest = bytes;
        while let Some(shorter) = rest.strip_suffix(b"/") {
            rest = shorter;
        }
        while let Some(shorter) = rest.strip_prefix(b"./") {
            rest = shorter;
        }
        if rest == b"." {
            return Ok(Self::default());
        }
        Self::from_components(rest.split(|&byte| byte == b'/').map(<[u8]>::to_vec))
    }

    /// The path made of `components`; with none of them, the root.
    pub fn from_components(components: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, PathProblem> {
        let mut checked = Vec::new();
        for component in components {
            match component.as_slice() {
                b"" | b"." => return Err(PathProblem::EmptyComponent),
                b".." => return Err(PathProblem::Parent),
                name if name.len() > limits::NAME_MAX => return Err(PathProblem::LongName),
                name if name.contains(&0) => return Err(PathProblem::Nul),
                // Only a caller that did not split can hand this over: the path would be read back as another one.
                name if name.contains(&b'/') => return Err(PathProblem::EmptyComponent),
                _ => checked.push(component),
            }
            if checked.len() > limits::PATH_DEPTH_MAX {
                return Err(PathProblem::Deep);
            }
        }
        Ok(Self(checked))
    }

    /// The components, outermost first.
    pub fn components(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; `None` for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        self.0.last().map(Vec::as_slice)
    }

    /// The components with `/` between them; empty for the root.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.join(&b'/')
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { f.write_str(&printable(&self.to_bytes())) }
    }
}

/// `bytes` as one line for people: control characters escaped, what is not UTF-8 replaced.
pub fn printable(bytes: &[u8]) -> String {
    let mut line = String::new();
    for character in String::from_utf8_lossy(bytes).chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, PathProblem> {
        RelativePath::parse(text.as_bytes()).map(|path| path.to_string())
    }

    #[test]
    fn leading_dot_and_trailing_slash_say_nothing() {
        for text in ["a/b", "./a/b", "././a/b", "a/b/", "./a/b//"] {
            assert_eq!(parsed(text).as_deref(), Ok("a/b"), "{text}");
        }
        for text in [".", "./", "././"] {
            assert!(RelativePath::parse(text.as_bytes()).unwrap().is_root(), "{text}");
        }
        assert_eq!(parsed("...").as_deref(), Ok("..."));
        assert_eq!(parsed(".hidden/..x").as_deref(), Ok(".hidden/..x"));
    }

    #[test]
    fn whatever_could_lead_elsewhere_is_refused() {
        let long = "n".repeat(limits::NAME_MAX + 1);
        let deep = vec!["d"; limits::PATH_DEPTH_MAX + 1].join("/");
        for (text, problem) in [
            ("", PathProblem::Empty),
            ("/", PathProblem::Absolute),
            ("/etc/passwd", PathProblem::Absolute),
            ("..", PathProblem::Parent),
            ("../x", PathProblem::Parent),
            ("./../x", PathProblem::Parent),
            ("a/../../x", PathProblem::Parent),
            ("a/..", PathProblem::Parent),
            ("a//b", PathProblem::EmptyComponent),
            (".//a", PathProblem::EmptyComponent),
            ("a/./b", PathProblem::EmptyComponent),
            ("a/.", PathProblem::EmptyComponent),
            ("a\0b", PathProblem::Nul),
            (long.as_str(), PathProblem::LongName),
            (deep.as_str(), PathProblem::Deep),
        ] {
            assert_eq!(parsed(text), Err(problem), "{text}");
        }
        assert!(parsed(&vec!["d"; limits::PATH_DEPTH_MAX].join("/")).is_ok());
        assert_eq!(RelativePath::from_components([b"a/b".to_vec()]), Err(PathProblem::EmptyComponent));
    }

    #[test]
    fn a_folder_sorts_directly_before_what_is_in_it() {
        let mut paths = ["a-b", "a/b", "a", "b", "a/b/c"].map(|text| RelativePath::parse(text.as_bytes()).unwrap());
        paths.sort();
        assert_eq!(paths.map(|path| path.to_string()), ["a", "a/b", "a/b/c", "a-b", "b"]);
    }

    #[test]
    fn names_are_shown_on_one_line() {
        assert_eq!(printable(b"a\nb\x1b[0m\xff"), "a\\nb\\u{1b}[0m\u{fffd}");
    }
}
