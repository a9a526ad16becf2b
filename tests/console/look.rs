//! What is asked of a page that a browser shows.

use serde_json::{Value, json};
use thirtyfour::prelude::*;

const AXE: &str = include_str!("axe/axe.min.js");

/// A window's size, and what the system's colours are said to be.
#[derive(Debug, Clone, Copy)]
pub struct View {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

pub const DESKTOP: View = View { width: 1360, height: 900, dark: false };
pub const DESKTOP_DARK: View = View { dark: true, ..DESKTOP };
pub const PHONE: View = View { width: 360, height: 740, dark: false };
pub const PHONE_DARK: View = View { dark: true, ..PHONE };

/// Shows pages as such a device does.
pub async fn as_on(driver: &WebDriver, view: View) {
    let size =
        json!({ "width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": view.width < 600 });
    tell(driver, "Emulation.setDeviceMetricsOverride", size).await;
    let scheme = if view.dark { "dark" } else { "light" };
    let media = json!({ "features": [
        { "name": "prefers-color-scheme", "value": scheme },
        { "name": "prefers-reduced-motion", "value": "reduce" },
    ] });
    tell(driver, "Emulation.setEmulatedMedia", media).await;
}

async fn tell(driver: &WebDriver, command: &str, parameters: Value) {
    driver.cdp().send_raw(command, parameters).await.unwrap();
}

/// Puts axe beside every page that is opened from now on: not as an element of it, whose policy allows no script but its
/// own.
pub async fn bring_axe(driver: &WebDriver) {
    tell(driver, "Page.enable", json!({})).await;
    tell(driver, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": AXE })).await;
}

/// What axe finds wrong with the page that is shown: rule, how often, and the first place. `only`: rules that are looked
/// at; none: all.
pub async fn axe(driver: &WebDriver, only: &[&str]) -> Vec<String> {
    let script = "const done = arguments[arguments.length - 1];
        const options = { resultTypes: ['violations'] };
        if (arguments[0].length) options.runOnly = { type: 'rule', values: arguments[0] };
        axe.run(document, options).then(
            (found) => done(found.violations.map((rule) => rule.id + ' (' + rule.nodes.length + '): ' + rule.help + ': '
                + rule.nodes[0].html + ' ' + rule.nodes[0].failureSummary)),
            (error) => done(['axe failed: ' + error]));";
    let found = driver.execute_async(script, vec![json!(only)]).await.unwrap();
    serde_json::from_value(found.json().clone()).unwrap()
}

/// What reaches beyond the page's width, which makes a phone scroll sideways.
pub async fn too_wide(driver: &WebDriver) -> Vec<String> {
    let script = "const width = document.documentElement.clientWidth;
        const scrolls = (e) => e && e !== document.documentElement && (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
        if (document.documentElement.scrollWidth <= width) return [];
        return [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > width + 1 && !scrolls(e.parentElement))
            .slice(0, 5).map((e) => e.outerHTML.slice(0, 160));";
    let found = driver.execute(script, vec![]).await.unwrap();
    serde_json::from_value(found.json().clone()).unwrap()
}

/// What the browser complained of: scripts that failed, what the policy refused, what was not found.
pub async fn complaints(driver: &WebDriver) -> Vec<String> {
    let log = driver.browser_log().await.unwrap();
    log.into_iter().map(|entry| format!("the browser says: {}", entry.message)).collect()
}
