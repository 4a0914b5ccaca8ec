//! The handshake, where one side speaks HTTP/2, which has no keys (RFC 8441 section 5): towards an upstream of HTTP/1.1 the
//! key is ours, and to a client of HTTP/1.1 the answer is.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::fields;

/// The field of a client's key.
pub const KEY: &str = "sec-websocket-key";
/// The field of the answer to it.
pub const ACCEPT: &str = "sec-websocket-accept";

/// What the answer to a key is made with (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a key before it is encoded.
const NONCE_BYTES: usize = 16;

/// The value of a `Sec-WebSocket-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Box<str>);

impl Key {
    /// A fresh one; an error when the system has no random bytes.
    pub fn random() -> Result<Key, getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        Ok(Key(STANDARD.encode(nonce).into()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether `accept`, the value of a `Sec-WebSocket-Accept`, answers this key (RFC 6455 section 4.1).
    pub fn is_answered_by(&self, accept: &[u8]) -> bool {
        answer(self.as_bytes()).as_bytes() == accept
    }
}

/// The value of a `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2).
pub fn answer(key: &[u8]) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()))
}

/// The client's key among the fields of a request: there is one, of the right length (RFC 6455 section 4.2.1).
pub fn key_in<'f>(mut pairs: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Option<&'f [u8]> {
    let mut keys = pairs.by_ref().filter(|(name, _)| fields::is_named(name, KEY.as_bytes())).map(|(_, value)| value);
    let (Some(key), None) = (keys.next(), keys.next()) else { return None };
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == NONCE_BYTES).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_holds() {
        let key = Key("dGhlIHNhbXBsZSBub25jZQ==".into());
        assert!(key.is_answered_by(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for wrong in [&b""[..], b"s3pPLMBiTxaQ9kYGzzhZRbK+xOO=", b"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="] {
            assert!(!key.is_answered_by(wrong));
        }
    }

    #[test]
    fn a_key_is_found_where_there_is_one() {
        const GOOD: (&[u8], &[u8]) = (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==");
        let key = |pairs: &[(&'static [u8], &'static [u8])]| key_in(pairs.iter().copied());
        assert_eq!(key(&[(b"host", b"x"), GOOD]), Some(GOOD.1));
        assert_eq!(answer(GOOD.1), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key(&[GOOD, GOOD]), None);
        for value in [&b""[..], b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZSE=", b"the sample nonce"] {
            assert_eq!(key(&[(b"sec-websocket-key", value)]), None);
        }
    }

    #[test]
    fn keys_are_fresh() {
        let (one, two) = (Key::random().unwrap(), Key::random().unwrap());
        assert!(one != two && one.as_bytes().len() == 24);
    }
}
