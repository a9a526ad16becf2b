//! The stored bytes of every structure, frozen: what they decode to and what they are encoded as may never change.
//!
//! The expected bytes were computed from docs/FORMAT.md by an independent program.

use super::config::Config;
use super::ledger::{
    ComponentState, Deletion, DeletionCause, InstanceSettings, LedgerRecord, Proof, RestoreOf, RestoreStage,
    RestoreState, RunOutcome, ScheduledRun, SnapshotState,
};
use super::manifest::{Component, Cost, DatabaseOrigin, InstanceRecord, Manifest, Origin, Outcome, SnapshotType};
use super::pack::{BlockEntry, ChunkEntry, Footer, Form, PackKind};
use super::tree::{Class, Content, Directory, Entry, Metadata, Node, Stamp, Summary};
use super::*;
use crate::chunk::StreamChunker;
use crate::clock::ProcessIdentity;
use crate::codec::BlockCodec;
use crate::container::{Compression, Form as FileForm, Neo4jFrame};
use crate::crypto::Encryption;
use crate::id::{ChunkId, RepoId, SnapshotId};

const NS: i64 = 1_700_000_000_123_456_789;
const SNAPSHOT: SnapshotId = SnapshotId([1, 2, 3, 4, 5, 6, 7, 8]);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `value` is encoded as `expected`, which is decoded to it, and no byte less or more is.
#[track_caller]
fn frozen<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, expected: &str) {
    let bytes = encode(&value);
    assert_eq!(hex(&bytes), expected);
    assert_eq!(decode::<T>(&bytes).unwrap(), value);
    assert!(decode::<T>(&[&bytes[..], &[0]].concat()).is_err());
    assert!(decode::<T>(&bytes[..bytes.len() - 1]).is_err());
}

fn entry(name: &[u8], node: Node) -> Entry {
    let xattrs = vec![(b"user.a".to_vec(), vec![0, 0xff])];
    Entry {
        name: name.to_vec(),
        metadata: Metadata { mode: 0o4755, uid: 1000, gid: 70_000, mtime_ns: -1, xattrs },
        node,
    }
}

fn chunks() -> Content {
    Content::Chunks { root: ChunkId([0xab; 20]), depth: 2, len: 5_000_000_000 }
}

fn file(content: Content, class: Class, link_group: Option<u64>, stamp: Option<Stamp>) -> Node {
    Node::File { content, class, link_group, stamp }
}

#[test]
fn folders_and_every_kind_of_entry() {
    let stamp = Stamp { device: 66_306, inode: 1 << 40, ctime_ns: NS };
    let run = Content::Run { byte: 7, len: 65_536 };
    let below = Summary { files: 1, directories: 2, others: 3, bytes: 251 };
    let entries = vec![
        entry(b"a", file(Content::Empty, Class::Stream, None, None)),
        entry(b"b\xff", file(Content::Inline(b"hi".to_vec()), Class::Stream, Some(300), None)),
        entry(b"c", file(run, Class::Page { page_size: 8192 }, None, None)),
        entry(b"d", file(chunks(), Class::Stream, None, Some(stamp))),
        entry(b"e", Node::Directory { listing: Content::Run { byte: 0, len: 1 }, summary: below }),
        entry(b"f", Node::Symlink { target: b"../x".to_vec() }),
        entry(b"g", Node::Fifo),
        entry(b"h", Node::CharDevice { major: 1, minor: 3 }),
        entry(b"i", Node::BlockDevice { major: 259, minor: 250 }),
        entry(b"j", Node::Unreadable { reason: "denied".into() }),
    ];
    let metadata = "fbed09fbe803fc70110100010106757365722e610200ff";
    let expected = [
        "0a",
        &format!("0161{metadata}0000010000"),
        &format!("0262ff{metadata}00010268690101fb2c0100"),
        &format!("0163{metadata}000207fc0000010000fb00200000"),
        &format!("0164{metadata}0003{}02fd00f2052a01000000", "ab".repeat(20)),
        "010001fc02030100fd0000000000010000fd2a9a0b7bfc392f2f",
        &format!("0165{metadata}01020001010203fbfb00"),
        &format!("0166{metadata}02042e2e2f78"),
        &format!("0167{metadata}03"),
        &format!("0168{metadata}040103"),
        &format!("0169{metadata}05fb0301fa"),
        &format!("016a{metadata}060664656e696564"),
    ]
    .concat();
    frozen(Directory { entries }, &expected);
    frozen(Directory::default(), "00");
}

