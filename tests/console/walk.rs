//! A person walks through the console, over real databases: every row of the product's table.

use std::fs;
use std::process::{Command, Stdio};

use crate::browser::{self, Driver};
use crate::hand::Hand;
use crate::look::{self, DESKTOP};
use crate::site::{Site, TOKEN};
use crate::{postgres, redis};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";

/// A browser that has signed in as the account's first owner, made with the service's token.
async fn signed_in(driver: &Driver, site: &Site) -> Hand {
    let browser = driver.browser("walk").await;
    browser.set_script_timeout(std::time::Duration::from_secs(60)).await.unwrap();
    look::bring_axe(&browser).await;
    look::as_on(&browser, DESKTOP).await;
    let mut hand = Hand { browser, base: site.address.clone(), wrong: Vec::new() };
    hand.open("/").await;
    hand.is_at("/console/sign-in").await;
    hand.clicks("First time here?").await;
    for (id, text) in [("token", TOKEN), ("first-email", EMAIL), ("first-password", PASSWORD)] {
        hand.browser.find(thirtyfour::By::Id(id)).await.unwrap().send_keys(text).await.unwrap();
    }
    hand.clicks("Make the user, and sign in").await;
    hand.is_at("/console/instances").await;
    hand
}

async fn add(hand: &mut Hand, name: &str, source: &str, plan: &str, password: &str) {
    hand.open("/console/instances").await;
    hand.clicks("Add instance").await;
    hand.dialog("Add an instance").await;
    hand.types("name", name).await;
    hand.types("source", source).await;
    hand.chooses("plan", plan).await;
    if !password.is_empty() {
        hand.types("password", password).await;
    }
    hand.sends().await;
    hand.is_at(&format!("/console/instances/{name}")).await;
}

async fn take(hand: &mut Hand, description: &str, days: &str) {
    hand.clicks("Take snapshot").await;
    hand.dialog("Take a snapshot").await;
    hand.types("description", description).await;
    hand.types("retention_days", days).await;
    hand.sends().await;
    hand.row(&[description]).await;
}

async fn confirm(hand: &mut Hand, title: &str, word: &str) {
    hand.dialog(title).await;
    hand.types("confirm", word).await;
    hand.sends().await;
}

async fn end(hand: Hand, site: Site) {
    let wrong = hand.wrong.join("\n");
    hand.browser.quit().await.unwrap();
    site.stop().await;
    assert!(wrong.is_empty(), "{wrong}");
}

