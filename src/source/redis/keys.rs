//! Restoring key by key, for servers that may not become replicas.
//!
//! Where the server has as many databases without keys as are needed, the data is loaded into these and exchanged for what
//! is there by `SWAPDB`, all in one transaction. Where it has not, or is of a cluster, keys are replaced one by one: that
//! is a mixture while it goes on.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::source::kind::{Attempt, Staged};

use super::rdb::{Counts, Entry, Fault, Visitor, dump_payload, function_payload, parse, shown_name};
use super::resp::{Client, Reply, put_command};
use super::server::{Info, databases};

/// A pipeline is sent when it has so many bytes, or commands.
const PIPELINE: usize = 1 << 20;
const COMMANDS: usize = 1000;
/// Databases of the server, each with the one that the new data is loaded into; `None`: keys are replaced in place.
type Pairs = Option<Vec<(u64, u64)>>;

/// A key that says where a restore is: in a database with new data, and while keys are replaced in place.
fn marker(attempt: &Attempt) -> String {
    format!("snaphold:restore:{}", attempt.id)
}

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn select(client: &mut Client, db: u64) -> Result<()> {
    client.call(&[b"SELECT", &number(db)]).map(drop)
}

fn is_marked(client: &mut Client, db: u64, attempt: &Attempt) -> Result<bool> {
    select(client, db)?;
    Ok(client.call(&[b"EXISTS", marker(attempt).as_bytes()])? == Reply::Integer(1))
}

/// Chooses databases for the new data and loads it there; or remembers that there are none. An earlier try is removed.
pub fn stage(
    client: &mut Client,
    attempt: &Attempt,
    file: &Path,
    counts: &BTreeMap<u64, Counts>,
    progress: &dyn Progress,
) -> Result<Vec<(&'static str, String)>> {
    clear(client, attempt)?;
    let info = Info::of(client)?;
    let present = info.keys();
    let all: BTreeSet<u64> = present.keys().chain(counts.keys()).copied().collect();
    let databases = databases(client, &info);
    let free: Vec<u64> = (0..databases).rev().filter(|db| !all.contains(db)).collect();
    if info.is_cluster() || free.len() < all.len() {
        progress.notice("keys will be replaced one by one, in place: until that is over the data is a mixture");
        return Ok(vec![("way", "in_place".to_string())]);
    }
    let pairs: Vec<(u64, u64)> = all.into_iter().zip(free).collect();
    for (_, spare) in &pairs {
        select(client, *spare)?;
        client.call(&[b"SET", marker(attempt).as_bytes(), b"loading"])?;
    }
    let spare_of: BTreeMap<u64, u64> = pairs.iter().copied().collect();
    load(client, file, &|db| spare_of.get(&db).copied().unwrap_or(db), progress)?;
    let text: Vec<String> = pairs.iter().map(|(db, spare)| format!("{db}:{spare}")).collect();
    Ok(vec![("way", "beside".to_string()), ("pairs", text.join(","))])
}

fn pairs(staged: &Staged) -> Pairs {
    let pair = |text: &str| {
        let (db, spare) = text.split_once(':')?;
        Some((db.parse().ok()?, spare.parse().ok()?))
    };
    (staged.facts.get("way")? == "beside")
        .then(|| staged.facts.get("pairs").map(|text| text.split(',').filter_map(pair).collect()).unwrap_or_default())
}

/// Puts the new data in the place of what is there.
pub fn swap(
    client: &mut Client,
    attempt: &Attempt,
    staged: &Staged,
    file: &Path,
    progress: &dyn Progress,
) -> Result<()> {
    let functions = functions(client, file)?;
    let Some(pairs) = pairs(staged) else { return in_place(client, attempt, file, functions, progress) };
    if !is_swapped(client, &pairs, attempt)? {
        exchange(client, &pairs, functions)?;
    }
    Ok(())
}

fn is_swapped(client: &mut Client, pairs: &[(u64, u64)], attempt: &Attempt) -> Result<bool> {
    match pairs.first() {
        Some((db, _)) => is_marked(client, *db, attempt),
        None => Ok(false),
    }
}

