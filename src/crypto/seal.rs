//! Authenticated encryption of small values that travel through a browser: XChaCha20-Poly1305 with a random
//! 24-byte nonce in front, as unpadded base64url text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::secret::Key;

const NONCE_BYTES: usize = 24;

/// Seals and opens values for one purpose.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

/// The text was not sealed by this key with this context, or was changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value is not genuine")]
pub struct NotGenuine;

impl Sealer {
    pub fn new(key: &Key) -> Self {
        Sealer(XChaCha20Poly1305::new(key.bytes().into()))
    }

    /// Seals `plain`; `context` (associated data) must be given again to open it.
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> String {
        let nonce: [u8; NONCE_BYTES] = super::random_bytes();
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: context })
            .expect("sealing a value in memory cannot fail");
        let mut bytes = Vec::with_capacity(NONCE_BYTES + sealed.len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Opens what [`Sealer::seal`] made with the same key and `context`.
    pub fn open(&self, text: &[u8], context: &[u8]) -> Result<Vec<u8>, NotGenuine> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotGenuine)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(NotGenuine)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| NotGenuine)?;
        self.0.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: context }).map_err(|_| NotGenuine)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::secret::{Purpose, Secret};
    use super::*;

    #[test]
    fn a_value_comes_back_only_with_the_same_key_and_context_and_unchanged() {
        let secret = Secret::random();
        let sealer = Sealer::new(&secret.derive(Purpose::Session));
        let text = sealer.seal(b"alice", b"cookie");
        assert_eq!(sealer.open(text.as_bytes(), b"cookie").unwrap(), b"alice");
        assert_eq!(sealer.open(text.as_bytes(), b"other"), Err(NotGenuine));
        let other = Sealer::new(&secret.derive(Purpose::Handover));
        assert_eq!(other.open(text.as_bytes(), b"cookie"), Err(NotGenuine));
        for position in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            assert_eq!(sealer.open(&bytes, b"cookie"), Err(NotGenuine), "byte {position} flipped");
        }
        assert_eq!(sealer.open(b"", b"cookie"), Err(NotGenuine));
    }
}
