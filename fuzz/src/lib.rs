//! What the fuzz targets do with their input: one function a target, named in [`TARGETS`].
//!
//! The targets proper, in `fuzz_targets/`, need a fuzzer. These bodies do not: `tests/fuzz_bodies.rs` of the main package
//! includes this file and runs them over the seeds and some thousand mutations of each.
//!
//! A body must not panic, whatever it is given, and asserts what must hold for what was accepted. It returns whether the
//! input was accepted, so that a harness that no longer gets past a seal or a checksum is noticed.

#![forbid(unsafe_code)]

mod chunks;
mod codecs;
mod containers;
mod fixed;
mod formats;
mod log_writer;
mod packs;
mod records;
pub mod seeds;
mod texts;
mod trees;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of the program, of the file in `fuzz_targets/` and of the folder in `seeds/`.
    pub name: &'static str,
    /// What it does with an input; whether that was accepted.
    pub body: fn(&[u8]) -> bool,
}

/// All targets.
pub const TARGETS: [Target; 18] = [
    Target { name: "chunker", body: chunks::chunker },
    Target { name: "class", body: chunks::class },
    Target { name: "log", body: chunks::log },
    Target { name: "block", body: codecs::block },
    Target { name: "delta", body: codecs::delta },
    Target { name: "container", body: containers::container },
    Target { name: "tar", body: containers::tar },
    Target { name: "neo4j_dump", body: containers::neo4j_dump },
    Target { name: "config", body: formats::config },
    Target { name: "key_slot", body: formats::key_slot },
    Target { name: "object", body: formats::object },
    Target { name: "recipe_node", body: formats::recipe_node },
    Target { name: "pack", body: packs::pack },
    Target { name: "pack_sealed", body: packs::pack_sealed },
    Target { name: "records", body: records::records },
    Target { name: "texts", body: texts::texts },
    Target { name: "directory", body: trees::directory },
    Target { name: "export", body: trees::export },
];

/// Runs the target `name`, for the program of that name.
///
/// Panics where there is no such target: a program and this table disagree.
pub fn run(name: &str, data: &[u8]) {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => _ = (target.body)(data),
        None => panic!("no target is called {name}"),
    }
}
