//! The web console in a real browser.

mod browser;
mod hand;
#[path = "../support/here.rs"]
mod here;
mod look;
#[path = "../postgres/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod postgres;
mod preview;
#[path = "../cli/program.rs"]
mod program;
#[path = "../redis/server.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod redis;
mod sample;
mod server;
mod site;
#[path = "../support/skipped.rs"]
mod skipped;
mod walk;

use std::path::PathBuf;

use look::{DESKTOP, DESKTOP_DARK, PHONE, PHONE_DARK, View};
use thirtyfour::prelude::*;

/// Where pages that are looked at are kept as pictures: SNAPHOLD_PREVIEW_SHOTS names the folder.
async fn picture(browser: &WebDriver, name: &str, view: View) {
    let Some(folder) = std::env::var_os("SNAPHOLD_PREVIEW_SHOTS").map(PathBuf::from) else { return };
    let whole = "return Math.max(document.documentElement.scrollHeight, innerHeight)";
    let height = browser.execute(whole, vec![]).await.unwrap().json().as_u64().unwrap();
    look::as_on(browser, View { height: height as u32, ..view }).await;
    let file = format!("{name}-{}{}.png", view.width, if view.dark { "-dark" } else { "" });
    browser.screenshot(&folder.join(file)).await.unwrap();
    look::as_on(browser, view).await;
}

/// What is wrong with the page that is open, as it is seen in some ways.
async fn look_at(browser: &WebDriver, name: &str, views: &[View]) -> Vec<String> {
    let mut wrong = Vec::new();
    for &view in views {
        look::as_on(browser, view).await;
        picture(browser, name, view).await;
        let found = [look::axe(browser, &[]).await, look::too_wide(browser).await].concat();
        wrong.extend(found.into_iter().map(|line| format!("{name} ({view:?}): {line}")));
    }
    wrong.extend(look::complaints(browser).await.into_iter().map(|line| format!("{name}: {line}")));
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_on_a_desktop_and_in_the_dark_on_a_phone() {
    every_page_is_accessible(&[DESKTOP, PHONE_DARK]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the other theme on each"]
async fn every_page_is_accessible_on_a_phone_and_in_the_dark_on_a_desktop() {
    every_page_is_accessible(&[PHONE, DESKTOP_DARK]).await;
}

async fn every_page_is_accessible(views: &[View]) {
    if !browser::is_there("every_page_is_accessible") {
        return;
    }
    let address = format!("http://{}", server::start(0).await);
    let driver = browser::Driver::start();
    let browser = driver.browser("axe").await;
    look::bring_axe(&browser).await;
    let only = std::env::var("SNAPHOLD_PREVIEW_PAGE").unwrap_or_default();
    let mut wrong = Vec::new();
    for (name, _) in preview::PAGES.iter().filter(|(name, _)| only.is_empty() || *name == only) {
        browser.goto(format!("{address}/preview/{name}")).await.unwrap();
        wrong.extend(look_at(&browser, name, views).await);
    }
    browser.quit().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_page_is_found() {
    if !browser::is_there("what_is_wrong_with_a_page") {
        return;
    }
    let address = format!("http://{}", server::start(0).await);
    let driver = browser::Driver::start();
    let browser = driver.browser("broken").await;
    look::bring_axe(&browser).await;
    look::as_on(&browser, PHONE).await;
    browser.goto(format!("{address}/broken")).await.unwrap();
    let (axe, wide, said) =
        (look::axe(&browser, &[]).await, look::too_wide(&browser).await, look::complaints(&browser).await);
    let title = browser.title().await.unwrap();
    browser.quit().await.unwrap();
    assert!(axe.iter().any(|line| line.starts_with("label ")), "{axe:?}");
    assert!(wide.iter().any(|line| line.contains("<svg")), "{wide:?}");
    assert!(said.iter().any(|line| line.contains("Content Security Policy")), "{said:?}");
    assert_eq!(title, "Broken", "the policy lets no script of a page run");
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
