//! What is done with a repository: capture, restore, export, diff, verify, gc, repair.

pub mod capture;
pub mod diff;
pub mod export;
pub mod ls;
mod progress;
pub mod restore;
mod walk;

pub use progress::{Progress, Silent};
