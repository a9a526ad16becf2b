//! The command line: arguments in, one line or a table out.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

fn main() {}
