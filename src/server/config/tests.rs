//! What a wrong config is told.

use super::*;

/// `text` is refused with a line that holds all of `words`.
fn refused(text: &str, words: &[&str]) {
    let error = Config::read(text).expect_err(text);
    assert!(matches!(error, Error::Usage(_)), "{error:?}");
    let said = error.to_string();
    assert!(!said.contains('\n'), "more than one line: {said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{text:?}: {said:?} does not say {word:?}"));
}

#[test]
fn nothing_need_be_written() {
    let config = Config::read("").unwrap();
    assert_eq!(config.listen, LISTEN);
    assert_eq!(config.jobs, Jobs::default());
    assert!(config.smtp.is_none() && config.tls.is_none());
    Config::default().validate().unwrap();
}

#[test]
fn the_handbooks_example_is_read_and_says_what_the_defaults_are() {
    let handbook = include_str!("../../../docs/OPERATING.md");
    let example = handbook.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = Config::read(example).unwrap();
    let default = Config::default();
    assert_eq!(config.jobs, default.jobs);
    assert_eq!(config.limits, default.limits);
    assert_eq!(config.retention, default.retention);
    assert_eq!(config.scheduler, default.scheduler);
    assert_eq!(config.webhooks, default.webhooks);
    assert_eq!(config.backup, default.backup);
    assert_eq!(config.log, default.log);
    assert_eq!(config.listen, default.listen);
    assert!(config.tls.is_some() && config.smtp.is_some() && config.catalog.is_some());
}

#[test]
fn the_line_is_named_where_the_text_is_wrong() {
    refused("listen = \"127.0.0.1:1\"\n\nworkers = 3\n", &["line 3", "workers", "expected one of"]);
    refused("[jobs]\nworkers = \"two\"\n", &["line 2", "invalid type"]);
    refused("[jobs]\nworker = 2\n", &["line 2", "worker"]);
    refused("listen = \"8080\"\n", &["line 1", "socket address"]);
    refused("listen = \n", &["line 1"]);
    refused("[limits]\n\nupload = \"2 GB\"\n", &["line 3", "2 GB", "500MiB"]);
    refused("[limits]\nbody = -1\n", &["line 2", "500MiB"]);
    refused("[scheduler]\ngrace = \"5 minutes\"\n", &["line 2", "5 minutes", "90m"]);
    refused("[proxy]\ntrusted = [\"localhost\"]\n", &["line 2", "localhost", "10.0.0.0/8"]);
    refused("[log]\nformat = \"xml\"\n", &["line 2", "xml", "json"]);
    refused("[tls]\ncertificate = \"a.pem\"\n", &["key"]);
    refused("[smtp]\nhost = \"mail\"\n", &["from"]);
}

#[test]
fn the_field_is_named_where_a_value_makes_no_sense() {
    let cases = [
        ("catalog = \"mysql://x\"", "catalog", "postgres://"),
        ("public_url = \"snapshots.example.com\"", "public_url", "https://"),
        ("public_url = \"https://a.example/\"", "public_url", "slash"),
        ("jobs.workers = 1000", "jobs.workers", "256"),
        ("jobs.per_account = 0", "jobs.per_account", "at least 1"),
        ("jobs.silent_after = \"1s\"", "jobs.silent_after", "10s"),
        ("limits.body = 1", "limits.body", "limits.upload"),
        ("limits.upload = 0", "limits.upload", "one byte"),
        ("limits.burst = 0", "limits.burst", "at least 1"),
        ("limits.request_timeout = \"0\"", "limits.request_timeout", "1s"),
        ("retention.audit = \"1s\"", "retention.audit", "1m"),
        ("scheduler.check_every = \"1s\"", "scheduler.check_every", "1m"),
        ("scheduler.gc_every = \"1s\"", "scheduler.gc_every", "1m"),
        ("master_key = {file = \"a\", environment = \"B\"}", "master_key", "one of"),
        ("master_key.command = []", "master_key.command", "list"),
        ("master_key.environment = \"\"", "master_key.environment", "variable"),
        ("webhooks.timeout = \"10m\"", "webhooks.timeout", "60s"),
        ("webhooks.attempts_max = 0", "webhooks.attempts_max", "50"),
        ("webhooks.retry_after = \"0\"", "webhooks.retry_after", "1s"),
        ("smtp = {host = \"\", from = \"a@b.c\"}", "smtp.host", "mail server"),
        ("smtp = {host = \"m\", from = \"nobody\"}", "smtp.from", "address"),
        ("smtp = {host = \"m\", from = \"a@b.c\", to = [\"x\"]}", "smtp.to", "\"x\""),
        ("smtp = {host = \"m\", from = \"a@b.c\", username = \"u\"}", "smtp.password_file", "both"),
        (
            "smtp = {host = \"m\", from = \"a@b.c\", tls = \"none\", username = \"u\", password_file = \"p\"}",
            "smtp.tls",
            "starttls",
        ),
        ("backup.every = \"1s\"", "backup.every", "1m"),
        ("backup = {every = \"1d\", keep = \"1h\"}", "backup.keep", "backup.every"),
    ];
    cases.into_iter().for_each(|(text, field, words)| refused(text, &[field, words]));
}

#[test]
fn the_files_that_are_named_are_looked_at() {
    let folder = tempfile::Builder::new().tempdir().unwrap();
    let at = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let certificate = at("certificate.pem", &pem("CERTIFICATE"));
    let key = at("key.pem", &pem("EC PRIVATE KEY"));
    let plans = at("plans.toml", "[plans.mine]\nretain = \"3d\"\n");
    let secret = at("secret", "word");

    let good = format!(
        "plans = {plans:?}\nmaster_key.file = {secret:?}\nmetrics.token_file = {secret:?}\n\
         [tls]\ncertificate = {certificate:?}\nkey = {key:?}\n\
         [smtp]\nhost = \"m\"\nfrom = \"a@b.c\"\nusername = \"u\"\npassword_file = {secret:?}\n"
    );
    let plans_read = Config::read(&good).unwrap().check().unwrap();
    plans_read.get("mine").unwrap();

    let says = |from: &str, to: &str, words: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good);
        let said = Config::read(&changed).unwrap().check().unwrap_err().to_string();
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    };
    says(&certificate, &key, "tls.certificate");
    says(&format!("key = {key:?}"), &format!("key = {certificate:?}"), "holds no private key");
    says(&plans, &secret, "plans");
    says("master_key.file = \"", "master_key.file = \"/nowhere", "master_key.file: cannot read /nowhere");
    says("metrics.token_file = \"", "metrics.token_file = \"/nowhere", "metrics.token_file");
    says("password_file = \"", "password_file = \"/nowhere", "smtp.password_file");
}

#[test]
fn what_is_allowed_and_risky_is_warned_of() {
    let warnings = |text: &str| Config::read(text).unwrap().warnings().join("\n");
    assert!(warnings("").contains("master key stands beside the data"));
    let safe = "listen = \"0.0.0.0:443\"\nmaster_key.file = \"/k\"\nproxy.trusted = [\"10.0.0.1\"]\n";
    assert_eq!(warnings(safe), "");
    assert!(warnings("listen = \"0.0.0.0:80\"").contains("unprotected"));
    assert!(warnings("webhooks.allow_private = true").contains("allow_private"));
}
