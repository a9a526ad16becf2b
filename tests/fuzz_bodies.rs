//! The fuzz targets without a fuzzer: each body over its seeds, and over some thousand mutations that one seed decides.
//!
//! `make fuzz` runs the same bodies for as long as one wants, guided by what they reach.

#[path = "../fuzz/src/lib.rs"]
mod bodies;
#[path = "fuzz_bodies/mutate.rs"]
mod mutate;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bodies::{TARGETS, Target};
use mutate::Mutator;

/// Decides all mutations. A failure names it with the number of the mutation.
const RANDOM_SEED: u64 = 20_260_101;
const MUTATIONS: u64 = 10_000;

/// How many inputs were accepted and how many refused.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    accepted: u64,
    refused: u64,
}

/// An input that a body does not survive.
#[derive(Debug)]
struct Crash {
    /// Which mutation it was.
    number: u64,
    input: Vec<u8>,
    message: String,
}

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// A target's inputs in a folder, in the order of their names.
fn inputs(folder: &str, target: &str) -> Vec<Vec<u8>> {
    let Ok(found) = std::fs::read_dir(fuzz_folder().join(folder).join(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn run(body: fn(&[u8]) -> bool, input: &[u8]) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| body(input))).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

fn mutations(body: fn(&[u8]) -> bool, seeds: &[Vec<u8>], count: u64) -> Result<Tally, Crash> {
    let mut mutator = Mutator::new(RANDOM_SEED);
    let mut tally = Tally::default();
    for number in 0..count {
        let input = mutator.mutated(seeds);
        match run(body, &input) {
            Ok(true) => tally.accepted += 1,
            Ok(false) => tally.refused += 1,
            Err(message) => return Err(Crash { number, input, message }),
        }
    }
    Ok(tally)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn holds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = inputs("seeds", name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in &seeds {
        match run(target.body, seed) {
            Ok(accepted) => assert!(accepted, "{name} refuses a seed of its own: {}", hex(seed)),
            Err(message) => panic!("{name}: {message}; the seed: {}", hex(seed)),
        }
    }
    let tally = mutations(target.body, &seeds, MUTATIONS).unwrap_or_else(|crash| {
        let Crash { number, input, message } = crash;
        panic!("{name}: {message}\nmutation {number} of random seed {RANDOM_SEED}: {}", hex(&input));
    });
    println!("{name}: {tally:?} with random seed {RANDOM_SEED}");
    // A body that accepts nothing never gets past a seal, and one that refuses nothing looks at nothing.
    assert!(tally.accepted >= MUTATIONS / 100 && tally.refused >= MUTATIONS / 100, "{name}: {tally:?}");
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name));
        })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    chunker class log block delta container tar neo4j_dump config key_slot object recipe_node pack pack_sealed records texts
    directory export
}

#[test]
fn every_target_is_a_program_has_seeds_and_is_tested_here() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_string()).collect();
    assert_eq!(names.len(), TARGETS.len());
    assert_eq!(names, TESTED.iter().map(ToString::to_string).collect());
    let found = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(fuzz_folder().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_string()).collect()
    };
    assert_eq!(found("fuzz_targets"), names);
    assert!(catch_unwind(|| bodies::run("no such target", b"")).is_err());
    assert_eq!(found("seeds"), names);
    let manifest = std::fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for name in &names {
        let program = std::fs::read_to_string(fuzz_folder().join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("run(\"{name}\", data)")), "{program}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is no program");
    }
}

/// What a fuzzer found once, kept as it was found.
#[test]
fn what_was_found_once_is_survived() {
    for Target { name, body } in TARGETS {
        for input in inputs("found", name) {
            if let Err(message) = run(body, &input) {
                panic!("{name}: {message}: {}", hex(&input));
            }
        }
    }
}

/// Seeds are written anew where the environment asks for it: after a change of the format.
#[test]
fn the_seeds_are_those_that_the_code_makes() {
    let seeds = fuzz_folder().join("seeds");
    let write = std::env::var_os("SNAPHOLD_WRITE_SEEDS").is_some();
    if write {
        std::fs::remove_dir_all(&seeds).ok();
    }
    let mut expected = BTreeSet::new();
    for (target, name, bytes) in bodies::seeds::seeds() {
        let path = seeds.join(target).join(name);
        if write {
            std::fs::create_dir_all(seeds.join(target)).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let stored = std::fs::read(&path).unwrap_or_default();
        assert!(stored == bytes, "{target}/{name} is another one: SNAPHOLD_WRITE_SEEDS=1 writes the seeds anew");
        assert!(expected.insert(path), "two seeds are called {target}/{name}");
    }
    let found: BTreeSet<PathBuf> = std::fs::read_dir(&seeds)
        .unwrap()
        .flat_map(|target| std::fs::read_dir(target.unwrap().path()).unwrap().map(|seed| seed.unwrap().path()))
        .collect();
    assert_eq!(found, expected);
}

/// The control: a decoder that trusts a length, one that overflows, and one that takes a byte for granted.
#[test]
fn bodies_that_do_not_hold_are_found() {
    fn trusting(data: &[u8]) -> bool {
        let len = usize::from(data.first().copied().unwrap_or_default());
        data[1..][..len].iter().all(|byte| byte.is_ascii())
    }
    fn overflowing(data: &[u8]) -> bool {
        let sum = data.iter().try_fold(0u8, |sum, byte| sum.checked_add(*byte));
        sum.expect("sums fit") > 0
    }
    fn granted(data: &[u8]) -> bool {
        assert_ne!(data.get(2), Some(&0xff), "nobody writes that");
        true
    }
    let seeds = vec![b"\x04abcd".to_vec(), b"\x01\x02\x03".to_vec()];
    for (body, words) in
        [(trusting as fn(&[u8]) -> bool, "out of range"), (overflowing, "sums fit"), (granted, "nobody writes that")]
    {
        for seed in &seeds {
            // The seeds themselves are fine, or the control would show nothing.
            assert!(run(body, seed).is_ok() || words == "sums fit");
        }
        let crash = mutations(body, &seeds, MUTATIONS).expect_err("a body that does not hold was not found");
        assert!(crash.message.contains(words), "{crash:?}");
        assert!(run(body, &crash.input).is_err(), "mutation {} does not fail again", crash.number);
    }
}
