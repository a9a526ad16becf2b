//! Reads `src/` and fails where it breaks the plan: layers, cycles, calls out of place, dead files, long files.
//!
//! Each rule is also run on a made-up source that breaks it, and must say so: a rule that cannot fail guards nothing.

#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use std::path::Path;

use rules::Breaches;
use source::Tree;

fn this_project() -> Tree {
    Tree::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn assert_holds(rule: fn(&Tree) -> Breaches) {
    let breaches = rule(&this_project());
    assert!(breaches.is_empty(), "\n  {}\n", breaches.join("\n  "));
}

/// The rule finds `expected` in the made-up files, and that alone.
fn assert_finds(rule: fn(&Tree) -> Breaches, files: &[(&str, &str)], expected: &[&str]) {
    let found = rule(&Tree::of(files));
    assert_eq!(found.len(), expected.len(), "found: {found:#?}");
    for (breach, words) in found.iter().zip(expected) {
        assert!(breach.contains(words), "{breach:?} does not say {words:?}");
    }
}

/// The rules below would all hold for an empty tree, or for one whose imports are not seen.
#[test]
fn the_reader_sees_the_project() {
    let tree = this_project();
    let imports = graph::imports(&tree);
    for (from, to) in [("storage/mod.rs", "error.rs"), ("format/tree.rs", "id.rs")] {
        let seen = imports.iter().any(|import| import.from == from && import.to == to);
        assert!(seen, "the import of {to} by {from} was not seen");
    }
    assert!(rules::functions(&tree).iter().any(|function| function.name == "parse_hex" && function.lines > 10));
}

#[test]
fn a_layer_imports_only_what_stands_below_it() {
    assert_holds(rules::layers);
}

#[test]
fn the_layer_rule_finds_an_import_of_a_layer_above() {
    let files = [
        ("lib.rs", "pub mod storage;\npub mod repo;\npub mod chunk;\npub mod format;\npub mod codec;"),
        ("storage/mod.rs", "use crate::repo::Pack;"),
        ("repo/mod.rs", "use crate::storage::Storage; // crate::ops::Name in a comment is nothing"),
        (
            "chunk/mod.rs",
            "use crate::format::tree::Class;\nuse crate::format::pack::Footer;\nuse crate::{codec::Level};",
        ),
        ("format/mod.rs", "pub mod tree;\npub mod pack;"),
        ("format/tree.rs", "pub enum Class {}"),
        ("format/pack.rs", "pub struct Footer;\n#[cfg(test)]\nmod tests { use crate::repo::Pack; }"),
        ("codec/mod.rs", "fn f() { let x: crate::storage::Listed = todo(); }"),
    ];
    let expected = [
        "chunk/mod.rs imports codec/mod.rs",
        "chunk/mod.rs imports format/pack.rs",
        "codec/mod.rs imports storage/mod.rs",
        "storage/mod.rs imports repo/mod.rs",
    ];
    assert_finds(rules::layers, &files, &expected);
}

#[test]
fn the_layer_rule_finds_a_binary_that_reaches_past_its_door() {
    let files = [
        ("lib.rs", "pub mod chunk;\npub mod ops;"),
        ("chunk/mod.rs", ""),
        ("ops/mod.rs", ""),
        ("main.rs", "mod cli;"),
        ("cli/mod.rs", "use snaphold::chunk::Cutter;\nuse snaphold::ops::restore;"),
    ];
    assert_finds(rules::layers, &files, &["cli/mod.rs imports chunk/mod.rs"]);
}

#[test]
fn modules_form_no_cycle() {
    assert_holds(rules::cycles);
}

#[test]
fn the_cycle_rule_finds_one_and_looks_through_re_exports() {
    let files = [
        ("lib.rs", "pub mod repo;"),
        (
            "repo/mod.rs",
            "mod pack;\nmod index;\nmod plain;\npub use pack::Pack;\npub use self::index::{Index as Known};",
        ),
        ("repo/pack.rs", "use super::Known;\npub struct Pack;"),
        ("repo/index.rs", "use crate::repo::Pack;\npub struct Index;"),
        ("repo/plain.rs", "use super::{Pack, Known};"),
    ];
    assert_finds(rules::cycles, &files, &["repo/index.rs → repo/pack.rs → repo/index.rs"]);
}

#[test]
fn calls_stand_only_where_they_belong() {
    assert_holds(rules::calls);
}

#[test]
fn the_call_rule_finds_every_banned_call() {
    let bad = r#"
        fn f() {
            let a = std::env::var("HOME");
            std::process::exit(1);
            let b = SystemTime::now();
            println!("x");
            let c = std::fs::read("x");
            std::thread::sleep(d);
            let d = tempfile::tempdir();
            let e = aws_lc_rs::rand::fill(&mut x);
            let f = "println!(std::fs::read())"; // println!( in a comment
        }
        #[cfg(test)]
        mod tests { fn g() { println!("{:?}", std::fs::read("x")); } }
    "#;
    let expected = ["env", "exit", "SystemTime", "println", "fs::read", "sleep", "tempdir", "rand"];
    assert_finds(rules::calls, &[("format/pack.rs", bad)], &expected);
    assert_finds(rules::calls, &[("storage/local.rs", "fn f() { std::fs::read(p); sfs::x(); }")], &[]);
    let test_files = [
        ("repo/mod.rs", "#[cfg(test)]\nmod model;"),
        ("repo/model.rs", "fn f() { println!() }"),
        ("repo/pack.rs", "#[cfg(test)]\n#[path = \"pack_tests.rs\"]\nmod tests;"),
        ("repo/pack_tests.rs", "fn f() { println!() }"),
    ];
    assert_finds(rules::calls, &test_files, &[]);
    assert_finds(rules::calls, &[("main.rs", "fn f() { std::process::exit(1) }")], &[]);
}

#[test]
fn files_and_functions_are_short() {
    assert_holds(rules::lengths);
}

#[test]
fn the_length_rule_finds_a_long_file_and_a_long_function() {
    let long_file = "// a line\n".repeat(601);
    let long_function = format!("fn short() {{}}\nfn long() {{\n{}}}\n", "    let brace = '{';\n".repeat(100));
    let files = [("a.rs", long_file.as_str()), ("b.rs", long_function.as_str())];
    assert_finds(rules::lengths, &files, &["a.rs has 601 lines", "b.rs: long has 102 lines"]);
    let fits = format!("fn fits() {{\n{}}}\n{}", "    x();\n".repeat(98), "\n".repeat(500));
    assert_finds(rules::lengths, &[("c.rs", fits.as_str())], &[]);
}

#[test]
fn no_file_is_dead() {
    assert_holds(rules::dead_files);
}

#[test]
fn the_dead_file_rule_finds_a_file_that_no_module_declares() {
    let files = [
        ("lib.rs", "pub mod repo;\n// mod forgotten;"),
        ("main.rs", "mod cli;"),
        ("forgotten.rs", ""),
        ("cli/mod.rs", "mod args;"),
        ("cli/args.rs", ""),
        ("repo/mod.rs", "pub(crate) mod pack;\n#[cfg(test)]\nmod model;"),
        ("repo/pack.rs", "#[cfg(test)]\n#[path = \"pack_tests.rs\"]\nmod tests;"),
        ("repo/pack_tests.rs", ""),
        ("repo/model.rs", ""),
        ("repo/lost.rs", ""),
    ];
    assert_finds(rules::dead_files, &files, &["forgotten.rs", "repo/lost.rs"]);
}
