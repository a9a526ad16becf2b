//! What is done with a repository: capture, restore, export, diff, verify, gc, repair.

pub mod capture;
pub mod diff;
pub mod export;
pub mod gc;
pub mod ls;
mod progress;
mod reach;
pub mod repair;
pub mod restore;
pub mod verify;
mod walk;

pub use progress::{Progress, Silent, ToTheEnd};
pub use reach::check_present;
