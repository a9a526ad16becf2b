//! Instances, plans, and the work flows that a user names.
