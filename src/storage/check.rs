//! Finds out on the user's own storage whether it keeps the promises that a repository rests on.
//!
//! What cannot be probed from here: that an fsync reaches the medium, which only a power cut shows.

use std::collections::BTreeSet;
use std::sync::RwLock;
use std::thread;

use super::{ObjectKind, ObjectName, PutOutcome, Storage};
use crate::clock::Entropy;
use crate::error::{Error, Result};

/// What the leaf of every probe begins with. Probes are of kind [`ObjectKind::Writer`]; whoever lists writers passes
/// them over.
pub const PROBE_PREFIX: &str = "probe-";

/// Threads that race for one name.
const RACERS: usize = 16;
/// Names that are raced for.
const ROUNDS: usize = 8;
/// Lengths of the objects that are written and read back, bytes.
const LENGTHS: [usize; 5] = [0, 1, 4096, 65_537, 1_048_579];

/// One promise, and whether the storage kept it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// The promise, in few words.
    pub name: &'static str,
    /// Whether it was kept.
    pub ok: bool,
    /// What was seen: one line.
    pub detail: String,
}

/// Why a promise was not kept.
type Broken = String;

/// Probes the storage with objects that are removed afterwards; one [`Check`] a promise, in a fixed order.
///
/// A promise that is broken, or a call that fails, is a check that is not `ok`. It is an error only where the storage
/// cannot be listed at all, and then nothing was written.
pub fn check_storage(storage: &dyn Storage, entropy: &dyn Entropy) -> Result<Vec<Check>> {
    storage.list(ObjectKind::Writer)?;
    let probe = Probe::new(storage, entropy);
    let mut checks = vec![
        check("create-if-absent has one winner", probe.one_winner()),
        check("what was written is read back whole", probe.read_back()),
        check("ranges are exact", probe.ranges()),
        check("a listing shows what was written", probe.listed()),
        check("what was deleted is gone", probe.deleted()),
    ];
    checks.push(check("the probes were removed", probe.clean_up()));
    Ok(checks)
}

fn check(name: &'static str, outcome: Result<String, Broken>) -> Check {
    let ok = outcome.is_ok();
    let (Ok(detail) | Err(detail)) = outcome;
    Check { name, ok, detail }
}

struct Probe<'a> {
    storage: &'a dyn Storage,
    /// Random, so that checks that run at the same time do not meet.
    seed: u64,
}

impl<'a> Probe<'a> {
    fn new(storage: &'a dyn Storage, entropy: &dyn Entropy) -> Self {
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        Self { storage, seed: u64::from_le_bytes(seed) }
    }

    fn stem(&self) -> String {
        format!("{PROBE_PREFIX}{:016x}", self.seed)
    }

    fn name(&self, use_: &str, number: usize) -> Result<ObjectName, Broken> {
        let leaf = format!("{}-{use_}-{number}", self.stem());
        ObjectName::new(ObjectKind::Writer, leaf).ok_or_else(|| "the probe has no valid name".to_owned())
    }

