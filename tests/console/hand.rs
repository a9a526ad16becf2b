//! What a person does with the console: looks, clicks, types.

use std::path::Path;

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::look;

/// How long something may take before it counts as not happening, milliseconds.
const PATIENCE_MS: u32 = 90_000;

pub struct Hand {
    pub browser: WebDriver,
    pub base: String,
    /// What axe found wrong, and what the browser complained of.
    pub wrong: Vec<String>,
}

impl Hand {
    pub async fn open(&mut self, path: &str) {
        self.browser.goto(format!("{}{path}", self.base)).await.unwrap();
    }

    /// Waits in the page until `condition` holds there, also over pages that come after each other.
    async fn until(&self, condition: &str, words: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const words = arguments[0];
            const look = () => {{ let holds = false; try {{ holds = Boolean({condition}); }} catch (error) {{}}
                if (holds) done(true); else setTimeout(look, 25); }};
            look();"
        );
        let begun = std::time::Instant::now();
        loop {
            match self.browser.execute_async(script.as_str(), vec![json!(words)]).await {
                Ok(_) => return,
                // The page went away beneath the script.
                Err(error) => {
                    if begun.elapsed().as_millis() > u128::from(PATIENCE_MS) {
                        panic!("{condition} ({words}) never came true: {error}\n{}", self.text().await);
                    }
                }
            }
        }
    }

    /// What a script finds, once it is there. The page may be made anew between a look and the next.
    async fn element(&self, found: &str, words: &str) -> WebElement {
        let script = format!("const words = arguments[0]; return {found};");
        loop {
            self.until(found, words).await;
            let answer = self.browser.execute(script.as_str(), vec![json!(words)]).await;
            if let Some(element) = answer.ok().and_then(|answer| answer.element().ok()) {
                return element;
            }
        }
    }

    /// Clicks what a script finds.
    async fn press(&self, found: &str, words: &str) {
        loop {
            let element = self.element(found, words).await;
            self.asks("window.before = true").await;
            let pressed = match element.scroll_into_view().await {
                Ok(()) => element.click().await,
                Err(error) => Err(error),
            };
            match pressed {
                Ok(()) => return,
                Err(error) if error.to_string().contains("stale element") => {}
                Err(error) => panic!("{words:?} cannot be clicked: {error}"),
            }
        }
    }

    pub async fn text(&self) -> String {
        let script = "return location.pathname + '\\n' + document.body.innerText";
        self.browser.execute(script, vec![]).await.unwrap().json().as_str().unwrap_or_default().to_string()
    }

    /// Waits until these words are on the page, or in its dialog.
    pub async fn sees(&self, words: &str) {
        self.until("document.body.innerText.includes(words)", words).await;
    }

    pub async fn does_not_see(&self, words: &str) {
        let text = self.text().await;
        assert!(!text.contains(words), "{words:?} is on the page:\n{text}");
    }

    pub async fn is_at(&self, path: &str) {
        self.until("location.pathname === words && document.readyState === 'complete'", path).await;
    }

    /// What a script on the page says.
    pub async fn asks(&self, script: &str) -> Value {
        self.browser.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// Clicks what has these words: a button, a link.
    pub async fn clicks(&self, words: &str) {
        // What a dialog covers cannot be clicked.
        let shown = "[...(document.querySelector('dialog[open]') || document).querySelectorAll('a, button, summary')]
            .filter((e) => e.offsetParent !== null || e.closest(':popover-open, dialog[open]'))";
        let found = format!("{shown}.find((e) => e.innerText.trim() === words)");
        self.press(&found, words).await;
    }

    /// Types into a field of the dialog, or of the page, instead of what is there.
    pub async fn types(&self, field: &str, text: &str) {
        let element = self.field(field).await;
        element.clear().await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    async fn field(&self, field: &str) -> WebElement {
        let found =
            "[...document.querySelectorAll('dialog[open] [name=\"' + words + '\"], main [name=\"' + words + '\"]')]
            .filter((e) => e.type !== 'hidden' && e.offsetParent !== null)[0]";
        self.element(found, field).await
    }

    /// Gives a file to a field.
    pub async fn gives(&self, field: &str, file: &Path) {
        self.field(field).await.send_keys(file.to_str().unwrap()).await.unwrap();
    }

    /// Chooses one of a list.
    pub async fn chooses(&self, field: &str, value: &str) {
        self.field(field).await;
        let script = "const e = [...document.querySelectorAll('dialog[open] select, main select')].find((e) => e.name === arguments[0]);
            e.value = arguments[1]; e.dispatchEvent(new Event('change', { bubbles: true })); return e.value;";
        let chosen = self.browser.execute(script, vec![json!(field), json!(value)]).await.unwrap();
        assert_eq!(chosen.json(), value, "{field} has no choice {value}");
    }

    /// Ticks, or takes a tick away.
    pub async fn ticks(&self, id: &str) {
        self.until("document.getElementById(words)", id).await;
        self.browser.find(By::Id(id)).await.unwrap().click().await.unwrap();
    }

    /// Sends the form of the dialog.
    pub async fn sends(&self) {
        self.press("document.querySelector('dialog[open] .buttons button')", "").await;
    }

    /// Waits for a dialog of this title; with axe's opinion of it.
    pub async fn dialog(&mut self, title: &str) {
        let shown = "document.querySelector('dialog[open] h2') && document.querySelector('dialog[open] h2').innerText === words";
        self.until(shown, title).await;
        self.looks(title).await;
    }

    /// What axe says of the page as it is now.
    pub async fn looks(&mut self, name: &str) {
        let mut complaints = look::complaints(&self.browser).await;
        // What a walk tries on purpose is refused, and browsers note that.
        complaints.retain(|line| !line.contains("the server responded with a status of 4"));
        let found = [look::axe(&self.browser, &[]).await, complaints].concat();
        self.wrong.extend(found.into_iter().map(|line| format!("{name}: {line}")));
    }

    /// Chooses from the “…” menu of a row: the first that has all of `row` in it.
    pub async fn menu(&mut self, row: &[&str], words: &str) {
        let row = serde_json::to_string(row).unwrap();
        let button = format!(
            "[...document.querySelectorAll('tbody tr')].filter((tr) => {row}.every((part) => tr.innerText.includes(part)))
                .map((tr) => tr.querySelector('[aria-haspopup=menu]')).filter(Boolean)[0]"
        );
        self.press(&button, &row).await;
        self.clicks(words).await;
    }

    /// Waits until a row has all these words.
    pub async fn row(&self, parts: &[&str]) {
        let parts = serde_json::to_string(parts).unwrap();
        let found = format!(
            "[...document.querySelectorAll('tbody tr')].some((tr) => {parts}.every((part) => tr.innerText.includes(part)))"
        );
        self.until(&found, &parts).await;
    }

    /// Waits until the job that the last click led to has ended well.
    pub async fn job_is_done(&self) {
        self.until("!window.before && location.pathname.startsWith('/console/jobs/') && document.querySelector('.title .badge.ok, .title .badge.bad')", "").await;
        let ended = self.asks("return document.querySelector('.title .badge').innerText").await;
        assert_eq!(ended, "Done", "{}", self.text().await);
    }

    /// Waits until something holds on the page.
    pub async fn holds(&self, condition: &str, words: &str) {
        self.until(condition, words).await;
    }

    pub async fn presses(&self, key: Key) {
        self.browser.active_element().await.unwrap().send_keys(key + "").await.unwrap();
    }

    /// Opens the page of the snapshot of such a description.
    pub async fn open_snapshot(&self, description: &str) {
        let found = "[...document.querySelectorAll('tbody tr')].filter((tr) => tr.innerText.includes(words)).map((tr) => tr.querySelector('a.name'))[0]";
        self.press(found, description).await;
        self.until("location.pathname.startsWith(words)", "/console/snapshots/").await;
    }

    /// The bytes behind an address, as the signed-in browser gets them.
    pub async fn downloads(&self, script_of_address: &str) -> Vec<u8> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
            fetch({script_of_address}).then(async (answer) => {{
                if (!answer.ok) return done('status ' + answer.status);
                done([...new Uint8Array(await answer.arrayBuffer())].map((b) => b.toString(16).padStart(2, '0')).join(''));
            }});"
        );
        let hex = self.browser.execute_async(script, vec![]).await.unwrap().json().as_str().unwrap().to_string();
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_else(|_| panic!("{hex}"));
        (0..hex.len()).step_by(2).map(digits).collect()
    }
}
