//! Plots, drawn on the server as SVG. Each has a label that says what it shows, and a table with the same numbers.

pub mod bars;
pub mod calendar;
pub mod lines;
pub mod scale;
