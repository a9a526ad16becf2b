//! An RDB from its first byte to its last.

use std::io::Read;

use super::input::Input;
use super::output::{FUNCTION2, put_length, put_string};
use super::value::{KeyType, Scratch, read};
use super::{Fault, VERSION_MAX, bad, module};

const SLOT_INFO: u8 = 244;
const FUNCTION_UNRELEASED: u8 = 246;
pub(super) const MODULE_AUX: u8 = 247;
const IDLE: u8 = 248;
const FREQUENCY: u8 = 249;
pub(super) const AUX: u8 = 250;
pub(super) const RESIZE: u8 = 251;
pub(super) const EXPIRES_MS: u8 = 252;
const EXPIRES_S: u8 = 253;
pub(super) const SELECT: u8 = 254;
pub(super) const END: u8 = 255;

/// The first version with a sum at its end.
const SUMMED_SINCE: u32 = 5;

/// A key, as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'e> {
    /// The database's number.
    pub db: u64,
    /// The key.
    pub key: &'e [u8],
    /// When it expires, milliseconds since 1970 (UTC).
    pub expires_ms: Option<u64>,
    /// What it is.
    pub kind: KeyType,
    /// How the value is encoded.
    pub code: u8,
    /// The value, in canonical form.
    pub value: &'e [u8],
    /// Elements, members, fields, entries.
    pub members: Option<u64>,
}

/// Takes the parts of an RDB.
pub trait Visitor {
    /// Something about the server.
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let _ = (name, value);
        Ok(())
    }

    /// A library of functions.
    fn function(&mut self, code: &[u8]) -> Result<(), Fault> {
        let _ = code;
        Ok(())
    }

    /// What a module saved beside the keys, with its mark.
    fn module(&mut self, before_keys: bool, bytes: &[u8]) -> Result<(), Fault> {
        let _ = (before_keys, bytes);
        Ok(())
    }

    /// A key.
    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault>;
}

/// Whether the sum at the end was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// It is right.
    Right,
    /// There is none: the server was told not to make any, or is too old to.
    Absent,
}

/// What stands around the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The format's version.
    pub version: u32,
    /// The sum.
    pub checksum: Checksum,
}

/// Whether a file begins as an RDB does.
pub fn is_rdb(head: &[u8]) -> bool {
    head.starts_with(b"REDIS")
}

/// Goes through an RDB to the end of `reader`, checks it and hands its parts to `visitor`. What it says may count only
/// when this has returned: the sum is at the end.
///
/// Memory: what the largest value takes, twice or three times.
pub fn parse(reader: &mut dyn Read, visitor: &mut dyn Visitor) -> Result<Parsed, Fault> {
    let mut input = Input::new(reader);
    let version = header(&mut input)?;
    let mut parser = Parser { input, visitor, scratch: Scratch::default(), key: Vec::new(), value: Vec::new() };
    parser.parts()?;
    let mut input = parser.input;
    let sum = input.sum();
    let checksum = if version < SUMMED_SINCE {
        Checksum::Absent
    } else {
        match u64::from_le_bytes(input.array()?) {
            0 => Checksum::Absent,
            written if written == sum => Checksum::Right,
            _ => return bad("its checksum (CRC64) is wrong"),
        }
    };
    if !input.is_at_end()? {
        return bad("something stands behind its end");
    }
    Ok(Parsed { version, checksum })
}

fn header(input: &mut Input<'_>) -> Result<u32, Fault> {
    let head: [u8; 9] = input.array().map_err(|fault| match fault {
        Fault::Bad(_) => Fault::Bad("it is too short for a Redis RDB".into()),
        other => other,
    })?;
    let (magic, digits) = head.split_at(5);
    if magic != b"REDIS" {
        return bad("it is no Redis RDB: it does not begin with REDIS");
    }
    let version = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    match version {
        None | Some(0) => bad("its version is no number"),
        Some(version) if version > VERSION_MAX => {
            Err(Fault::Newer(format!("it is an RDB of version {version}; up to {VERSION_MAX} are known")))
        }
        Some(version) => Ok(version),
    }
}

