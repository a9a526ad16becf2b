//! Policies: on which days, at which hours and in which window an instance is captured by itself, and when that is.
//!
//! All of it is pure: who asks brings the time. A [`Policy`] has slots, the moments at which an instance is due;
//! [`decide`] says what is to be done now, given what was done last.

mod decision;
mod opening;
mod rules;
mod slots;
mod wall;
mod words;

pub use decision::{Decision, LastRun, RunState, decide, retry_after};
pub use rules::{Policy, PolicyEdit, PolicyText};
pub use slots::{CLOSED_BY_THE_CLOCK, Slot, Slots, Spread};
pub use words::{Days, Hours, Window, Zone};
