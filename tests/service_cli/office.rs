//! What only a service has: jobs, tokens, accounts, usage, audit.

use crate::both::Service;
use crate::program::Done;

#[test]
fn jobs_tokens_accounts_usage_and_audit() {
    let service = Service::start();
    let source = service.place.source();
    service.run(&["instance", "add", "pages", "--source", &source]).succeeds();
    service.run(&["snapshot", "take", "pages"]).succeeds();
    let jobs = service.json(&["job", "list", "--kind", "snapshot"]);
    let job = jobs["jobs"][0]["id"].as_str().unwrap();
    assert_eq!(jobs["jobs"][0]["status"], "succeeded");
    assert!(service.run(&["job", "show", job]).succeeds().stdout.contains("pages"));
    assert!(service.run(&["job", "list"]).succeeds().stdout.contains(job));
    assert_eq!(service.json(&["job", "wait", job])["id"], job);
    service.run(&["job", "cancel", job]).fails(4, "over");
    service.run(&["job", "show", "j0000000000000000"]).fails(3, "j0000000000000000");
    let made =
        service.json(&["token", "create", "console", "--scope", "read", "--scope", "restore", "--expires", "30d"]);
    let (id, secret) = (made["token"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let as_it =
        |arguments: &[&str]| Done::of(service.command(arguments).env("SNAPHOLD_TOKEN", secret).output().unwrap());
    as_it(&["instance", "list"]).succeeds();
    as_it(&["token", "list"]).fails(4, "administer");
    let listed = service.run(&["token", "list"]).succeeds().stdout;
    assert!(listed.contains(id) && listed.contains("console") && !listed.contains(secret));
    service.run(&["token", "revoke", id]).succeeds();
    as_it(&["instance", "list"]).fails(4, "token");
    service.run(&["token", "create", "x"]).fails(2, "--scope");
    let account = service.json(&["account", "create", "second"]);
    let named = |name: &str| Done::of(service.command(&["instance", "list", "--account", name]).output().unwrap());
    for name in ["second", account["id"].as_str().unwrap()] {
        assert!(named(name).succeeds().stdout.contains("there are no instances"));
    }
    assert!(service.run(&["account", "list"]).succeeds().stdout.contains("second"));
    assert!(service.run(&["account", "show", "second"]).succeeds().stdout.contains(account["id"].as_str().unwrap()));
    service.run(&["account", "show", "third"]).fails(3, "third");
    service.run(&["account", "create", "second"]).fails(4, "second");
    assert_eq!(service.json(&["usage"])["snapshots"], 1);
    assert!(service.run(&["usage"]).succeeds().stdout.contains("pages"));
    let audit = service.json(&["audit", "--action", "token.", "--limit", "2"]);
    let actions: Vec<_> = audit["entries"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["token.revoke", "token.create"]);
    assert!(service.run(&["audit"]).succeeds().stdout.contains("snapshot.take"));
}
