//! Whether an id token may be believed (OpenID Connect Core 1.0 section 3.1.3.7). Algorithms come from our list, keys
//! from the issuer's published set: nothing in the token chooses either.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError,
};
use serde_json::{Map, Value};

/// How far the provider's clock may differ from ours, in seconds.
pub const CLOCK_LEEWAY_S: i64 = 60;
/// Longest subject (OpenID Connect Core 1.0 section 2), in bytes.
const SUBJECT_BYTES_MAX: usize = 255;
/// Longest id token, in bytes.
pub const ID_TOKEN_BYTES_MAX: usize = 64 * 1024;

const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why an id token was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// The keys that we know do not verify it; newer ones may.
    #[error("no published key of the provider verifies the id token: {0}")]
    Key(String),
    #[error("the id token is refused: {0}")]
    Refused(String),
}

/// What an id token must agree with.
pub struct Expected<'a> {
    pub issuer: &'a IssuerUrl,
    pub client_id: &'a ClientId,
    pub nonce: &'a Nonce,
    pub access_token: &'a AccessToken,
    /// Unix seconds.
    pub now: i64,
}

/// Verifies `token` and returns all of its claims.
pub fn verify(
    token: &CoreIdToken,
    keys: CoreJsonWebKeySet,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, IdTokenError> {
    let verifier = verifier(keys, expected);
    let claims = token.claims(&verifier, expected.nonce).map_err(claims_error)?;
    if let Some(hash) = claims.access_token_hash() {
        let refused = |e: &dyn std::fmt::Display| IdTokenError::Refused(e.to_string());
        let algorithm = token.signing_alg().map_err(|e| refused(&e))?;
        let key = token.signing_key(&verifier).map_err(|e| refused(&e))?;
        let actual = AccessTokenHash::from_token(expected.access_token, algorithm, key).map_err(|e| refused(&e))?;
        if actual != *hash {
            return Err(refused(&"its at_hash is not that of the access token"));
        }
    }
    let claims = payload(&token.to_string())?;
    check_parties(&claims, expected.client_id)?;
    check_dates(&claims, expected.now)?;
    check_subject(&claims)?;
    Ok(claims)
}

fn verifier(keys: CoreJsonWebKeySet, expected: &Expected<'_>) -> CoreIdTokenVerifier<'static> {
    let now = expected.now;
    // A public client's verifier: a client secret can then never serve as an HMAC key.
    CoreIdTokenVerifier::new_public_client(expected.client_id.clone(), expected.issuer.clone(), keys)
        .set_allowed_algs(ALGORITHMS)
        // `azp` decides about further audiences, in `check_parties`.
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(move || at(now - CLOCK_LEEWAY_S).into())
        .set_issue_time_verifier_fn(move |issued| {
            if issued.timestamp() > now + CLOCK_LEEWAY_S {
                return Err("it is issued in the future; compare the clocks of provider and edge".into());
            }
            Ok(())
        })
}

fn at(unix_s: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_s).unwrap_or_default())
}

fn claims_error(error: ClaimsVerificationError) -> IdTokenError {
    use SignatureVerificationError::{AmbiguousKeyId, CryptoError, NoMatchingKey};
    match error {
        ClaimsVerificationError::SignatureVerification(e @ (NoMatchingKey | AmbiguousKeyId(_) | CryptoError(_))) => {
            IdTokenError::Key(e.to_string())
        }
        // The library prints both nonces; the one we sent is a secret of the browser's.
        ClaimsVerificationError::InvalidNonce(_) => IdTokenError::Refused("its nonce is not the one we sent".into()),
        other => IdTokenError::Refused(other.to_string()),
    }
}

/// All claims of a token whose signature was verified.
fn payload(token: &str) -> Result<Map<String, Value>, IdTokenError> {
    let malformed = || IdTokenError::Refused("its payload is malformed".into());
    let encoded = token.split('.').nth(1).ok_or_else(malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).map_err(|_| malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}

/// A token for several audiences must name us as the authorized party; one that names another is not ours.
fn check_parties(claims: &Map<String, Value>, client_id: &ClientId) -> Result<(), IdTokenError> {
    let has_several = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp") {
        Some(party) if party.as_str() == Some(client_id.as_str()) => Ok(()),
        Some(_) => Err(IdTokenError::Refused("its azp is another client".into())),
        None if has_several => Err(IdTokenError::Refused("it has several audiences and no azp".into())),
        None => Ok(()),
    }
}

fn check_dates(claims: &Map<String, Value>, now: i64) -> Result<(), IdTokenError> {
    let Some(not_before) = claims.get("nbf") else { return Ok(()) };
    match not_before.as_f64() {
        Some(seconds) if seconds <= (now + CLOCK_LEEWAY_S) as f64 => Ok(()),
        Some(_) => Err(IdTokenError::Refused("it is not valid yet; compare the clocks of provider and edge".into())),
        None => Err(IdTokenError::Refused("its nbf is not a number".into())),
    }
}

fn check_subject(claims: &Map<String, Value>) -> Result<(), IdTokenError> {
    match claims.get("sub").and_then(Value::as_str) {
        Some(subject) if (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) => Ok(()),
        _ => Err(IdTokenError::Refused(format!("its sub is not a string of 1 to {SUBJECT_BYTES_MAX} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_authorized_party_decides_about_further_audiences() {
        let client = ClientId::new("vallum".into());
        for (value, expected) in [
            (json!({"aud": "vallum"}), true),
            (json!({"aud": ["vallum"]}), true),
            (json!({"aud": ["vallum"], "azp": "vallum"}), true),
            (json!({"aud": ["vallum", "other"], "azp": "vallum"}), true),
            (json!({"aud": ["vallum", "other"]}), false),
            (json!({"aud": ["vallum", "other"], "azp": "other"}), false),
            (json!({"aud": "vallum", "azp": "other"}), false),
            (json!({"aud": "vallum", "azp": null}), false),
        ] {
            assert_eq!(check_parties(&claims(value.clone()), &client).is_ok(), expected, "{value}");
        }
    }

    #[test]
    fn a_token_from_tomorrow_is_refused() {
        for (value, expected) in [
            (json!({}), true),
            (json!({"nbf": NOW + 60}), true),
            (json!({"nbf": NOW + 61}), false),
            (json!({"nbf": 1e300}), false),
            (json!({"nbf": "0"}), false),
        ] {
            assert_eq!(check_dates(&claims(value.clone()), NOW).is_ok(), expected, "{value}");
        }
    }

    #[test]
    fn a_subject_is_there_and_short() {
        for (value, expected) in [
            (json!({"sub": "alice"}), true),
            (json!({"sub": ""}), false),
            (json!({"sub": "x".repeat(256)}), false),
            (json!({"sub": 7}), false),
            (json!({}), false),
        ] {
            assert_eq!(check_subject(&claims(value.clone())).is_ok(), expected, "{value}");
        }
    }
}
