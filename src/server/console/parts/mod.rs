//! Pieces that pages are made of.

pub mod basics;
pub mod field;
pub mod menu;
pub mod progress;
pub mod text;
