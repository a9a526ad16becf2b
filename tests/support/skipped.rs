//! A test that cannot run here says so where it is seen: of one that passes the harness shows nothing that it prints.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::Write;

/// It needs what this machine lacks. Where `CI` is `true` nothing that can be installed may be missing.
pub fn missing(test: &str, what: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test} needs {what}");
    skipped(test, &format!("it needs {what}"));
}

/// It cannot run here, whatever were installed.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
