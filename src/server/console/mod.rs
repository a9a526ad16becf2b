//! The web console: pages made on the server, which work without a script and are livelier with one.
//!
//! - [`view`]: what pages show, as plain values
//! - [`pages`]: pages as pure functions of those
//! - [`assets`]: style, scripts and icons, in the program itself
//! - [`router`]: handlers, which ask the same actions that REST asks
//!
//! A page never reaches the catalog or a repository: whoever asks for one brings what it shows.

pub mod assets;
pub mod charts;
pub mod layout;
pub mod link;
pub mod pages;
pub mod parts;
mod routes;
pub mod view;

pub use routes::router;
