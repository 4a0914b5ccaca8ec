//! Header compression against the examples of RFC 7541 and against itself.

mod hostile;
mod rfc;

use super::{Bounds, Decoder, Encoder, Fields, HpackError};

/// Bytes written in hexadecimal, with any white space.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const WIDE: Bounds = Bounds { bytes: 128 * 1024, lines: 1000 };

/// Values of a decoded block; pseudo-headers have no name there.
fn values(fields: &Fields) -> Vec<String> {
    fields.lines.iter().map(|line| String::from_utf8_lossy(&fields.bytes[line.value.range()]).into_owned()).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackError> {
    let mut fields = Fields::default();
    decoder.decode(block, &WIDE, &mut fields).map(|()| fields)
}

/// A block of what the encoder makes of these fields.
fn encode(encoder: &mut Encoder, status: u16, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    encoder.status(status, &mut out);
    for (name, value) in fields {
        encoder.field(name, value, &mut out);
    }
    out
}
