//! The text dump of SQLite databases, held byte for byte against the `sqlite3` shell.

#[path = "support/skipped.rs"]
mod skipped;
mod sqlite_common;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use skipped::skipped;
use snaphold::error::{Error, ErrorKind};
use snaphold::source::sqlite::{Dump, dump_sql};
use sqlite_common::{SHELL_NAME, create, rows, shell};

/// Shells from this version on write reals in fewer digits and virtual tables with a warning.
const MODEL_UNTIL: (u32, u32) = (3, 43);

/// Schemas that a dump could get wrong, each alone in a database.
const SCHEMAS: &[(&str, &str)] = &[
    ("nothing", ""),
    ("names", r#"CREATE TABLE [br](a); CREATE TABLE `bt`(a); CREATE TABLE 'sq'(a); CREATE TABLE "dq"(a); CREATE TABLE 'it''s'(a);
        CREATE TABLE "a""b"(a); CREATE TABLE "123"(a); CREATE TABLE ""(a); CREATE TABLE é(a); CREATE TABLE a$b(a);
        CREATE TABLE _x9(a); CREATE TABLE "two
        lines"(a); CREATE TABLE "CREATE VIRTUAL TABLE"(a); CREATE TABLE "sqlite-like"(a); CREATE TABLE "--"(a);
        INSERT INTO br VALUES(1); INSERT INTO bt VALUES(1); INSERT INTO sq VALUES(1); INSERT INTO dq VALUES(1);
        INSERT INTO "it's" VALUES(1); INSERT INTO "a""b" VALUES(1); INSERT INTO "123" VALUES(1); INSERT INTO "" VALUES(1);
        INSERT INTO é VALUES(1); INSERT INTO a$b VALUES(1); INSERT INTO _x9 VALUES(1); INSERT INTO "two
        lines" VALUES(2); INSERT INTO "CREATE VIRTUAL TABLE" VALUES(1); INSERT INTO "sqlite-like" VALUES(1);"#),
    ("column names", r#"CREATE TABLE t("a b", 'c', [d], "select", "e""f", "", é); INSERT INTO t VALUES(1,2,3,4,5,6,7);
        CREATE TABLE dup(a, "A b", rowid, oid, _rowid_); INSERT INTO dup VALUES(1,2,3,4,5)"#),
    ("comments and layout", "CREATE  TABLE   Sp ( a, -- one\n b /* two */ -- three\n );\nCREATE TABLE cm(a) -- after\n;
        CREATE TABLE d(a DEFAULT 'x;--', b CHECK(b <> ';'), \"--\"); CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID -- it's\n;
        CREATE TABLE s1(a INT) STRICT /* -- */; CREATE TABLE s2(a INT /* -- */, [--] INT) STRICT --;\n;
        CREATE TABLE s3(a INT -- b\n) STRICT; CREATE TABLE s4(a INT DEFAULT '\n--') STRICT; CREATE TABLE s5(a INT) STRICT -- \" \n\n -- q\n;
        CREATE VIEW v1 AS SELECT 1 -- tail\n; CREATE VIEW v2 AS SELECT '--' AS x; CREATE VIEW v3 AS SELECT 1 /* -- */;
        CREATE VIEW v4 AS SELECT 1 AS \"--\" -- it's\n; CREATE INDEX i ON d(a) WHERE b > 1 -- tail\n; CREATE VIEW v7 AS SELECT 1 - - 1;
        CREATE VIEW v5 AS SELECT 1 -- a\n-- b\n; CREATE VIEW v6 AS SELECT [--] FROM (SELECT 1 AS [--]);
        CREATE TRIGGER tr AFTER INSERT ON d BEGIN SELECT 1; -- in\n SELECT ';'; END -- tail\n;"),
    ("a comment left open", "CREATE TABLE t(a INT) STRICT /* open -- "),
    ("rowids", "CREATE TABLE plain(a); INSERT INTO plain(rowid, a) VALUES(9,'x'),(-4,'y'),(5,'z'); DELETE FROM plain WHERE a='z';
        CREATE TABLE ip(id INTEGER PRIMARY KEY, b); INSERT INTO ip VALUES(5,'five'),(-1,'neg');
        CREATE TABLE ipd(id INTEGER PRIMARY KEY DESC, b); INSERT INTO ipd VALUES(5,'five'),(-1,'neg');
        CREATE TABLE wr(a TEXT PRIMARY KEY, b) WITHOUT ROWID; INSERT INTO wr VALUES('z',1),('a',2);
        CREATE TABLE wr2(a, b, c, PRIMARY KEY(c DESC, a)) WITHOUT ROWID; INSERT INTO wr2 VALUES(1,2,3),(3,2,1)"),
    ("affinities", "CREATE TABLE t(a INT, b TEXT, c REAL, d NUMERIC, e BLOB, f); INSERT INTO t VALUES('1','2','3','4.0','5','6');
        INSERT INTO t VALUES(1,2,3,4,5,6),(1.5,2.5,3.5,4.5,5.5,6.5),(x'01',x'02',x'03',x'04',x'05',x'06'),('a','b','c','d','e','f');
        CREATE TABLE s(a INT, b TEXT, c ANY, d REAL) STRICT; INSERT INTO s VALUES(1,'2',x'03',4),(1,'2',3,4.25)"),
    ("integers", "CREATE TABLE t(a); INSERT INTO t VALUES(0),(-1),(9223372036854775807),(-9223372036854775808),(true)"),
    ("texts", "CREATE TABLE t(a); INSERT INTO t VALUES('it''s'),(''),('a'||char(10)||'b'),(char(13,10)),(char(13)),('\\n'||char(10)),
        ('\\n\\012'||char(10)),('\\r\\015'||char(13)),('(\\n0)\\n\\012'||char(10)||''''),('(\\r0)(\\r1)\\r\\015'||char(13,10)||'\\n'),
        (char(9,1,31,127,128,8232,65279,128512)),('a'||char(0)||'b'),(char(0)),(char(10,0,13)),(char(0,10)),
        (CAST(x'fffe61' AS TEXT)),(CAST(x'c3' AS TEXT)),(CAST(x'eda080' AS TEXT)),(CAST(x'0aff00' AS TEXT))"),
    ("blobs", "CREATE TABLE t(a); INSERT INTO t VALUES(x''),(x'00'),(x'0aff27'),(zeroblob(70000))"),
    ("columns from a query", "CREATE TABLE t AS SELECT 1 AS x, 'y' AS \"y z\", 2.5 AS \"select\", NULL"),
    ("generated columns", "CREATE TABLE g(v AS (a||'x'), a, s AS (a+1) STORED, b); INSERT INTO g(a,b) VALUES(1,2),(3,NULL);
        CREATE TABLE o(a GENERATED ALWAYS AS (b*2) VIRTUAL, b INTEGER PRIMARY KEY); INSERT INTO o(b) VALUES(7)"),
    ("scans by a covering index", "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b AS (a+1), c AS (a+2), d AS (a+3)); CREATE INDEX i1 ON t(a);
        INSERT INTO t(id,a) VALUES(1,30),(2,20),(3,10); CREATE TABLE u(a,b); CREATE INDEX i2 ON u(b,a); INSERT INTO u VALUES(1,30),(2,20);
        CREATE TABLE x(a VARCHAR(500), b VARCHAR(500) AS (a||'x')); CREATE INDEX i3 ON x(a); INSERT INTO x(a) VALUES('z'),('y'),('x')"),
    ("order of things", "CREATE TABLE b(x); CREATE VIEW z AS SELECT * FROM b; CREATE TABLE a(x UNIQUE, y); CREATE UNIQUE INDEX i ON a(y) WHERE y>0;
        CREATE TRIGGER t INSTEAD OF INSERT ON z BEGIN INSERT INTO a VALUES(new.x,';'); END; CREATE INDEX IF NOT EXISTS j ON b(x COLLATE NOCASE DESC);
        CREATE VIEW c(one,two) AS SELECT 1,2; CREATE TEMP TABLE gone(a); INSERT INTO b VALUES(1)"),
    ("sequences", "CREATE TABLE s1(id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO s1(x) VALUES(1),(2);
        CREATE TABLE s2(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO sqlite_sequence VALUES('odd''
name',5); CREATE TABLE after(a)"),
    ("statistics", "CREATE TABLE t(a,b); CREATE INDEX i ON t(a); CREATE INDEX j ON t(b,a); INSERT INTO t VALUES(1,2),(1,3),(2,4); ANALYZE;
        CREATE TABLE after(a)"),
    ("foreign keys", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO p VALUES(1); INSERT INTO c VALUES(1)"),
    ("virtual tables", "CREATE TABLE before(a); CREATE VIRTUAL TABLE f USING fts5(x, y, tokenize = 'porter ascii');
        INSERT INTO f VALUES('hello world','it''s'); CREATE VIRTUAL TABLE \"r t\" USING rtree(id,a,b); INSERT INTO \"r t\" VALUES(1,2,3);
        CREATE VIRTUAL TABLE f4 USING fts4(z); INSERT INTO f4 VALUES('some text'); CREATE TABLE after(a); CREATE VIEW v AS SELECT * FROM f"),
    ("altered tables", "CREATE TABLE t(a); INSERT INTO t VALUES(1); ALTER TABLE t ADD COLUMN b DEFAULT 'q'; ALTER TABLE t RENAME TO \"new name\";
        ALTER TABLE \"new name\" RENAME COLUMN a TO \"x y\"; INSERT INTO \"new name\" VALUES(2,NULL)"),
    ("sixteen-bit text", "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a, \"é\"); INSERT INTO t VALUES('é'||char(10,128512),'漢')"),
    ("big pages", "PRAGMA page_size = 65536; CREATE TABLE t(a); INSERT INTO t VALUES(hex(zeroblob(100000)))"),
    ("old format", "PRAGMA legacy_file_format = 1; PRAGMA user_version = 9; PRAGMA application_id = 8; CREATE TABLE t(a)"),
];

fn dump(path: &Path) -> (Vec<u8>, Dump) {
    let mut out = Vec::new();
    let done = dump_sql(path, &mut out).unwrap();
    (out, done)
}

fn dump_by_shell(path: &Path) -> Vec<u8> {
    // Without the user's own settings.
    let home = path.parent().unwrap();
    let output = Command::new(SHELL_NAME).arg(path).arg(".dump").env("HOME", home).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Shows the first line that differs, not megabytes.
fn assert_same(name: &str, ours: &[u8], theirs: &[u8]) {
    let show = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    let mut lines = ours.split(|&byte| byte == b'\n').zip(theirs.split(|&byte| byte == b'\n'));
    if let Some((our, their)) = lines.find(|(our, their)| our != their) {
        panic!("{name}:\n  ours:   {}\n  theirs: {}", show(our), show(their));
    }
    assert_eq!(ours.len(), theirs.len(), "{name}: {} against {}", show(ours), show(theirs));
}

#[test]
fn the_comparison_sees_one_byte_more_or_other() {
    for other in ["a\nc\n", "a\nb", "a\nb\n\n"] {
        let outcome = std::panic::catch_unwind(|| assert_same("control", b"a\nb\n", other.as_bytes()));
        assert!(outcome.is_err(), "{other:?}");
    }
    assert_same("control", b"a\nb\n", b"a\nb\n");
}

/// The shell, where it is one that the dump is modelled on.
fn model(test: &str) -> Option<()> {
    let version = shell(test)?;
    if version < MODEL_UNTIL {
        return Some(());
    }
    skipped(test, &format!("it compares with the sqlite3 shell before 3.43, this one is {version:?}"));
    None
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    (folder, path)
}

#[test]
fn every_schema_is_dumped_as_the_shell_dumps_it() {
    let Some(()) = model("every_schema_is_dumped_as_the_shell_dumps_it") else { return };
    for (name, script) in SCHEMAS {
        for journal_mode in ["delete", "wal"] {
            let (_folder, path) = folder();
            drop(create(&path, &format!("PRAGMA journal_mode = {journal_mode}; {script}")));
            assert_same(name, &dump(&path).0, &dump_by_shell(&path));
        }
    }
}

#[test]
fn every_word_is_quoted_as_a_table_name_where_the_shell_quotes_it() {
    let Some(()) = model("every_word_is_quoted_as_a_table_name_where_the_shell_quotes_it") else { return };
    let words = include_str!("../src/source/sqlite/literal.rs")
        .split('"')
        .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
    let others =
        ["WITHIN", "ROWID", "TRUE", "FALSE", "STRICT", "STORED", "ANY", "INTEGER", "OID", "KEYS", "SELEC", "SELECTS"];
    let (_folder, path) = folder();
    let connection = create(&path, "");
    let mut count = 0;
    for word in words.chain(others) {
        let word = if count % 2 == 0 { word.to_lowercase() } else { word.to_owned() };
        let script = format!("CREATE TABLE IF NOT EXISTS \"{word}\"(a); INSERT INTO \"{word}\" VALUES(1)");
        connection.execute_batch(&script).unwrap();
        count += 1;
    }
    assert!(count >= 147 + others.len(), "{count}");
    drop(connection);
    assert_same("words", &dump(&path).0, &dump_by_shell(&path));
}

#[test]
fn reals_of_every_magnitude_are_dumped_as_the_shell_dumps_them() {
    let Some(()) = model("reals_of_every_magnitude_are_dumped_as_the_shell_dumps_them") else { return };
    if cfg!(not(target_arch = "x86_64")) {
        skipped("reals_of_every_magnitude", "the shell computes digits in another precision on this processor");
        return;
    }
    let (_folder, path) = folder();
    let connection = create(&path, "PRAGMA synchronous = OFF; CREATE TABLE t(a); BEGIN");
    let mut insert = connection.prepare("INSERT INTO t VALUES(?1)").unwrap();
    let mut put = |value: f64| insert.execute([value]).map(|_| ()).unwrap();
    let mut state = 88172645463325252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let count: u64 = std::env::var("SNAPHOLD_TEST_REALS").map_or(20_000, |count| count.parse().unwrap());
    for _ in 0..count {
        put(f64::from_bits(next()));
        put((next() >> 34) as f64 / 100.0);
        put((next() >> 11) as f64 * 10f64.powi((next() % 40) as i32 - 30));
        put((next() % 1000) as f64 * 10f64.powi((next() % 600) as i32 - 310));
    }
    for exponent in -330..=308 {
        let power: f64 = format!("1e{exponent}").parse().unwrap();
        for value in [power, power.next_up(), power.next_down(), -power, power * 9.5] {
            put(value);
        }
    }
    for exponent in 0..2047u64 {
        put(f64::from_bits(exponent << 52));
        put(f64::from_bits((exponent << 52 | 1 << 52) - 1));
    }
    drop(insert);
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    assert_same("reals", &dump(&path).0, &dump_by_shell(&path));
}

fn value() -> impl Strategy<Value = Value> {
    let nasty =
        prop::sample::select(vec!['\n', '\r', '\\', 'n', 'r', '0', '1', '2', '5', '(', ')', '\'', '"', ';', 'é', '😀']);
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        (-1000i64..1000).prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        (any::<i32>(), 0i32..6).prop_map(|(n, places)| Value::Real(f64::from(n) / 10f64.powi(places))),
        prop::collection::vec(nasty, 0..24).prop_map(|chars| Value::Text(chars.into_iter().collect())),
        "[^\0]{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Blob),
    ]
}

fn insert_all(path: &Path, values: &[Vec<Value>]) {
    let connection = create(path, "PRAGMA synchronous = OFF; CREATE TABLE t(a, b, c); BEGIN");
    for row in values {
        connection.execute("INSERT INTO t VALUES(?1, ?2, ?3)", params_from_iter(row)).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

/// As [`Value`], but a NaN reads back as NULL.
fn stored(value: &Value) -> Value {
    match value {
        Value::Real(number) if number.is_nan() => Value::Null,
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_values_are_dumped_as_the_shell_dumps_them(
        values in prop::collection::vec(prop::collection::vec(value(), 3), 0..60)
    ) {
        let (_folder, path) = folder();
        insert_all(&path, &values);
        let (sql, done) = dump(&path);
        prop_assert_eq!(done, Dump { rows: values.len() as u64, texts_cut: 0 });
        if cfg!(target_arch = "x86_64") && model("any_values_are_dumped_as_the_shell_dumps_them").is_some() {
            assert_same("values", &sql, &dump_by_shell(&path));
        }
        let loaded = Connection::open_in_memory().unwrap();
        loaded.execute_batch(std::str::from_utf8(&sql).unwrap()).unwrap();
        let expected: Vec<Vec<Value>> = values.iter().map(|row| row.iter().map(stored).collect()).collect();
        let found = rows(&loaded, "SELECT * FROM t");
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            prop_assert!(is_same(found, expected), "{:?} is not {:?}", found, expected);
        }
    }
}

/// Whether a value came back. The dump's text is the shell's, byte for byte; SQLite promises fifteen digits of a number
/// when it reads one, and some of its versions, the bundled one among them, miss the last bit.
fn is_same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Real(found), Value::Real(expected)) if found != expected => {
            // Doubles that follow each other have bits that do: eight of them are the sixteenth digit.
            found.to_bits().abs_diff(expected.to_bits()) <= 8
        }
        (found, expected) => found == expected,
    }
}

/// Everything that can be asked of a database: its schema, and the rows of its tables in an order of their own.
fn contents(connection: &Connection) -> Vec<(String, Vec<Vec<Value>>)> {
    let mut all = vec![(
        "schema".to_owned(),
        rows(
            connection,
            "SELECT type, name, tbl_name, rtrim(sql, ' */' || char(10)) FROM sqlite_schema WHERE name <> 'sqlite_stat4' ORDER BY 1, 2",
        ),
    )];
    let names =
        rows(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_stat4' ORDER BY 1");
    for name in names {
        let [Value::Text(name)] = &name[..] else { panic!("{name:?}") };
        let mut found = rows(connection, &format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")));
        found.sort_by_key(|row| format!("{row:?}"));
        all.push((name.clone(), found));
    }
    all
}

#[test]
fn loading_a_dump_gives_an_equal_database() {
    for (name, script) in SCHEMAS {
        let (folder, path) = folder();
        let original = create(&path, script);
        let (sql, done) = dump(&path);
        let copy = folder.path().join("loaded.db");
        // Texts that are not UTF-8 cannot be handed to a connection as a script, and those with a NUL are cut.
        let Ok(sql) = String::from_utf8(sql) else {
            assert_eq!(*name, "texts");
            continue;
        };
        assert_eq!(done.texts_cut, 0, "{name}");
        let loaded = Connection::open(&copy).unwrap();
        loaded.execute_batch(&sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        drop(loaded);
        // Opened again, because virtual tables are known only then.
        let loaded = Connection::open(&copy).unwrap();
        let temporary = "DROP TABLE IF EXISTS temp.gone";
        original.execute_batch(temporary).unwrap();
        assert_eq!(contents(&loaded), contents(&original), "{name}");
        assert_eq!(rows(&loaded, "PRAGMA integrity_check"), [["ok".to_owned().into()]], "{name}");
        if *name == "virtual tables" {
            assert_eq!(rows(&loaded, "SELECT y FROM f WHERE f MATCH 'worlds'"), [["it's".to_owned().into()]]);
        }
    }
}

/// The shell's own dump of this cannot be loaded: the comment takes the rest of the dump in.
#[test]
fn a_comment_that_a_view_leaves_open_does_not_swallow_the_rest_of_the_dump() {
    for comment in ["/* open ", "/* open -- "] {
        let (_folder, path) = folder();
        drop(create(&path, &format!("CREATE TABLE t(a); CREATE VIEW v AS SELECT 1 {comment}")));
        let loaded = Connection::open_in_memory().unwrap();
        loaded.execute_batch(std::str::from_utf8(&dump(&path).0).unwrap()).unwrap();
        assert!(loaded.is_autocommit(), "the dump's transaction has ended");
        assert_eq!(rows(&loaded, "SELECT count(*) FROM sqlite_schema"), [[2.into()]]);
    }
}

#[test]
fn texts_that_a_dump_cuts_are_counted() {
    let (_folder, path) = folder();
    drop(create(&path, "CREATE TABLE t(a); INSERT INTO t VALUES('a'||char(0)||'b'),('c'),(char(0)),(x'00')"));
    assert_eq!(dump(&path).1, Dump { rows: 4, texts_cut: 2 });
}

#[test]
fn a_dump_is_of_one_state_and_leaves_nothing_beside_the_database() {
    let (folder, path) = folder();
    let writer = create(&path, "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    let mut between = Vec::new();
    /// Writes to the database while it is dumped.
    struct Meddler<'a>(&'a Connection, &'a mut Vec<u8>);
    impl Write for Meddler<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.execute_batch("INSERT INTO t VALUES(zeroblob(100000))").unwrap();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    writer.execute_batch("INSERT INTO t VALUES(zeroblob(100000)),(2),(zeroblob(100000)),(3)").unwrap();
    let done = dump_sql(&path, &mut Meddler(&writer, &mut between)).unwrap();
    assert_eq!(done.rows, 5);
    assert!(between.ends_with(b"INSERT INTO t VALUES(3);\nCOMMIT;\n"));
    drop(writer);
    assert!(dump(&path).1.rows > 5);
    assert_eq!(sqlite_common::folder_names(folder.path()), ["a.db"]);
}

#[test]
fn a_dump_that_fails_says_so_and_does_not_commit() {
    let (_folder, path) = folder();
    drop(create(
        &path,
        "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200)
        INSERT INTO t SELECT hex(zeroblob(400)) FROM n",
    ));
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2 / 4096 * 4096;
    bytes[half..half + 64].fill(0x77);
    std::fs::write(&path, bytes).unwrap();
    let mut out = Vec::new();
    assert_eq!(dump_sql(&path, &mut out).unwrap_err().kind(), ErrorKind::Damaged);
    assert!(out.ends_with(b");\nROLLBACK; -- due to errors\n"));
    assert_eq!(dump_sql(&path.with_extension("none"), &mut out).unwrap_err().kind(), ErrorKind::NotFound);

    /// A disk that fills up.
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    drop(create(&path.with_extension("good"), "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(300000))"));
    for room in [0, 100, 200_000] {
        let error = dump_sql(&path.with_extension("good"), &mut Full(room)).unwrap_err();
        assert!(matches!(error, Error::Target { .. }), "{error}");
    }
}
