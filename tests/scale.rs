//! What keeps large repositories quick: copies of small objects, many packs taken in at once, holes that are not read.

#[path = "scale/bulk.rs"]
mod bulk;
#[path = "scale/copies.rs"]
mod copies;
#[path = "scale/folders.rs"]
mod folders;
#[path = "scale/holes.rs"]
mod holes;
#[path = "support/mod.rs"]
mod support;