/// Rows A1–A6, B1, B2, B4, B5, D1, D4, X3 and Z1, Z3–Z6, Z8, over PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_takes_exports_clones_restores_and_loads_a_postgresql_database() {
    let test = "a_person_takes_exports_clones";
    if !browser::is_there(test) {
        return;
    }
    let Some(database) = postgres::server(test) else { return };
    database.sql("postgres", "CREATE DATABASE shop");
    database.sql("shop", "CREATE TABLE orders(id int PRIMARY KEY, note text); INSERT INTO orders SELECT n, 'order ' || n FROM generate_series(1, 5000) n");
    let count = |name: &str| database.sql(name, "SELECT count(*) FROM orders").trim().to_string();
    let without = |url: String| url.replace(&format!(":{}@", postgres::PASSWORD), "@");
    let source = without(database.url("shop", ""));
    let (driver, site) = (Driver::start(), Site::start().await);
    let mut hand = signed_in(&driver, &site).await;
    hand.sees("No instance yet").await;
    hand.looks("no instances").await;

    // B2, A6: one is taken by itself when the instance is new, and kept as long as the plan says.
    add(&mut hand, "shop", &source, "aurads", postgres::PASSWORD).await;
    hand.row(&["Scheduled", "Completed", "in 5 months"]).await;

    // A2, D1: on demand, with a description and its own retention; live, in the page that is open.
    hand.asks("window.same = 1").await;
    take(&mut hand, "before the sale", "30").await;
    hand.row(&["before the sale", "On demand", "Completed"]).await;
    // A1: time, type, status, size, expiry.
    let row = hand.asks("return [...document.querySelectorAll('tbody tr')].find((tr) => tr.innerText.includes('before the sale')).innerText").await;
    let row = row.as_str().unwrap();
    assert!(row.contains("KiB") && (row.contains("in 29 days") || row.contains("in 30 days")), "{row}");
    hand.looks("snapshots").await;

    // Z6: look inside.
    hand.menu(&["before the sale"], "Browse").await;
    hand.row(&["orders"]).await;
    hand.looks("browse").await;

    // A5, X3: the word has to be typed; a safety snapshot is taken; all data is overwritten.
    database.sql("shop", "DELETE FROM orders WHERE id > 10");
    assert_eq!(count("shop"), "10");
    hand.open("/console/instances/shop").await;
    hand.menu(&["before the sale"], "Restore…").await;
    hand.dialog("Restore a snapshot").await;
    hand.sees("It would write").await;
    hand.types("confirm", "restore").await;
    let is_valid = "return document.querySelector('dialog form.form').checkValidity()";
    assert_eq!(hand.asks(is_valid).await, false, "a word that is not RESTORE is refused by the page");
    // And by the server, where the page is got around.
    hand.asks("document.querySelector('dialog form.form').noValidate = true").await;
    hand.sends().await;
    hand.sees("this would overwrite").await;
    assert_eq!(count("shop"), "10");
    confirm(&mut hand, "Restore a snapshot", "RESTORE").await;
    hand.job_is_done().await;
    hand.looks("a restore that is done").await;
    assert_eq!(count("shop"), "5000");

    // Z3: undone.
    hand.clicks("Undo this restore…").await;
    confirm(&mut hand, "Undo a restore", "RESTORE").await;
    hand.job_is_done().await;
    assert_eq!(count("shop"), "10");
    hand.open("/console/instances/shop").await;
    hand.row(&["Safety", "Completed"]).await;

    // A3, B5: exports, which the database's own tool reads.
    for (words, format) in [("Export as .dump…", "dump"), ("Export as .tar.gz…", "tar.gz")] {
        hand.open("/console/instances/shop").await;
        hand.menu(&["before the sale"], words).await;
        hand.dialog("Export a snapshot").await;
        hand.clicks("Export").await;
        hand.is_at("/console/exports").await;
        hand.row(&[&format!(".{format}"), "Ready"]).await;
        let address = "document.querySelector('a[href$=\"/content\"]').href";
        let bytes = hand.downloads(address).await;
        let path = site.path(&format!("shop.{format}"));
        fs::write(&path, bytes).unwrap();
    }
    hand.looks("exports").await;
    let unpacked = Command::new("tar").arg("-C").arg(site.path("")).arg("-xzf").arg(site.path("shop.tar.gz")).status();
    assert!(unpacked.unwrap().success(), "the .tar.gz opens");
    let mut listed = Command::new(database.bin("pg_restore"));
    let listed = listed.arg("--list").arg(site.path("shop.dump")).stderr(Stdio::inherit()).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("TABLE DATA public orders"), "{listed:?}");

    // A4: a new instance, after its name was asked for.
    hand.open("/console/instances/shop").await;
    hand.menu(&["before the sale"], "Create instance…").await;
    hand.dialog("Create an instance").await;
    hand.types("name", "copy").await;
    hand.types("source", &without(database.url("copy", ""))).await;
    hand.types("password", postgres::PASSWORD).await;
    hand.clicks("Create instance").await;
    hand.job_is_done().await;
    assert_eq!(count("copy"), "5000");

    // B4: a dump is loaded, in pieces, and is a snapshot of its own type.
    hand.open("/console/instances/shop").await;
    hand.clicks("Load a dump").await;
    hand.is_at("/console/instances/shop/load").await;
    hand.looks("load").await;
    hand.gives("file", &site.path("shop.dump")).await;
    hand.types("description", "from a file").await;
    hand.types("confirm", "RESTORE").await;
    hand.clicks("Load").await;
    hand.job_is_done().await;
    assert_eq!(count("shop"), "5000");
    // B1: the three types, by the filter too.
    hand.open("/console/instances/shop").await;
    for (value, word) in [("load", "Load"), ("scheduled", "Scheduled"), ("on_demand", "On demand")] {
        hand.chooses("type", value).await;
        let only = format!(
            "location.search.includes('type={value}') && [...document.querySelectorAll('tbody .kind')].every((e) => e.innerText === words)"
        );
        hand.holds(&only, word).await;
        hand.row(&[word]).await;
    }

    // Z1, Z4: what the load, and a further snapshot in which a row changed, added is a small part of what they hold.
    database.sql("shop", "UPDATE orders SET note = 'changed' WHERE id = 7");
    hand.open("/console/instances/shop").await;
    take(&mut hand, "a row later", "3").await;
    hand.row(&["a row later", "Completed"]).await;
    for description in ["from a file", "a row later"] {
        let script = format!(
            "const row = [...document.querySelectorAll('tbody tr')].find((tr) => tr.innerText.includes('{description}'));
             const bytes = (label) => {{
                 const [number, unit] = row.querySelector('[data-label=\"' + label + '\"]').innerText.trim().split(/\\s+/);
                 return parseFloat(number) * {{ B: 1, KiB: 1024, MiB: 1048576 }}[unit];
             }};
             return [bytes('Size'), bytes('Added')]"
        );
        let bytes: Vec<f64> = serde_json::from_value(hand.asks(&script).await).unwrap();
        assert!(bytes[0] > 50_000.0 && bytes[1] < bytes[0] / 10.0, "{description}: {bytes:?}");
    }

    // Z8: held, so not deleted; Z5: proven.
    hand.open("/console/instances/shop").await;
    hand.menu(&["before the sale"], "Prove by a drill…").await;
    hand.dialog("Prove a snapshot").await;
    hand.types("query", "SELECT count(*) FROM orders").await;
    hand.clicks("Start the drill").await;
    hand.job_is_done().await;
    hand.open("/console/instances/shop").await;
    hand.row(&["before the sale", "Proven"]).await;
    hand.menu(&["before the sale"], "Hold until…").await;
    hand.dialog("Hold a snapshot").await;
    hand.clicks("Hold").await;
    hand.sees("The snapshot is held.").await;
    hand.looks("a snapshot that is held").await;
    hand.open("/console/instances/shop").await;
    hand.menu(&["before the sale"], "Delete…").await;
    hand.dialog("Delete a snapshot").await;
    hand.sees("cannot be deleted before").await;

    // D4: one list of all; one of them is deleted, and brought back.
    hand.open("/console/snapshots").await;
    hand.row(&["copy"]).await;
    hand.row(&["shop", "Load"]).await;
    hand.looks("all backups").await;
    hand.menu(&["shop", "Load"], "Delete…").await;
    hand.dialog("Delete a snapshot").await;
    hand.clicks("Delete").await;
    hand.row(&["Load", "Deleted"]).await;
    hand.menu(&["Load", "Deleted"], "Undelete…").await;
    hand.dialog("Bring a snapshot back").await;
    hand.clicks("Bring it back").await;
    hand.sees("The snapshot is back.").await;

    // Z6: compared.
    hand.open("/console/instances/shop").await;
    hand.menu(&["before the sale"], "Compare with…").await;
    hand.dialog("Compare snapshots").await;
    hand.clicks("Compare").await;
    hand.sees("What changed").await;
    hand.looks("compare").await;
    for page in ["usage", "audit", "jobs", "account", "users", "tokens"] {
        hand.open(&format!("/console/{page}")).await;
        hand.looks(page).await;
    }
    hand.open("/console/instances/shop/usage").await;
    hand.looks("usage of an instance").await;
    end(hand, site).await;
}

