//! Which job is waited for, so that who is interrupted hears that it goes on.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use snaphold::error::{Error, Result};

/// The job that is waited for, if there is one.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Mutex<Option<String>>>);

impl Waiting {
    /// Says what is waited for.
    pub fn set(&self, job: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = job;
    }

    /// A signal ends this program, and nothing of the service.
    pub fn tell_on_signals(&self) -> Result<()> {
        let failed = |error: io::Error| Error::Failed(format!("cannot wait for signals: {error}"));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
        let waiting = self.clone();
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let job = waiting.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(job) = job {
                    // Nobody is left to be told where this fails.
                    let _ = writeln!(
                        io::stderr(),
                        "\nsnaphold: job {job} goes on; `snaphold job show {job}` tells how far it is"
                    );
                }
                let _ = emulate_default_handler(signal);
            }
        });
        thread.map(drop).map_err(failed)
    }
}
