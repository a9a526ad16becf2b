//! Made-up data: an account that has everything that a page can show.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use snaphold::server::actions::exports::{Export, Link};
use snaphold::server::actions::inside::{
    DatabaseItem, Difference, DifferenceSummary, FileChange, FileItem, FileState, ItemChange, Items,
};
use snaphold::server::actions::instances::Instance;
use snaphold::server::actions::jobs::{Job, JobError};
use snaphold::server::actions::policies::Policy;
use snaphold::server::actions::restores::RestorePlan;
use snaphold::server::actions::snapshots::{Component, Proof, ProofCheck, Snapshot};
use snaphold::server::actions::tokens::Token;
use snaphold::server::actions::users::{Role as UserRole, User};
use snaphold::server::console::pages::account::AccountView;
use snaphold::server::console::view::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

pub fn now() -> Timestamp {
    "2026-03-18T09:41:07Z".parse().unwrap()
}

fn before(hours: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_hours(hours)).unwrap()
}

fn after(hours: i64) -> Timestamp {
    before(-hours)
}

pub fn shell(role: Role) -> Shell {
    Shell {
        account: "Northwind".into(),
        user: "ada@northwind.example".into(),
        role,
        csrf: "csrf-of-the-session".into(),
        form_key: "f0123456789abcdef".into(),
        theme: Theme::Auto,
        zone: TimeZone::get("Europe/Paris").unwrap(),
        now: now(),
        running: 2,
        asked: Asked::Page,
        notice: None,
    }
}

/// A number that looks like chance and is none.
fn wobble(seed: u64, below: u64) -> u64 {
    (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20) % below.max(1)
}

fn chance(seed: u64, below: u64) -> u64 {
    (wobble(seed, 1) >> 13) % below.max(1)
}

