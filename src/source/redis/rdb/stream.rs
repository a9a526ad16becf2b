//! Streams: entries in listpacks, then consumer groups. All of it is in the order of ids and names already.

use std::collections::HashSet;

use super::blob::{Element, listpack};
use super::input::Input;
use super::output::{put_length, put_string};
use super::{Fault, bad};

/// An entry was deleted, but not yet removed.
const DELETED: i64 = 1;
/// An entry has the fields of its listpack's first.
const SAME_FIELDS: i64 = 2;

/// Copies a stream; `form` is 1 to 3. Returns how many entries it has.
pub fn value(input: &mut Input<'_>, form: u8, out: &mut Vec<u8>) -> Result<u64, Fault> {
    let mut string = Vec::new();
    let nodes = number(input, out)?;
    let mut found = 0;
    let mut ids = HashSet::new();
    for _ in 0..nodes {
        text(input, out, &mut string)?;
        match <[u8; 16]>::try_from(string.as_slice()) {
            Ok(id) if ids.insert(id) => {}
            Ok(_) => return bad("a stream has a node twice"),
            Err(_) => return bad("a stream's node has no id"),
        }
        text(input, out, &mut string)?;
        found += entries(&string)?;
    }
    let len = number(input, out)?;
    if len != found {
        return bad("a stream has another length than it says");
    }
    // The last id; from the second form on the first, the last deleted, and how many were ever added.
    for _ in 0..if form >= 2 { 7 } else { 2 } {
        number(input, out)?;
    }
    let groups = number(input, out)?;
    let mut names = HashSet::new();
    for _ in 0..groups {
        group(input, form, out, &mut string, &mut names)?;
    }
    Ok(len)
}

/// A group with its consumers. What is in it twice, or belongs to a consumer and not to the group, ends a server that loads
/// it.
fn group(
    input: &mut Input<'_>,
    form: u8,
    out: &mut Vec<u8>,
    string: &mut Vec<u8>,
    names: &mut HashSet<Vec<u8>>,
) -> Result<(), Fault> {
    text(input, out, string)?;
    if !names.insert(string.clone()) {
        return bad("a stream has a group twice");
    }
    // The last id that was delivered; from the second form on how many were read.
    for _ in 0..if form >= 2 { 3 } else { 2 } {
        number(input, out)?;
    }
    let pending = number(input, out)?;
    let mut all = HashSet::new();
    for _ in 0..pending {
        if !all.insert(id(input, out)?) {
            return bad("a stream's group has a pending entry twice");
        }
        // When it was delivered, and how often.
        input.bytes(8, out)?;
        number(input, out)?;
    }
    let mut consumer_names = HashSet::new();
    let consumers = number(input, out)?;
    for _ in 0..consumers {
        text(input, out, string)?;
        if !consumer_names.insert(string.clone()) {
            return bad("a stream's group has a consumer twice");
        }
        // When it was seen; in the third form when it was active.
        input.bytes(if form >= 3 { 16 } else { 8 }, out)?;
        let pending = number(input, out)?;
        let mut own = HashSet::new();
        for _ in 0..pending {
            let id = id(input, out)?;
            if !all.contains(&id) || !own.insert(id) {
                return bad("a stream's consumer has a pending entry twice, or one that its group has not");
            }
        }
    }
    Ok(())
}

fn id(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<[u8; 16], Fault> {
    let id = input.array()?;
    out.extend(id);
    Ok(id)
}

fn number(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<u64, Fault> {
    let number = input.number()?;
    put_length(out, number);
    Ok(number)
}

fn text(input: &mut Input<'_>, out: &mut Vec<u8>, string: &mut Vec<u8>) -> Result<(), Fault> {
    string.clear();
    input.string(string)?;
    put_string(out, string);
    Ok(())
}

/// How many entries that are not deleted a stream's listpack has.
fn entries(blob: &[u8]) -> Result<u64, Fault> {
    let mut elements = Vec::new();
    listpack(blob, &mut |element| elements.push(element))?;
    count_entries(&elements).map_or_else(|| bad("a stream's entries are corrupt"), Ok)
}

fn count_entries(elements: &[Element<'_>]) -> Option<u64> {
    let mut rest = elements.iter().copied();
    let skip = |rest: &mut dyn Iterator<Item = Element<'_>>, count: i64| {
        let count = usize::try_from(count).ok()?;
        // One that is not there is `None`.
        if count > 0 { rest.nth(count - 1).map(drop) } else { Some(()) }
    };
    let present = rest.next()?.integer()?;
    let deleted = rest.next()?.integer()?;
    let fields = rest.next()?.integer()?;
    skip(&mut rest, fields)?;
    if rest.next()?.integer()? != 0 {
        return None;
    }
    let (mut seen, mut gone) = (0_i64, 0_i64);
    while let Some(flags) = rest.next() {
        let flags = flags.integer()?;
        // The id, as a difference from the node's.
        rest.next()?.integer()?;
        rest.next()?.integer()?;
        let (parts, overhead) = match flags & SAME_FIELDS != 0 {
            true => (fields, 3),
            false => {
                let own = rest.next()?.integer()?;
                (own.checked_mul(2)?, 4)
            }
        };
        skip(&mut rest, parts)?;
        // How many elements it has, to go backwards.
        if rest.next()?.integer()? != parts.checked_add(overhead)? {
            return None;
        }
        match flags & DELETED != 0 {
            true => gone += 1,
            false => seen += 1,
        }
    }
    (seen == present && gone == deleted).then(|| u64::try_from(seen).ok())?
}
