//! How fast each stage is on this machine and this data, how fast the whole is, and beside other tools.
//!
//! - [`run`]: all of it, in a place that is handed in and left to its owner to remove
//! - [`PEERS`]: the tools that can stand beside
//! - [`Stop`]: ends a run early, from another thread
//! - [`data`]: data that is made, the same in every run

mod against;
mod child;
pub mod data;
mod measure;
mod model;
mod peers;
mod place;
mod report;
mod run;
mod sample;
mod stages;
mod stages_back;
mod stages_there;
mod stop;
mod tree;
mod whole;

pub use against::{Own, ToolFound};
pub use peers::{PEERS, Peer};
pub use report::{BenchReport, DataReport, Direction, Model, Share, Skipped, Speed, Stage, Step, ToolReport, ToolStep};
pub use run::{Amount, BenchRequest, World, run};
pub use stop::Stop;
