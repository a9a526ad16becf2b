use proptest::prelude::*;

use super::*;

const fn page(page_size: u32) -> Class {
    Class::Page { page_size }
}

fn class(path: &str, head: &[u8], len: u64) -> Class {
    class_of(Path::new(path), head, len)
}

/// A head of 512 zero bytes with `bytes` at `at`.
fn head_with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut head = vec![0u8; 512];
    head[at..at + bytes.len()].copy_from_slice(bytes);
    head
}

#[test]
fn sqlite_says_its_page_size() {
    let head = |size: u16| [&b"SQLite format 3\0"[..], &size.to_be_bytes(), &[1, 1, 0, 64, 32, 32]].concat();
    for size in [512u16, 1024, 4096, 8192, 16_384, 32_768] {
        assert_eq!(class("any/name.bin", &head(size), 1 << 20), page(size.into()));
    }
    assert_eq!(class("x.db", &head(1), 1 << 20), page(65_536));
    for wrong in [0, 2, 256, 4095, 4097, 65_535] {
        assert_eq!(class("x.db", &head(wrong), 1 << 20), Class::Stream, "{wrong}");
    }
    assert_eq!(class("x.db", b"SQLite format 3\0\x10", 17), Class::Stream);
    assert_eq!(class("x.db", b"SQLite format 2\0\x10\x00", 1 << 20), Class::Stream);
}

#[test]
fn postgres_relations_by_place_name_and_header() {
    let used = head_with(18, &[0x04, 0x20]);
    let unused = vec![0u8; 512];
    let places = [
        "base/5/16384",
        "base/5/16384.1",
        "base/5/16384_fsm",
        "base/5/16384_vm.2",
        "base/5/16384_init",
        "global/1262",
        "var/lib/postgresql/15/main/base/16388/2619",
        "pg_tblspc/16400/PG_15_202209061/5/16401",
        "PG_15_202209061/5/16401.3",
    ];
    for path in places {
        assert_eq!(class(path, &used, 81_920), page(8192), "{path}");
        assert_eq!(class(path, &unused, 8192), page(8192), "{path}");
        assert_eq!(class(path, &used, 81_921), Class::Stream, "{path}: not whole pages");
        assert_eq!(class(path, &used, 0), Class::Stream, "{path}: empty");
        assert_eq!(class(path, &[], 8192), Class::Stream, "{path}: nothing seen");
        assert_eq!(class(path, &used[..19], 8192), Class::Stream, "{path}: header cut short");
        assert_eq!(class(path, &head_with(18, &[0x03, 0x20]), 8192), Class::Stream, "{path}: layout 3");
    }
    assert_eq!(class("base/5/16384", &head_with(18, &[0x20, 0x04]), 8192), page(8192), "big-endian machine");
    assert_eq!(class("base/5/16384", &head_with(18, &[0x04, 0x40]), 32_768), page(16_384), "built with 16 KiB pages");
    for path in [
        "5/16384",
        "base/x/16384",
        "base/5/PG_VERSION",
        "base/5/16384_tmp",
        "base/5/_vm",
        "base/5/16384.",
        "global/pg_control",
        "global/1262.a",
        "16384",
    ] {
        assert_eq!(class(path, &used, 8192), Class::Stream, "{path}");
    }
}

#[test]
fn postgres_log_segments_by_place_name_and_length() {
    let head = [0x10, 0xd1, 2, 0];
    let cutting = |path: &str, len| cutting_of(Path::new(path), &head, len);
    assert_eq!(cutting("pg_wal/0000000100000000000000A3", 16 << 20), Cutting::Log);
    assert_eq!(cutting("data/pg_xlog/0000000100000000000000A3", 1 << 20), Cutting::Log);
    assert_eq!(cutting("pg_wal/0000000100000000000000A3", 12_345), Cutting::Stream);
    assert_eq!(cutting("pg_wal/0000000100000000000000a3", 16 << 20), Cutting::Stream);
    assert_eq!(cutting("pg_wal/0000000100000000000000A3.00000028.backup", 16 << 20), Cutting::Stream);
    assert_eq!(cutting("archive/0000000100000000000000A3", 16 << 20), Cutting::Stream);
    assert_eq!(class("pg_wal/0000000100000000000000A3", &head, 16 << 20), Class::Stream);
}

