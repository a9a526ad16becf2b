//! What `benches/scale/run` needs of the library: an index with as many chunks as are asked for, and a repository with
//! as many snapshots. The rest is measured on the program itself.

#[path = "../common/data.rs"]
mod data;
mod index;
mod memory;
mod snapshots;
#[path = "../common/surroundings.rs"]
mod surroundings;

use std::env;

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["index-make", folder, chunks] => index::make(folder.as_ref(), number(chunks)),
        ["index-ask", folder, chunks] => index::ask_all(folder.as_ref(), number(chunks)),
        ["snapshots", repository, source, key, count] => {
            snapshots::make(repository.as_ref(), source.as_ref(), key.as_ref(), number(count));
        }
        // `cargo bench` runs every bench: this one has a command of its own.
        _ => println!("scale: run it by `make bench-scale`"),
    }
}

fn number(word: &str) -> usize {
    word.replace('_', "").parse().unwrap()
}
