//! The checks that an application should make on `X-Pomerium-Jwt-Assertion`, one by one, each with what it means.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Serialize;
use serde_json::Value;

/// How far clocks may differ, in seconds.
const SKEW_SECONDS: u64 = 60;

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    /// `None`: an earlier check failed, so that this one says nothing.
    pub ok: Option<bool>,
    /// What was found and, for a failure, what is wrong.
    pub detail: String,
}

/// All checks and, when the signature is good, what was signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub checks: Vec<Check>,
    pub claims: Option<Value>,
}

/// What each check is called, in the order in which they are made.
const NAMES: [&str; 7] = ["present", "key", "signature", "issuer", "audience", "expiry", "issued"];

impl Verdict {
    /// Whether every check was made and passed.
    pub fn verified(&self) -> bool {
        self.checks.iter().all(|check| check.ok == Some(true))
    }

    /// Whether it speaks of somebody: a good assertion of an anonymous visitor has an empty subject.
    pub fn signed_in(&self) -> bool {
        self.verified() && !self.claim("sub").is_empty()
    }

    /// A claim's text, empty when it is missing or not text.
    pub fn claim(&self, name: &str) -> &str {
        self.claims.as_ref().and_then(|claims| claims[name].as_str()).unwrap_or_default()
    }
}

/// Makes every check. `host` is the host that the client asked for, `now` is in seconds since the epoch.
pub fn examine(assertions: &[&[u8]], host: &str, jwks: &Value, now: u64) -> Verdict {
    let mut checks = Vec::with_capacity(NAMES.len());
    let mut claims = None;
    match signed(assertions, jwks, &mut checks) {
        Err(failed) => checks.push(failed),
        Ok(found) => {
            checks.extend([issuer(&found, host), audience(&found, host), expiry(&found, now), issued(&found, now)]);
            claims = Some(found);
        }
    }
    let skipped = NAMES.iter().skip(checks.len());
    checks.extend(skipped.map(|name| Check { name, ok: None, detail: "not reached".into() }));
    Verdict { checks, claims }
}

/// The first three checks; what they say is pushed, the failure is returned.
fn signed(assertions: &[&[u8]], jwks: &Value, checks: &mut Vec<Check>) -> Result<Value, Check> {
    let assertion = present(assertions)?;
    checks.push(pass("present", format!("one assertion of {} bytes", assertion.len())));
    let (key, algorithm, kid) = key(assertion, jwks)?;
    checks.push(pass("key", format!("{algorithm:?} key {kid} is in the JWK set")));
    let claims = signature(assertion, &key, algorithm)?;
    checks.push(pass("signature", "made by that key, and nothing was changed since".into()));
    Ok(claims)
}

fn present<'a>(assertions: &[&'a [u8]]) -> Result<&'a str, Check> {
    let detail = match assertions {
        [one] => match std::str::from_utf8(one) {
            Ok(text) if !text.is_empty() => return Ok(text),
            _ => "the assertion is empty or not text".into(),
        },
        [] => "there is no X-Pomerium-Jwt-Assertion: the request did not come through the proxy, \
               or the route has no pass_identity_headers"
            .to_owned(),
        several => format!("there are {} assertions, expected one: somebody added their own", several.len()),
    };
    Err(fail("present", detail))
}

fn key(assertion: &str, jwks: &Value) -> Result<(DecodingKey, Algorithm, String), Check> {
    let failed = |detail: String| fail("key", detail);
    let header = jsonwebtoken::decode_header(assertion)
        .map_err(|_| failed("the assertion is not a JWS in compact form with a known algorithm".into()))?;
    let kid = header.kid.ok_or_else(|| failed("the assertion does not name its key (kid)".into()))?;
    let set: JwkSet =
        serde_json::from_value(jwks.clone()).map_err(|e| failed(format!("the JWK set is unreadable: {e}")))?;
    let jwk = set
        .find(&kid)
        .ok_or_else(|| failed("the JWK set has no such key: it was signed by somebody else, or keys changed".into()))?;
    // The key says which algorithm; what the assertion says about itself proves nothing.
    let algorithm = algorithm(jwk).ok_or_else(|| failed("the key in the JWK set is of an unknown kind".into()))?;
    if header.alg != algorithm {
        return Err(failed(format!("the assertion says {:?}, its key is for {algorithm:?}", header.alg)));
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|e| failed(format!("the key in the JWK set is unusable: {e}")))?;
    Ok((key, algorithm, kid))
}

fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Some(Algorithm::ES384),
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        _ => None,
    }
}

fn signature(assertion: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Value, Check> {
    let mut validation = Validation::new(algorithm);
    // Times and audience are checked, and explained, one by one below.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    match jsonwebtoken::decode::<Value>(assertion, key, &validation) {
        Ok(token) if token.claims.is_object() => Ok(token.claims),
        Ok(_) => Err(fail("signature", "what was signed is not a set of claims".into())),
        Err(error) => Err(fail("signature", format!("forged or changed on the way ({error}): trust nothing in it"))),
    }
}

fn issuer(claims: &Value, host: &str) -> Check {
    let found = claims["iss"].as_str().unwrap_or_default();
    let bare = found.strip_prefix("https://").unwrap_or(found);
    let detail = format!("iss is {found:?}");
    match !host.is_empty() && bare.strip_suffix('/').unwrap_or(bare).eq_ignore_ascii_case(host) {
        true => pass("issuer", detail),
        false => fail("issuer", format!("{detail}, expected {host:?} or \"https://{host}/\": made by another host")),
    }
}

fn audience(claims: &Value, host: &str) -> Check {
    let found = match &claims["aud"] {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    };
    let detail = format!("aud is {}", found.join(", "));
    match !host.is_empty() && found.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        true => pass("audience", detail),
        false => fail("audience", format!("{detail}; expected {host:?}: meant for another application, replayed here")),
    }
}

fn expiry(claims: &Value, now: u64) -> Check {
    match claims["exp"].as_u64() {
        None => fail("expiry", "exp is missing or not a whole number".into()),
        Some(end) if end.saturating_add(SKEW_SECONDS) <= now => {
            fail("expiry", format!("expired {} s ago: an old assertion replayed, or clocks differ", now - end))
        }
        Some(end) => pass("expiry", format!("good for {} s more", end.saturating_sub(now))),
    }
}

fn issued(claims: &Value, now: u64) -> Check {
    match claims["iat"].as_u64() {
        None => fail("issued", "iat is missing or not a whole number".into()),
        Some(start) if start > now.saturating_add(SKEW_SECONDS) => {
            fail("issued", format!("dated {} s in the future: clocks differ", start - now))
        }
        Some(start) => pass("issued", format!("{} s ago", now.saturating_sub(start))),
    }
}

fn pass(name: &'static str, detail: String) -> Check {
    Check { name, ok: Some(true), detail }
}

fn fail(name: &'static str, detail: String) -> Check {
    Check { name, ok: Some(false), detail }
}
