//! Source files as the rules see them: code alone, without comments, texts and unit tests.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// One `.rs` file.
pub struct Source {
    /// The text as it stands.
    pub text: String,
    /// The text with comments and the insides of literals blanked; lines and columns are kept.
    pub code: String,
    /// [`Source::code`] with `#[cfg(test)]` items blanked too; nothing, where the whole file is one.
    pub shipped: String,
    /// The files that a `#[path = "…"]` names, by their path under `src/`.
    pub elsewhere: Vec<String>,
}

/// Every file under `src/`, by its path there.
pub struct Tree {
    /// `repo/pack.rs` and its like.
    pub files: BTreeMap<String, Source>,
}

impl Tree {
    /// Reads a folder.
    pub fn load(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_string();
                    let text = fs::read_to_string(&path).unwrap();
                    files.insert(name.clone(), Source::new(&name, &text));
                }
            }
        }
        Self { files }.without_test_files()
    }

    /// A made-up tree.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| (name.to_string(), Source::new(name, text))).collect();
        Self { files }.without_test_files()
    }

    /// Blanks what is shipped of files that only tests declare, and of the modules below them.
    fn without_test_files(mut self) -> Self {
        let mut tests = Vec::new();
        for (name, source) in &self.files {
            for item in test_items(&source.code) {
                let (code, text) = (&source.code[item.clone()], &source.text[item]);
                let Some(module) = code.strip_suffix(';').and_then(|code| code.rsplit_once("mod ")) else { continue };
                let child = [module_of(name), vec![module.1.trim().to_string()]].concat();
                tests.extend(paths_named(name, text, code).pop().or_else(|| self.file_of(&child).map(str::to_string)));
            }
        }
        for test in tests {
            let below = format!("{}/", module_of(&test).join("/"));
            let files = self.files.iter_mut().filter(|(name, _)| **name == test || name.starts_with(&below));
            files.for_each(|(_, source)| source.shipped.clear());
        }
        self
    }

    /// The file that is the module of this path, such as `["repo", "pack"]`.
    pub fn file_of(&self, module: &[String]) -> Option<&str> {
        let joined = module.join("/");
        [format!("{joined}.rs"), format!("{joined}/mod.rs")]
            .iter()
            .find_map(|name| self.files.get_key_value(name).map(|(name, _)| name.as_str()))
    }
}

/// The module path of a file: `repo/pack.rs` is `["repo", "pack"]`; the crate roots are `[]`.
pub fn module_of(file: &str) -> Vec<String> {
    if file == "lib.rs" || file == "main.rs" {
        return Vec::new();
    }
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    stem.split('/').map(str::to_string).collect()
}

impl Source {
    fn new(name: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let mut shipped = code.clone().into_bytes();
        test_items(&code).into_iter().for_each(|item| blank(&mut shipped[item]));
        let shipped = String::from_utf8(shipped).unwrap();
        Self { text: text.to_string(), elsewhere: paths_named(name, text, &code), code, shipped }
    }
}

/// What the `#[path = "…"]` attributes of a text name, beside the file that holds them.
fn paths_named(file: &str, text: &str, code: &str) -> Vec<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let attribute = "#[path = \"";
    let found = code.match_indices(attribute).filter_map(|(at, _)| {
        let (path, _) = text[at + attribute.len()..].split_once('"')?;
        Some(if folder.is_empty() { path.to_string() } else { format!("{folder}/{path}") })
    });
    found.collect()
}

/// Where the brace that opens at `open` closes, or the end.
pub fn closing_brace(code: &[u8], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    code.len() - 1
}

/// Where the `#[cfg(test)]` items are, from the attribute to the closing brace or semicolon.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        let Some(len) = code[start..].find(['{', ';']) else { break };
        let last = if code[start + len..].starts_with('{') {
            closing_brace(code.as_bytes(), start + len)
        } else {
            start + len
        };
        items.push(start..last + 1);
        from = last + 1;
    }
    items
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

fn blank_comments_and_literals(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let after_word = at > 0 && is_word(bytes[at - 1]);
        let (skip, len) = match rest {
            [b'/', b'/', ..] => (0, rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())),
            [b'/', b'*', ..] => (0, block_comment_len(rest)),
            [b'"', ..] => (1, string_len(rest)),
            [b'r' | b'b' | b'c', ..] if !after_word && raw_prefix(rest).is_some() => (0, raw_len(rest)),
            [b'\'', ..] => char_len(rest).map_or((1, 1), |len| (1, len)),
            _ => (1, 1),
        };
        // A literal keeps its quotes, so that it is still something; a comment goes whole.
        if len > 1 {
            blank(&mut bytes[at + skip..at + len - skip]);
        }
        at += len;
    }
    String::from_utf8(bytes).unwrap()
}

/// Whether the byte belongs to an identifier.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn block_comment_len(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string_len(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// For `r#"`, `br"`, `cr##"`: how many bytes stand before the quote, and how many of them are hashes.
fn raw_prefix(rest: &[u8]) -> Option<(usize, usize)> {
    let r = rest.iter().take(2).position(|byte| *byte == b'r')?;
    let hashes = rest[r + 1..].iter().take_while(|byte| **byte == b'#').count();
    let quote = r + 1 + hashes;
    (rest.get(quote) == Some(&b'"')).then_some((quote, hashes))
}

fn raw_len(rest: &[u8]) -> usize {
    let (quote, hashes) = raw_prefix(rest).unwrap();
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = &rest[quote + 1..];
    body.windows(end.len()).position(|window| window == end).map_or(rest.len(), |at| quote + 1 + at + end.len())
}

/// The length of a character literal; `None` where the quote begins a lifetime.
fn char_len(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map(|at| at + 4);
    }
    let len = std::str::from_utf8(&rest[1..rest.len().min(5)]).map_or_else(
        |error| std::str::from_utf8(&rest[1..1 + error.valid_up_to()]).ok()?.chars().next().map(char::len_utf8),
        |text| text.chars().next().map(char::len_utf8),
    )?;
    (rest.get(1 + len) == Some(&b'\'')).then_some(len + 2)
}

#[test]
fn comments_and_literals_are_blanked_and_code_is_kept() {
    let text = "a /* x /* y */ z */ b // c\n\"d\\\"e\" 'f' '\\'' 'é' &'g h r#\"i\"j\"# br\"k\" for_r\"\" b'\\\\' l";
    let code = blank_comments_and_literals(text);
    assert_eq!(code.len(), text.len());
    let words: Vec<&str> = code.split_whitespace().filter(|word| word.bytes().any(is_word)).collect();
    assert_eq!(words, ["a", "b", "&'g", "h", "for_r\"\"", "b'", "l"]);
}
