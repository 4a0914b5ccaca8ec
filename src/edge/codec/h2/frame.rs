//! Frames: the nine bytes before each of them, padding, and the writing of the small ones (RFC 9113 sections 4 and 6).

use super::error::{ConnectionError, ErrorCode};

/// Bytes before every payload.
pub const HEADER_BYTES: usize = 9;
/// Largest payload that we accept and send; the smallest value that RFC 9113 section 6.5.2 allows as a limit, so it
/// suits every peer.
pub const PAYLOAD_BYTES_MAX: usize = 16_384;

pub mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const PRIORITY: u8 = 0x2;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PUSH_PROMISE: u8 = 0x5;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
}

pub mod flag {
    /// Of SETTINGS and PING.
    pub const ACK: u8 = 0x1;
    /// Of DATA and HEADERS.
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// What precedes a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    /// Without the reserved bit.
    pub stream: u32,
}

impl Header {
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        Header {
            length: u32::from_be_bytes([0, l0, l1, l2]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The payload without its padding (RFC 9113 section 6.1).
pub fn unpad<'p>(header: &Header, payload: &'p [u8]) -> Result<&'p [u8], ConnectionError> {
    if !header.has(flag::PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(ConnectionError::frame_size("padding_missing"))?;
    let length = rest.len().checked_sub(usize::from(padding)).ok_or(ConnectionError::protocol("padding_too_long"))?;
    Ok(&rest[..length])
}

/// The number in a payload of four bytes.
pub fn read_u32(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

pub fn write_header(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    debug_assert!(length <= PAYLOAD_BYTES_MAX);
    let [_, l0, l1, l2] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]);
}

pub fn write_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    write_header(out, 4, kind::RST_STREAM, 0, stream);
    out.extend_from_slice(&code.0.to_be_bytes());
}

pub fn write_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    write_header(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

pub fn write_goaway(out: &mut Vec<u8>, last_stream: u32, code: ErrorCode) {
    write_header(out, 8, kind::GOAWAY, 0, 0);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
}

pub fn write_ping(out: &mut Vec<u8>, flags: u8, opaque: &[u8]) {
    write_header(out, opaque.len(), kind::PING, flags, 0);
    out.extend_from_slice(opaque);
}

/// Closes the header block that was written from `start` on, behind room for one frame header, and cuts it into HEADERS
/// and CONTINUATION frames when it is larger than one frame (RFC 9113 section 4.3).
pub fn finish_block(out: &mut Vec<u8>, start: usize, flags: u8, stream: u32) {
    let length = out.len() - start - HEADER_BYTES;
    if length <= PAYLOAD_BYTES_MAX {
        patch(out, start, length, kind::HEADERS, flags | flag::END_HEADERS, stream);
        return;
    }
    let rest = out.split_off(start + HEADER_BYTES + PAYLOAD_BYTES_MAX);
    patch(out, start, PAYLOAD_BYTES_MAX, kind::HEADERS, flags, stream);
    let mut pieces = rest.chunks(PAYLOAD_BYTES_MAX).peekable();
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
        write_header(out, piece.len(), kind::CONTINUATION, last, stream);
        out.extend_from_slice(piece);
    }
}

fn patch(out: &mut [u8], start: usize, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, l0, l1, l2] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out[start..start + HEADER_BYTES].copy_from_slice(&[l0, l1, l2, kind, flags, s0, s1, s2, s3]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        let mut out = Vec::new();
        write_header(&mut out, 0x3fff, kind::HEADERS, 0x25, 0x7fff_ffff);
        let header = Header::read(out[..].try_into().unwrap());
        assert_eq!(header, Header { length: 0x3fff, kind: 1, flags: 0x25, stream: 0x7fff_ffff });
        let reserved = Header::read(&[0, 0, 0, 0, 0, 0xff, 0, 0, 1]);
        assert_eq!(reserved.stream, 0x7f00_0001);
    }

    #[test]
    fn padding_is_taken_off_and_its_excess_refused() {
        let header = Header { length: 0, kind: kind::DATA, flags: flag::PADDED, stream: 1 };
        assert_eq!(unpad(&header, &[2, b'a', 0, 0]).unwrap(), b"a");
        assert_eq!(unpad(&header, &[0]).unwrap(), b"");
        assert_eq!(unpad(&header, &[1, 0]).unwrap(), b"");
        assert_eq!(unpad(&header, &[2, 0]).unwrap_err().code, ErrorCode::PROTOCOL_ERROR);
        assert_eq!(unpad(&header, &[]).unwrap_err().code, ErrorCode::FRAME_SIZE_ERROR);
    }

    #[test]
    fn large_blocks_are_continued() {
        for (size, frames) in [(0, 1), (PAYLOAD_BYTES_MAX, 1), (PAYLOAD_BYTES_MAX + 1, 2), (3 * PAYLOAD_BYTES_MAX, 3)] {
            let mut out = vec![7; 3];
            out.extend_from_slice(&[0; HEADER_BYTES]);
            out.resize(3 + HEADER_BYTES + size, b'x');
            finish_block(&mut out, 3, flag::END_STREAM, 5);
            let (mut at, mut seen, mut total) = (3, 0, 0);
            while at < out.len() {
                let header = Header::read(out[at..at + HEADER_BYTES].try_into().unwrap());
                seen += 1;
                assert_eq!(header.kind, if seen == 1 { kind::HEADERS } else { kind::CONTINUATION });
                assert_eq!(header.has(flag::END_HEADERS), seen == frames);
                assert_eq!(header.has(flag::END_STREAM), seen == 1);
                total += header.length;
                at += HEADER_BYTES + header.length;
            }
            assert_eq!((seen, total), (frames, size));
        }
    }
}
