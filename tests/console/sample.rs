//! Made-up data: an account that has everything that a page can show.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use snaphold::ops::diff::{Aspect, Change, DiffSummary, What};
use snaphold::ops::ls::{About, Listed};
use snaphold::ops::restore::RestoreReport;
use snaphold::server::console::pages::account::AccountView;
use snaphold::server::console::view::*;
use snaphold::service::*;
use snaphold::source::kind::Check;

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
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20 % below.max(1)
}

fn chance(seed: u64, below: u64) -> u64 {
    (wobble(seed, 1) >> 13) % below.max(1)
}

pub fn snapshot(number: u64, instance: &str, kind: &'static str, status: &'static str, at: Timestamp) -> SnapshotView {
    let bytes_total = 4 * GIB + number * 3 * MIB + chance(number, 40 * MIB);
    SnapshotView {
        id: format!("{:016x}", (number + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        instance: instance.into(),
        kind,
        status,
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

fn proof(proven: bool, at: Timestamp) -> ProofView {
    let checks = vec![
        Check { name: "start".into(), ok: true, detail: "PostgreSQL 17.2 answers after 1.3 s".into() },
        Check { name: "pg_amcheck".into(), ok: proven, detail: "41 tables, 112 indexes".into() },
        Check { name: "query".into(), ok: true, detail: "SELECT count(*) FROM orders: 1284113".into() },
    ];
    ProofView { proven, at, checks }
}

pub fn row(view: SnapshotView) -> SnapshotRow {
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
    deleted.deleted_by = Some("user");
    deleted.purge_after = Some(after(24 * 7 - 3));
    rows.push(row(deleted));
    for number in 0..8 {
        rows.push(row(snapshot(53 - number, "orders", "scheduled", "completed", before(148 + 24 * number as i64))));
    }
    rows
}

pub fn environment_snapshot() -> SnapshotView {
    let mut view = snapshot(91, "shop", "on_demand", "completed", before(30));
    view.origin = Some("an environment of 3".into());
    view.components = vec![
        ComponentView { name: "db".into(), origin: "mariadb 11.4.4, dump".into(), bytes_total: 2 * GIB },
        ComponentView { name: "cache".into(), origin: "redis 7.4.1".into(), bytes_total: 130 * MIB },
        ComponentView { name: "media".into(), origin: "files".into(), bytes_total: 61 * GIB },
    ];
    view.unreadable = 3;
    view.proof = Some(proof(false, before(2)));
    view
}

pub fn job() -> JobView {
    JobView {
        id: "j00000000000000a1".into(),
        kind: "snapshot".into(),
        status: "running".into(),
        instance: Some("orders".into()),
        snapshot: Some(snapshot(60, "orders", "on_demand", "in_progress", now()).id),
        stage: "reading".into(),
        bytes_done: 2 * GIB + 300 * MIB,
        bytes_total: Some(4 * GIB + 180 * MIB),
        attempt: 1,
        created_at: before(0),
        started_at: Some(before(0)),
        finished_at: None,
        created_by: "ada@northwind.example".into(),
        cancel_requested: false,
        error: None,
        result: json!(null),
    }
}

pub fn jobs() -> Vec<JobView> {
    let over = |id: &str, kind: &str, status: &str, hours: i64| JobView {
        id: id.into(),
        kind: kind.into(),
        status: status.into(),
        finished_at: before(hours).checked_add(SignedDuration::from_secs(134)).ok(),
        created_at: before(hours),
        started_at: before(hours).checked_add(SignedDuration::from_secs(2)).ok(),
        ..job()
    };
    let queued = JobView {
        id: "j00000000000000a2".into(),
        kind: "export".into(),
        status: "queued".into(),
        bytes_done: 0,
        bytes_total: None,
        started_at: None,
        ..job()
    };
    let unknown = JobView {
        id: "j00000000000000a3".into(),
        kind: "drill".into(),
        stage: "starting a server".into(),
        bytes_total: None,
        bytes_done: 0,
        ..job()
    };
    let failed = JobView {
        error: Some("the server refused the connection: too many clients already".into()),
        ..over("j00000000000000a4", "snapshot", "failed", 5)
    };
    let restored = JobView {
        result: json!({"bytes_total": 4 * GIB, "bytes_written": 38 * MIB, "bytes_unchanged": 4 * GIB - 38 * MIB, "files_changed": 12, "safety_snapshot": "00000000000000bb", "checks": [{"name": "pg_amcheck", "ok": true, "detail": "41 tables"}]}),
        ..over("j00000000000000a5", "restore", "succeeded", 76)
    };
    let exported = JobView {
        result: json!({"export": "e1", "bytes": 412 * MIB}),
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

fn instance(name: &str, source: Option<&str>, plan: &str) -> InstanceView {
    InstanceView {
        name: name.into(),
        source: source.map(str::to_string),
        plan: plan.into(),
        retain: None,
        description: None,
        always_read: false,
        settings: BTreeMap::new(),
        policy: None,
        unfinished_restore: None,
        created_at: Some(before(24 * 120)),
        defined: true,
        snapshots: 58,
        latest: Some(before(29)),
    }
}

fn instance_row(view: InstanceView, health: Health) -> InstanceRow {
    let last = snapshot(58, &view.name, "scheduled", "completed", before(29));
    InstanceRow {
        view,
        last: Some(last),
        next_due: Some(after(16)),
        health,
        job: None,
        days: days(30, daily),
        has_snapshots: true,
    }
}

pub fn orders() -> InstanceRow {
    let mut view = instance("orders", Some("postgres://backup@db.northwind.example/orders"), "auradb-professional");
    view.description = Some("Orders and invoices of the shop".into());
    view.settings.insert("password".into(), "(kept)".into());
    InstanceRow { job: Some(job()), ..instance_row(view, Health::Good) }
}

pub fn empty_instance() -> InstanceRow {
    let view =
        InstanceView { snapshots: 0, latest: None, ..instance("fresh", Some("sqlite:/srv/fresh.db"), "unlimited") };
    InstanceRow { last: None, next_due: None, days: days(30, |_| (0, 0)), ..instance_row(view, Health::Empty) }
}

pub fn unplanned() -> InstanceRow {
    let view =
        InstanceView { snapshots: 0, latest: None, ..instance("hobby", Some("postgres://me@db/hobby"), "xano-free") };
    InstanceRow {
        last: None,
        next_due: None,
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
        InstanceRow {
            next_due: None,
            ..instance_row(instance("archive", Some("files:/srv/archive"), "unlimited"), Health::Unscheduled)
        },
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

pub fn policy() -> PolicyView {
    let policy = serde_json::from_value(json!({"days": "mon,wed,fri", "hours": [2, 14], "window": "01:00-05:00", "timezone": "Europe/Paris", "retain": "14d"})).unwrap();
    let slot = |hours: i64, local: &str| SlotView { due_at: after(hours), local: local.into(), closes_at: None };
    PolicyView {
        instance: "orders".into(),
        plan: "auradb-professional".into(),
        origin: "own",
        policy: Some(policy),
        next: vec![
            slot(40, "Fri 2026-03-20 02:00:00 CET"),
            slot(112, "Mon 2026-03-23 02:00:00 CET"),
            slot(160, "Wed 2026-03-25 02:00:00 CET"),
            slot(207, "Fri 2026-03-27 02:00:00 CET"),
        ],
        last: Some(RunView {
            due_at: Some(before(29)),
            began_at: before(29),
            status: "failed",
            attempts: 3,
            snapshot: Some("00000000000000cc".into()),
            reason: Some("too many clients already".into()),
        }),
        notes: vec!["hour 14 is outside the window 01:00-05:00 and never due".into()],
    }
}

pub fn planned() -> RestoreOutcome {
    let report = RestoreReport {
        files: 1_284,
        directories: 31,
        bytes_total: 4 * GIB,
        bytes_written: 38 * MIB,
        bytes_unchanged: 4 * GIB - 38 * MIB,
        files_changed: 12,
        removed: 3,
        ..RestoreReport::default()
    };
    RestoreOutcome {
        snapshot: "00000000000000aa".into(),
        target: "postgres://backup@db.northwind.example/orders".into(),
        in_place: true,
        instance: Some("orders".into()),
        safety_snapshot: None,
        checks: Vec::new(),
        report,
    }
}

pub fn exports() -> Vec<ExportRow> {
    let of = |id: &str, format: &str, status: &str| ExportRow {
        id: id.into(),
        snapshot: "9e3779b97f4a7c15".into(),
        instance: "orders".into(),
        file: format!("orders-2026-03-16.{format}"),
        format: format.into(),
        status: status.into(),
        bytes: (status == "ready").then_some(412 * MIB),
        created_at: before(4),
        expires_at: Some(after(20)),
        job: None,
        link: None,
    };
    let linked = ExportRow {
        link: Some("https://snaphold.northwind.example/x/e2?expires=1773913267&signature=9f2c".into()),
        ..of("e2", "tar.gz", "ready")
    };
    vec![
        ExportRow { job: Some(job()), ..of("e0", "dump", "preparing") },
        of("e1", "dump", "ready"),
        linked,
        of("e3", "tar", "failed"),
        of("e4", "tar", "expired"),
    ]
}

pub fn audit() -> Vec<AuditRow> {
    let of = |hours: i64, actor: &str, action: &str, target: &str, outcome: &str| AuditRow {
        at: before(hours),
        actor: actor.into(),
        action: action.into(),
        target: target.into(),
        outcome: outcome.into(),
        address: Some("198.51.100.23".into()),
        request: Some("r4f1a9c0012de77b1".into()),
    };
    vec![
        of(0, "ada@northwind.example", "snapshot.create", "orders", "ok"),
        of(3, "ada@northwind.example", "snapshot.delete", "orders 3c6ef372fe94f82a", "ok"),
        of(4, "backup host", "export.download", "orders-2026-03-16.dump", "ok"),
        of(9, "grace@northwind.example", "snapshot.restore", "orders", "refused: RESTORE was not typed"),
        of(30, "scheduler", "snapshot.create", "orders", "ok"),
    ]
}

pub fn tokens() -> Vec<TokenRow> {
    let of = |id: &str, name: &str, scopes: &[&str]| TokenRow {
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
        TokenRow { expires_at: None, last_used_at: None, ..of("t00000000000000a2", "Grafana", &["read"]) },
        TokenRow { revoked_at: Some(before(200)), ..of("t00000000000000a3", "old laptop", &["read", "restore"]) },
    ]
}

pub fn users() -> Vec<UserRow> {
    let of = |id: &str, email: &str, role: Role| UserRow {
        id: id.into(),
        email: email.into(),
        role,
        created_at: before(2_000),
        last_sign_in: Some(before(2)),
        is_self: false,
    };
    vec![
        UserRow { is_self: true, ..of("u1", "ada@northwind.example", Role::Owner) },
        of("u2", "grace@northwind.example", Role::Operator),
        UserRow { last_sign_in: None, ..of("u3", "audit@northwind.example", Role::Viewer) },
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
    }
}

fn about(kind: &'static str, size: u64) -> About {
    About {
        kind,
        mode: if kind == "directory" { 0o755 } else { 0o640 },
        uid: 1000,
        gid: 1000,
        size,
        mtime: before(100),
        target: None,
        reason: None,
    }
}

fn change(path: &str, change: What, new: u64, gone: u64) -> Change {
    Change {
        path: path.into(),
        path_hex: None,
        change,
        differs: if change == What::Changed { vec![Aspect::Content] } else { Vec::new() },
        bytes_new: new,
        bytes_gone: gone,
        before: None,
        after: None,
    }
}

pub fn comparison() -> Comparison {
    let item = |name: &str, change: What, rows: Option<(u64, u64)>| ItemChange {
        component: None,
        kind: "table",
        name: name.into(),
        change,
        bytes_new: Some(31 * KIB),
        bytes_gone: Some(4 * KIB),
        bytes_before: 4 * MIB,
        bytes_after: 4 * MIB + 27 * KIB,
        rows,
    };
    Comparison {
        summary: DiffSummary {
            added: 2,
            removed: 1,
            changed: 14,
            metadata_changed: 0,
            bytes_new: 31 * MIB,
            bytes_gone: 12 * MIB,
        },
        items: Some(vec![
            item("public.orders", What::Changed, Some((1_283_001, 1_284_113))),
            item("public.coupons", What::Added, None),
            item("public.legacy", What::Removed, None),
        ]),
        changes: vec![
            change("base/16384/24601", What::Changed, 18 * MIB, 9 * MIB),
            change("pg_wal/000000010000000A00000042", What::Added, 13 * MIB, 0),
            change("pg_wal/000000010000000A00000012", What::Removed, 0, 3 * MIB),
        ],
        is_cut: true,
    }
}

pub fn contents(by_items: bool) -> Contents {
    let entry = |path: &str, kind: &'static str, size: u64| Listed {
        path: path.into(),
        path_hex: None,
        about: about(kind, size),
    };
    let mut link = entry("media/2026/latest", "symlink", 0);
    link.about.target = Some("03".into());
    let item = |name: &str, rows: u64| ItemView {
        component: None,
        kind: "table",
        name: name.into(),
        bytes: rows * 211,
        rows: Some(rows),
    };
    Contents {
        path: "media/2026".into(),
        entries: vec![
            entry("media/2026/01", "directory", 3 * GIB),
            entry("media/2026/02", "directory", 4 * GIB),
            link,
            entry("media/2026/index <old>.html", "file", 12 * KIB),
        ],
        items: Some(vec![
            item("public.customers", 88_211),
            item("public.orders", 1_284_113),
            item("public.order_lines", 4_011_872),
        ]),
        by_items,
        is_cut: true,
    }
}
