//! Workers, as the catalog names them.

use serde::{Deserialize, Serialize};

use crate::clock::ProcessIdentity;

/// One of a process's workers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WorkerName {
    /// Its process, so that another one can find out whether it is still there.
    pub process: ProcessIdentity,
    /// Its number in it.
    pub number: usize,
}