fn manifest(kind: SnapshotType, outcome: Outcome) -> Manifest {
    Manifest {
        version: 1,
        id: SNAPSHOT,
        instance: "shop".into(),
        kind,
        created_at_ns: NS,
        finished_at_ns: NS + 1,
        expires_at_ns: None,
        description: None,
        parent: None,
        before_restore_of: None,
        outcome,
        cost: Cost { bytes_read: 1, bytes_new: 250, bytes_stored: 251, chunks_new: 65_536, chunks_delta: 1 << 32 },
        written_by: "0.1.0".into(),
    }
}

#[test]
fn a_manifest_that_is_complete() {
    let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
    let summary = Summary { files: 9, directories: 8, others: 7, bytes: 6 };
    let root = Entry { name: Vec::new(), metadata, node: Node::Directory { listing: chunks(), summary } };
    let component = Component { name: "data".into(), origin: Origin::Files, root, unreadable: 4 };
    frozen(
        manifest(SnapshotType::OnDemand, Outcome::Completed { components: vec![component] }),
        "0101020304050607080473686f7000fd2a9a0b7bfc392f2ffd2c9a0b7bfc392f2f00000000000104646174610000fbed010000000001\
         03abababababababababababababababababababab02fd00f2052a01000000090807060401fafbfb00fc00000100fd00000000010000\
         0005302e312e30",
    );
}

#[test]
fn a_manifest_of_a_failure() {
    let failed = Manifest {
        expires_at_ns: Some(NS + 2),
        description: Some("é".into()),
        parent: Some(SnapshotId([9; 8])),
        before_restore_of: Some(SnapshotId([10; 8])),
        ..manifest(SnapshotType::Safety, Outcome::Failed { reason: "gone".into() })
    };
    frozen(
        failed,
        "0101020304050607080473686f7003fd2a9a0b7bfc392f2ffd2c9a0b7bfc392f2f01fd2e9a0b7bfc392f2f0102c3a901090909090909\
         0909010a0a0a0a0a0a0a0a0104676f6e6501fafbfb00fc00000100fd000000000100000005302e312e30",
    );
}

#[test]
fn types_of_snapshots_and_what_they_were_captured_from() {
    let types = [SnapshotType::OnDemand, SnapshotType::Scheduled, SnapshotType::Load, SnapshotType::Safety];
    for (kind, expected) in types.into_iter().zip(["00", "01", "02", "03"]) {
        assert_eq!(hex(&encode(&kind)), expected);
    }
    frozen(Origin::Sqlite { version: "3.50.4".into() }, "0106332e35302e34");
    assert_eq!(hex(&encode(&Origin::Files)), "00");
    let dump = |frame| FileForm::Neo4jDump { frame };
    let tar = |compression| FileForm::Tar { compression };
    for (form, expected) in [
        (dump(Neo4jFrame::Dzv1), "0000"),
        (dump(Neo4jFrame::Dgv1), "0001"),
        (dump(Neo4jFrame::ZstdBare), "0002"),
        (dump(Neo4jFrame::GzipBare), "0003"),
        (tar(Compression::None), "0100"),
        (tar(Compression::Gzip), "0101"),
        (tar(Compression::Zstd), "0102"),
        (FileForm::Single { compression: Compression::Gzip, name: "x.sql.gz".into() }, "020108782e73716c2e677a"),
    ] {
        frozen(Origin::Loaded { file_name: "x.dump".into(), form }, &format!("0206782e64756d70{expected}"));
    }
}