struct Parser<'p, 'r> {
    input: Input<'r>,
    visitor: &'p mut dyn Visitor,
    scratch: Scratch,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Parser<'_, '_> {
    fn parts(&mut self) -> Result<(), Fault> {
        let (mut db, mut expires_ms) = (0, None);
        loop {
            let opcode = self.input.byte()?;
            match opcode {
                EXPIRES_MS => expires_ms = Some(u64::from_le_bytes(self.input.array()?)),
                EXPIRES_S => {
                    expires_ms = Some(u64::from(u32::from_le_bytes(self.input.array()?)).saturating_mul(1000));
                }
                // How long it was not used: changes by itself, and only decides what is evicted first.
                IDLE => _ = self.input.number()?,
                FREQUENCY => _ = self.input.byte()?,
                SELECT => db = self.input.number()?,
                RESIZE => _ = (self.input.number()?, self.input.number()?),
                SLOT_INFO => _ = (self.input.number()?, self.input.number()?, self.input.number()?),
                AUX => self.aux()?,
                FUNCTION2 => {
                    self.value.clear();
                    self.input.string(&mut self.value)?;
                    self.visitor.function(&self.value)?;
                }
                MODULE_AUX => {
                    self.value.clear();
                    self.value.push(MODULE_AUX);
                    let when = module::beside(&mut self.input, &mut self.value)?;
                    self.visitor.module(when != 2, &self.value)?;
                }
                END => return Ok(()),
                FUNCTION_UNRELEASED => return bad("it has functions of an unreleased version"),
                26..=243 => {
                    return Err(Fault::Newer(format!("it has a part of the unknown kind {opcode}")));
                }
                code => {
                    self.key(db, expires_ms, code)?;
                    expires_ms = None;
                }
            }
        }
    }

    fn aux(&mut self) -> Result<(), Fault> {
        self.key.clear();
        self.value.clear();
        self.input.string(&mut self.key)?;
        self.input.string(&mut self.value)?;
        self.visitor.aux(&self.key, &self.value)
    }

    fn key(&mut self, db: u64, expires_ms: Option<u64>, code: u8) -> Result<(), Fault> {
        const KEPT: usize = 1 << 24;
        self.key.clear();
        self.value.clear();
        self.value.shrink_to(KEPT);
        self.input.string(&mut self.key)?;
        let of_key = |fault| match fault {
            Fault::Bad(detail) => {
                let shown: String = super::shown_key(&self.key).chars().take(80).collect();
                Fault::Bad(format!("{detail} (in the key {db}:{shown})"))
            }
            other => other,
        };
        let seen = read(&mut self.input, code, &mut self.value, &mut self.scratch).map_err(of_key)?;
        self.visitor.key(&Entry {
            db,
            key: &self.key,
            expires_ms,
            kind: seen.kind,
            code,
            value: &self.value,
            members: seen.members,
        })
    }
}

impl Entry<'_> {
    /// Appends the key with all that belongs to it, as it stands in an RDB.
    pub fn put(&self, out: &mut Vec<u8>) {
        if let Some(expires) = self.expires_ms {
            out.push(EXPIRES_MS);
            out.extend(expires.to_le_bytes());
        }
        out.push(self.code);
        put_string(out, self.key);
        out.extend_from_slice(self.value);
    }
}

/// Appends the beginning of a database.
pub(super) fn put_database(out: &mut Vec<u8>, db: u64, keys: u64, expiring: u64) {
    out.push(SELECT);
    put_length(out, db);
    out.push(RESIZE);
    put_length(out, keys);
    put_length(out, expiring);
}

/// The name that a library of functions gives itself in its first line: `#!lua name=mine`.
pub fn library_name(code: &[u8]) -> String {
    let first = code.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let name = first.split_whitespace().find_map(|word| word.strip_prefix("name="));
    name.map_or_else(|| "unnamed".to_string(), str::to_string)
}
