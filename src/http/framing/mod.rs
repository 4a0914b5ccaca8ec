//! How long is this body: one answer (RFC 9112 section 6), or a refusal.
//!
//! Where the RFC lets a recipient repair a message (merge equal lengths, prefer `chunked` over a length), we refuse:
//! a repaired message is one that some other server may read in another way. Write lengths from the number found
//! here, never from the text that was received.

mod chunks;

use super::fields;

pub use chunks::{
    ChunkDecoder, ChunkError, LAST_CHUNK, MAX_EXTENSION_BYTES, MAX_TRAILER_BYTES, MAX_TRAILERS, Step, write_chunk_head,
};

/// The largest length in a `Content-Length`, so that every sum with it stays within 64 bits.
pub const MAX_CONTENT_LENGTH: u64 = i64::MAX as u64;

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body, and there cannot be one.
    None,
    /// So many bytes, perhaps none.
    Fixed(u64),
    Chunked,
    /// With the connection; responses only.
    UntilClose,
}

/// Why the framing of a message was refused. The connection cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error("both content-length and transfer-encoding are present")]
    Both,
    #[error("content-length is present more than once")]
    RepeatedLength,
    #[error("content-length is not a decimal number up to {MAX_CONTENT_LENGTH}")]
    Length,
    #[error("transfer-encoding is present more than once")]
    RepeatedCoding,
    #[error("transfer-encoding is not exactly chunked")]
    Coding,
    #[error("transfer-encoding is present in an HTTP/1.0 message")]
    CodingBefore11,
    #[error("a field name is spelt so that some servers take it for content-length or transfer-encoding")]
    Disguised,
}

/// The body of a request. `fields` are names and values as received, values without surrounding white space.
pub fn of_request<'f>(
    version_1_1: bool,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<BodyLength, FramingError> {
    Ok(match read(version_1_1, fields)? {
        Stated::Nothing => BodyLength::None,
        Stated::Length(length) => BodyLength::Fixed(length),
        Stated::Chunked => BodyLength::Chunked,
    })
}

/// The body of a response (RFC 9112 section 6.3). The upstream is not trusted: framing that is wrong is refused even
/// where the status says that no body follows.
pub fn of_response<'f>(
    method_is_head: bool,
    method_is_connect: bool,
    status: u16,
    version_1_1: bool,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<BodyLength, FramingError> {
    let stated = read(version_1_1, fields)?;
    let tunnel = method_is_connect && (200..300).contains(&status);
    if method_is_head || tunnel || matches!(status, 100..=199 | 204 | 304) {
        return Ok(BodyLength::None);
    }
    Ok(match stated {
        Stated::Nothing => BodyLength::UntilClose,
        Stated::Length(length) => BodyLength::Fixed(length),
        Stated::Chunked => BodyLength::Chunked,
    })
}

/// The number in a `Content-Length`: digits only, at most [`MAX_CONTENT_LENGTH`].
pub fn content_length(value: &[u8]) -> Result<u64, FramingError> {
    /// As many as the largest length has; bounds leading zeros too.
    const MAX_DIGITS: usize = 19;
    if value.is_empty() || value.len() > MAX_DIGITS {
        return Err(FramingError::Length);
    }
    let mut length: u64 = 0;
    for byte in value {
        if !byte.is_ascii_digit() {
            return Err(FramingError::Length);
        }
        // Nineteen digits stay below 10^19, which fits into 64 bits.
        length = length * 10 + u64::from(byte - b'0');
    }
    if length > MAX_CONTENT_LENGTH {
        return Err(FramingError::Length);
    }
    Ok(length)
}

/// What the fields say about the length.
enum Stated {
    Nothing,
    Length(u64),
    Chunked,
}

