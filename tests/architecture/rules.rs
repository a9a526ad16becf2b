//! The rules, each a function from a tree of sources to what breaks it.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::imports;
use crate::source::{Tree, closing_brace, is_word, module_of};

/// What is wrong, one line each, in the order of the files.
pub type Breaches = Vec<String>;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 100;

/// The layers, lowest first, as src/lib.rs lists them. Modules of one layer do not import each other, but for the first.
const LAYERS: &[&[&str]] = &[
    &["error", "id", "limits", "clock"],
    &["storage"],
    &["chunk", "codec", "crypto", "container"],
    &["format"],
    &["repo"],
    &["ops"],
    &["source"],
    &["service", "bench"],
    &["server"],
    &["cli"],
];

/// Imports upwards that are meant: the file or folder, what it may import, and why.
const UPWARDS: &[(&str, &str, &str)] = &[
    ("chunk", "format/tree.rs", "a class says how to cut"),
    ("container", "format/tree.rs", "a container's members are entries of a tree"),
];

/// Imports downwards that are not meant, though the order would allow them.
const NEVER: &[(&str, &[&str], &str)] = &[
    ("chunk", &["storage"], "cutting is pure"),
    ("codec", &["storage"], "compressing is pure"),
    ("crypto", &["storage"], "sealing is pure"),
    ("container", &["storage"], "opening a container is pure"),
    ("format", &["storage"], "the bytes of a stored thing do not depend on where it is stored"),
    ("cli", &["chunk", "codec", "container"], "the program reaches stored data through ops and service"),
    ("server", &["chunk", "codec", "container"], "the service's edge reaches stored data through ops and service"),
];

fn top(file: &str) -> String {
    module_of(file).first().cloned().unwrap_or_default()
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// A layer imports only what stands below it; every top-level module has a layer.
pub fn layers(tree: &Tree) -> Breaches {
    let mut breaches = Vec::new();
    let unplaced: BTreeSet<String> = tree.files.keys().map(|file| top(file)).filter(|top| !top.is_empty()).collect();
    for module in unplaced.iter().filter(|module| layer_of(module).is_none()) {
        breaches.push(format!("{module} has no layer: give it one here, in src/lib.rs and in docs/ARCHITECTURE.md"));
    }
    for import in imports(tree) {
        let (from, to) = (top(&import.from), top(&import.to));
        let (Some(above), Some(below)) = (layer_of(&from), layer_of(&to)) else { continue };
        let meant = UPWARDS.iter().any(|(module, file, _)| *module == from && *file == import.to);
        let never = NEVER.iter().find(|(module, banned, _)| *module == from && banned.contains(&to.as_str()));
        let (from_file, to_file) = (&import.from, &import.to);
        if let Some((_, _, why)) = never {
            breaches.push(format!("{from_file} imports {to_file}: {why}"));
        } else if from != to && !meant && (above < below || above == below && above > 0) {
            breaches.push(format!("{from_file} imports {to_file}, which does not stand below it"));
        }
    }
    breaches
}

/// No file imports itself through others.
pub fn cycles(tree: &Tree) -> Breaches {
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for import in imports(tree) {
        edges.entry(import.from).or_default().push(import.to);
    }
    let mut done = BTreeSet::new();
    let mut breaches = Vec::new();
    for start in edges.keys() {
        walk(start, &edges, &mut Vec::new(), &mut done, &mut breaches);
    }
    breaches
}

fn walk(
    file: &str,
    edges: &BTreeMap<String, Vec<String>>,
    trail: &mut Vec<String>,
    done: &mut BTreeSet<String>,
    breaches: &mut Breaches,
) {
    if let Some(begin) = trail.iter().position(|earlier| earlier == file) {
        breaches.push(format!("cycle: {} → {file}", trail[begin..].join(" → ")));
        return;
    }
    if done.contains(file) {
        return;
    }
    trail.push(file.to_string());
    for next in edges.get(file).into_iter().flatten() {
        walk(next, edges, trail, done, breaches);
    }
    trail.pop();
    done.insert(file.to_string());
}

/// A call, and the files (or folders, with `/`) where it may stand, each with the reason.
struct Call {
    /// Texts that are the call; each is found only at a word's beginning.
    texts: &'static [&'static str],
    allowed: &'static [(&'static str, &'static str)],
}

const CALLS: &[Call] = &[
    Call {
        texts: &["env::var", "env::args", "env::current_dir", "env::temp_dir", "env::set_var", "env::home_dir"],
        allowed: &[("cli/", "the program reads its arguments and environment")],
    },
    Call {
        texts: &["process::exit", "process::abort"],
        allowed: &[("main.rs", "the exit code is the program's last word")],
    },
    Call {
        texts: &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"],
        allowed: &[("cli/", "the program brings the clock, and times its bars")],
    },
    Call {
        texts: &["println!", "eprintln!", "print!", "eprint!", "dbg!", "io::stdout", "io::stderr"],
        allowed: &[
            ("main.rs", "an error that ends the program is one line"),
            ("cli/", "printing is what the program is for"),
        ],
    },
    Call {
        texts: &[
            "std::fs",
            "fs::read",
            "File::open",
            "File::create",
            "OpenOptions::",
            "rustix::fs",
            "xattr::",
            "memmap2::",
        ],
        allowed: &[
            ("storage/", "a repository's medium"),
            ("source/", "what is captured"),
            ("ops/", "the reader of captured folders and the sink of restored ones"),
            ("service/", "definitions beside the repository"),
            ("repo/", "the derived index, which lives in a local folder"),
            ("bench/", "the data that it measures on, in the place that is handed in"),
            ("server/config/", "the files that the config names"),
            ("server/operate/", "whether the data folder can be written to, and has space"),
            ("server/state.rs", "the data folder's parts, which it makes"),
            ("server/work/files.rs", "uploads, which it removes"),
            ("server/tenants.rs", "the accounts' folders, each around a repository"),
            ("server/vault.rs", "the file of the master key"),
            ("server/actions/files.rs", "uploads, and exports that are downloaded"),
            ("server/work/export.rs", "finished exports, which it removes"),
            ("cli/", "output files, passphrase files"),
        ],
    },
    Call {
        texts: &["thread::sleep"],
        allowed: &[
            ("storage/", "a store that says `later` is asked again"),
            ("source/", "a server that starts is asked again whether it answers"),
            ("cli/remote/", "a service is asked again how far a job is, and after a connection was cut"),
        ],
    },
    Call {
        texts: &["Command::new"],
        allowed: &[
            ("source/program.rs", "the databases' tools, with the environment that is handed in"),
            ("bench/", "the tools that are measured beside"),
            ("cli/", "the command that prints a passphrase"),
        ],
    },
    Call {
        texts: &["tempfile::tempdir", "tempfile::tempfile", "NamedTempFile::new()", "TempDir::new()"],
        allowed: &[],
    },
    Call {
        texts: &["aws_lc_rs::rand", "SystemRandom", "getrandom::", "thread_rng", "rand::rng", "OsRng"],
        allowed: &[("cli/", "the program brings the randomness")],
    },
];

