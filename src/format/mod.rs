//! The bytes of every stored thing. Pure: nothing here reads or writes anything.
//!
//! docs/FORMAT.md describes the same bytes for someone who writes a reader without this code.

pub mod config;
pub mod ledger;
pub mod manifest;
pub mod object;
pub mod pack;
pub mod recipe;
pub mod tree;

#[cfg(test)]
mod frozen_tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is wrong with stored bytes. The caller adds the object's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes are not what they should be.
    #[error("{0}")]
    Damaged(String),
    /// The bytes are of a version or carry a feature flag that is not known here.
    #[error("{0}")]
    Unsupported(String),
}

impl FormatError {
    pub(crate) fn damaged(detail: impl ToString) -> Self {
        FormatError::Damaged(detail.to_string())
    }

    /// The error for the object named `object`.
    pub fn of(self, object: impl ToString) -> crate::error::Error {
        match self {
            FormatError::Damaged(detail) => crate::error::Error::damaged(object, detail),
            FormatError::Unsupported(detail) => crate::error::Error::Unsupported { object: object.to_string(), detail },
        }
    }
}

/// The one encoding of structures: bincode 2, little endian, variable-length integers, lengths before sequences.
///
/// A text's declared length is allocated before its bytes are looked for, so `LIMIT` goes with what there is.
fn encoding<const LIMIT: usize>() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// bincode counts every integer with its full width: at most eight times the byte that it takes.
const COUNTED_MAX: usize = 8;
/// Encodings up to these lengths have limits of their own, bytes.
const SMALL: usize = 64 * 1024;
const MIDDLE: usize = 2 * 1024 * 1024;
const LARGE: usize = 64 * 1024 * 1024;
/// What a folder of millions of files may count to: its listing is as long as one may be.
const LARGEST_COUNT: usize = COUNTED_MAX.saturating_mul(crate::limits::DIRECTORY_MAX);

/// The stored bytes of `value`.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Encoding into memory fails only for types that serde cannot size, and none of ours is one; an empty answer
    // would be refused by every decoder, so that even then nothing wrong is stored as right.
    bincode::serde::encode_to_vec(value, encoding::<LARGEST_COUNT>()).unwrap_or_default()
}

/// The value that `bytes` hold: all of them, nothing behind.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::decode_from_slice(bytes, encoding::<{ COUNTED_MAX * SMALL }>())
    } else if bytes.len() <= MIDDLE {
        bincode::serde::decode_from_slice(bytes, encoding::<{ COUNTED_MAX * MIDDLE }>())
    } else if bytes.len() <= LARGE {
        bincode::serde::decode_from_slice(bytes, encoding::<{ COUNTED_MAX * LARGE }>())
    } else {
        bincode::serde::decode_from_slice(bytes, encoding::<LARGEST_COUNT>())
    };
    let (value, used) = decoded.map_err(|error| FormatError::damaged(format!("it cannot be decoded ({error})")))?;
    if used != bytes.len() {
        return Err(FormatError::damaged(format!("{} bytes follow its end", bytes.len() - used)));
    }
    Ok(value)
}

/// The value that `bytes` begin with, and how many of them it takes; `None` where they end before it does.
pub fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<(T, usize)>, FormatError> {
    match bincode::serde::decode_from_slice(bytes, encoding::<{ COUNTED_MAX * LARGE }>()) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(bincode::error::DecodeError::UnexpectedEnd { .. }) => Ok(None),
        Err(error) => Err(FormatError::damaged(format!("it cannot be decoded ({error})"))),
    }
}

/// A reader over bytes that never panics.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| FormatError::damaged("it is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of 1 GiB that is six bytes long: found by a fuzzer, as an allocation of 1 GiB.
    #[test]
    fn a_text_that_declares_far_more_than_there_is_has_nothing_allocated_for_it() {
        for padding in [0, SMALL] {
            let declared = [&[0xfc, 0, 0, 0xff, 0x3f, b'a'][..], &vec![b'a'; padding]].concat();
            let error = decode::<String>(&declared).unwrap_err().to_string();
            assert!(error.contains("Limit"), "{error}");
        }
    }

    #[test]
    fn what_is_counted_dearest_is_within_the_limits() {
        for len in [1, SMALL - 9, SMALL, MIDDLE - 9, MIDDLE, LARGE - 9] {
            // Integers of a byte each, counted as eight.
            let numbers: Vec<u64> = vec![1; len];
            assert_eq!(decode::<Vec<u64>>(&encode(&numbers)).unwrap(), numbers, "{len}");
        }
    }
}