#[test]
fn innodb_page_sizes_from_the_flags() {
    let head = |flags: u32| {
        let mut head = head_with(24, &8u16.to_be_bytes());
        head[54..58].copy_from_slice(&flags.to_be_bytes());
        head
    };
    let sizes = [
        (0, 16_384),           // all defaults
        (0x21, 16_384),        // DYNAMIC rows
        (0x21 | 3 << 6, 4096), // innodb_page_size=4k
        (0x21 | 4 << 6, 8192),
        (0x21 | 6 << 6, 32_768),
        (0x21 | 7 << 6, 65_536),
        (0x21 | 4 << 1, 8192), // KEY_BLOCK_SIZE=8
        (0x21 | 1 << 1, 1024), // KEY_BLOCK_SIZE=1
        (0x15, 16_384),        // MariaDB full_crc32, 16 KiB
        (0x13, 4096),
        (0x17, 65_536),
    ];
    for (flags, size) in sizes {
        for path in ["mysql/t.ibd", "ibdata1", "undo001", "undo_002", "innodb_undo_001", "d/u.ibu"] {
            assert_eq!(class(path, &head(flags), 10 << 16), page(size), "{path} {flags:#x}");
        }
    }
    assert_eq!(class("a/t.ibd", &head(0x18), 1 << 20), Class::Stream, "no such page size");
    assert_eq!(class("a/t.ibd", &head(0), 16_385), Class::Stream, "not whole pages");
    assert_eq!(class("a/t.ibd", &[0; 512], 1 << 20), Class::Stream, "no table space");
    assert_eq!(class("a/t.ibd", &head(0)[..57], 1 << 20), Class::Stream, "header cut short");
    assert_eq!(class("ibdata2", &[7; 64], 1 << 20), page(16_384), "a later file of the system table space");
    assert_eq!(class("ib_logfile0", &head(0), 1 << 20), Class::Stream);
    assert_eq!(class("undoing", &head(0), 1 << 20), Class::Stream);
    assert_eq!(class("ibdata", &head(0), 1 << 20), Class::Stream);
}

#[test]
fn neo4j_stores_but_not_their_logs() {
    let pages = [
        ("neostore", 8192),
        ("data/databases/neo4j/neostore.nodestore.db", 8190),
        ("neostore.relationshipstore.db", 16_320),
        ("neostore.propertystore.db.strings", 8192),
        ("neostore.counts.db", 49_152),
        ("block.x1.db", 81_920),
        ("block.x1.db.id", 40_960),
        ("schema/index/range-1.0/9/index-9", 49_152),
        ("schema/index/native-btree-1.0/17/index-17", 49_152),
    ];
    for (path, len) in pages {
        assert_eq!(class(path, &[], len), page(8192), "{path}");
    }
    let streams = [
        ("neostore.transaction.db.0", 8192),
        ("transactions/neo4j/neostore.transaction.db.1", 81_920),
        ("checkpoint.1", 8192),
        ("profiles/neostore.0.cacheprof", 8192),
        ("neostore2", 8192),
        ("block.x1.db", 81_921),
        ("block.txt", 8192),
        ("schema/index/range-1.0/9/index-8", 49_152),
        ("schema/index/range-1.0/9/segments_1", 8192),
        ("other/range-1.0/9/index-9", 8192),
    ];
    for (path, len) in streams {
        assert_eq!(class(path, &[], len), Class::Stream, "{path}");
    }
}

#[test]
fn disk_images_by_magic_or_by_name_and_signature() {
    assert_eq!(class("vm", b"QFI\xfb\0\0\0\x03", 1 << 20), page(4096));
    assert_eq!(class("vm", b"vhdxfile", 1 << 20), page(4096));
    assert_eq!(class("vm.vdi", &head_with(64, &[0x7f, 0x10, 0xda, 0xbe]), 1 << 20), page(4096));
    let boot = head_with(510, &[0x55, 0xaa]);
    for path in ["disk.img", "a/disk.raw", "disk-flat.vmdk"] {
        assert_eq!(class(path, &boot, 1 << 20), page(4096), "{path}");
        assert_eq!(class(path, &boot[..511], 1 << 20), Class::Stream, "{path}: cut short");
        assert_eq!(class(path, &[0; 512], 1 << 20), Class::Stream, "{path}: no signature");
    }
    assert_eq!(class("disk.bin", &boot, 1 << 20), Class::Stream);
}

#[test]
fn everything_else_is_a_stream() {
    for path in ["", "/", ".", "..", "dump.sql", "src/main.rs", "base", "a/b/c/d/e"] {
        assert_eq!(class(path, b"-- PostgreSQL database dump", 1000), Class::Stream, "{path}");
        assert_eq!(class(path, &[], 0), Class::Stream, "{path}");
    }
}

proptest! {
    #[test]
    fn no_input_makes_it_panic_and_page_sizes_are_sane(
        path in "(base/[0-9]{1,3}/|global/|pg_wal/|PG_1/[0-9]/|schema/index/x/1/)?(neostore|ibdata|undo|block|index-|disk)?[.0-9_a-z]{0,6}(\\.ibd|\\.img|\\.vmdk|_vm)?",
        magic in prop_oneof![Just(&b""[..]), Just(&b"SQLite format 3\0"[..]), Just(&b"QFI\xfb"[..]), Just(&[0u8; 24][..])],
        tail in proptest::collection::vec(any::<u8>(), 0..700),
        cut in 0usize..800,
        len in prop_oneof![any::<u64>(), (0u64..1000).prop_map(|n| n * 8192)],
    ) {
        let mut head = [magic, &tail].concat();
        head.truncate(cut);
        if let Class::Page { page_size } = class(&path, &head, len) {
            prop_assert!(page_size.is_power_of_two() && (512..=65_536).contains(&page_size));
        }
    }
}
