//! Signing the assertions that upstreams verify (RFC 7515), and the public key set that they verify them with.

use serde::Serialize;

/// Signs assertions with one key, named by its RFC 7638 thumbprint.
pub struct Signer {
    header: jsonwebtoken::Header,
    key: jsonwebtoken::EncodingKey,
    jwks: serde_json::Value,
}

/// Why a signing key was refused or a signature could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("the signing key is neither base64 nor PEM")]
    Encoding,
    #[error("the signing key is not an EC (P-256, P-384) or RSA private key: {0}")]
    Key(String),
    #[error("signing failed: {0}")]
    Sign(String),
}

impl Signer {
    /// Reads `signing_key`: a PEM private key (EC P-256 or P-384, or RSA of at least 2048 bits), or the same in base64.
    pub fn parse(_text: &str) -> Result<Self, SignerError> {
        Err(SignerError::Encoding)
    }

    /// The P-256 key that Pomerium derives from the shared secret when no `signing_key` is configured.
    pub fn derived(_secret: &crate::crypto::secret::Secret) -> Result<Self, SignerError> {
        Err(SignerError::Encoding)
    }

    /// The JWK set (`{"keys":[…]}`) that verifies what this signer signs; it holds public members only.
    pub fn jwks(&self) -> &serde_json::Value {
        &self.jwks
    }

    /// The key id, as in the header of every signature.
    pub fn key_id(&self) -> &str {
        self.header.kid.as_deref().unwrap_or_default()
    }

    /// Signs `claims` as a compact JWS.
    pub fn sign<C: Serialize>(&self, claims: &C) -> Result<String, SignerError> {
        jsonwebtoken::encode(&self.header, claims, &self.key).map_err(|e| SignerError::Sign(e.to_string()))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.key_id())
    }
}
