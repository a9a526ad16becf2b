//! What the targets begin with: for each, inputs that its body accepts. They stand in `fuzz/seeds`, as they are made here.

use snaphold::chunk::{Class, StreamChunker};
use snaphold::clock::ProcessIdentity;
use snaphold::codec::{BlockCodec, Compressor, DeltaEncoder, Effort, Habit};
use snaphold::container::{Compression, Form, MemberKind, RelativePath, TarWriter, write_error};
use snaphold::crypto::{Argon2Params, Encryption, KeySlot, MasterKey, Secret};
use snaphold::format::config::Config;
use snaphold::format::encode;
use snaphold::format::ledger::{Deletion, DeletionCause, LedgerRecord, SnapshotState};
use snaphold::format::manifest::{Component, Cost, InstanceRecord, Manifest, Origin, Outcome, SnapshotType};
use snaphold::format::pack::{Block, BlockEntry, ChunkEntry, Footer, Form as ChunkForm, PackBuilder, PackKind};
use snaphold::format::recipe::{RecipeNode, Reference};
use snaphold::format::tree::{Content, Directory, Entry, Metadata, Node, Stamp, Summary};
use snaphold::id::{ChunkId, PackId, SnapshotId};
use snaphold::repo::{Work, WriterRecord};
use zeroize::Zeroizing;

use super::fixed::{FixedEntropy, REPO, keys, mixed};
use super::log_writer::{LogWriter, Logged, LoggedImage, MAGICS};

/// A seed: the target's name, its own, its bytes.
pub type Seed = (&'static str, &'static str, Vec<u8>);

/// All seeds.
pub fn seeds() -> Vec<Seed> {
    [cutting(), codecs(), containers(), formats(), packs(), records(), texts(), trees()].concat()
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| mixed(at) as u8).collect()
}

fn cutting() -> Vec<Seed> {
    let sizes = |sizes: [u16; 3]| sizes.into_iter().flat_map(u16::to_le_bytes);
    let chunker = |lens: [u16; 3], kind: u8, page: u32| -> Vec<u8> {
        // Noise, a run, a copy, text.
        let stream =
            [[1, 255, 1], [1, 255, 2], [0, 255, 0], [2, 255, 7], [0, 255, 9], [1, 200, 3], [2, 250, 90]].concat();
        let pages = [page.to_le_bytes(), 16_384u32.to_le_bytes()].concat();
        sizes(lens).chain([kind]).chain(pages).chain(stream.repeat(3)).chain(*b"\x03\x01\x00some text").collect()
    };
    let class = |len: u64, path: &str, head: &[u8]| -> Vec<u8> {
        [&len.to_le_bytes()[..], &[path.len() as u8], path.as_bytes(), head].concat()
    };
    let sqlite = [b"SQLite format 3\0\x10\0".as_slice(), &[0; 82]].concat();
    let mut postgres = vec![0; 24];
    postgres[18..20].copy_from_slice(&0x2004u16.to_le_bytes());
    let mut innodb = vec![0; 64];
    innodb[24..26].copy_from_slice(&8u16.to_be_bytes());
    vec![
        ("log", "version-10", log(MAGICS[0])),
        ("log", "version-15", log(MAGICS[5])),
        ("chunker", "default", chunker([0, 0, 0], 0, 8192)),
        ("chunker", "fastcdc", chunker([2048, 8192, 32_768], 1, 4096)),
        ("chunker", "mincdc", chunker([2048, 0, 8192], 2, 3000)),
        ("class", "sqlite", class(8192, "a.db", &sqlite)),
        ("class", "postgres", class(16_384, "base/5/16384.1", &postgres)),
        ("class", "postgres-log", class(1 << 24, "pg_wal/000000010000000000000001", b"")),
        ("class", "innodb", class(1 << 16, "shop/orders.ibd", &innodb)),
        ("class", "neo4j", class(8192, "neostore.nodestore.db", b"")),
        ("class", "disk", class(1 << 20, "disk", b"QFI\xfb")),
    ]
}