/// Rows B3, B6, X1, X2, X4, D2, D3, M1, M2, M3 and what fails, over SQLite, Redis, folders and an environment.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_schedules_chooses_plans_and_keeps_an_environment() {
    let test = "a_person_schedules";
    if !browser::is_there(test) || !redis::is_there(test) {
        return;
    }
    let cache = redis::Server::start(&[]);
    cache.ask(&["SET", "kept", "1"]);
    let (driver, site) = (Driver::start(), Site::start().await);
    let table = rusqlite::Connection::open(site.path("app.db")).unwrap();
    table.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
    drop(table);
    let mut hand = signed_in(&driver, &site).await;

    // X1: the free plan has no backups, and says so; what the others promise.
    hand.open("/console/plans").await;
    hand.sees("This plan has no backups.").await;
    hand.sees("a rolling 3 days").await;
    hand.looks("plans").await;
    let database = format!("sqlite:{}", site.path("app.db").display());
    add(&mut hand, "hobby", &database, "xano-free", "").await;
    hand.sees("This plan has no backups").await;
    hand.does_not_see("Take snapshot").await;
    hand.looks("an instance without backups").await;

    // D2, X4: days, hours, window, time zone, retention; edited; switched off.
    add(&mut hand, "app", &database, "dragonfly-cloud", "").await;
    hand.clicks("Set a schedule").await;
    for day in ["days-tue", "days-wed", "days-thu", "days-fri", "days-sat", "days-sun"] {
        hand.ticks(day).await;
    }
    hand.ticks("hours-at").await;
    hand.ticks("hour-2").await;
    hand.asks("document.getElementById('window_begin').value = '01:00'; document.getElementById('window_end').value = '05:00'").await;
    hand.types("timezone", "Europe/Paris").await;
    hand.types("retention_days", "9").await;
    hand.clicks("Give it this schedule").await;
    hand.sees("The schedule is saved.").await;
    hand.sees("its own schedule").await;
    let slots = hand.asks("return [...document.querySelectorAll('.slots strong')].map((e) => e.innerText)").await;
    let slots: Vec<String> = serde_json::from_value(slots).unwrap();
    assert!(
        slots.len() > 2
            && slots.iter().all(|slot| slot.starts_with("Mon") && slot.contains("02:") && slot.contains("CE")),
        "{slots:?}"
    );
    hand.looks("schedule").await;
    hand.types("timezone", "Nowhere/Land").await;
    hand.clicks("Save schedule").await;
    hand.sees("no time zone").await;
    hand.open("/console/instances/app/schedule").await;
    hand.clicks("Switch off").await;
    hand.sees("The schedule is switched off.").await;
    hand.sees("No snapshot is taken by itself.").await;

    // A2: what fails says why.
    hand.open("/console/instances/app").await;
    take(&mut hand, "while it is there", "3").await;
    hand.row(&["while it is there", "Completed"]).await;
    fs::rename(site.path("app.db"), site.path("away.db")).unwrap();
    take(&mut hand, "while it is not", "3").await;
    hand.row(&["while it is not", "Failed", "app.db"]).await;
    hand.looks("a snapshot that failed").await;
    fs::rename(site.path("away.db"), site.path("app.db")).unwrap();

    // B3: hourly, by the plan. D3: restored into what is there, which clears what it holds.
    add(&mut hand, "cache", &cache.url(), "auradb-enterprise", "").await;
    hand.row(&["Scheduled", "Completed"]).await;
    cache.ask(&["SET", "later", "1"]);
    hand.open("/console/instances/cache/schedule").await;
    hand.sees("the schedule of its plan").await;
    let hourly = hand.asks("const at = [...document.querySelectorAll('.slots strong')].map((e) => e.innerText.slice(15, 17)); return new Set(at).size").await;
    assert_eq!(hourly, 5, "each of the next is in another hour");
    hand.open("/console/instances/cache").await;
    hand.menu(&["Scheduled", "Completed"], "Restore…").await;
    confirm(&mut hand, "Restore a snapshot", "RESTORE").await;
    hand.job_is_done().await;
    assert_eq!((cache.ask(&["GET", "kept"]).as_str(), cache.ask(&["EXISTS", "later"]).as_str()), ("1", "0"));

    // M1, X2: one snapshot of a whole environment, with its media only where they are asked for.
    fs::create_dir(site.path("media")).unwrap();
    fs::write(site.path("media/film"), vec![7; 3_000_000]).unwrap();
    fs::create_dir(site.path("pages")).unwrap();
    fs::write(site.path("pages/index.html"), "a page").unwrap();
    let parts = format!(
        "[[component]]\nname = \"db\"\nsource = \"{database}\"\n\n[[component]]\nname = \"pages\"\nsource = \"files:{}\"\n\n\
         [[component]]\nname = \"media\"\nsource = \"files:{}\"\noptional = true\n",
        site.path("pages").display(),
        site.path("media").display()
    );
    fs::write(site.path("whole.toml"), parts).unwrap();
    add(&mut hand, "whole", &format!("env:{}", site.path("whole.toml").display()), "magento-cloud", "").await;
    hand.clicks("Take snapshot").await;
    hand.dialog("Take a snapshot").await;
    hand.sees("Left out unless it is ticked").await;
    hand.types("description", "with its media").await;
    hand.ticks("include-media").await;
    hand.clicks("Take snapshot").await;
    // M2: restorable for 14 days.
    hand.row(&["with its media", "Completed", "in 13 days"]).await;
    hand.open_snapshot("with its media").await;
    for part in ["db", "pages", "media"] {
        hand.row(&[part]).await;
    }
    hand.looks("a snapshot of an environment").await;

    // M3: what did not change is not copied.
    fs::write(site.path("pages/index.html"), "another page").unwrap();
    hand.clicks("Restore…").await;
    hand.dialog("Restore a snapshot").await;
    hand.sees("is there already and stays as it is").await;
    confirm(&mut hand, "Restore a snapshot", "RESTORE").await;
    hand.job_is_done().await;
    assert_eq!(fs::read_to_string(site.path("pages/index.html")).unwrap(), "a page");

    // B6: only the latest is available.
    hand.open("/console/instances/app/settings").await;
    hand.chooses("plan", "auradb-free").await;
    hand.clicks("Save").await;
    hand.sees("Saved.").await;
    hand.open("/console/instances/app").await;
    take(&mut hand, "the latest", "3").await;
    hand.row(&["the latest", "Completed"]).await;
    hand.menu(&["while it is there"], "Only the latest is available").await;
    hand.is_at("/console/plans").await;
    end(hand, site).await;
}

