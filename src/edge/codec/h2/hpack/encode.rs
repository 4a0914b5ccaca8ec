//! Fields of a response to a header block. Names are in lower case, known names are indices, fields that repeat from
//! answer to answer are put into the client's table, and values go plain: the Huffman code saves few bytes for its time.

use super::sent::{CLIENT_BYTES_MIN, Sent};
use super::{integer, statics};
use crate::http::fields;

/// A field in a table; literals with and without a place there, and one that no hop may ever give one; a new size of
/// zero (RFC 7541 sections 6.1 to 6.3).
const INDEXED: u8 = 0x80;
const WITH_INDEXING: u8 = 0x40;
const WITHOUT_INDEXING: u8 = 0x00;
const NEVER_INDEXED: u8 = 0x10;
const SIZE_ZERO: u8 = 0x20;
/// Index of `:status` and of `set-cookie`.
const STATUS: usize = 8;
const SET_COOKIE: usize = 55;

/// Our side of the compression.
#[derive(Debug, Default)]
pub struct Encoder {
    table: Table,
}

/// What is known of the client's table.
#[derive(Debug, Default)]
enum Table {
    /// It has the size that all start with, and nothing is in it.
    #[default]
    Empty,
    Used(Box<Sent>),
    /// It is to be smaller than that. Before the next field we say that it stays empty.
    Shrunk,
    /// That was said. No later change of its limit needs an answer.
    Closed,
}

impl Encoder {
    /// The client set SETTINGS_HEADER_TABLE_SIZE (RFC 7541 section 4.2).
    pub fn limit(&mut self, table_bytes: u32) {
        if table_bytes < CLIENT_BYTES_MIN && !matches!(self.table, Table::Closed) {
            self.table = Table::Shrunk;
        }
    }

    /// What must stand before the first field of a block.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Table::Shrunk = self.table {
            out.push(SIZE_ZERO);
            self.table = Table::Closed;
        }
    }

    /// Appends `:status`; `status` has three digits.
    pub fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        let index = match status {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            _ => {
                let digit = |power: u16| b'0' + (status / power % 10) as u8;
                out.extend_from_slice(&[STATUS as u8, 3, digit(100), digit(10), digit(1)]);
                return;
            }
        };
        out.push(0x80 | index);
    }

    /// Appends a field. Fields that concern one connection are left out (RFC 9113 section 8.2.2).
    #[inline]
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        if let Table::Used(sent) = &self.table
            && let Some(index) = sent.find(name, value)
        {
            return integer::write(INDEXED, 7, index, out);
        }
        if !ends_here(name) {
            self.literal(name, value, out);
        }
    }

    fn literal(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let index = statics::find(name);
        out.reserve(name.len() + value.len() + 12);
        match index {
            SET_COOKIE => integer::write(NEVER_INDEXED, 4, index, out),
            _ if self.note(index, name, value) => integer::write(WITH_INDEXING, 6, index, out),
            _ => integer::write(WITHOUT_INDEXING, 4, index, out),
        }
        if index == 0 {
            integer::write(0, 7, name.len(), out);
            let start = out.len();
            out.extend_from_slice(name);
            out[start..].make_ascii_lowercase();
        }
        integer::write(0, 7, value.len(), out);
        out.extend_from_slice(value);
    }

    /// Whether the client is to keep the field, whose name has this index in the static table.
    fn note(&mut self, index: usize, name: &[u8], value: &[u8]) -> bool {
        if let Table::Empty = self.table {
            self.table = Table::Used(Box::new(Sent::new()));
        }
        match &mut self.table {
            Table::Used(sent) => sent.note(index, name, value),
            Table::Empty | Table::Shrunk | Table::Closed => false,
        }
    }
}

/// Whether the field belongs to a connection of HTTP/1 or is no field at all.
#[inline]
fn ends_here(name: &[u8]) -> bool {
    match (name.len(), name.first()) {
        (_, None | Some(b':')) => true,
        (7, Some(b'u' | b'U')) => fields::is_named(name, b"upgrade"),
        (10, Some(b'c' | b'C')) => fields::is_named(name, b"connection"),
        (10, Some(b'k' | b'K')) => fields::is_named(name, b"keep-alive"),
        (16, Some(b'p' | b'P')) => fields::is_named(name, b"proxy-connection"),
        (17, Some(b't' | b'T')) => fields::is_named(name, b"transfer-encoding"),
        _ => false,
    }
}
