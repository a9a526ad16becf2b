//! What modules save: carried as it is, since only the module understands it. What it consists of is marked, so it can be
//! gone through.

use super::input::Input;
use super::output::{put_length, put_string};
use super::{Fault, bad};

const END: u64 = 0;
const SIGNED: u64 = 1;
const UNSIGNED: u64 = 2;
const FLOAT: u64 = 3;
const DOUBLE: u64 = 4;
const STRING: u64 = 5;

/// Copies a module's value.
pub fn value(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    put_length(out, input.number()?);
    parts(input, out)
}

/// Copies what a module saved beside the keys; returns when it has to be loaded: 1 before the keys, 2 after them.
pub fn beside(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<u64, Fault> {
    put_length(out, input.number()?);
    if input.number()? != UNSIGNED {
        return bad("what a module saved does not say when it is loaded");
    }
    let when = input.number()?;
    put_length(out, UNSIGNED);
    put_length(out, when);
    parts(input, out)?;
    Ok(when)
}

fn parts(input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut string = Vec::new();
    loop {
        let part = input.number()?;
        put_length(out, part);
        match part {
            END => return Ok(()),
            SIGNED | UNSIGNED => put_length(out, input.number()?),
            FLOAT => out.extend(input.array::<4>()?),
            DOUBLE => out.extend(input.array::<8>()?),
            STRING => {
                string.clear();
                input.string(&mut string)?;
                put_string(out, &string);
            }
            other => return bad(format!("a module's value has the unknown part {other}")),
        }
    }
}
