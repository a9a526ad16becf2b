//! Each stage alone: `make bench` runs these, `make bench ONLY=lookup` some of them.
//!
//! docs/BENCHMARKS.md has what they gave.

#[path = "../common/data.rs"]
mod data;
#[path = "../common/notes.rs"]
mod notes;
#[path = "../common/surroundings.rs"]
mod surroundings;

mod codecs;
mod cut;
mod lookup;
mod packs;
mod read;

fn main() {
    divan::main();
    notes::print();
}
