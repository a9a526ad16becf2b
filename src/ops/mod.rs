//! What is done with a repository: capture, restore, export, diff, verify, gc, repair.

pub mod capture;
mod progress;
pub mod restore;

pub use progress::{Progress, Silent};