/// Images of all kinds, over five pages; the last record is cut short.
fn log(magic: u16) -> Vec<u8> {
    let mut log = LogWriter::new(magic, 0x0300_0000, 1 << 24);
    let page = noise(7000);
    let second = Logged { relation: None, data: b"some data", ..Logged::image(0, 0, 9, &page[..600]) };
    let small = LoggedImage { bytes: &page[..90], has_hole: true, is_compressed: true };
    log.record(&[Logged::image(5, 16_384, 200_000, &page), second], b"a change");
    log.record(&[Logged { image: Some(small), fork: 2, ..second }.of(5, 1259)], &page[..300]);
    log.record(&[], b"a commit");
    for number in 1..4 {
        log.record(&[Logged::image(5, 16_384, number, &page)], b"");
    }
    let len = log.len() - 3000;
    log.finish(len)
}

fn codecs() -> Vec<Seed> {
    let text = b"one row of a dump; another row of a dump; ".repeat(20);
    let (_, stored) = Compressor::new(Effort::Default).unwrap().compress(&text, &mut Habit::default()).unwrap();
    let base = noise(600);
    let mut target = base.clone();
    target[100..110].copy_from_slice(b"other byte");
    let delta = DeltaEncoder::default().encode(&base, &target, usize::MAX).unwrap().to_vec();
    let lens = [&600u32.to_le_bytes()[..], &600u16.to_le_bytes()].concat();
    vec![
        ("block", "text", [&(text.len() as u32).to_le_bytes()[..], &stored].concat()),
        ("block", "plain", [&5u32.to_le_bytes()[..], b"plain"].concat()),
        ("delta", "changed", [lens, base, delta].concat()),
    ]
}

fn metadata(mode: u32) -> Metadata {
    Metadata { mode, uid: 1000, gid: 100, mtime_ns: 1_700_000_000_000_000_000, xattrs: Vec::new() }
}

/// A tar of these files, and of everything else that a tar can hold where `all` is set.
fn tar(files: &[(&str, &[u8])], all: bool) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new(), "seed");
    let path = |text: &str| RelativePath::parse(text.as_bytes()).unwrap();
    let mut append = |name: &str, metadata: &Metadata, kind: MemberKind, data: &[u8]| {
        tar.append(&path(name), metadata, &kind, |out| out.write_all(data).map_err(|error| write_error("seed", error)))
            .unwrap();
    };
    append(".", &metadata(0o755), MemberKind::Directory, b"");
    for (name, data) in files {
        append(name, &metadata(0o644), MemberKind::File { len: data.len() as u64 }, data);
    }
    if all {
        let mut marked = metadata(0o4755);
        marked.mtime_ns = -1_500_000_001;
        marked.uid = u32::MAX;
        marked.xattrs = vec![(b"user.note".to_vec(), b"=%\0".to_vec()), (b"user.other".to_vec(), Vec::new())];
        append(&"long/".repeat(60), &marked, MemberKind::Directory, b"");
        append("symlink", &metadata(0o777), MemberKind::Symlink { target: b"../elsewhere".to_vec() }, b"");
        append("hard", &metadata(0o644), MemberKind::HardLink { target: path(files[0].0) }, b"");
        append("fifo", &metadata(0o600), MemberKind::Fifo, b"");
        append("null", &metadata(0o666), MemberKind::CharDevice { major: 1, minor: 3 }, b"");
        append("disk", &metadata(0o660), MemberKind::BlockDevice { major: 8, minor: 0 }, b"");
    }
    tar.finish().unwrap()
}

fn containers() -> Vec<Seed> {
    let small = tar(&[("a", b"some bytes"), ("folder", b"")], false);
    let all = tar(&[("a", b"some bytes"), ("b", &[0; 700])], true);
    let store = tar(&[("neostore", &[0; 1000]), ("neostore.transaction.db.0", b"log")], false);
    let counted =
        [b"zstd".as_slice(), &1u32.to_be_bytes(), &2u64.to_be_bytes(), &1003u64.to_be_bytes(), &store].concat();
    let zstd = |plain: &[u8]| zstd::bulk::compress(plain, 3).unwrap();
    let gzip = |plain: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, plain).unwrap();
        encoder.finish().unwrap()
    };
    let dump = [b"DZV1".to_vec(), zstd(&counted)].concat();
    let hosted = tar(&[("folder.dump", &dump)], false);
    let named = |name: u8, bytes: &[u8]| [&[name], bytes].concat();
    vec![
        ("container", "dzv1", named(0, &dump)),
        ("container", "dgv1", named(0, &[b"DGV1".to_vec(), gzip(&store)].concat())),
        ("container", "bare", named(0, &zstd(&counted))),
        ("container", "gzip-dump", named(0, &gzip(&store))),
        ("container", "tar", named(1, &small)),
        ("container", "tar-gz", named(2, &gzip(&all))),
        ("container", "tar-zst", named(3, &zstd(&small))),
        ("container", "hosted", named(2, &gzip(&hosted))),
        ("container", "gz", named(4, &gzip(b"SELECT 1;"))),
        ("container", "zst", named(5, &zstd(b"SELECT 1;"))),
        ("container", "single", named(6, b"SELECT 1;")),
        ("tar", "small", small.clone()),
        ("tar", "all", all),
        ("neo4j_dump", "dzv1", named_counts(0, &store)),
        ("neo4j_dump", "bare", named_counts(1, &store)),
        ("neo4j_dump", "dgv1", named_counts(2, &small)),
        ("neo4j_dump", "gzip", named_counts(3, &store)),
    ]
}

