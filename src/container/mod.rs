//! Containers at the edge: `.dump`, `.tar`, `.gz`, `.zst` are opened on load and written again on export.
//!
//! Inside the store there are only their members, so that a dump that was loaded, a live folder and last week's
//! export share their data. Pure stream transformations: what is read and written is handed in.