#[test]
fn footers() {
    let block = |codec, plain_len, sealed_len, chunks| BlockEntry { codec, plain_len, sealed_len, chunks };
    let chunk = |id, payload_len, form| ChunkEntry { id: ChunkId([id; 20]), payload_len, form };
    let delta = Form::Delta { base: ChunkId([2; 20]), plain_len: 16_384 };
    let footer = Footer {
        blocks: vec![block(BlockCodec::Plain, 100, 116, 1), block(BlockCodec::Zstd, 524_288, 70_000, 2)],
        chunks: vec![chunk(1, 100, Form::Full), chunk(2, 65_536, Form::Full), chunk(3, 60, delta)],
    };
    let (one, two, three) = ("01".repeat(20), "02".repeat(20), "03".repeat(20));
    let chunks = format!("{one}6400{two}fc0000010000{three}3c01{two}fb0040");
    frozen(footer, &format!("020064740101fc00000800fc701101000203{chunks}"));
    assert_eq!((PackKind::Data as u8, PackKind::Meta as u8), (0, 1));
}

#[test]
fn ledger_records() {
    let state = |deleted, hold_until_ns| SnapshotState { snapshot: SNAPSHOT, deleted, hold_until_ns };
    let deletion = |at_ns, cause, purge_after_ns| Some(Deletion { at_ns, cause, purge_after_ns });
    frozen(
        LedgerRecord::Snapshot(state(deletion(NS, DeletionCause::Expired, NS + 5), Some(-3))),
        "00010203040506070801fd2a9a0b7bfc392f2f01fd349a0b7bfc392f2f0105",
    );
    frozen(
        LedgerRecord::Snapshot(state(deletion(0, DeletionCause::User, i64::MIN), None)),
        "000102030405060708010000fdffffffffffffffff00",
    );
    let record = InstanceRecord {
        created_at_ns: NS,
        source: Some("files:/srv/shop".into()),
        plan: "unlimited".into(),
        retain_ns: Some(86_400_000_000_000),
        description: Some("d".into()),
        always_read: true,
    };
    frozen(
        LedgerRecord::Instance { name: "shop".into(), record: Some(record) },
        "010473686f7001fd2a9a0b7bfc392f2f010f66696c65733a2f7372762f73686f7009756e6c696d6974656401fd00009e22299d000001\
         016401",
    );
    frozen(LedgerRecord::Instance { name: "shop".into(), record: None }, "010473686f7000");
    frozen(LedgerRecord::Purged(vec!["5a".into(), "snapshots/b".into()]), "02020235610b736e617073686f74732f62");
}