fn named_counts(choice: u8, tar: &[u8]) -> Vec<u8> {
    [&[choice, 0, 0, 0, 0], tar].concat()
}

fn formats() -> Vec<Seed> {
    let config = Config {
        repo: REPO,
        encryption: Encryption::Aes256Gcm,
        chunker: StreamChunker::default(),
        page_target: 16_384,
        created_at_ns: 1_700_000_000_000_000_000,
    };
    let stored = config.stored_bytes([9; 32]);
    let unsummed = stored[..stored.len() - 32].to_vec();
    let master = MasterKey::generate(&FixedEntropy::new(3));
    let slot = |secret: Secret, label: &str| {
        let params = Argon2Params { memory_kib: 8, time: 1, lanes: 1 };
        let entropy = FixedEntropy::new(4);
        KeySlot::create(&master, REPO, &secret, label, 1_700_000_000_000_000_000, &entropy, params)
            .and_then(|slot| slot.encode())
            .unwrap()
    };
    let plain = b"a small object, a small object";
    let object = |choice: u8, compressed: bool| {
        let stored = if compressed { zstd::bulk::compress(plain, 3).unwrap() } else { plain.to_vec() };
        let mut header = vec![0; 24];
        header[16..20].copy_from_slice(&(plain.len() as u32).to_le_bytes());
        header[23] = if compressed { 0 } else { 0x80 };
        [&[choice][..], &header, &[4; 32], &stored].concat()
    };
    let node = RecipeNode {
        references: vec![
            Reference::Run { byte: 0, len: 300 },
            Reference::Chunk { id: ChunkId([0xab; 20]), len: 16_384 },
            Reference::Chunk { id: ChunkId([0xcd; 20]), len: 1 << 40 },
        ],
    };
    vec![
        ("config", "whole", stored),
        ("config", "unsummed", unsummed),
        ("key_slot", "passphrase", slot(Secret::Passphrase(Zeroizing::new(b"another".to_vec())), "mine")),
        ("key_slot", "file", slot(Secret::KeyFile(Zeroizing::new(vec![6; 32])), "")),
        ("object", "sealed", object(0, true)),
        ("object", "sealed-plain", object(1, false)),
        ("object", "tagged", object(0x82, true)),
        ("recipe_node", "three", node.encode()),
        ("recipe_node", "none", RecipeNode::default().encode()),
    ]
}

