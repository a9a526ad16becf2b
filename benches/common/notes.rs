//! What a bench has to say beside its times: told at the end, because the table is printed while it grows.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static NOTES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes a line; the same one only once.
pub fn note(line: String) {
    NOTES.lock().unwrap_or_else(PoisonError::into_inner).insert(line);
}

/// Prints all notes.
pub fn print() {
    for line in NOTES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("{line}");
    }
}
