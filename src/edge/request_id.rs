//! Request ids: unique, not secret, made without a system call.

use std::cell::Cell;

/// Longest id accepted from a client.
const CLIENT_ID_BYTES_MAX: usize = 128;

/// Length of a UUID's text.
const UUID_BYTES: usize = 36;
const HEX: &[u8; 16] = b"0123456789abcdef";

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
    pub fn next(&self) -> Box<str> {
        let bits = (u128::from(self.word()) << 64 | u128::from(self.word())) & !(0xf << 76) & !(0b11 << 62)
            | 0x4 << 76
            | 0b10 << 62;
        let mut text = [b'-'; UUID_BYTES];
        let mut at = 0;
        for (position, byte) in bits.to_be_bytes().into_iter().enumerate() {
            // A hyphen stays before each of these.
            at += usize::from(matches!(position, 4 | 6 | 8 | 10));
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 0xf)];
            at += 2;
        }
        // Digits and hyphens are text.
        std::str::from_utf8(&text).unwrap_or_default().into()
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
    fn only_plain_ids_are_taken_from_a_client() {
        assert_eq!(RequestIds::accept(b"abc-1.2_3:4"), Some("abc-1.2_3:4"));
        for hostile in [&b""[..], b"a b", b"a\"b", b"a\nb", &[b'a'; 129]] {
            assert_eq!(RequestIds::accept(hostile), None);
        }
    }
}