fn packs() -> Vec<Seed> {
    let chunk = |byte: u8, payload_len: u32, form: ChunkForm| ChunkEntry { id: ChunkId([byte; 20]), payload_len, form };
    let text = b"a chunk of text, a chunk of text, a chunk of text".to_vec();
    let base = b"a base of the delta".to_vec();
    let target = b"a base of the delta!".to_vec();
    let delta = DeltaEncoder::default().encode(&base, &target, usize::MAX).unwrap().to_vec();
    let delta_form = ChunkForm::Delta { base: ChunkId([3; 20]), plain_len: target.len() as u32 };
    let frame = zstd::bulk::compress(&text, 3).unwrap();
    let block = |codec, plain_len: usize, stored: Vec<u8>, chunks: Vec<ChunkEntry>| Block {
        codec,
        plain_len: plain_len as u32,
        stored,
        chunks,
    };
    let blocks = [
        block(
            BlockCodec::Zstd,
            text.len(),
            frame.clone(),
            vec![chunk(1, 20, ChunkForm::Full), chunk(2, text.len() as u32 - 20, ChunkForm::Full)],
        ),
        block(BlockCodec::Plain, delta.len(), delta.clone(), vec![chunk(4, delta.len() as u32, delta_form)]),
    ];
    let built = |encryption, kind| {
        let mut builder = PackBuilder::new(keys(encryption), kind, [8; 32]).unwrap();
        blocks.iter().for_each(|block| builder.push(block.clone()).unwrap());
        builder.finish().unwrap().0
    };
    let entry = |block: &Block| BlockEntry {
        codec: block.codec,
        plain_len: block.plain_len,
        sealed_len: block.stored.len() as u32 + 16,
        chunks: block.chunks.len() as u32,
    };
    let footer = Footer {
        blocks: blocks.iter().map(entry).collect(),
        chunks: blocks.iter().flat_map(|block| block.chunks.clone()).collect(),
    };
    let footer = encode(&footer);
    let sealed = |choice: u8| [&[choice][..], &(footer.len() as u16).to_le_bytes(), &footer, &frame, &delta].concat();
    vec![
        ("pack", "data", built(Encryption::Aes256Gcm, PackKind::Data)),
        ("pack", "meta", built(Encryption::None, PackKind::Meta)),
        ("pack_sealed", "encrypted", sealed(0)),
        ("pack_sealed", "read", sealed(3)),
    ]
}

fn directory_entry(name: &str, node: Node) -> Entry {
    Entry { name: name.as_bytes().to_vec(), metadata: metadata(0o644), node }
}

fn file(content: Content) -> Node {
    let stamp = Some(Stamp { device: 1, inode: 2, ctime_ns: 3 });
    Node::File { content, class: Class::Page { page_size: 8192 }, link_group: None, stamp }
}

fn manifest() -> Manifest {
    let summary = Summary { files: 2, directories: 1, others: 0, bytes: 3000 };
    let listing = Content::Chunks { root: ChunkId([5; 20]), depth: 1, len: 2000 };
    let root = Entry { name: Vec::new(), metadata: metadata(0o755), node: Node::Directory { listing, summary } };
    let component = |origin| Component { name: "data".into(), origin, root: root.clone(), unreadable: 1 };
    let form = Form::Tar { compression: Compression::Gzip };
    Manifest {
        version: 1,
        id: SnapshotId([7; 8]),
        instance: "shop".into(),
        kind: SnapshotType::OnDemand,
        created_at_ns: 1_700_000_000_000_000_000,
        finished_at_ns: 1_700_000_001_000_000_000,
        expires_at_ns: Some(1_800_000_000_000_000_000),
        description: Some("before the upgrade".into()),
        parent: Some(SnapshotId([6; 8])),
        before_restore_of: None,
        outcome: Outcome::Completed {
            components: vec![
                component(Origin::Files),
                component(Origin::Sqlite { version: "3.50".into() }),
                component(Origin::Loaded { file_name: "a.tar.gz".into(), form }),
            ],
        },
        cost: Cost { bytes_read: 3000, bytes_new: 200, bytes_stored: 100, chunks_new: 3, chunks_delta: 1 },
        written_by: "0.1.0".into(),
    }
}

