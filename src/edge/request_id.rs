//! Request ids: unique, not secret, made without a system call.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

/// Longest id accepted from a client.
const CLIENT_ID_BYTES_MAX: usize = 128;

/// Length of a UUID's text.
const UUID_BYTES: usize = 36;

/// An id. One of ours is kept in place: there is one in every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestId {
    Ours([u8; UUID_BYTES]),
    /// The client's, or none yet.
    Theirs(Box<str>),
}

impl RequestId {
    /// An id that [`RequestIds::accept`] took from a client.
    pub fn of_client(id: &str) -> Self {
        RequestId::Theirs(id.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            RequestId::Ours(text) => text,
            RequestId::Theirs(text) => text.as_bytes(),
        }
    }
}

impl Default for RequestId {
    fn default() -> Self {
        RequestId::Theirs("".into())
    }
}

impl Deref for RequestId {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            // Digits and hyphens are text.
            RequestId::Ours(text) => std::str::from_utf8(text).unwrap_or_default(),
            RequestId::Theirs(text) => text,
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self)
    }
}

/// Makes ids in the form of a version 4 UUID.
pub struct RequestIds {
    state: Cell<[u64; 2]>,
}

impl RequestIds {
    pub fn new() -> Self {
        let seed: [u8; 16] = crate::crypto::random_bytes();
        let (a, b) = seed.split_at(8);
        let word = |bytes: &[u8]| bytes.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        RequestIds { state: Cell::new([word(a) | 1, word(b)]) }
    }

    /// A fresh id.
    pub fn next(&self) -> RequestId {
        // Version 4 and the variant of RFC 9562 section 4.
        let high = self.word() & !0xf000 | 0x4000;
        let low = self.word() & !(0b11 << 62) | 0b10 << 62;
        let words = [hex((high >> 32) as u32), hex(high as u32), hex((low >> 32) as u32), hex(low as u32)];
        let mut text = [b'-'; UUID_BYTES];
        text[..8].copy_from_slice(&words[0]);
        text[9..13].copy_from_slice(&words[1][..4]);
        text[14..18].copy_from_slice(&words[1][4..]);
        text[19..23].copy_from_slice(&words[2][..4]);
        text[24..28].copy_from_slice(&words[2][4..]);
        text[28..].copy_from_slice(&words[3]);
        RequestId::Ours(text)
    }

    /// The id that a client sent, if it is one that may stand in logs and headers.
    pub fn accept(value: &[u8]) -> Option<&str> {
        let fits = (1..=CLIENT_ID_BYTES_MAX).contains(&value.len())
            && value.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
        fits.then(|| std::str::from_utf8(value).ok()).flatten()
    }

    /// xoroshiro128++ (Blackman, Vigna).
    fn word(&self) -> u64 {
        let [a, b] = self.state.get();
        let word = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        let mixed = a ^ b;
        self.state.set([a.rotate_left(49) ^ mixed ^ (mixed << 21), mixed.rotate_left(28)]);
        word
    }
}

/// The eight digits of a word, all at once.
fn hex(word: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut digits = u64::from(word);
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((digits + 6 * ONES) >> 4) & ONES;
    (digits + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_and_differ() {
        let ids = RequestIds::new();
        let (a, b) = (ids.next(), ids.next());
        assert_ne!(a, b);
        let parsed = uuid::Uuid::parse_str(&a).unwrap();
        assert_eq!(parsed.get_version_num(), 4);
        assert_eq!(parsed.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn digits_are_hexadecimal() {
        for word in [0, 1, 0x9a, 0x0123_4567, 0x89ab_cdef, 0xa0a9_9a0f, u32::MAX] {
            assert_eq!(hex(word), format!("{word:08x}").as_bytes());
        }
    }

    #[test]
    fn only_plain_ids_are_taken_from_a_client() {
        assert_eq!(RequestIds::accept(b"abc-1.2_3:4"), Some("abc-1.2_3:4"));
        for hostile in [&b""[..], b"a b", b"a\"b", b"a\nb", &[b'a'; 129]] {
            assert_eq!(RequestIds::accept(hostile), None);
        }
    }
}
