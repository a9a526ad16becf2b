//! A browser of a test's own: Chromium without a window, driven through chromedriver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

use crate::skipped::missing;

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// Whether there is a browser here. A test that cannot run says so, and fails where all must.
pub fn is_there(test: &str) -> bool {
    let found = [CHROMIUM, CHROMEDRIVER].iter().all(|path| std::path::Path::new(path).exists());
    if !found {
        missing(test, "chromium and chromedriver");
    }
    found
}

/// chromedriver, until it is dropped; the browsers that it started end with it.
pub struct Driver {
    child: Child,
    port: u16,
    profiles: TempDir,
}

impl Driver {
    pub fn start() -> Self {
        let profiles = tempfile::tempdir().unwrap();
        let mut command = Command::new(CHROMEDRIVER);
        command.arg("--port=0").env("HOME", profiles.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let said = lines.find(|line| line.contains("successfully on port")).expect("chromedriver says its port");
        let port = said.trim_end_matches('.').rsplit(' ').next().unwrap().parse().unwrap();
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port, profiles }
    }

    /// A browser with nothing in it.
    pub async fn browser(&self, name: &str) -> WebDriver {
        let mut caps = DesiredCapabilities::chrome();
        caps.set_binary(CHROMIUM).unwrap();
        let profile = format!("--user-data-dir={}", self.profiles.path().join(name).display());
        for flag in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--lang=en-GB",
            &profile,
        ] {
            caps.add_arg(flag).unwrap();
        }
        caps.set_browser_log_level(LoggingPrefsLogLevel::Warning).unwrap();
        WebDriver::new(format!("http://127.0.0.1:{}", self.port), caps).await.unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to stop it ends its browsers too; killed it would leave them.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if asked.is_ok_and(|status| status.success()) {
            _ = self.child.wait();
        } else {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}