/// Exchanges all pairs, and sets the functions, in one transaction.
fn exchange(client: &mut Client, pairs: &[(u64, u64)], functions: Option<Vec<u8>>) -> Result<()> {
    client.call(&[b"MULTI"])?;
    for (db, spare) in pairs {
        client.call(&[b"SWAPDB", &number(*db), &number(*spare)])?;
    }
    if let Some(payload) = functions {
        client.call(&[b"FUNCTION", b"RESTORE", &payload, b"FLUSH"])?;
    }
    let replies = client.call(&[b"EXEC"])?.parts();
    match replies.iter().find(|reply| matches!(reply, Reply::Error(_))) {
        Some(reply) => Err(Error::Failed(format!("the server did not exchange its databases: {}", reply.to_text()))),
        None if replies.is_empty() && !pairs.is_empty() => {
            Err(Error::Failed("the server did not exchange its databases".into()))
        }
        None => Ok(()),
    }
}

/// What the file's functions are restored by; `None` where neither it nor the server has any.
fn functions(client: &mut Client, file: &Path) -> Result<Option<Vec<u8>>> {
    #[derive(Default)]
    struct Functions(Vec<Vec<u8>>);
    impl Visitor for Functions {
        fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
            self.0.push(code.to_vec());
            Ok(())
        }
        fn key(&mut self, _: &Entry<'_>) -> Result<(), Fault> {
            Ok(())
        }
    }
    let mut found = Functions::default();
    let version = read(file, &mut found)?;
    let has_some = matches!(client.ask(&[b"FUNCTION", b"LIST"])?, Reply::Array(list) if !list.is_empty());
    Ok((has_some || !found.0.is_empty()).then(|| function_payload(&found.0, version)))
}

fn read(file: &Path, visitor: &mut dyn Visitor) -> Result<u32> {
    let mut opened = File::open(file).map_err(|error| Error::source(file, error))?;
    let parsed = parse(&mut opened, visitor).map_err(|fault| fault.named(&file.display().to_string()))?;
    Ok(parsed.version)
}

/// Restores all keys of the file, those of each database into the one that `place` says.
fn load(client: &mut Client, file: &Path, place: &dyn Fn(u64) -> u64, progress: &dyn Progress) -> Result<()> {
    progress.stage("restoring keys", file.metadata().ok().map(|stat| stat.len()));
    let mut version = [0; 9];
    let mut opened = File::open(file).map_err(|error| Error::source(file, error))?;
    std::io::Read::read_exact(&mut opened, &mut version).map_err(|error| Error::source(file, error))?;
    let version = version.get(5..).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(6);
    let mut loader = Loader { pipe: Pipe::new(client), place, version, selected: None, progress };
    read(file, &mut loader)?;
    loader.pipe.flush()
}

struct Loader<'l> {
    pipe: Pipe<'l>,
    place: &'l dyn Fn(u64) -> u64,
    version: u32,
    selected: Option<u64>,
    progress: &'l dyn Progress,
}

impl Visitor for Loader<'_> {
    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        if self.selected != Some(entry.db) {
            self.selected = Some(entry.db);
            self.pipe.push(&[b"SELECT", &number((self.place)(entry.db))])?;
        }
        let payload = dump_payload(entry.code, entry.value, self.version);
        let expires = number(entry.expires_ms.unwrap_or_default());
        self.progress.advance(payload.len() as u64);
        Ok(self.pipe.push(&[b"RESTORE", entry.key, &expires, &payload, b"REPLACE", b"ABSTTL"])?)
    }
}

/// Commands that are sent many at a time, each of which must succeed.
struct Pipe<'c> {
    client: &'c mut Client,
    bytes: Vec<u8>,
    commands: usize,
}

impl<'c> Pipe<'c> {
    fn new(client: &'c mut Client) -> Self {
        Self { client, bytes: Vec::new(), commands: 0 }
    }

    fn push(&mut self, words: &[&[u8]]) -> Result<()> {
        put_command(&mut self.bytes, words);
        self.commands += 1;
        if self.bytes.len() >= PIPELINE || self.commands >= COMMANDS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.client.send_bytes(&self.bytes)?;
        self.bytes.clear();
        let mut refused = None;
        for _ in 0..std::mem::take(&mut self.commands) {
            if let Reply::Error(text) = self.client.answer()? {
                refused.get_or_insert(text);
            }
        }
        match refused {
            Some(text) => Err(self.client.refused(&[b"RESTORE"], &text)),
            None => Ok(()),
        }
    }
}

