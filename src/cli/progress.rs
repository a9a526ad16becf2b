//! How far work is: bars on a terminal, lines elsewhere, on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use snaphold::ops::Progress;

use super::table::{printable, size};

/// Time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Tells the user.
pub struct Teller {
    notes: bool,
    form: Form,
}

enum Form {
    Nothing,
    Bar(Mutex<Option<ProgressBar>>),
    Lines(Mutex<Option<Stage>>),
}

struct Stage {
    name: String,
    total: Option<u64>,
    done: u64,
    told_at: Instant,
}

impl Teller {
    /// Nothing with `quiet`; only notes with `json`.
    pub fn new(quiet: bool, json: bool) -> Self {
        let form = match (quiet || json, io::stderr().is_terminal()) {
            (true, _) => Form::Nothing,
            (false, true) => Form::Bar(Mutex::default()),
            (false, false) => Form::Lines(Mutex::default()),
        };
        Self { notes: !quiet, form }
    }

    /// Tells how far somebody else is with a stage: so many bytes in all.
    pub fn reached(&self, name: &str, done: u64, total: Option<u64>) {
        if !self.is_at(name, total) {
            self.begin(name, total);
        }
        match &self.form {
            Form::Nothing => {}
            Form::Bar(bar) => {
                if let Some(bar) = &*lock(bar) {
                    bar.set_position(done);
                }
            }
            Form::Lines(stage) => {
                if let Some(stage) = &mut *lock(stage) {
                    stage.reach(done);
                }
            }
        }
    }

    fn is_at(&self, name: &str, total: Option<u64>) -> bool {
        match &self.form {
            Form::Nothing => true,
            Form::Bar(bar) => lock(bar).as_ref().is_some_and(|bar| bar.message() == name && bar.length() == total),
            Form::Lines(stage) => lock(stage).as_ref().is_some_and(|stage| stage.name == name && stage.total == total),
        }
    }

    fn begin(&self, name: &str, total: Option<u64>) {
        self.done();
        match &self.form {
            Form::Nothing => {}
            Form::Bar(bar) => *lock(bar) = Some(new_bar(name, total)),
            Form::Lines(stage) => {
                *lock(stage) = Some(Stage { name: name.to_string(), total, done: 0, told_at: Instant::now() });
            }
        }
    }

    /// Takes the bar away: what follows is the result.
    pub fn done(&self) {
        if let Form::Bar(bar) = &self.form
            && let Some(bar) = lock(bar).take()
        {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.done();
    }
}

impl Progress for Teller {
    fn stage(&self, name: &'static str, total: Option<u64>) {
        self.begin(name, total);
    }

    fn advance(&self, bytes: u64) {
        match &self.form {
            Form::Nothing => {}
            Form::Bar(bar) => {
                if let Some(bar) = &*lock(bar) {
                    bar.inc(bytes);
                }
            }
            Form::Lines(stage) => {
                if let Some(stage) = &mut *lock(stage) {
                    stage.advance(bytes);
                }
            }
        }
    }

    fn notice(&self, line: &str) {
        if !self.notes {
            return;
        }
        let line = format!("note: {}", printable(line));
        match &self.form {
            Form::Bar(bar) => match &*lock(bar) {
                Some(bar) => bar.suspend(|| tell(&line)),
                None => tell(&line),
            },
            _ => tell(&line),
        }
    }
}

impl Stage {
    fn advance(&mut self, bytes: u64) {
        self.reach(self.done.saturating_add(bytes));
    }

    fn reach(&mut self, done: u64) {
        self.done = done;
        let now = Instant::now();
        if now.duration_since(self.told_at) >= BETWEEN_LINES {
            self.told_at = now;
            tell(&self.line());
        }
    }

    fn line(&self) -> String {
        match self.total {
            Some(total) => format!("{}: {} of {}", self.name, size(self.done), size(total)),
            None => format!("{}: {}", self.name, size(self.done)),
        }
    }
}

fn new_bar(name: &str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} {bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        None => "{spinner} {msg} {binary_bytes}, {binary_bytes_per_sec}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(name.to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line on standard error. Where that is gone nobody is left to be told.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_a_stage_is() {
        let mut stage = Stage { name: "capturing".into(), total: None, done: 0, told_at: Instant::now() };
        stage.advance(1024);
        assert_eq!(stage.line(), "capturing: 1.0 KiB");
        stage.total = Some(4096);
        stage.advance(u64::MAX);
        assert_eq!(stage.line(), "capturing: 15.9 EiB of 4.0 KiB");
    }
}