pub fn snapshot(number: u64, instance: &str, kind: &str, status: &str, at: Timestamp) -> Snapshot {
    let bytes_total = 4 * GIB + number * 3 * MIB + chance(number, 40 * MIB);
    Snapshot {
        id: format!("{:016x}", (number + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        instance: instance.into(),
        kind: kind.into(),
        status: status.into(),
        reason: None,
        created_at: at,
        finished_at: Some(at.checked_add(SignedDuration::from_secs(8 + chance(number, 20) as i64)).unwrap()),
        expires_at: Some(at.checked_add(SignedDuration::from_hours(14 * 24)).unwrap()),
        description: None,
        hold_until: None,
        deleted_at: None,
        deleted_by: None,
        purge_after: None,
        files: 1_284 + chance(number, 20),
        directories: 31,
        bytes_total,
        bytes_read: 212 * MIB + chance(number, 40 * MIB),
        bytes_new: 31 * MIB + chance(number, 20 * MIB),
        bytes_stored: 3 * MIB + chance(number, 5 * MIB),
        chunks_new: 1_830,
        chunks_delta: 1_644,
        unreadable: 0,
        origin: Some("postgres 17.2, physical".into()),
        parent: Some(format!("{:016x}", (number + 2).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        before_restore_of: None,
        components: Vec::new(),
        proof: None,
    }
}

fn proof(proven: bool, at: Timestamp) -> Proof {
    let checks = vec![
        ProofCheck { name: "start".into(), ok: true, detail: "PostgreSQL 17.2 answers after 1.3 s".into() },
        ProofCheck { name: "pg_amcheck".into(), ok: proven, detail: "41 tables, 112 indexes".into() },
        ProofCheck { name: "query".into(), ok: true, detail: "SELECT count(*) FROM orders: 1284113".into() },
    ];
    Proof { proven, at, checks }
}

pub fn row(view: Snapshot) -> SnapshotRow {
    SnapshotRow { view, job: None, available: true }
}

/// Of the instance `orders`, newest first: one of everything.
pub fn snapshots() -> Vec<SnapshotRow> {
    let mut rows = Vec::new();
    let mut running = snapshot(60, "orders", "on_demand", "in_progress", before(0));
    running.description = Some("before the migration to 5.0".into());
    rows.push(SnapshotRow { view: running, job: Some(job()), available: true });
    let mut failed = snapshot(59, "orders", "scheduled", "failed", before(5));
    failed.reason = Some(
        "postgres://backup@db.northwind.example/orders: the server refused the connection: too many clients already"
            .into(),
    );
    rows.push(row(failed));
    let mut proven = snapshot(58, "orders", "scheduled", "completed", before(29));
    proven.proof = Some(proof(true, before(20)));
    rows.push(row(proven));
    let mut held = snapshot(57, "orders", "on_demand", "completed", before(52));
    held.description = Some("release 4.2, as shipped <b>to everyone</b>".into());
    held.hold_until = Some(after(24 * 300));
    held.proof = Some(proof(true, before(50)));
    held.expires_at = None;
    rows.push(row(held));
    let mut safety = snapshot(56, "orders", "safety", "completed", before(76));
    safety.before_restore_of = Some("00000000000000aa".into());
    rows.push(row(safety));
    let mut load = snapshot(55, "orders", "load", "completed", before(100));
    load.proof = Some(proof(false, before(90)));
    rows.push(row(load));
    let mut deleted = snapshot(54, "orders", "scheduled", "deleting", before(124));
    deleted.deleted_at = Some(before(3));
    deleted.deleted_by = Some("user".into());
    deleted.purge_after = Some(after(24 * 7 - 3));
    rows.push(row(deleted));
    for number in 0..8 {
        rows.push(row(snapshot(53 - number, "orders", "scheduled", "completed", before(148 + 24 * number as i64))));
    }
    rows
}

pub fn environment_snapshot() -> Snapshot {
    let mut view = snapshot(91, "shop", "on_demand", "completed", before(30));
    view.origin = Some("an environment of 3".into());
    view.components = vec![
        Component { name: "db".into(), origin: "mariadb 11.4.4, dump".into(), bytes_total: 2 * GIB },
        Component { name: "cache".into(), origin: "redis 7.4.1".into(), bytes_total: 130 * MIB },
        Component { name: "media".into(), origin: "files".into(), bytes_total: 61 * GIB },
    ];
    view.unreadable = 3;
    view.proof = Some(proof(false, before(2)));
    view
}

pub fn job() -> Job {
    Job {
        id: "j00000000000000a1".into(),
        kind: "snapshot".into(),
        status: "running".into(),
        instance: Some("orders".into()),
        snapshot: Some(snapshot(60, "orders", "on_demand", "in_progress", now()).id),
        url: "/v1/jobs/j00000000000000a1".into(),
        stage: Some("reading".into()),
        bytes_done: (2 * GIB + 300 * MIB) as i64,
        bytes_total: Some((4 * GIB + 180 * MIB) as i64),
        percent: Some(54.9),
        request_id: None,
        attempt: 1,
        created_at: before(0),
        started_at: Some(before(0)),
        finished_at: None,
        created_by: "ada@northwind.example".into(),
        cancel_requested: false,
        error: None,
        result: None,
    }
}

pub fn jobs() -> Vec<Job> {
    let over = |id: &str, kind: &str, status: &str, hours: i64| Job {
        id: id.into(),
        kind: kind.into(),
        status: status.into(),
        finished_at: before(hours).checked_add(SignedDuration::from_secs(134)).ok(),
        created_at: before(hours),
        started_at: before(hours).checked_add(SignedDuration::from_secs(2)).ok(),
        ..job()
    };
    let queued = Job {
        id: "j00000000000000a2".into(),
        kind: "export".into(),
        status: "queued".into(),
        bytes_done: 0,
        bytes_total: None,
        percent: None,
        started_at: None,
        ..job()
    };
    let unknown = Job {
        id: "j00000000000000a3".into(),
        kind: "drill".into(),
        stage: Some("starting a server".into()),
        bytes_total: None,
        percent: None,
        bytes_done: 0,
        ..job()
    };
    let failed = Job {
        error: Some(JobError {
            kind: "failed".into(),
            message: "the server refused the connection: too many clients already".into(),
        }),
        ..over("j00000000000000a4", "snapshot", "failed", 5)
    };
    let restored = Job {
        result: Some(
            json!({"bytes_total": 4 * GIB, "bytes_written": 38 * MIB, "bytes_unchanged": 4 * GIB - 38 * MIB, "files_changed": 12, "safety_snapshot": "00000000000000bb", "checks": [{"name": "pg_amcheck", "ok": true, "detail": "41 tables"}]}),
        ),
        ..over("j00000000000000a5", "restore", "succeeded", 76)
    };
    let exported = Job {
        result: Some(json!({"export": "e1", "bytes": 412 * MIB})),
        ..over("j00000000000000a6", "export", "succeeded", 80)
    };
    vec![job(), queued, unknown, failed, restored, exported, over("j00000000000000a7", "gc", "cancelled", 90)]
}

fn days(count: i32, each: impl Fn(u64) -> (u32, u32)) -> Vec<DayMark> {
    let today: Date = now().to_zoned(TimeZone::get("Europe/Paris").unwrap()).date();
    let mark = |back: i32| {
        let (completed, failed) = each(back as u64);
        DayMark { date: today.checked_sub(jiff::Span::new().days(back)).unwrap(), completed, failed }
    };
    (0..count).rev().map(mark).collect()
}

fn daily(back: u64) -> (u32, u32) {
    match (back, chance(back + 7, 17)) {
        (0, _) => (1, 1),
        (_, 0) => (0, 0),
        (_, 1) => (0, 1),
        (_, 2) => (2, 1),
        _ => (1, 0),
    }
}

fn instance(name: &str, source: Option<&str>, plan: &str) -> Instance {
    serde_json::from_value(json!({
        "id": "i00000000000000a1", "name": name, "source": source, "plan": plan, "retain": null, "description": null,
        "always_read": false, "created_at": before(24 * 120), "snapshots": 58, "latest": before(29),
        "next_due_at": after(16), "etag": "e",
    }))
    .unwrap()
}

fn instance_row(view: Instance, health: Health) -> InstanceRow {
    let last = snapshot(58, &view.name, "scheduled", "completed", before(29));
    InstanceRow { view, last: Some(last), health, job: None, days: days(30, daily), has_snapshots: true }
}

pub fn orders() -> InstanceRow {
    let mut view = instance("orders", Some("postgres://backup@db.northwind.example/orders"), "auradb-professional");
    view.description = Some("Orders and invoices of the shop".into());
    view.settings.insert("password".into(), "(kept)".into());
    InstanceRow { job: Some(job()), ..instance_row(view, Health::Good) }
}

pub fn empty_instance() -> InstanceRow {
    let view = Instance {
        snapshots: 0,
        latest: None,
        next_due_at: None,
        ..instance("fresh", Some("sqlite:/srv/fresh.db"), "unlimited")
    };
    InstanceRow { last: None, days: days(30, |_| (0, 0)), ..instance_row(view, Health::Empty) }
}

pub fn unplanned() -> InstanceRow {
    let view = Instance {
        snapshots: 0,
        latest: None,
        next_due_at: None,
        ..instance("hobby", Some("postgres://me@db/hobby"), "xano-free")
    };
    InstanceRow {
        last: None,
        days: days(30, |_| (0, 0)),
        has_snapshots: false,
        ..instance_row(view, Health::NoBackups)
    }
}

pub fn unfinished() -> InstanceRow {
    instance_row(
        instance("warehouse-eu-central-1.replica", Some("mariadb://backup@10.1.4.7/warehouse"), "dragonfly-cloud"),
        Health::Unfinished("swapping".into()),
    )
}

pub fn instances() -> Vec<InstanceRow> {
    let hourly = |back: u64| if back == 3 { (21, 3) } else { (24, 0) };
    vec![
        orders(),
        InstanceRow {
            days: days(30, hourly),
            ..instance_row(
                instance("sessions", Some("redis://cache.northwind.example/0"), "auradb-enterprise"),
                Health::Good,
            )
        },
        instance_row(instance("shop", Some("env:/etc/snaphold/shop.toml"), "magento-cloud"), Health::Overdue),
        instance_row(
            instance("people", Some("neo4j:/var/lib/neo4j#people"), "aurads"),
            Health::Failing("neo4j-admin is missing".into()),
        ),
        unfinished(),
        empty_instance(),
        unplanned(),
        instance_row(
            Instance { next_due_at: None, ..instance("archive", Some("files:/srv/archive"), "unlimited") },
            Health::Unscheduled,
        ),
    ]
}

pub fn usage() -> UsageView {
    let points: Vec<UsagePoint> = (0..60_u64)
        .map(|at| UsagePoint {
            at: before(24 * (60 - at as i64)),
            logical: 40 * GIB + at * 11 * GIB + chance(at, 3 * GIB),
            stored: 12 * GIB + at * 200 * MIB + chance(at, 90 * MIB),
        })
        .collect();
    let last = *points.last().unwrap();
    let of = |name: &str, share: u64| InstanceUsage {
        name: name.into(),
        snapshots: 58 * share,
        latest: 4 * GIB * share,
        logical: last.logical / 9 * share,
        added: last.stored / 9 * share,
    };
    UsageView {
        snapshots: 1_284,
        logical: last.logical,
        stored: last.stored,
        instances: vec![of("shop", 5), of("orders", 3), of("sessions", 1)],
        points,
        days: days(182, |back| if back > 160 { (0, 0) } else { daily(back) }),
    }
}

pub fn policy() -> Policy {
    let slot = |hours: i64, local: &str| json!({ "due_at": after(hours), "local": local, "closes_at": null });
    serde_json::from_value(json!({
        "instance": "orders", "plan": "auradb-professional", "origin": "own",
        "policy": { "enabled": true, "days": ["mon", "wed", "fri"], "hours": [2, 14], "window": "01:00-05:00",
            "timezone": "Europe/Paris", "retain": "14d" },
        "next": [slot(40, "Fri 2026-03-20 02:00:00 CET"), slot(112, "Mon 2026-03-23 02:00:00 CET"),
            slot(160, "Wed 2026-03-25 02:00:00 CET"), slot(207, "Fri 2026-03-27 02:00:00 CET")],
        "last": { "due_at": before(29), "began_at": before(29), "status": "failed", "attempts": 3,
            "snapshot": "00000000000000cc", "reason": "too many clients already" },
        "notes": ["hour 14 is outside the window 01:00-05:00 and never due"],
    }))
    .unwrap()
}

pub fn planned() -> RestorePlan {
    serde_json::from_value(json!({
        "snapshot": "00000000000000aa", "target": "postgres://backup@db.northwind.example/orders", "in_place": true,
        "instance": "orders", "files": 1_284, "directories": 31, "others": 2,
        "bytes_zeroed": 0, "bytes_total": 4 * GIB, "bytes_written": 38 * MIB,
        "bytes_unchanged": 4 * GIB - 38 * MIB, "files_changed": 12, "metadata_changed": 0, "removed": 3,
    }))
    .unwrap()
}

pub fn exports() -> Vec<ExportRow> {
    let of = |id: &str, format: &str, status: &'static str| {
        let view = Export {
            id: id.into(),
            snapshot: "9e3779b97f4a7c15".into(),
            format: format.into(),
            job: "j00000000000000a6".into(),
            ready: status == "ready",
            content_url: Some(format!("/v1/exports/{id}/content")),
            bytes: (status == "ready").then_some(412 * MIB as i64),
            blake3: None,
            created_at: before(4),
            expires_at: after(20),
        };
        ExportRow { view, instance: "orders".into(), file: format!("orders-2026-03-16.{format}"), status, job: None }
    };
    vec![
        ExportRow { job: Some(job()), ..of("e0", "dump", "preparing") },
        of("e1", "dump", "ready"),
        of("e2", "tar.gz", "ready"),
        of("e3", "tar", "failed"),
        of("e4", "tar", "expired"),
    ]
}

pub fn link() -> Link {
    Link { url: "https://snaphold.northwind.example/v1/downloads/a1.e2.9f2c".into(), expires_at: after(24) }
}

pub fn audit() -> Vec<AuditRow> {
    let of = |hours: i64, actor: &str, action: &str, object: &str| AuditRow {
        at: before(hours),
        actor: actor.into(),
        action: action.into(),
        object: object.into(),
        detail: vec![
            ("instance".into(), "orders".into()),
            ("description".into(), "release 4.2, <b>as shipped</b>".into()),
        ],
        address: Some("198.51.100.23".into()),
        request: Some("r4f1a9c0012de77b1".into()),
    };
    vec![
        of(0, "ada@northwind.example", "snapshot.take", "9e3779b97f4a7c15"),
        of(4, "backup host", "export.download", "e00000000000000a1"),
        of(30, "scheduler", "snapshot.take", "3c6ef372fe94f82a"),
    ]
}

pub fn tokens() -> Vec<Token> {
    let of = |id: &str, name: &str, scopes: &[&str]| Token {
        id: id.into(),
        name: name.into(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        created_at: before(800),
        created_by: "ada@northwind.example".into(),
        expires_at: Some(after(2_000)),
        last_used_at: Some(before(4)),
        revoked_at: None,
    };
    vec![
        of("t00000000000000a1", "backup host", &["capture"]),
        Token { expires_at: None, last_used_at: None, ..of("t00000000000000a2", "Grafana", &["read"]) },
        Token { revoked_at: Some(before(200)), ..of("t00000000000000a3", "old laptop", &["read", "restore"]) },
    ]
}

pub fn users() -> Vec<UserRow> {
    let of = |id: &str, email: &str, role: UserRole, is_self: bool| UserRow {
        view: User {
            id: id.into(),
            email: email.into(),
            role,
            created_at: before(2_000),
            disabled_at: (role == UserRole::Viewer).then(|| before(10)),
            etag: "e".into(),
        },
        is_self,
    };
    vec![
        of("u1", "ada@northwind.example", UserRole::Owner, true),
        of("u2", "grace@northwind.example", UserRole::Operator, false),
        of("u3", "audit@northwind.example", UserRole::Viewer, false),
    ]
}

pub fn account() -> AccountView {
    AccountView {
        id: "a00000000000000a1".into(),
        name: "Northwind".into(),
        created_at: before(24 * 400),
        instances: 8,
        snapshots: 1_284,
        has_password: true,
        shredded_at: None,
    }
}

pub fn comparison() -> Difference {
    let item = |name: &str, change: &str, rows: Option<(u64, u64)>| ItemChange {
        component: None,
        kind: "table".into(),
        name: name.into(),
        change: change.into(),
        bytes_new: Some(31 * KIB),
        bytes_gone: Some(4 * KIB),
        bytes_before: 4 * MIB,
        bytes_after: 4 * MIB + 27 * KIB,
        rows,
    };
    let file = |path: &str, change: &str, new: u64, gone: u64| FileChange {
        path: path.into(),
        path_hex: None,
        change: change.into(),
        differs: Vec::new(),
        bytes_new: new,
        bytes_gone: gone,
        before: None,
        after: None,
    };
    Difference {
        from: "a".into(),
        to: "b".into(),
        has_items: true,
        summary: DifferenceSummary {
            added: 2,
            removed: 1,
            changed: 14,
            metadata_changed: 0,
            bytes_new: 31 * MIB,
            bytes_gone: 12 * MIB,
        },
        items: vec![
            item("public.orders", "changed", Some((1_283_001, 1_284_113))),
            item("public.coupons", "added", None),
            item("public.legacy", "removed", None),
        ],
        files: vec![
            file("base/16384/24601", "changed", 18 * MIB, 9 * MIB),
            file("pg_wal/000000010000000A00000042", "added", 13 * MIB, 0),
            file("pg_wal/000000010000000A00000012", "removed", 0, 3 * MIB),
        ],
        truncated: true,
    }
}

pub fn contents(by_items: bool) -> Contents {
    let file = |path: &str, kind: &str, size: u64, target: Option<&str>| FileItem {
        path: path.into(),
        path_hex: None,
        state: FileState {
            kind: kind.into(),
            mode: if kind == "directory" { 0o755 } else { 0o640 },
            uid: 1000,
            gid: 1000,
            size,
            mtime: before(100),
            target: target.map(str::to_string),
            reason: None,
        },
    };
    let item = |name: &str, rows: u64| DatabaseItem {
        component: None,
        kind: "table".into(),
        name: name.into(),
        bytes: rows * 211,
        rows: Some(rows),
    };
    let files = vec![
        file("media/2026/01", "directory", 3 * GIB, None),
        file("media/2026/02", "directory", 4 * GIB, None),
        file("media/2026/latest", "symlink", 0, Some("02")),
        file("media/2026/index <old>.html", "file", 12 * KIB, None),
    ];
    let items = vec![item("public.customers", 88_211), item("public.orders", 1_284_113)];
    Contents {
        path: "media/2026".into(),
        items: Items { files, items, has_items: true, truncated: true, next: Some("more".into()) },
        by_items,
        has_items: true,
    }
}
