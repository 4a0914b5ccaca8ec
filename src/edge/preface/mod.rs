//! The PROXY protocol in front of a connection, versions 1 and 2, without I/O
//! (specification: HAProxy's `proxy-protocol.txt`).
//!
//! The parser is asked again with all bytes read so far until it says `Done` or `Refused`. Whether the peer may send
//! a header at all is for the caller to know; what stands behind the header is the stream.
//!
//! `ppp` does the parsing. Around it stand the gates that it lacks: version 1 is parsed only once its line is
//! complete, ports hold digits only, version 2 is bounded, and its TLVs are checked.

mod read;
#[cfg(test)]
mod tests;
mod tlv;

use std::net::SocketAddr;

use ppp::{v1, v2};
pub use read::{Refused, read};

/// The longest version 1 header, line end included (the specification's own figure).
pub const MAX_V1_LEN: usize = 107;
/// The longest version 2 header, TLVs included. The length field could say 65535; real headers stay below 1 KiB.
pub const MAX_V2_LEN: usize = V2_FIXED_LEN + 4096;

/// Signature, version and command, family and protocol, length.
const V2_FIXED_LEN: usize = 16;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_SIGNATURE: &[u8] = b"PROXY ";
/// Families and protocols of version 2 (section 2.2): none; TCP and UDP over IPv4 and IPv6; streams and datagrams of Unix.
const V2_FAMILIES: [u8; 7] = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32];

/// What the bytes read so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preface {
    /// The start of a header; more bytes are needed.
    Incomplete,
    /// A whole header of `consumed` bytes.
    Done {
        consumed: usize,
        /// Who connected to the peer; `None` if the header does not say (`LOCAL`, `UNKNOWN`, `UNSPEC`) or speaks of
        /// something else than TCP: then the connection's own address counts.
        source: Option<SocketAddr>,
        /// What was connected to; `None` together with `source`.
        destination: Option<SocketAddr>,
    },
    /// Not a header that we take; close the connection.
    Refused(PrefaceError),
}

/// Why a header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefaceError {
    #[error("the connection does not start with a PROXY protocol header")]
    Missing,
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    #[error("the PROXY protocol header is longer than {MAX_V1_LEN} (version 1) or {MAX_V2_LEN} (version 2) bytes")]
    TooLong,
    #[error("the checksum in the PROXY protocol header does not match its bytes")]
    Checksum,
    #[error("the PROXY protocol header names an address family or protocol that there is not")]
    Family,
}

impl PrefaceError {
    /// The word for metrics and logs.
    pub fn slug(self) -> &'static str {
        match self {
            PrefaceError::Missing => "missing",
            PrefaceError::Malformed => "malformed",
            PrefaceError::TooLong => "too_long",
            PrefaceError::Checksum => "checksum",
            PrefaceError::Family => "family",
        }
    }
}

/// Looks for a header at the start of `buf`, which holds everything read from the connection so far. Bytes that
/// cannot become a header are refused at once. Never needs more than [`MAX_V2_LEN`] bytes.
pub fn parse(buf: &[u8]) -> Preface {
    let found = match buf.first() {
        None => return Preface::Incomplete,
        Some(b'P') => parse_v1(buf),
        Some(b'\r') => parse_v2(buf),
        Some(_) => Err(PrefaceError::Missing),
    };
    found.unwrap_or_else(Preface::Refused)
}

/// A header that names nobody.
fn unnamed(consumed: usize) -> Preface {
    Preface::Done { consumed, source: None, destination: None }
}

/// Whether the whole signature is there; an error if it cannot come any more.
fn is_signed(buf: &[u8], signature: &[u8]) -> Result<bool, PrefaceError> {
    let len = buf.len().min(signature.len());
    match buf[..len] == signature[..len] {
        true => Ok(len == signature.len()),
        false => Err(PrefaceError::Missing),
    }
}

fn parse_v1(buf: &[u8]) -> Result<Preface, PrefaceError> {
    if !is_signed(buf, V1_SIGNATURE)? {
        return Ok(Preface::Incomplete);
    }
    check_v1_family(buf)?;
    let Some(len) = v1_len(buf)? else { return Ok(Preface::Incomplete) };
    let line = &buf[..len];
    // All that stands between `UNKNOWN` and the line end is to be ignored.
    if v1_words(line).nth(1) == Some(b"UNKNOWN") {
        return Ok(unnamed(len));
    }
    // `u16::from_str`, which reads the ports, would take a plus sign.
    if v1_words(line).skip(4).any(|port| !port.iter().all(u8::is_ascii_digit)) {
        return Err(PrefaceError::Malformed);
    }
    let header = v1::Header::try_from(line).map_err(|_| PrefaceError::Malformed)?;
    match header.addresses {
        v1::Addresses::Tcp4(ip) => Ok(Preface::Done {
            consumed: len,
            source: Some((ip.source_address, ip.source_port).into()),
            destination: Some((ip.destination_address, ip.destination_port).into()),
        }),
        v1::Addresses::Tcp6(ip) => Ok(Preface::Done {
            consumed: len,
            source: Some((ip.source_address, ip.source_port).into()),
            destination: Some((ip.destination_address, ip.destination_port).into()),
        }),
        v1::Addresses::Unknown => Err(PrefaceError::Malformed),
    }
}

