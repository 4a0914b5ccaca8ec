//! The 32-byte secrets of the configuration and the keys derived from them.

use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroize;

/// Length of a secret and of every derived key, in bytes.
pub const KEY_BYTES: usize = 32;

/// A configured secret. It is never printed and never used as a key itself.
#[derive(Clone)]
pub struct Secret([u8; KEY_BYTES]);

/// Why a secret's text was refused. The text itself is never part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the secret is empty; make one with `head -c32 /dev/urandom | base64`")]
    Empty,
    #[error("the secret is not base64; make one with `head -c32 /dev/urandom | base64`")]
    Encoding,
    #[error(
        "the secret has {0} bytes after base64 decoding, expected 32; make one with `head -c32 /dev/urandom | base64`"
    )]
    Length(usize),
}

/// What a derived key is for. The label is the HKDF `info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Seals the session cookie and programmatic tokens.
    Session,
    /// Seals the state that travels through the identity provider.
    FlowState,
    /// Seals the PKCE verifier and nonce kept in the browser during a sign-in.
    FlowSecret,
    /// Authenticates the CSRF cookie.
    Csrf,
    /// Seals the session handed from the authenticate host to a route's host.
    Handover,
    /// The P-256 key that signs assertions (Pomerium's label, so that both derive the same key).
    AssertionSigning,
    /// Signs short-lived form tokens of our own pages.
    Form,
    /// Seals the last good configuration on the disk.
    LastGood,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Session => b"vallum session v1",
            Purpose::FlowState => b"vallum flow state v1",
            Purpose::FlowSecret => b"vallum flow secret v1",
            Purpose::Csrf => b"vallum csrf v1",
            Purpose::Handover => b"vallum handover v1",
            Purpose::AssertionSigning => b"derived-jwt-signing-key",
            Purpose::Form => b"vallum form v1",
            Purpose::LastGood => b"vallum last good configuration v1",
        }
    }
}

/// A key for one purpose; wiped when dropped.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl Secret {
    /// Reads 32 bytes of base64 (standard or URL alphabet, padded or not), ignoring surrounding white space.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        let mut bytes = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
            .into_iter()
            .find_map(|engine| engine.decode(text).ok())
            .ok_or(SecretError::Encoding)?;
        let secret = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
        let length = bytes.len();
        bytes.zeroize();
        secret.map(Secret).map_err(|_| SecretError::Length(length))
    }

    /// A fresh secret from the operating system's generator.
    pub fn random() -> Self {
        Secret(crate::crypto::random_bytes())
    }

    /// The secret as standard base64, for writing it to a file of its own.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The raw bytes, for formats that Pomerium fixes (signed URLs).
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key for one purpose (HKDF-SHA256, empty salt, the purpose's label as `info`).
    pub fn derive(&self, purpose: Purpose) -> Key {
        let mut key = [0u8; KEY_BYTES];
        self.expand(purpose, &mut key);
        Key(key)
    }

    /// Fills `out` (at most 255 × 32 bytes) with key material for one purpose.
    pub fn expand(&self, purpose: Purpose, out: &mut [u8]) {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let info = [purpose.label()];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(&self.0)
            .expand(&info, Length(out.len()))
            .and_then(|okm| okm.fill(out))
            .expect("HKDF-SHA256 gives up to 8160 bytes");
    }
}

impl Key {
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_its_text_form_and_a_trailing_newline() {
        let secret = Secret::random();
        let text = format!("{}\n", secret.to_base64());
        assert_eq!(Secret::parse(&text).unwrap().bytes(), secret.bytes());
    }

    #[test]
    fn wrong_texts_are_named() {
        assert_eq!(Secret::parse(" \n").unwrap_err(), SecretError::Empty);
        assert_eq!(Secret::parse("not base64!").unwrap_err(), SecretError::Encoding);
        assert_eq!(Secret::parse("AAAA").unwrap_err(), SecretError::Length(3));
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let secret = Secret::random();
        let session = secret.derive(Purpose::Session);
        assert_ne!(session.bytes(), secret.derive(Purpose::Handover).bytes());
        assert_ne!(session.bytes(), secret.bytes());
        assert_eq!(session.bytes(), secret.derive(Purpose::Session).bytes());
    }
}