/// Tokens are shown once; roles see what they may; nothing is done without the session's own token. Row Z9.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_lets_others_in_and_sees_what_they_may() {
    if !browser::is_there("a_person_lets_others_in") {
        return;
    }
    let (driver, site) = (Driver::start(), Site::start().await);
    let mut hand = signed_in(&driver, &site).await;
    hand.open("/console/tokens").await;
    hand.clicks("Create token").await;
    hand.dialog("Create a token").await;
    hand.types("name", "<b>backup</b> host").await;
    hand.clicks("Create token").await;
    hand.sees("It is shown this once").await;
    hand.looks("a token that was made").await;
    hand.open("/console/tokens").await;
    hand.row(&["<b>backup</b> host", "read"]).await;
    hand.does_not_see("It is shown this once").await;
    hand.clicks("Revoke").await;
    hand.row(&["<b>backup</b> host", "Revoked"]).await;

    hand.open("/console/users").await;
    hand.clicks("Add user").await;
    hand.dialog("Add a user").await;
    hand.types("email", "grace@example.com").await;
    hand.types("password", "short").await;
    hand.clicks("Add user").await;
    hand.sees("characters").await;
    hand.types("password", PASSWORD).await;
    hand.clicks("Add user").await;
    hand.row(&["grace@example.com", "viewer"]).await;
    hand.open("/console/audit").await;
    hand.row(&["user.create", EMAIL]).await;
    hand.looks("audit").await;

    // By keyboard alone: the menu of a user.
    hand.open("/console/users").await;
    hand.row(&["grace@example.com"]).await;
    let keys = "const b = document.querySelectorAll('[aria-haspopup=menu]')[1]; b.focus(); return document.activeElement === b";
    assert_eq!(hand.asks(keys).await, true);
    hand.presses(thirtyfour::Key::Enter).await;
    hand.holds("document.activeElement.innerText.trim() === words", "Change role…").await;
    hand.presses(thirtyfour::Key::Down).await;
    hand.holds("document.activeElement.innerText.trim() === words", "Set a password…").await;
    hand.presses(thirtyfour::Key::Up).await;
    hand.presses(thirtyfour::Key::Enter).await;
    hand.dialog("Change a role").await;
    hand.presses(thirtyfour::Key::Escape).await;
    hand.holds(
        "!document.querySelector('dialog').open && document.activeElement.getAttribute('aria-haspopup') === words",
        "menu",
    )
    .await;

    // A form without the session's token does nothing.
    let forged = "const done = arguments[arguments.length - 1];
        fetch('/console/sign-out', { method: 'POST', body: new URLSearchParams({ csrf: 'guessed' }) }).then((a) => done(a.status))";
    assert_eq!(hand.browser.execute_async(forged, vec![]).await.unwrap().json(), 403);
    hand.open("/console/instances").await;
    hand.clicks("Sign out").await;
    hand.sees("You are signed out.").await;
    hand.open("/console/jobs").await;
    hand.is_at("/console/sign-in").await;
    for (field, text) in [("email", "grace@example.com"), ("password", "wrong wrong wrong")] {
        hand.types(field, text).await;
    }
    hand.clicks("Sign in").await;
    hand.sees("is wrong").await;
    hand.types("password", PASSWORD).await;
    hand.clicks("Sign in").await;
    hand.is_at("/console/jobs").await;
    hand.open("/console/instances").await;
    hand.sees("No instance yet").await;
    hand.does_not_see("Add instance").await;
    hand.open("/console/users").await;
    hand.sees("Not yours to do").await;
    hand.looks("refused").await;
    hand.open("/console/instances/nothing").await;
    hand.sees("Not found").await;
    // Light and dark, kept.
    hand.open("/console/instances").await;
    hand.browser.find(thirtyfour::By::Css("button[value=dark]")).await.unwrap().click().await.unwrap();
    hand.holds("document.documentElement.dataset.theme === words", "dark").await;
    hand.open("/console/account").await;
    hand.does_not_see("Destroy the key").await;

    // Z9: the key is destroyed, after the account's name was typed.
    hand.clicks("Sign out").await;
    for (field, text) in [("email", EMAIL), ("password", PASSWORD)] {
        hand.types(field, text).await;
    }
    hand.clicks("Sign in").await;
    hand.is_at("/console/instances").await;
    hand.open("/console/account").await;
    hand.clicks("Destroy the key…").await;
    hand.dialog("Destroy the account's key").await;
    hand.sees("This cannot be undone.").await;
    hand.looks("destroying the key").await;
    hand.asks("document.querySelector('dialog form.form').noValidate = true").await;
    confirm(&mut hand, "Destroy the account's key", "yes").await;
    hand.sees("the account's name confirms it").await;
    confirm(&mut hand, "Destroy the account's key", "default").await;
    hand.is_at("/console/account").await;
    hand.sees("The account's key was destroyed on").await;
    hand.does_not_see("Destroy the key").await;
    hand.looks("an account whose key was destroyed").await;
    end(hand, site).await;
}
