//! The bytes of every stored thing. Pure: nothing here reads or writes anything.
//!
//! docs/FORMAT.md describes the same bytes for someone who writes a reader without this code.

pub mod tree;
