//! SQLite: a database file, captured while it is in use, dumped as text, and put back.
//!
//! Locks on a database file belong to the process, and closing *any* descriptor of the file gives them up. So nothing
//! here, and nothing in a process that calls this while it has connections of its own, opens a live database as a
//! plain file: it is looked at by name only (`stat`, `access`) and read through SQLite. Copies made by [`backup()`]
//! are private and may be read as files.

mod backup;
mod capture;
mod describe;
mod dump;
mod kind;
mod literal;
mod load;
mod open;
mod real;
mod restore;

pub use backup::{Backup, backup};
pub use capture::capture;
pub use describe::{Table, TableKind, describe};
pub use dump::{Dump, dump_sql};
pub use kind::Sqlite;
pub use load::make_database;
pub use restore::restore_file;