/// Replaces all keys where they are, then removes what the snapshot has not. Not one step: a mixture meanwhile.
fn in_place(
    client: &mut Client,
    attempt: &Attempt,
    file: &Path,
    functions: Option<Vec<u8>>,
    progress: &dyn Progress,
) -> Result<()> {
    // In a cluster the key may belong to another server; then going back counts as needed in any case.
    let _ = client.ask(&[b"SET", marker(attempt).as_bytes(), b"restoring"])?;
    load(client, file, &|db| db, progress)?;
    let mut kept = Kept::default();
    read(file, &mut kept)?;
    kept.0.insert(print(0, marker(attempt).as_bytes()));
    let info = Info::of(client)?;
    for db in info.keys().into_keys() {
        if !info.is_cluster() {
            select(client, db)?;
        }
        remove_others(client, db, &kept.0)?;
    }
    if let Some(payload) = functions {
        client.call(&[b"FUNCTION", b"RESTORE", &payload, b"FLUSH"])?;
    }
    Ok(())
}

/// Fingerprints of keys: sixteen bytes each is what they may take, however long they are.
#[derive(Default)]
struct Kept(HashSet<[u8; 16]>);

impl Visitor for Kept {
    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        self.0.insert(print(entry.db, entry.key));
        Ok(())
    }
}

fn print(db: u64, key: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(&shown_name(db, key));
    hash.as_bytes().first_chunk::<16>().copied().unwrap_or_default()
}

fn remove_others(client: &mut Client, db: u64, kept: &HashSet<[u8; 16]>) -> Result<()> {
    let mut cursor = b"0".to_vec();
    loop {
        let mut parts = client.call(&[b"SCAN", &cursor, b"COUNT", b"1000"])?.parts().into_iter();
        let (next, keys) = (parts.next(), parts.next().map(Reply::parts).unwrap_or_default());
        let mut pipe = Pipe::new(client);
        for key in keys {
            if let Reply::Bulk(key) = key
                && !kept.contains(&print(db, &key))
            {
                pipe.push(&[b"UNLINK", &key])?;
            }
        }
        pipe.flush()?;
        match next {
            Some(Reply::Bulk(next)) if next != b"0" => cursor = next,
            _ => return Ok(()),
        }
    }
}

/// Whether the server has the new data.
pub fn is_done(client: &mut Client, attempt: &Attempt, staged: &Staged) -> Result<bool> {
    match pairs(staged) {
        Some(pairs) => is_swapped(client, &pairs, attempt),
        None => Ok(true),
    }
}

/// Removes what was there before.
pub fn finish(client: &mut Client, attempt: &Attempt, staged: &Staged) -> Result<()> {
    let Some(pairs) = pairs(staged) else {
        let _ = client.ask(&[b"DEL", marker(attempt).as_bytes()])?;
        return Ok(());
    };
    for (db, spare) in pairs {
        // No marker: this was done before, and what is in the other database now is somebody's own.
        if !is_marked(client, db, attempt)? {
            continue;
        }
        client.call(&[b"MULTI"])?;
        client.call(&[b"DEL", marker(attempt).as_bytes()])?;
        client.call(&[b"SELECT", &number(spare)])?;
        client.call(&[b"FLUSHDB", b"ASYNC"])?;
        client.call(&[b"EXEC"])?;
    }
    Ok(())
}

/// Puts back what was there, with the functions that `FUNCTION DUMP` had given. `false`: only a snapshot has it.
pub fn undo(client: &mut Client, attempt: &Attempt, staged: &Staged, functions: Option<Vec<u8>>) -> Result<bool> {
    let Some(pairs) = pairs(staged) else {
        let begun = client.ask(&[b"EXISTS", marker(attempt).as_bytes()])? != Reply::Integer(0);
        let _ = client.ask(&[b"DEL", marker(attempt).as_bytes()])?;
        return Ok(!begun);
    };
    if is_swapped(client, &pairs, attempt)? {
        exchange(client, &pairs, functions)?;
    }
    clear(client, attempt)?;
    Ok(true)
}

/// Empties the databases that new data was loaded into and that are not in use yet.
pub fn clear(client: &mut Client, attempt: &Attempt) -> Result<()> {
    let info = Info::of(client)?;
    if info.is_cluster() {
        return Ok(());
    }
    for db in info.keys().into_keys() {
        if is_marked(client, db, attempt)? {
            client.call(&[b"FLUSHDB"])?;
        }
    }
    Ok(())
}
