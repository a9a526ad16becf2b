//! Encryption by a certificate and a key in files.

use std::process::Command;

use reqwest::Certificate;
use reqwest::blocking::Client;

use crate::program::{Done, Place};
use crate::served::{ADMINISTRATOR, Served};
use crate::skipped::missing;

/// Makes a certificate of this machine's own address, `NAME.pem`, and its key, `NAME.key`.
fn certify(place: &Place, name: &str) -> bool {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    command.args(["-days", "2", "-subj", "/CN=snaphold", "-addext", "subjectAltName=IP:127.0.0.1"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    let made = command.current_dir(place.path("")).output();
    if made.is_err() {
        missing("encryption by files", "openssl");
    }
    made.is_ok_and(|output| output.status.success())
}

#[test]
fn a_service_with_a_certificate_speaks_tls_and_nothing_else() {
    let place = Place::bare();
    if !certify(&place, "own") || !certify(&place, "other") {
        return;
    }
    let (certificate, key) = (place.text_path("own.pem"), place.text_path("own.key"));
    let config = format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
    let served = Served::start(&place, &config);
    let address = served.url.strip_prefix("https://").unwrap();
    let root = Certificate::from_pem(&std::fs::read(&certificate).unwrap()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let answer = client.get(format!("https://{address}/v1/whoami")).bearer_auth(ADMINISTRATOR).send().unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.headers().contains_key("strict-transport-security"));
    assert!(served.client.get(format!("https://{address}/healthz")).send().is_err(), "nobody vouches for it");
    assert!(client.get(format!("http://{address}/healthz")).send().is_err(), "nothing is said in the clear");

    // The command line, where the certificate is among those that are trusted.
    let ask = |trusted: &str| {
        let mut command = place.command(["instance", "list"]);
        command.env_remove("SNAPHOLD_REPO").env("SNAPHOLD_SERVER", &served.url).env("SNAPHOLD_TOKEN", ADMINISTRATOR);
        Done::of(command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR").output().unwrap())
    };
    ask(&certificate).succeeds();
    ask(&place.text_path("other.pem")).fails(1, "cannot reach the service");
    drop(served);

    // What is no certificate or does not belong together is named.
    std::fs::write(&key, "no key").unwrap();
    let data = place.text_path("data");
    let config = place.text_path("snaphold.toml");
    place.run(["serve", "--listen", "127.0.0.1:0", "--data", &data, "--config", &config]).fails(2, "own.key");
}
