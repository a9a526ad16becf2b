//! What is done with a repository: capture, restore, export, diff, verify, gc, repair.

pub mod capture;
pub mod diff;
pub mod export;
pub mod ls;
mod progress;
pub mod restore;
mod walk;
pub mod gc;
mod progress;
mod reach;
pub mod repair;
pub mod verify;

pub use progress::{Progress, Silent};
