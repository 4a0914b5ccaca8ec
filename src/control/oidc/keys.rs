//! A provider's public keys, reduced to those that may verify an id token: no symmetric key, no weak key, no key for
//! encryption, and a bounded number of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::CoreJsonWebKeySet;
use serde_json::{Value, json};

use super::ProviderError;

/// Most keys of one provider that are kept.
pub const KEYS_MAX: usize = 64;
/// Shortest and longest RSA modulus, in bits: shorter is weak, longer costs more than a login is worth.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Reads a JWK set; keys that we cannot or must not use are left out.
pub fn parse(body: &[u8]) -> Result<CoreJsonWebKeySet, ProviderError> {
    let broken = |e: &dyn std::fmt::Display| ProviderError::Broken(format!("its key set cannot be read: {e}"));
    let set: Value = serde_json::from_slice(body).map_err(|e| broken(&e))?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or_else(|| broken(&"it has no array of keys"))?;
    let usable: Vec<&Value> = keys.iter().filter(|key| is_usable(key)).take(KEYS_MAX).collect();
    serde_json::from_value(json!({ "keys": usable })).map_err(|e| broken(&e))
}

fn is_usable(key: &Value) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|usage| usage != "sig") {
        return false;
    }
    match text("kty") {
        Some("RSA") => {
            text("n").and_then(bits).is_some_and(|n| RSA_BITS.contains(&n))
                && text("e").and_then(bits).is_some_and(|e| (2..=64).contains(&e))
        }
        Some("EC") => matches!(text("crv"), Some("P-256" | "P-384")),
        Some("OKP") => text("crv") == Some("Ed25519"),
        _ => false,
    }
}

/// The length of a base64url unsigned integer, in bits.
fn bits(text: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes.get(zeros)?;
    Some((bytes.len() - zeros) * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bytes: usize) -> Value {
        json!({"kty": "RSA", "kid": "r", "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes]), "e": "AQAB"})
    }

    #[test]
    fn only_strong_signing_keys_are_kept() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let ec = json!({"kty": "EC", "kid": "e", "crv": "P-256", "x": x, "y": x});
        let mut padded = vec![0u8; 10];
        padded.extend([0xff; 255]);
        let cases = [
            (rsa(256), 1),
            (rsa(255), 0),
            (rsa(2048), 0),
            (json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(padded), "e": "AQAB"}), 0),
            (json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQ"}), 0),
            (ec.clone(), 1),
            (json!({"kty": "EC", "crv": "P-256", "x": x, "y": x, "use": "enc"}), 0),
            (json!({"kty": "EC", "crv": "secp256k1", "x": x, "y": x}), 0),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": x}), 1),
            (json!({"kty": "oct", "k": "c2VjcmV0"}), 0),
            (json!("junk"), 0),
            (json!({"kty": 7}), 0),
        ];
        for (key, expected) in cases {
            let set = parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
            assert_eq!(set.keys().len(), expected, "{key}");
        }
        let many = vec![ec; KEYS_MAX + 5];
        assert_eq!(parse(json!({"keys": many}).to_string().as_bytes()).unwrap().keys().len(), KEYS_MAX);
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for text in ["", "[]", "{}", "{\"keys\":{}}", "<html>"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
