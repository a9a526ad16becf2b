use super::*;

/// As they stand in catalogs. What is frozen here stays readable for ever; what is added is optional.
const FROZEN: &[&str] = &[
    r#"{"kind":"snapshot","instance":"shop","snapshot":"00000000000000aa"}"#,
    r#"{"kind":"snapshot","instance":"shop","snapshot":"00000000000000aa","description":"before","retain_ns":3600,"include":["media"],"skip_unreadable":true}"#,
    r#"{"kind":"load","instance":"shop","snapshot":"00000000000000aa","upload":"l1","file_name":"shop.dump","run":"0000000b"}"#,
    r#"{"kind":"load","instance":"shop","snapshot":"00000000000000aa","upload":"l1","file_name":"shop.dump","run":"0000000b","description":"before","retain_ns":3600,"no_safety":true}"#,
    r#"{"kind":"restore","instance":"shop","snapshot":"00000000000000aa","run":"0000000b"}"#,
    r#"{"kind":"restore","instance":"shop","snapshot":"00000000000000aa","run":"0000000b","component":"db","path":"a/b","no_safety":true}"#,
    r#"{"kind":"undo","instance":"shop","snapshot":"00000000000000aa","run":"0000000b"}"#,
    r#"{"kind":"undo","instance":"shop","snapshot":"00000000000000aa","run":"0000000b","no_safety":true}"#,
    r#"{"kind":"resume","instance":"shop"}"#,
    r#"{"kind":"abort","instance":"shop"}"#,
    r#"{"kind":"export","snapshot":"00000000000000aa","export":"e1","format":"tar.gz"}"#,
    r#"{"kind":"export","snapshot":"00000000000000aa","export":"e1","format":"dump","neo4j_format":"4","component":"db","path":"a/b","only":"table=public.goods"}"#,
    r#"{"kind":"clone","snapshot":"00000000000000aa","name":"copy","copy":"00000000000000ab","settings":{}}"#,
    r#"{"kind":"clone","snapshot":"00000000000000aa","name":"copy","copy":"00000000000000ab","source":"postgres://h/d","settings":{"password":"ff","password_file":"/p","stop":"a","start":"b","before":"c","after":"d","data_directory":"/d"}}"#,
    r#"{"kind":"delete","snapshot":"00000000000000aa"}"#,
    r#"{"kind":"delete","snapshot":"00000000000000aa","grace_ns":0}"#,
    r#"{"kind":"gc"}"#,
    r#"{"kind":"gc","full":true}"#,
    r#"{"kind":"verify"}"#,
    r#"{"kind":"verify","read_data":"3/30"}"#,
    r#"{"kind":"drill","snapshot":"00000000000000aa"}"#,
    r#"{"kind":"drill","snapshot":"00000000000000aa","component":"db","query":"select 1"}"#,
    r#"{"kind":"check","instance":"shop"}"#,
    r#"{"kind":"policy","instance":"shop"}"#,
    r#"{"kind":"policy","instance":"shop","no_check":true}"#,
];

#[test]
fn what_stands_in_a_catalog_is_read_and_written_as_it_was() {
    for json in FROZEN {
        let spec: JobSpec = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(serde_json::to_string(&spec).unwrap(), *json);
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(value["kind"], spec.kind());
    }
    let clone = r#"{"kind":"clone","snapshot":"00000000000000aa","name":"copy","copy":"00000000000000ab"}"#;
    assert!(serde_json::from_str::<JobSpec>(clone).is_ok());
}

#[test]
fn every_kind_is_frozen() {
    let mut kinds: Vec<&str> =
        FROZEN.iter().map(|json| serde_json::from_str::<JobSpec>(json).unwrap().kind()).collect();
    kinds.dedup();
    // One of each variant: a kind that is added is added here too, or the match in `kind` does not end here.
    assert_eq!(
        kinds,
        [
            "snapshot", "load", "restore", "undo", "resume", "abort", "export", "clone", "delete", "gc", "verify",
            "drill", "check", "policy"
        ]
    );
}

#[test]
fn what_this_version_does_not_know_is_refused() {
    for json in FROZEN {
        let more = json.replace(r#"{"kind""#, r#"{"dry_run":true,"kind""#);
        assert!(serde_json::from_str::<JobSpec>(&more).is_err(), "{more}");
    }
    for json in [r#"{"kind":"format"}"#, r#"{"kind":"resume"}"#, r#"{"instance":"shop"}"#, "{}", "null", ""] {
        assert!(serde_json::from_str::<JobSpec>(json).is_err(), "{json}");
    }
}

#[test]
fn what_a_job_is_about() {
    let about = |json: &str| {
        let spec: JobSpec = serde_json::from_str(json).unwrap();
        (spec.instance().map(str::to_string), spec.snapshot().map(str::to_string), spec.writes_instance())
    };
    for json in FROZEN {
        let (instance, snapshot, writes) = about(json);
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let text = |name: &str| value.get(name).and_then(|text| text.as_str()).map(str::to_string);
        assert_eq!(instance, text("instance").or(text("name")), "{json}");
        assert_eq!(snapshot, text("copy").or(text("snapshot")), "{json}");
        assert_eq!(writes, instance.is_some(), "{json}");
    }
}
