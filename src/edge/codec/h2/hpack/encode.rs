//! Fields of a response to a header block. Names are in lower case, known names are indices, values go plain: neither
//! the dynamic table nor the Huffman code is used, which costs some bytes and saves the most time.

use super::{integer, statics};
use crate::http::fields;

/// Literal without indexing, and one that no hop may ever index (RFC 7541 sections 6.2.2 and 6.2.3).
const WITHOUT_INDEXING: u8 = 0x00;
const NEVER_INDEXED: u8 = 0x10;
/// Index of `:status` and of `set-cookie`.
const STATUS: usize = 8;
const SET_COOKIE: usize = 55;

/// Our side of the compression.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The client was told that our table stays empty. No later change of its limit needs an answer then.
    told: bool,
}

impl Encoder {
    /// What must stand before the first field of a block.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.told, true) {
            out.push(0x20);
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
        if ends_here(name) {
            return;
        }
        let index = statics::find(name);
        let form = if index == SET_COOKIE { NEVER_INDEXED } else { WITHOUT_INDEXING };
        out.reserve(name.len() + value.len() + 12);
        integer::write(form, 4, index, out);
        if index == 0 {
            integer::write(0, 7, name.len(), out);
            let start = out.len();
            out.extend_from_slice(name);
            out[start..].make_ascii_lowercase();
        }
        integer::write(0, 7, value.len(), out);
        out.extend_from_slice(value);
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