    /// Bytes that differ with the probe, the number, and the place.
    fn bytes(&self, number: usize, len: usize) -> Vec<u8> {
        let start = self.seed.wrapping_add(number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = |index: u64| start.wrapping_add(index).wrapping_mul(0xD134_2543_DE82_EF95) >> 56;
        (0..len as u64).map(|index| word(index) as u8).collect()
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Broken> {
        match self.storage.put_if_absent(name, bytes).map_err(said)? {
            PutOutcome::Created => Ok(()),
            PutOutcome::Existed => Err(format!("a new name, {name}, is said to exist")),
        }
    }

    fn one_winner(&self) -> Result<String, Broken> {
        for round in 0..ROUNDS {
            let name = self.name("race", round)?;
            let outcomes = self.race(&name, round)?;
            let winners: Vec<usize> = (0..).zip(&outcomes).filter(|(_, won)| **won).map(|(racer, _)| racer).collect();
            let &[winner] = winners.as_slice() else {
                return Err(format!("{} of {RACERS} writers were told that they created {name}", winners.len()));
            };
            if self.storage.get(&name).map_err(said)? != self.racer_bytes(round, winner) {
                return Err(format!("{name} does not hold what its only creator wrote"));
            }
        }
        Ok(format!("{ROUNDS} rounds of {RACERS} writers"))
    }

    fn racer_bytes(&self, round: usize, racer: usize) -> Vec<u8> {
        self.bytes(round * RACERS + racer, 3000 + racer)
    }

    /// Who of the racers was told `Created`.
    fn race(&self, name: &ObjectName, round: usize) -> Result<Vec<bool>, Broken> {
        // Held while the racers gather, so that they start together.
        let gate = RwLock::new(());
        thread::scope(|scope| {
            let closed = gate.write();
            let mut racers = Vec::new();
            for racer in 0..RACERS {
                let bytes = self.racer_bytes(round, racer);
                let run = || {
                    let _open = gate.read();
                    let bytes = bytes;
                    self.storage.put_if_absent(name, &bytes)
                };
                racers.push(thread::Builder::new().spawn_scoped(scope, run).map_err(|error| error.to_string())?);
            }
            drop(closed);
            let finished = racers.into_iter().map(|racer| match racer.join() {
                Ok(outcome) => outcome.map(|outcome| outcome == PutOutcome::Created).map_err(said),
                Err(_) => Err("a writer panicked".to_owned()),
            });
            finished.collect()
        })
    }

    fn read_back(&self) -> Result<String, Broken> {
        for (number, len) in LENGTHS.into_iter().enumerate() {
            let (name, bytes) = (self.name("whole", number)?, self.bytes(number, len));
            self.put_new(&name, &bytes)?;
            if self.storage.get(&name).map_err(said)? != bytes {
                return Err(format!("{name}, {len} bytes, was not read back as it was written"));
            }
            let size = self.storage.size(&name).map_err(said)?;
            if size != len as u64 {
                return Err(format!("{name} is said to be {size} bytes long, and is {len}"));
            }
        }
        Ok(format!("{} objects of up to {} bytes", LENGTHS.len(), LENGTHS.into_iter().max().unwrap_or(0)))
    }

    fn ranges(&self) -> Result<String, Broken> {
        let len = 100_000;
        let (name, bytes) = (self.name("range", 0)?, self.bytes(0, len));
        self.put_new(&name, &bytes)?;
        let ranges = [(0, 1), (0, len), (1, 4095), (4096, 4096), (65_535, 2), (len - 1, 1), (len, 0), (77_777, 0)];
        for (offset, count) in ranges {
            let read = self.storage.get_range(&name, offset as u64, count).map_err(said)?;
            if bytes.get(offset..offset + count) != Some(read.as_slice()) {
                return Err(format!("{count} bytes at offset {offset} are not those that were written"));
            }
        }
        match self.storage.get_range(&name, len as u64 - 1, 2) {
            Err(Error::Damaged { .. }) => Ok(format!("{} ranges, and one past the end refused", ranges.len())),
            Err(other) => Err(format!("a range past the end fails in an unexpected way: {other}")),
            Ok(read) => Err(format!("a range past the end gives {} bytes where it should fail", read.len())),
        }
    }

    fn listed(&self) -> Result<String, Broken> {
        let count = 20;
        let mut expected = BTreeSet::new();
        for number in 0..count {
            let name = self.name("list", number)?;
            self.put_new(&name, &self.bytes(number, number))?;
            expected.insert((name, number as u64));
        }
        let stem = format!("{}-list-", self.stem());
        let listed = self.storage.list(ObjectKind::Writer).map_err(said)?;
        let seen: Vec<_> = listed.into_iter().filter(|object| object.name.leaf().starts_with(&stem)).collect();
        if let Some((name, _)) = expected.iter().find(|(name, _)| seen.iter().all(|object| object.name != *name)) {
            return Err(format!("{name} was written and is not listed"));
        }
        if let Some(object) = seen.iter().find(|object| !expected.contains(&(object.name.clone(), object.size))) {
            return Err(format!("{} is listed with {} bytes, which is not its length", object.name, object.size));
        }
        if seen.len() != count {
            return Err(format!("{count} objects were written and {} are listed", seen.len()));
        }
        Ok(format!("{count} objects"))
    }

    fn deleted(&self) -> Result<String, Broken> {
        let name = self.name("delete", 0)?;
        self.must_be_missing(&name)?;
        self.put_new(&name, b"first")?;
        self.storage.delete(&name).map_err(said)?;
        self.must_be_missing(&name)?;
        self.put_new(&name, b"second")?;
        if self.storage.get(&name).map_err(said)? != b"second" {
            return Err(format!("{name} was deleted and written anew, and does not hold the new bytes"));
        }
        Ok("not found afterwards, not listed, and can be created again".to_owned())
    }

    fn must_be_missing(&self, name: &ObjectName) -> Result<(), Broken> {
        let calls = [
            ("get", self.storage.get(name).map(drop)),
            ("get of a range", self.storage.get_range(name, 0, 0).map(drop)),
            ("size", self.storage.size(name).map(drop)),
            ("delete", self.storage.delete(name)),
        ];
        for (call, outcome) in calls {
            match outcome {
                Err(Error::NotFound(_)) => {}
                Err(other) => return Err(format!("{call} of an object that is not there fails otherwise: {other}")),
                Ok(()) => return Err(format!("{call} of an object that is not there succeeds")),
            }
        }
        let listed = self.storage.list(ObjectKind::Writer).map_err(said)?;
        if listed.iter().any(|object| object.name == *name) {
            return Err(format!("{name} is listed and not there"));
        }
        Ok(())
    }

    /// By name as well as by listing: a listing that misses objects is one of the faults that are looked for.
    fn clean_up(&self) -> Result<String, Broken> {
        let uses = [("race", ROUNDS), ("whole", LENGTHS.len()), ("range", 1), ("list", 20), ("delete", 1)];
        let mut removed = 0;
        let mut failed = None;
        for (use_, count) in uses {
            for number in 0..count {
                match self.storage.delete(&self.name(use_, number)?) {
                    Ok(()) => removed += 1,
                    Err(Error::NotFound(_)) => {}
                    Err(error) => failed = Some(error),
                }
            }
        }
        let stem = self.stem();
        let listed = self.storage.list(ObjectKind::Writer).map_err(said)?;
        let left = listed.iter().filter(|object| object.name.leaf().starts_with(&stem)).count();
        match failed {
            Some(error) => Err(format!("{left} probes ({stem}-*) are left: {error}")),
            None if left > 0 => Err(format!("{left} probes ({stem}-*) are left")),
            None => Ok(format!("{removed} objects")),
        }
    }
}

fn said(error: Error) -> Broken {
    error.to_string()
}