#[test]
fn ledger_records_of_sources_restores_and_drills() {
    let record = InstanceRecord {
        created_at_ns: NS,
        source: Some("redis://h/".into()),
        plan: "unlimited".into(),
        retain_ns: None,
        description: None,
        always_read: false,
    };
    let settings = [("stop", "x"), ("password", "p")].map(|(name, value)| (name.into(), value.into()));
    frozen(
        LedgerRecord::Defined { name: "shop".into(), record, settings: InstanceSettings(settings.into()) },
        "030473686f70fd2a9a0b7bfc392f2f010a72656469733a2f2f682f09756e6c696d69746564000000020870617373776f726401700473\
         746f700178",
    );
    let process = ProcessIdentity { host: "m".into(), boot: "b".into(), pid: 4711, started: 99 };
    let component = |part: &str, component: &str, staged: Option<&str>| ComponentState {
        part: part.into(),
        component: component.into(),
        staged: staged.map(Into::into),
    };
    let state = RestoreState {
        instance: "shop".into(),
        id: "0a1b2c3d".into(),
        of: RestoreOf::Snapshot(SNAPSHOT),
        path: Some(b"p".to_vec()),
        began_at_ns: NS,
        process,
        stage: RestoreStage::Swapping,
        no_safety: false,
        safety: Some(SNAPSHOT),
        components: vec![component("db", "data", Some("{}")), component("cache", "c", None)],
    };
    let over = RestoreState {
        of: RestoreOf::Dump("x.dump".into()),
        path: None,
        stage: RestoreStage::Reverted,
        no_safety: true,
        safety: None,
        components: Vec::new(),
        ..state.clone()
    };
    frozen(
        LedgerRecord::Restore(state),
        "040473686f70083061316232633364000102030405060708010170fd2a9a0b7bfc392f2f016d0162fb67126305000101020304050607\
         0802026462046461746101027b7d056361636865016300",
    );
    frozen(
        LedgerRecord::Restore(over),
        "040473686f700830613162326333640106782e64756d7000fd2a9a0b7bfc392f2f016d0162fb6712630a010000",
    );
    let checks = vec![("counts".into(), true, "2 rows".into())];
    frozen(
        LedgerRecord::Proof(Proof { snapshot: SNAPSHOT, at_ns: NS, proven: true, checks }),
        "050102030405060708fd2a9a0b7bfc392f2f010106636f756e747301063220726f7773",
    );
    let database = DatabaseOrigin {
        system: "redis".into(),
        mode: String::new(),
        version: "7.0.15".into(),
        database: "0".into(),
        facts: [("digest".into(), "ab".into())].into(),
    };
    frozen(Origin::Database(database), "030572656469730006372e302e313501300106646967657374026162");
}

#[test]
fn ledger_records_of_policies() {
    let process = ProcessIdentity { host: "m".into(), boot: "b".into(), pid: 4711, started: 99 };
    let running = ScheduledRun {
        instance: "shop".into(),
        done_ns: None,
        slot_ns: Some(NS),
        attempts: 1,
        began_at_ns: NS + 5,
        process,
        outcome: RunOutcome::Running,
    };
    let done = ScheduledRun {
        done_ns: Some(NS),
        slot_ns: None,
        attempts: 300,
        began_at_ns: 0,
        outcome: RunOutcome::Done(SNAPSHOT),
        ..running.clone()
    };
    let failed = ScheduledRun { outcome: RunOutcome::Failed { at_ns: -1, reason: "no".into() }, ..running.clone() };
    frozen(
        LedgerRecord::Scheduled(running),
        "060473686f700001fd2a9a0b7bfc392f2f01fd349a0b7bfc392f2f016d0162fb67126300",
    );
    frozen(
        LedgerRecord::Scheduled(done),
        "060473686f7001fd2a9a0b7bfc392f2f00fb2c0100016d0162fb671263010102030405060708",
    );
    frozen(
        LedgerRecord::Scheduled(failed),
        "060473686f700001fd2a9a0b7bfc392f2f01fd349a0b7bfc392f2f016d0162fb6712630201026e6f",
    );
}

#[test]
fn configs() {
    let config = |encryption, chunker, page_target| Config {
        repo: RepoId([7; 16]),
        encryption,
        chunker,
        page_target,
        created_at_ns: NS,
    };
    let repo = "07".repeat(16);
    frozen(
        config(Encryption::Aes256Gcm, StreamChunker::MinCdc { min: 8192, max: 24_576 }, 16_384),
        &format!("{repo}0001fb0020fb0060fb0040fd2a9a0b7bfc392f2f"),
    );
    frozen(
        config(Encryption::None, StreamChunker::FastCdc { min: 4096, average: 16_384, max: 65_536 }, 8192),
        &format!("{repo}0100fb0010fb0040fc00000100fb0020fd2a9a0b7bfc392f2f"),
    );
}

#[test]
fn the_frozen_bytes_are_looked_at() {
    assert!(std::panic::catch_unwind(|| frozen(7u8, "08")).is_err());
    assert!(std::panic::catch_unwind(|| frozen(300u32, "012c")).is_err());
}
