//! Errors as they are found: those that say the same are one, and each remembers which chunks it takes away.

use std::collections::HashMap;

use crate::error::Error;
use crate::id::ChunkId;
use crate::ops::reach::{Fault, Visitor};

/// Single chunks that are named; of the others only the number is told.
const CHUNKS_NAMED: usize = 20;

/// One error.
#[derive(Debug, Default)]
pub struct Problem {
    /// The object.
    pub object: String,
    /// What is wrong with it.
    pub message: String,
    /// Chunks that cannot be had for it.
    pub chunks: Vec<ChunkId>,
    /// Any chunk that is in no readable pack may have been in this object.
    pub may_hold_absent: bool,
}

/// Errors, in the order in which they were found.
#[derive(Default)]
pub struct Problems {
    list: Vec<Problem>,
    known: HashMap<(String, String), usize>,
    faults: u64,
}

impl Problems {
    /// Adds an error.
    pub fn add(&mut self, error: Error, chunks: Vec<ChunkId>) -> &mut Problem {
        let (object, message) = match error {
            Error::Damaged { object, detail } => (object, detail),
            Error::Unsupported { ref object, .. } | Error::Storage { ref object, .. } => {
                (object.clone(), error.to_string())
            }
            error => ("repository".to_string(), error.to_string()),
        };
        let next = self.list.len();
        let at = *self.known.entry((object.clone(), message.clone())).or_insert(next);
        if at == next {
            self.list.push(Problem { object, message, ..Problem::default() });
        }
        let index = at.min(self.list.len().saturating_sub(1));
        match self.list.get_mut(index) {
            Some(problem) => {
                problem.chunks.extend(chunks);
                problem
            }
            None => unreachable!("it was pushed just now"),
        }
    }

    /// How often a walk came upon something that is missing or damaged.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Chunks that are in no readable pack.
    pub fn absent(&self) -> Vec<ChunkId> {
        self.list.iter().filter(|problem| is_chunk(problem)).flat_map(|problem| problem.chunks.clone()).collect()
    }

    /// The errors; where very many chunks are absent they share one after the first few.
    pub fn into_list(self) -> Vec<Problem> {
        let mut named = 0;
        let mut rest = Problem::default();
        let mut list = Vec::with_capacity(self.list.len());
        let mut more = 0u64;
        for problem in self.list {
            if !is_chunk(&problem) {
                list.push(problem);
            } else if named < CHUNKS_NAMED {
                named += 1;
                list.push(problem);
            } else {
                more += 1;
                rest.chunks.extend(problem.chunks);
            }
        }
        if more > 0 {
            rest.object = "chunks".to_string();
            rest.message = format!("no readable pack holds {more} more chunks");
            list.push(rest);
        }
        list
    }
}

fn is_chunk(problem: &Problem) -> bool {
    problem.object.starts_with("chunk ")
}

impl Visitor for Problems {
    fn fault(&mut self, fault: Fault) -> crate::error::Result<()> {
        self.faults += 1;
        self.add(fault.error, fault.chunks);
        Ok(())
    }
}
