//! Just enough of WebSocket (RFC 6455) to open one and to exchange small frames.

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;

/// The answer to a `Sec-WebSocket-Key` (section 4.2.2).
pub fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// One final frame; `mask` is for clients (section 5.2). Payloads up to 65535 bytes.
pub fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        n @ 0..126 => bytes.push(masked | n as u8),
        n => {
            bytes.push(masked | 126);
            bytes.extend_from_slice(&u16::try_from(n).expect("a short payload").to_be_bytes());
        }
    }
    let mask = mask.inspect(|m| bytes.extend_from_slice(m)).unwrap_or_default();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// The next frame's opcode and unmasked payload; `None` when the peer has closed.
pub fn read_frame(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 2];
    if from.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..])?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            from.read_exact(&mut length)?;
            usize::from(u16::from_be_bytes(length))
        }
        127 => return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame longer than 65535 bytes")),
        n => usize::from(n),
    };
    let mut mask = [0; 4];
    if head[1] & 0x80 != 0 {
        from.read_exact(&mut mask)?;
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(b, m)| *b ^= m);
    Ok(Some((head[0] & 0x0f, payload)))
}
