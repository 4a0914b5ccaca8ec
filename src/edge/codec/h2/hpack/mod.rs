//! Header compression (RFC 7541): header blocks to fields of a request, and fields of a response to header blocks.

mod decode;
mod encode;
mod huffman;
mod integer;
mod meaning;
mod sent;
mod statics;
mod table;
#[cfg(test)]
mod tests;

pub use decode::{Bounds, Decoder, Fields, Line, Oversize};
pub use encode::Encoder;
#[cfg(test)]
pub use huffman::encode as encode_huffman;
pub use meaning::Meaning;

/// Why a header block cannot be decoded. Both sides' tables differ from here on, so the connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    #[error("the header block ends within a field")]
    Truncated,
    #[error("an integer in the header block is too large")]
    Integer,
    #[error("an index in the header block names no table entry")]
    Index,
    #[error("a string in the header block is no valid Huffman code")]
    Huffman,
    #[error("a change of the table size is larger than allowed, late or repeated")]
    TableSize,
}

impl HpackError {
    pub fn slug(self) -> &'static str {
        match self {
            HpackError::Truncated => "hpack_truncated",
            HpackError::Integer => "hpack_integer",
            HpackError::Index => "hpack_index",
            HpackError::Huffman => "hpack_huffman",
            HpackError::TableSize => "hpack_table_size",
        }
    }
}
