//! A data set as an RDB in canonical form.

use std::io::{self, Read};

use super::collect::Collected;
use super::output::{FUNCTION2, put_string};
use super::parse::{AUX, END, put_database};
use super::{CRC, Fault};

/// What is made ahead, bytes, about.
const AHEAD: usize = 256 * 1024;

static THE_CRC: crc::Crc<u64, crc::Table<16>> = CRC;

/// Writes a data set as an RDB, as it is read.
pub struct CanonicalReader {
    collected: Collected,
    database: Option<u64>,
    buffer: Vec<u8>,
    at: usize,
    digest: crc::Digest<'static, u64, crc::Table<16>>,
    stage: Stage,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Keys,
    Done,
}

impl CanonicalReader {
    /// The RDB of `collected`.
    pub fn new(collected: Collected) -> Self {
        Self {
            collected,
            database: None,
            buffer: Vec::new(),
            at: 0,
            digest: THE_CRC.digest(),
            stage: Stage::Begin,
            fault: None,
        }
    }

    /// Why reading failed, where it did.
    pub fn fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.clear();
        self.buffer.shrink_to(16 * AHEAD);
        self.at = 0;
        if self.stage == Stage::Begin {
            self.begin();
            self.stage = Stage::Keys;
        }
        while self.stage == Stage::Keys && self.buffer.len() < AHEAD {
            let Some(record) = self.collected.sorted.next()? else {
                self.collected.after.iter().for_each(|bytes| self.buffer.extend_from_slice(bytes));
                self.buffer.push(END);
                self.digest.update(&self.buffer);
                let sum = self.digest.clone().finalize();
                self.buffer.extend(sum.to_le_bytes());
                self.stage = Stage::Done;
                return Ok(());
            };
            if self.database != Some(record.db) {
                self.database = Some(record.db);
                let counts = self.collected.counts.get(&record.db).cloned().unwrap_or_default();
                put_database(&mut self.buffer, record.db, counts.keys, counts.expiring);
            }
            self.buffer.extend_from_slice(&record.entry);
        }
        self.digest.update(&self.buffer);
        Ok(())
    }

    fn begin(&mut self) {
        let Collected { aux, functions, before, version, .. } = &self.collected;
        let out = &mut self.buffer;
        // An RDB of before version 5 has no sum at its end; all versions since can be read as version 5.
        out.extend(format!("REDIS{:04}", (*version).max(5)).bytes());
        for (name, value) in aux {
            out.push(AUX);
            put_string(out, name);
            put_string(out, value);
        }
        for code in functions {
            out.push(FUNCTION2);
            put_string(out, code);
        }
        before.iter().for_each(|bytes| out.extend_from_slice(bytes));
    }
}

impl Read for CanonicalReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            if self.stage == Stage::Done {
                return Ok(0);
            }
            if let Err(fault) = self.fill() {
                self.stage = Stage::Done;
                let text = format!("{fault:?}");
                self.fault = Some(fault);
                return Err(io::Error::other(text));
            }
        }
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let len = rest.len().min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.at += len;
        Ok(len)
    }
}
