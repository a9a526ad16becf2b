//! Which file imports which: by `use` and by paths in expressions, looking through re-exports.

use std::collections::BTreeSet;

use crate::source::{Tree, is_word, module_of};

/// One file names something of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that imports.
    pub from: String,
    /// The file that is imported.
    pub to: String,
}

/// All imports between the tree's files, without unit tests, each once. Crate roots (`lib.rs`) import nothing that
/// counts: declaring a module is no use of it.
pub fn imports(tree: &Tree) -> BTreeSet<Import> {
    let mut found = BTreeSet::new();
    for (from, source) in &tree.files {
        let module = module_of(from);
        for path in paths(&source.shipped) {
            if path.re_export {
                continue;
            }
            let Some(absolute) = absolute(tree, &module, &path.parts) else { continue };
            if let Some(to) = resolve(tree, &absolute, 0).filter(|to| to != from) {
                found.insert(Import { from: from.clone(), to });
            }
        }
    }
    found
}

/// A path as it was written.
#[derive(Debug, Clone)]
struct PathText {
    parts: Vec<String>,
    /// What a `use … as …` calls it.
    name: String,
    re_export: bool,
}

/// The path from the crate's root; `None` where it leads to another crate.
fn absolute(tree: &Tree, module: &[String], parts: &[String]) -> Option<Vec<String>> {
    let (first, rest) = parts.split_first()?;
    match first.as_str() {
        "crate" | "snaphold" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let parent = module.split_last()?.1;
            match rest.first().map(String::as_str) {
                Some("super") => absolute(tree, parent, rest),
                _ => Some([parent, rest].concat()),
            }
        }
        // `use pack::Pack` beside `mod pack`.
        child => {
            let path = [module, &[child.to_string()]].concat();
            tree.file_of(&path).is_some().then(|| [module, parts].concat())
        }
    }
}

/// The file in which what the path names is defined, as far as re-exports tell.
fn resolve(tree: &Tree, path: &[String], depth: usize) -> Option<String> {
    let (file, used) =
        (1..=path.len()).rev().find_map(|used| tree.file_of(&path[..used]).map(|file| (file.to_string(), used)))?;
    let Some(item) = path.get(used).filter(|_| depth < 8) else { return Some(file) };
    let module = module_of(&file);
    let re_exported = paths(&tree.files[&file].shipped).into_iter().find(|path| path.re_export && path.name == *item);
    match re_exported.and_then(|path| absolute(tree, &module, &path.parts)) {
        Some(target) => resolve(tree, &target, depth + 1),
        None => Some(file),
    }
}

/// Every path of two parts or more, with `use` trees spread out.
fn paths(code: &str) -> Vec<PathText> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let starts = is_word(bytes[at]) && (at == 0 || !(is_word(bytes[at - 1]) || bytes[at - 1] == b':'));
        if !starts {
            at += 1;
            continue;
        }
        let word = word_at(code, at);
        if word == "use" {
            let end = code[at..].find(';').map_or(bytes.len(), |len| at + len);
            let public = code[..at].trim_end();
            let re_export = public.ends_with("pub") || public.ends_with(')') && public.contains("pub(");
            spread(&code[at + 3..end], &[], re_export, &mut found);
            at = end;
            continue;
        }
        let mut parts = vec![word.to_string()];
        at += word.len();
        while code[at..].starts_with("::") && bytes.get(at + 2).copied().is_some_and(is_word) {
            let next = word_at(code, at + 2);
            parts.push(next.to_string());
            at += 2 + next.len();
        }
        if parts.len() > 1 {
            found.push(PathText { name: parts.last().cloned().unwrap_or_default(), parts, re_export: false });
        }
    }
    found
}

fn word_at(code: &str, at: usize) -> &str {
    let len = code[at..].bytes().take_while(|byte| is_word(*byte)).count();
    &code[at..at + len]
}

/// One branch of a `use` tree, below `prefix`.
fn spread(text: &str, prefix: &[String], re_export: bool, found: &mut Vec<PathText>) {
    let text = text.trim();
    if let Some(open) = text.find('{') {
        let head: Vec<String> = [prefix, &parts(&text[..open])].concat();
        let inside = text[open + 1..].strip_suffix('}').unwrap_or(&text[open + 1..]);
        let mut depth = 0;
        let mut start = 0;
        for (at, byte) in inside.bytes().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b',' if depth == 0 => {
                    spread(&inside[start..at], &head, re_export, found);
                    start = at + 1;
                }
                _ => {}
            }
        }
        spread(&inside[start..], &head, re_export, found);
    } else if !text.is_empty() {
        let (path, alias) = text.split_once(" as ").map_or((text, None), |(path, alias)| (path, Some(alias.trim())));
        let mut all = [prefix, &parts(path)].concat();
        if all.last().is_some_and(|last| last == "self" && all.len() > 1) {
            all.pop();
        }
        let name = alias.map(str::to_string).or_else(|| all.last().cloned()).unwrap_or_default();
        found.push(PathText { parts: all, name, re_export });
    }
}

fn parts(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_string).collect()
}
