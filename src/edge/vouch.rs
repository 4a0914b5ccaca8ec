//! Tells the upstream who is asking: the signed assertion and the claim headers, made once per session, audience and
//! minute instead of once per request.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::exchange::Exchange;
use super::failure::Failure;
use super::worker::Worker;
use crate::plan::identity::Identity;
use crate::plan::route::Route;
use crate::plan::session::Session;

/// Life of an assertion, in seconds (Pomerium: five minutes).
const LIFE_SECONDS: i64 = 300;
/// An assertion is used again for this long, so that what an upstream gets is good for four more minutes.
const REUSED_SECONDS: i64 = 60;
/// Most audiences for which a session's assertions are kept.
const AUDIENCES_MAX: usize = 8;
/// Longest value of a claim header, in bytes; longer ones are sent empty.
const CLAIM_BYTES_MAX: usize = 8 * 1024;

/// Header lines made for one session, by audience.
#[derive(Default)]
pub struct Assertions(RefCell<Vec<Made>>);

impl Assertions {
    /// Forgets what was made: the plan changed, and with it perhaps the key.
    pub fn forget_all(&self) {
        self.0.borrow_mut().clear();
    }
}

struct Made {
    audience: Box<str>,
    at: i64,
    lines: Rc<[u8]>,
}

/// The name of the field that carries the assertion; its line is the first.
const ASSERTION: &str = "x-pomerium-jwt-assertion";

/// The header lines that vouch for the exchange's session (or for nobody), each ending in CR LF; `None` when the route
/// vouches for nobody.
pub fn lines(worker: &Worker, exchange: &Exchange) -> Result<Option<Rc<[u8]>>, Failure> {
    if !exchange.route().is_some_and(Route::vouches) {
        return Ok(None);
    }
    let known = exchange.session.known.as_deref();
    let assertions = known.map_or(&worker.anonymous, |known| &known.assertions);
    let session = known.map(|known| &*known.session);
    let now = worker.clock.unix();
    let audience = exchange.host();
    let mut made = assertions.0.borrow_mut();
    if let Some(fresh) = made.iter().find(|m| &*m.audience == audience && now - m.at < REUSED_SECONDS) {
        return Ok(Some(fresh.lines.clone()));
    }
    let lines: Rc<[u8]> = make(&exchange.plan.identity, session, audience, now)?.into();
    made.retain(|m| &*m.audience != audience);
    if made.len() >= AUDIENCES_MAX {
        made.remove(0);
    }
    made.push(Made { audience: audience.into(), at: now, lines: lines.clone() });
    Ok(Some(lines))
}

/// The assertion in [`lines`].
pub fn assertion(lines: &[u8]) -> &[u8] {
    let start = (ASSERTION.len() + ": ".len()).min(lines.len());
    let end = memchr::memchr(b'\r', lines).unwrap_or(lines.len());
    lines.get(start..end).unwrap_or_default()
}

fn make(identity: &Identity, session: Option<&Session>, audience: &str, now: i64) -> Result<Vec<u8>, Failure> {
    let claims = claims(identity, session, audience, now);
    let assertion = identity.signer.sign(&claims).map_err(|error| {
        tracing::error!(error = %error, "the assertion could not be signed");
        Failure::Internal("the assertion could not be signed")
    })?;
    let mut lines = Vec::with_capacity(assertion.len() + 64);
    push_line(&mut lines, ASSERTION, assertion.as_bytes());
    for (header, claim) in &identity.claim_headers {
        let value = claims.get(&**claim).map(as_text).unwrap_or_default();
        push_line(&mut lines, header, &header_value(&value));
    }
    Ok(lines)
}

/// The assertion's claims, as Pomerium's (`endpoints-flows`: base claims cannot be overridden by configured ones).
fn claims(identity: &Identity, session: Option<&Session>, audience: &str, now: i64) -> Map<String, Value> {
    let empty = Session::default();
    let session = session.unwrap_or(&empty);
    let mut claims = Map::new();
    for (_, claim) in &identity.claim_headers {
        if let Some(values) = claim_values(session, claim) {
            let text = values.iter().map(as_text).collect::<Vec<_>>().join(",");
            claims.insert(claim.to_string(), text.into());
        }
    }
    let groups: Vec<Value> = match session.groups.is_empty() {
        true => claim_values(session, "groups").cloned().unwrap_or_default(),
        false => session.groups.iter().map(|group| json!(group)).collect(),
    };
    let base = json!({
        "iss": audience,
        "aud": audience,
        "jti": uuid::Uuid::new_v4().to_string(),
        "iat": now,
        "exp": now + LIFE_SECONDS,
        "sub": session.user_id,
        "user": session.user_id,
        "email": session.email,
        "groups": groups,
        "sid": session.id,
        "name": session.name,
    });
    if let Value::Object(base) = base {
        claims.extend(base);
    }
    claims
}

/// For assertions the session's claim wins over the user's (in policies it is the other way round, as in Pomerium).
fn claim_values<'s>(session: &'s Session, claim: &str) -> Option<&'s Vec<Value>> {
    session.claims.get(claim).or_else(|| session.user_claims.get(claim))
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(as_text).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A claim as a header value: what is no visible ASCII is percent-encoded, so that no claim can end a line.
fn header_value(text: &str) -> Vec<u8> {
    if text.len() > CLAIM_BYTES_MAX {
        return Vec::new();
    }
    let mut value = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' => value.push(byte),
            other => value.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
    value
}

fn push_line(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value);
    lines.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_can_not_end_its_line() {
        assert_eq!(header_value("a\r\nX-Evil: 1\0é"), b"a%0D%0AX-Evil: 1%00%C3%A9");
        assert!(header_value(&"x".repeat(CLAIM_BYTES_MAX + 1)).is_empty());
    }

    #[test]
    fn the_assertion_is_found_in_its_line() {
        let mut lines = Vec::new();
        push_line(&mut lines, ASSERTION, b"a.b.c");
        push_line(&mut lines, "x-pomerium-claim-email", b"x");
        assert_eq!(assertion(&lines), b"a.b.c");
        assert_eq!(assertion(b""), b"");
    }

    #[test]
    fn lists_are_joined() {
        assert_eq!(as_text(&json!(["a", 1, null, true])), "a,1,,true");
    }
}
