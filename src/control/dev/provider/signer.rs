//! The provider's ES256 key: signs ID tokens, publishes its public half, recognises its own tokens again.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::control::dev::DevError;

/// Signs and recognises ID tokens.
pub struct TokenSigner {
    header: Header,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwks: Value,
}

impl TokenSigner {
    /// Takes a P-256 key.
    pub fn new(key: &KeyPair) -> Result<Self, DevError> {
        let failed = |cause: &str| DevError::Make { what: "the ID token signer", cause: cause.to_owned() };
        // An uncompressed point: 0x04, x, y (SEC 1 section 2.3.3).
        let [4, point @ ..] = key.public_key_raw() else { return Err(failed("the key is not an uncompressed point")) };
        let (x, y) = point.split_at_checked(32).ok_or_else(|| failed("the key is not on P-256"))?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = thumbprint(&x, &y);
        let verifying = DecodingKey::from_ec_components(&x, &y).map_err(|e| failed(&e.to_string()))?;
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": kid,
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid);
        let signing = EncodingKey::from_ec_der(key.serialized_der());
        Ok(TokenSigner { header, signing, verifying, jwks: json!({ "keys": [jwk] }) })
    }

    /// The public key set.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// Signs claims as a compact JWS.
    pub fn sign(&self, claims: &Value) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&self.header, claims, &self.signing)
    }

    /// The claims of a token that was signed here, however old (RP-Initiated Logout 1.0 section 2 wants old ones
    /// accepted).
    pub fn recognise(&self, token: &str) -> Option<Value> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode(token, &self.verifying, &validation).ok().map(|token| token.claims)
    }
}

/// RFC 7638: the hash of the required members, in order of their names.
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}
