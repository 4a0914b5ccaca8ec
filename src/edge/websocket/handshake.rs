//! The handshake towards an upstream. A client of HTTP/2 sends no key (RFC 8441 section 5), so the key is ours.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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
        let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[self.as_bytes(), GUID].concat());
        STANDARD.encode(proof).as_bytes() == accept
    }
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
    fn keys_are_fresh() {
        let (one, two) = (Key::random().unwrap(), Key::random().unwrap());
        assert!(one != two && one.as_bytes().len() == 24);
    }
}
