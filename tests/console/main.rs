//! The web console in a real browser.

mod browser;
mod look;
mod preview;
mod sample;
mod server;

use std::path::PathBuf;

use look::{DESKTOP, DESKTOP_DARK, PHONE, PHONE_DARK, View};
use thirtyfour::prelude::*;

/// Shows every page of the preview in a view, and says what is wrong with any.
async fn look_at_all(browser: &WebDriver, address: &str, view: View) -> Vec<String> {
    look::as_on(browser, view).await;
    let only = std::env::var("SNAPHOLD_PREVIEW_PAGE").unwrap_or_default();
    let shots = std::env::var_os("SNAPHOLD_PREVIEW_SHOTS").map(PathBuf::from);
    let mut wrong = Vec::new();
    for (name, _) in preview::PAGES.iter().filter(|(name, _)| only.is_empty() || *name == only) {
        browser.goto(format!("{address}/preview/{name}")).await.unwrap();
        if let Some(folder) = &shots {
            let file = format!("{name}-{}{}.png", view.width, if view.dark { "-dark" } else { "" });
            let whole = "return Math.max(document.documentElement.scrollHeight, innerHeight)";
            let height = browser.execute(whole, vec![]).await.unwrap().json().as_u64().unwrap();
            look::as_on(browser, View { height: height as u32, ..view }).await;
            browser.screenshot(&folder.join(file)).await.unwrap();
            look::as_on(browser, view).await;
        }
        let found = [look::axe(browser).await, look::too_wide(browser).await, look::complaints(browser).await].concat();
        wrong.extend(found.into_iter().map(|line| format!("{name} ({view:?}): {line}")));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_in_both_themes_on_a_desktop_and_a_phone() {
    if !browser::is_there("every_page_is_accessible") {
        return;
    }
    let address = format!("http://{}", server::start(0).await);
    let driver = browser::Driver::start();
    let browser = driver.browser("axe").await;
    let mut wrong = Vec::new();
    for view in [DESKTOP, DESKTOP_DARK, PHONE, PHONE_DARK] {
        wrong.extend(look_at_all(&browser, &address, view).await);
    }
    browser.quit().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// For looking at pages while they are made: SNAPHOLD_PREVIEW=8123 names the port. Ends when a key is pressed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: serves the preview until it is stopped"]
async fn preview() {
    let port = std::env::var("SNAPHOLD_PREVIEW").ok().and_then(|port| port.parse().ok());
    let Some(port) = port else { return };
    println!("http://{}/preview/", server::start(port).await);
    std::future::pending::<()>().await;
}