/// The words of a complete line.
fn v1_words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.strip_suffix(b"\r\n").unwrap_or(line).split(|&byte| byte == b' ')
}

/// Refuses as soon as the word behind `PROXY ` cannot become one of the three families.
fn check_v1_family(buf: &[u8]) -> Result<(), PrefaceError> {
    let rest = buf.get(V1_SIGNATURE.len()..).unwrap_or_default();
    let possible = |start: &&[u8]| {
        let len = rest.len().min(start.len());
        rest[..len] == start[..len]
    };
    let starts: [&[u8]; 4] = [b"TCP4 ", b"TCP6 ", b"UNKNOWN ", b"UNKNOWN\r\n"];
    match starts.iter().any(possible) {
        true => Ok(()),
        false => Err(PrefaceError::Malformed),
    }
}

/// The length of the line with its end, once that is there. A carriage return or a line feed on its own is refused.
fn v1_len(buf: &[u8]) -> Result<Option<usize>, PrefaceError> {
    let window = &buf[..buf.len().min(MAX_V1_LEN)];
    let Some(at) = memchr::memchr2(b'\r', b'\n', window) else {
        return match buf.len() < MAX_V1_LEN {
            true => Ok(None),
            false => Err(PrefaceError::TooLong),
        };
    };
    match (window[at], window.get(at + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some(at + 2)),
        (b'\r', None) if buf.len() < MAX_V1_LEN => Ok(None),
        (b'\r', None) => Err(PrefaceError::TooLong),
        _ => Err(PrefaceError::Malformed),
    }
}

fn parse_v2(buf: &[u8]) -> Result<Preface, PrefaceError> {
    if !is_signed(buf, V2_SIGNATURE)? {
        return Ok(Preface::Incomplete);
    }
    let is_local = match buf.get(V2_SIGNATURE.len()) {
        None => return Ok(Preface::Incomplete),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(PrefaceError::Malformed),
    };
    // For LOCAL the family is to be ignored.
    if !is_local && buf.get(V2_SIGNATURE.len() + 1).is_some_and(|family| !V2_FAMILIES.contains(family)) {
        return Err(PrefaceError::Family);
    }
    let Some(len) = v2_len(buf)? else { return Ok(Preface::Incomplete) };
    let Some(whole) = buf.get(..len) else { return Ok(Preface::Incomplete) };
    if is_local {
        return Ok(unnamed(len));
    }
    let header = v2::Header::try_from(whole).map_err(|_| PrefaceError::Malformed)?;
    let ends: Option<(SocketAddr, SocketAddr)> = match header.addresses {
        // Its address block has no known length, so no TLV can be found in it either.
        v2::Addresses::Unspecified => return Ok(unnamed(len)),
        v2::Addresses::Unix(_) => None,
        v2::Addresses::IPv4(ip) => {
            Some(((ip.source_address, ip.source_port).into(), (ip.destination_address, ip.destination_port).into()))
        }
        v2::Addresses::IPv6(ip) => {
            Some(((ip.source_address, ip.source_port).into(), (ip.destination_address, ip.destination_port).into()))
        }
    };
    tlv::check(whole, &header)?;
    // What is no TCP is read as UNSPEC, as section 2.2 asks of receivers that have no use for it.
    Ok(match ends.filter(|_| header.protocol == v2::Protocol::Stream) {
        None => unnamed(len),
        Some((source, destination)) => {
            Preface::Done { consumed: len, source: Some(source), destination: Some(destination) }
        }
    })
}

/// The length of the whole header, once its length field is there.
fn v2_len(buf: &[u8]) -> Result<Option<usize>, PrefaceError> {
    let Some(field) = buf.get(V2_FIXED_LEN - 2..V2_FIXED_LEN) else { return Ok(None) };
    let len = V2_FIXED_LEN + field.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    match len <= MAX_V2_LEN {
        true => Ok(Some(len)),
        false => Err(PrefaceError::TooLong),
    }
}