fn read<'f>(version_1_1: bool, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Result<Stated, FramingError> {
    let mut stated = Stated::Nothing;
    for (name, value) in fields {
        if is_named(name, b"content-length")? {
            let length = content_length(value)?;
            stated = match stated {
                Stated::Nothing => Stated::Length(length),
                Stated::Length(_) => return Err(FramingError::RepeatedLength),
                Stated::Chunked => return Err(FramingError::Both),
            };
        } else if is_named(name, b"transfer-encoding")? {
            stated = match stated {
                Stated::Length(_) => return Err(FramingError::Both),
                Stated::Chunked => return Err(FramingError::RepeatedCoding),
                Stated::Nothing if !version_1_1 => return Err(FramingError::CodingBefore11),
                Stated::Nothing if value.eq_ignore_ascii_case(b"chunked") => Stated::Chunked,
                Stated::Nothing => return Err(FramingError::Coding),
            };
        }
    }
    Ok(stated)
}

/// Whether `name` is `wanted` (lower case); an error if it only becomes so when punctuation is read as a hyphen.
fn is_named(name: &[u8], wanted: &[u8]) -> Result<bool, FramingError> {
    if name.len() != wanted.len() {
        return Ok(false);
    }
    if fields::is_named(name, wanted) {
        return Ok(true);
    }
    match fields::folds_onto(name, wanted) {
        true => Err(FramingError::Disguised),
        false => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::FramingError as E;
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    fn bytes(pairs: Pairs) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }

    const ACCEPTED: &[(Pairs, BodyLength)] = &[
        (&[], BodyLength::None),
        (&[("Host", "a"), ("Content-Type", "x")], BodyLength::None),
        (&[("Content-Length", "0")], BodyLength::Fixed(0)),
        (&[("content-length", "42")], BodyLength::Fixed(42)),
        (&[("CONTENT-LENGTH", "0042")], BodyLength::Fixed(42)),
        (&[("Content-Length", "9223372036854775807")], BodyLength::Fixed(MAX_CONTENT_LENGTH)),
        (&[("Transfer-Encoding", "chunked")], BodyLength::Chunked),
        (&[("transfer-encoding", "CHUNKed")], BodyLength::Chunked),
        (&[("ContentXLength", "5")], BodyLength::None),
        (&[("X-Content-Length", "5")], BodyLength::None),
    ];

    const REFUSED: &[(Pairs, FramingError)] = &[
        (&[("Content-Length", "5"), ("Transfer-Encoding", "chunked")], E::Both),
        (&[("Transfer-Encoding", "chunked"), ("Content-Length", "5")], E::Both),
        (&[("Transfer-Encoding", "chunked"), ("Content-Length", "0")], E::Both),
        (&[("Content-Length", "5"), ("Content-Length", "5")], E::RepeatedLength),
        (&[("Content-Length", "5"), ("content-length", "6")], E::RepeatedLength),
        (&[("Content-Length", "5, 5")], E::Length),
        (&[("Content-Length", "5,6")], E::Length),
        (&[("Content-Length", "")], E::Length),
        (&[("Content-Length", " 5")], E::Length),
        (&[("Content-Length", "5 ")], E::Length),
        (&[("Content-Length", "5\t")], E::Length),
        (&[("Content-Length", "+5")], E::Length),
        (&[("Content-Length", "-5")], E::Length),
        (&[("Content-Length", "-0")], E::Length),
        (&[("Content-Length", "0x5")], E::Length),
        (&[("Content-Length", "5e1")], E::Length),
        (&[("Content-Length", "5.0")], E::Length),
        (&[("Content-Length", "1_000")], E::Length),
        (&[("Content-Length", "5\0")], E::Length),
        (&[("Content-Length", "\u{ff15}")], E::Length),
        (&[("Content-Length", "9223372036854775808")], E::Length),
        (&[("Content-Length", "18446744073709551616")], E::Length),
        (&[("Content-Length", "00000000000000000005")], E::Length),
        (&[("Transfer-Encoding", "")], E::Coding),
        (&[("Transfer-Encoding", "identity")], E::Coding),
        (&[("Transfer-Encoding", "gzip")], E::Coding),
        (&[("Transfer-Encoding", "gzip, chunked")], E::Coding),
        (&[("Transfer-Encoding", "chunked, chunked")], E::Coding),
        (&[("Transfer-Encoding", "chunked, identity")], E::Coding),
        (&[("Transfer-Encoding", "chunked;q=1")], E::Coding),
        (&[("Transfer-Encoding", ", chunked")], E::Coding),
        (&[("Transfer-Encoding", "chunked,")], E::Coding),
        (&[("Transfer-Encoding", "xchunked")], E::Coding),
        (&[("Transfer-Encoding", "chunkedx")], E::Coding),
        (&[("Transfer-Encoding", "\"chunked\"")], E::Coding),
        (&[("Transfer-Encoding", " chunked")], E::Coding),
        (&[("Transfer-Encoding", "\u{b}chunked")], E::Coding),
        (&[("Transfer-Encoding", "chunked\0")], E::Coding),
        (&[("Transfer-Encoding", "chun\u{212a}ed")], E::Coding),
        (&[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")], E::RepeatedCoding),
        (&[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")], E::RepeatedCoding),
        (&[("Transfer_Encoding", "chunked")], E::Disguised),
        (&[("Transfer.Encoding", "chunked")], E::Disguised),
        (&[("Content_Length", "5")], E::Disguised),
        (&[("content~length", "5")], E::Disguised),
    ];

    #[test]
    fn requests() {
        for (pairs, expected) in ACCEPTED {
            assert_eq!(of_request(true, bytes(pairs)), Ok(*expected), "{pairs:?}");
        }
        for (pairs, expected) in REFUSED {
            assert_eq!(of_request(true, bytes(pairs)), Err(*expected), "{pairs:?}");
        }
    }

    #[test]
    fn responses_are_held_to_the_same_rules() {
        for (pairs, expected) in ACCEPTED {
            let expected = match expected {
                BodyLength::None => BodyLength::UntilClose,
                other => *other,
            };
            assert_eq!(of_response(false, false, 200, true, bytes(pairs)), Ok(expected), "{pairs:?}");
        }
        for (pairs, expected) in REFUSED {
            for (head, status) in [(false, 200), (false, 204), (false, 304), (true, 200)] {
                let found = of_response(head, false, status, true, bytes(pairs));
                assert_eq!(found, Err(*expected), "{pairs:?} {status}");
            }
        }
    }

    #[test]
    fn http_1_0_knows_no_transfer_coding() {
        const CHUNKED: Pairs = &[("Transfer-Encoding", "chunked")];
        const LENGTH: Pairs = &[("Content-Length", "3")];
        assert_eq!(of_request(false, bytes(CHUNKED)), Err(E::CodingBefore11));
        assert_eq!(of_response(false, false, 200, false, bytes(CHUNKED)), Err(E::CodingBefore11));
        assert_eq!(of_request(false, bytes(LENGTH)), Ok(BodyLength::Fixed(3)));
    }

    #[test]
    fn responses_without_a_body() {
        const LENGTH: Pairs = &[("Content-Length", "3")];
        const CHUNKED: Pairs = &[("Transfer-Encoding", "chunked")];
        for pairs in [LENGTH, CHUNKED, &[]] {
            for status in [100, 101, 103, 199, 204, 304] {
                assert_eq!(of_response(false, false, status, true, bytes(pairs)), Ok(BodyLength::None), "{status}");
            }
            assert_eq!(of_response(true, false, 200, true, bytes(pairs)), Ok(BodyLength::None));
            assert_eq!(of_response(false, true, 200, true, bytes(pairs)), Ok(BodyLength::None));
        }
        assert_eq!(of_response(false, true, 403, true, bytes(LENGTH)), Ok(BodyLength::Fixed(3)));
        assert_eq!(of_response(false, false, 205, true, bytes(CHUNKED)), Ok(BodyLength::Chunked));
        assert_eq!(of_response(false, false, 404, false, bytes(&[])), Ok(BodyLength::UntilClose));
    }
}
