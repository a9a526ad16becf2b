//! Aura's face: what its programs ask, by hand and by `aura-cli` itself.

mod by_hand;
mod by_program;

use serde_json::{Value, json};

use crate::served::{ADMINISTRATOR, Served, value};

/// A token of the default account with these scopes: its id and its text.
fn token(served: &Served, scopes: &[&str]) -> (String, String) {
    let made = value(served.post("/v1/tokens", json!({"name": "aura", "scopes": scopes})));
    let text = |value: &Value| value.as_str().unwrap().to_string();
    (text(&made["token"]["id"]), text(&made["secret"]))
}

/// The id of the default account.
fn account(served: &Served) -> String {
    let whoami = value(served.client.get(format!("{}/v1/whoami", served.url)).bearer_auth(ADMINISTRATOR));
    whoami["account"].as_str().unwrap().to_string()
}
