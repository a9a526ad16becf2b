//! Recipes: a file's chunks as a Merkle tree, so that equal parts of two versions are equal subtrees.
//!
//! A node is itself a chunk. Its encoding keeps ids apart from lengths: where a few chunks of a file changed, the new
//! node differs from the old one in just those ids, and is stored as a delta against it.

use crate::id::{CHUNK_ID_LEN, ChunkId};
use crate::limits;

use super::{Cursor, FormatError};

/// One child of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// A chunk: data in a leaf (level 1), a node of the level below elsewhere. `len` counts plain data bytes.
    Chunk {
        /// The chunk.
        id: ChunkId,
        /// Data bytes it stands for.
        len: u64,
    },
    /// One byte, repeated. Nothing is stored for it.
    Run {
        /// The byte.
        byte: u8,
        /// How often.
        len: u64,
    },
}

impl Reference {
    /// Data bytes it stands for.
    pub fn len(&self) -> u64 {
        match self {
            Reference::Chunk { len, .. } | Reference::Run { len, .. } => *len,
        }
    }

    /// Whether it stands for nothing; no valid reference does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A recipe node: its children in the order of their data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipeNode {
    /// The children.
    pub references: Vec<Reference>,
}

const KIND_CHUNK: u8 = 0;
const KIND_RUN: u8 = 1;

impl RecipeNode {
    /// The stored bytes: count; then for each child its kind (0 chunk, 1 run), the run's byte, its length; then the
    /// ids of the chunk children. Integers are LEB128, ids 20 bytes each.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.references.len() * (CHUNK_ID_LEN + 4) + 4);
        put_varint(&mut bytes, self.references.len() as u64);
        for reference in &self.references {
            match reference {
                Reference::Chunk { len, .. } => {
                    bytes.push(KIND_CHUNK);
                    put_varint(&mut bytes, *len);
                }
                Reference::Run { byte, len } => {
                    bytes.extend([KIND_RUN, *byte]);
                    put_varint(&mut bytes, *len);
                }
            }
        }
        for reference in &self.references {
            if let Reference::Chunk { id, .. } = reference {
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        bytes
    }

    /// The node that `bytes` hold.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut cursor = Cursor::new(bytes);
        let count = take_varint(&mut cursor)?;
        if count > limits::NODE_REFS_MAX as u64 {
            return Err(FormatError::damaged(format!("a recipe node of {count} references")));
        }
        let mut references = Vec::with_capacity(count as usize);
        for _ in 0..count {
            references.push(match cursor.u8()? {
                KIND_CHUNK => Reference::Chunk { id: ChunkId([0; CHUNK_ID_LEN]), len: take_varint(&mut cursor)? },
                KIND_RUN => Reference::Run { byte: cursor.u8()?, len: take_varint(&mut cursor)? },
                kind => return Err(FormatError::damaged(format!("a recipe reference of kind {kind}"))),
            });
        }
        let mut total = 0u64;
        for reference in &mut references {
            if let Reference::Chunk { id, .. } = reference {
                *id = ChunkId(cursor.array()?);
            }
            total = total
                .checked_add(reference.len())
                .filter(|_| !reference.is_empty())
                .ok_or_else(|| FormatError::damaged("a recipe node with an impossible length"))?;
        }
        if !cursor.rest().is_empty() {
            return Err(FormatError::damaged("bytes follow the end of a recipe node"));
        }
        Ok(Self { references })
    }

    /// Data bytes of all children.
    pub fn len(&self) -> u64 {
        self.references.iter().map(Reference::len).sum()
    }

    /// Whether there are no children.
    pub fn is_empty(&self) -> bool {
        self.references.is_empty()
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(cursor: &mut Cursor<'_>) -> Result<u64, FormatError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = cursor.u8()?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            // One value, one form: a longer form would give one node two ids.
            return if byte == 0 && shift > 0 {
                Err(FormatError::damaged("a number in a longer form than it needs"))
            } else {
                Ok(value)
            };
        }
    }
    Err(FormatError::damaged("a number that does not fit 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference() -> impl Strategy<Value = Reference> {
        prop_oneof![
            (any::<[u8; CHUNK_ID_LEN]>(), 1u64..1 << 40)
                .prop_map(|(id, len)| Reference::Chunk { id: ChunkId(id), len }),
            (any::<u8>(), 1u64..1 << 50).prop_map(|(byte, len)| Reference::Run { byte, len }),
        ]
    }

    proptest! {
        #[test]
        fn a_node_comes_back(references in proptest::collection::vec(reference(), 0..200)) {
            let node = RecipeNode { references };
            let bytes = node.encode();
            prop_assert_eq!(RecipeNode::decode(&bytes).unwrap(), node);
            if !bytes.is_empty() {
                prop_assert!(RecipeNode::decode(&bytes[..bytes.len() - 1]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_decoded_to_what_encodes_the_same_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(node) = RecipeNode::decode(&bytes) {
                prop_assert_eq!(node.encode(), bytes);
            }
        }
    }

    #[test]
    fn the_bytes_of_a_node_are_frozen() {
        let node = RecipeNode {
            references: vec![
                Reference::Run { byte: 0, len: 300 },
                Reference::Chunk { id: ChunkId([0xab; CHUNK_ID_LEN]), len: 16_384 },
            ],
        };
        let mut expected = vec![2, 1, 0, 0xac, 0x02, 0, 0x80, 0x80, 0x01];
        expected.extend([0xab; CHUNK_ID_LEN]);
        assert_eq!(node.encode(), expected);
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        let node = RecipeNode {
            references: vec![Reference::Run { byte: 0, len: u64::MAX }, Reference::Run { byte: 1, len: 1 }],
        };
        assert!(RecipeNode::decode(&node.encode()).is_err());
    }
}
