//! The secrets of a development installation: made on the first start, re-used on every later one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

use super::DevError;
use super::provider::Client;
use super::state::StateDir;
use crate::crypto::random_bytes;
use crate::crypto::secret::Secret;

pub const SHARED_SECRET_FILE: &str = "shared_secret";
pub const COOKIE_SECRET_FILE: &str = "cookie_secret";
pub const SIGNING_KEY_FILE: &str = "signing_key.pem";
pub const CLIENT_ID_FILE: &str = "idp_client_id";
pub const CLIENT_SECRET_FILE: &str = "idp_client_secret";
pub const PROVIDER_KEY_FILE: &str = "idp_signing_key.pem";

/// Random bytes in a client secret.
const CLIENT_SECRET_BYTES: usize = 32;
/// Longest client id, in bytes.
const CLIENT_ID_BYTES_MAX: usize = 64;

/// What this process itself needs of them; the rest is read by the proxy from the files.
pub struct Keys {
    pub client: Client,
    /// Signs the identity provider's ID tokens (ES256).
    pub provider_key: KeyPair,
}

/// Reads every secret, making those that are missing.
pub fn load_or_make(state: &StateDir) -> Result<Keys, DevError> {
    for name in [SHARED_SECRET_FILE, COOKIE_SECRET_FILE] {
        let check = |text: &str| Secret::parse(text).map(drop).map_err(|e| format!("is damaged: {e}"));
        state.keep(name, || Ok(Secret::random().to_base64()), check)?;
    }
    state.keep(SIGNING_KEY_FILE, new_key, parse_key)?;
    let id = state.keep(CLIENT_ID_FILE, || Ok(new_client_id()), check_client_id)?;
    let secret = state.keep(CLIENT_SECRET_FILE, || Ok(new_client_secret()), check_client_secret)?;
    let provider_key = state.keep(PROVIDER_KEY_FILE, new_key, parse_key)?;
    Ok(Keys { client: Client::new(id, secret), provider_key })
}

/// A new P-256 key as PKCS #8 PEM.
pub fn new_key() -> Result<String, DevError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
    key.map(|key| key.serialize_pem()).map_err(|e| DevError::Make { what: "a P-256 key", cause: e.to_string() })
}

/// Reads a P-256 key from PKCS #8 PEM.
pub fn parse_key(pem: &str) -> Result<KeyPair, String> {
    KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256)
        .map_err(|_| "is not a P-256 private key in PKCS #8 PEM".into())
}

fn new_client_id() -> String {
    let tail = u32::from_be_bytes(random_bytes());
    format!("vallum-dev-{tail:08x}")
}

fn check_client_id(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if text.is_empty() || text.len() > CLIENT_ID_BYTES_MAX || !plain {
        return Err("is not a client id of 1 to 64 letters, digits and hyphens".into());
    }
    Ok(text.to_owned())
}

fn new_client_secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<CLIENT_SECRET_BYTES>())
}

fn check_client_secret(text: &str) -> Result<String, String> {
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if bytes.len() == CLIENT_SECRET_BYTES => Ok(text.to_owned()),
        _ => Err("is not a client secret of 32 bytes in base64url".into()),
    }
}