fn allows(call: &Call, file: &str) -> bool {
    call.allowed.iter().any(|(place, _)| is_at(file, place))
}

/// `repo/` is the folder and the file `repo.rs`; a name without a slash is that file.
fn is_at(file: &str, place: &str) -> bool {
    file == place
        || place.ends_with('/') && file.starts_with(place)
        || file.strip_suffix(".rs") == place.strip_suffix('/')
}

/// The line and text of the first place where the call stands.
fn first_call(call: &Call, code: &str) -> Option<(usize, &'static str)> {
    let found = call.texts.iter().filter_map(|text| {
        let word_begins = |at: &usize| *at == 0 || !is_word(code.as_bytes()[at - 1]);
        let at = code.match_indices(text).map(|(at, _)| at).find(word_begins)?;
        Some((code[..at].matches('\n').count() + 1, *text))
    });
    found.min()
}

/// The environment, the clock, randomness, files and the terminal are reached only from where they belong.
pub fn calls(tree: &Tree) -> Breaches {
    let mut breaches = Vec::new();
    for (file, source) in &tree.files {
        for call in CALLS.iter().filter(|call| !allows(call, file)) {
            if let Some((line, text)) = first_call(call, &source.shipped) {
                let places: Vec<&str> = call.allowed.iter().map(|(place, _)| *place).collect();
                breaches.push(format!("{file}:{line}: `{text}` may stand only in {places:?}"));
            }
        }
    }
    breaches
}

/// A function and how many lines it spans, from `fn` to its closing brace.
pub struct Function {
    pub file: String,
    pub name: String,
    pub lines: usize,
}

/// Every function with a body.
pub fn functions(tree: &Tree) -> Vec<Function> {
    let mut found = Vec::new();
    for (file, source) in &tree.files {
        let code = &source.code;
        for (at, _) in code.match_indices("fn ") {
            if at > 0 && is_word(code.as_bytes()[at - 1]) {
                continue;
            }
            let name: String =
                code[at + 3..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            let Some(open) = body(&code.as_bytes()[at..]).map(|open| at + open) else { continue };
            let close = closing_brace(code.as_bytes(), open);
            let lines = code[at..=close].matches('\n').count() + 1;
            found.push(Function { file: file.clone(), name, lines });
        }
    }
    found
}

/// Where a function's body opens; `None` for a declaration without one.
fn body(signature: &[u8]) -> Option<usize> {
    // A semicolon inside brackets is an array's length.
    let mut depth = 0;
    for (at, byte) in signature.iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Files and functions stay short enough to be read whole.
pub fn lengths(tree: &Tree) -> Breaches {
    let mut breaches = Vec::new();
    for (file, source) in &tree.files {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            breaches
                .push(format!("{file} has {lines} lines, more than {FILE_LINES_MAX}: look whether it is two things"));
        }
    }
    for Function { file, name, lines } in functions(tree) {
        if lines > FUNCTION_LINES_MAX {
            breaches.push(format!("{file}: {name} has {lines} lines, more than {FUNCTION_LINES_MAX}"));
        }
    }
    breaches
}

/// Every file but the crate roots is declared by a `mod` of its parent.
pub fn dead_files(tree: &Tree) -> Breaches {
    let declared: BTreeSet<Vec<String>> = tree
        .files
        .iter()
        .flat_map(|(file, source)| {
            let module = module_of(file);
            declarations(&source.code).into_iter().map(move |child| [module.as_slice(), &[child]].concat())
        })
        .collect();
    let elsewhere: BTreeSet<&String> = tree.files.values().flat_map(|source| &source.elsewhere).collect();
    let dead = tree.files.keys().filter(|file| {
        let module = module_of(file);
        !module.is_empty() && !declared.contains(&module) && !elsewhere.contains(file)
    });
    dead.map(|file| format!("{file} is declared by no module: it is never compiled")).collect()
}

/// The names in `mod name;`.
fn declarations(code: &str) -> Vec<String> {
    let statements = code.split([';', '{', '}']).zip(code.matches([';', '{', '}']));
    let named = statements.filter(|(_, end)| *end == ";").filter_map(|(statement, _)| {
        let mut words = statement.split_whitespace().rev();
        let name = words.next()?;
        (words.next() == Some("mod")).then(|| name.to_string())
    });
    named.collect()
}