fn records() -> Vec<Seed> {
    let chosen = |choice: u8, plain: Vec<u8>| [vec![choice], plain].concat();
    let failed = Manifest { outcome: Outcome::Failed { reason: "no space".into() }, ..manifest() };
    // Totals that no snapshot has: nothing may be added to them.
    let mut most = manifest();
    if let Outcome::Completed { components } = &mut most.outcome {
        for component in components {
            component.unreadable = u64::MAX;
            if let Node::Directory { summary, .. } = &mut component.root.node {
                *summary = Summary { files: u64::MAX, directories: u64::MAX, others: u64::MAX, bytes: u64::MAX };
            }
        }
    }
    let state = SnapshotState {
        snapshot: SnapshotId([7; 8]),
        deleted: Some(Deletion { at_ns: 5, cause: DeletionCause::User, purge_after_ns: 7 }),
        hold_until_ns: Some(9),
    };
    let instance = InstanceRecord {
        created_at_ns: 5,
        source: Some("files:/srv/data".into()),
        plan: "unlimited".into(),
        retain_ns: Some(86_400_000_000_000),
        description: None,
        always_read: false,
    };
    let process = ProcessIdentity { host: "fuzz".into(), boot: "fuzz".into(), pid: 1, started: 1 };
    let writer = |work| WriterRecord { process: process.clone(), began_at_ns: 5, work };
    let work = Work::Snapshot { id: SnapshotId([9; 8]), instance: "shop".into(), kind: SnapshotType::Scheduled };
    // The first is a decision's packs, the second the writers that it waits for: the types are the repository's own.
    let condemned = encode(&(0u32, vec![PackId([1; 32]), PackId([2; 32])]));
    let waits = encode(&(1u32, vec!["writers/ab".to_string()]));
    vec![
        ("records", "manifest", chosen(0, encode(&manifest()))),
        ("records", "manifest-most", chosen(0, encode(&most))),
        ("records", "manifest-failed", chosen(0, encode(&failed))),
        ("records", "state", chosen(0x83, encode(&LedgerRecord::Snapshot(state)))),
        (
            "records",
            "instance",
            chosen(1, encode(&LedgerRecord::Instance { name: "shop".into(), record: Some(instance) })),
        ),
        (
            "records",
            "instance-removed",
            chosen(1, encode(&LedgerRecord::Instance { name: "shop".into(), record: None })),
        ),
        ("records", "writer", chosen(2, encode(&writer(work)))),
        ("records", "exclusive", chosen(0x84, encode(&writer(Work::Exclusive("gc".into()))))),
        ("records", "condemned", chosen(3, condemned)),
        ("records", "waits", chosen(4, waits)),
    ]
}

fn texts() -> Vec<Seed> {
    ["30d", "0", "files:/srv/data", "sqlite:///srv/a.db", "./a/b/", "0123456789abcdef", "mincdc", "fast"]
        .into_iter()
        .zip(["days", "zero", "files", "sqlite", "path", "id", "chunker", "effort"])
        .map(|(text, name)| ("texts", name, text.as_bytes().to_vec()))
        .collect()
}

fn trees() -> Vec<Seed> {
    let inner = Directory {
        entries: vec![
            directory_entry("a", file(Content::Inline(b"some bytes".to_vec()))),
            directory_entry("b", file(Content::Run { byte: 7, len: 5000 })),
            directory_entry("c", Node::Symlink { target: b"../a".to_vec() }),
        ],
    };
    let folder = |listing: Content| Node::Directory { listing, summary: Summary { files: 2, ..Summary::default() } };
    let linked = |content| match file(content) {
        Node::File { content, class, stamp, .. } => Node::File { content, class, link_group: Some(5), stamp },
        node => node,
    };
    let mut marked = directory_entry("marked", file(Content::Empty));
    marked.metadata.xattrs = vec![(b"user.a".to_vec(), b"1".to_vec()), (b"user.b".to_vec(), Vec::new())];
    let outer = Directory {
        entries: vec![
            directory_entry("block", Node::BlockDevice { major: 8, minor: 1 }),
            directory_entry("char", Node::CharDevice { major: 1, minor: 3 }),
            directory_entry("empty", folder(Content::Inline(encode(&Directory::default())))),
            directory_entry("fifo", Node::Fifo),
            directory_entry("folder", folder(Content::Inline(encode(&inner)))),
            directory_entry("link-1", linked(Content::Inline(b"one file".to_vec()))),
            directory_entry("link-2", linked(Content::Inline(b"one file".to_vec()))),
            marked,
            directory_entry("missing", Node::Unreadable { reason: "Permission denied".into() }),
        ],
    };
    let absent = Content::Chunks { root: ChunkId([5; 20]), depth: 2, len: 100_000 };
    let dangling = Directory { entries: vec![directory_entry("a", file(absent))] };
    let longest = |name| directory_entry(name, file(Content::Run { byte: 0, len: u64::MAX }));
    let endless = Directory { entries: vec![longest("a"), longest("b")] };
    vec![
        ("directory", "endless", encode(&endless)),
        ("directory", "inner", encode(&inner)),
        ("directory", "outer", encode(&outer)),
        ("directory", "dangling", encode(&dangling)),
        ("export", "inner", encode(&inner)),
        ("export", "outer", encode(&outer)),
    ]
}
