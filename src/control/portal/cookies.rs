//! The cookies of a sign-in: the session itself, the browser's token against forged flows (12 hours), and one cookie
//! per flow under way with its secrets (5 minutes). All are `Secure`; the helpers belong to their host alone.

use ::http::header::SET_COOKIE;
use ::http::{HeaderValue, Response};
use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::callback;
use super::flow::FLOW_LIFETIME_S;
use super::guest::Guest;
use crate::crypto::random_bytes;
use crate::crypto::seal::Sealer;
use crate::crypto::secret::Purpose;
use crate::plan::identity::{Identity, SameSite};
use crate::plan::session::SessionHandle;

/// Life of the browser's token, in seconds.
const CSRF_LIFETIME_S: i64 = 12 * 3600;
const TOKEN_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// RFC 9110 section 5.6.7.
const HTTP_DATE: &[BorrowedFormatItem<'static>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// What only this browser knows of a flow under way.
#[derive(Serialize, Deserialize)]
pub(super) struct FlowSecret {
    /// PKCE (RFC 7636).
    #[serde(rename = "v")]
    pub(super) verifier: String,
    #[serde(rename = "n")]
    pub(super) nonce: String,
    /// The provider that the flow was begun with (mix-up defence).
    #[serde(rename = "p")]
    pub(super) idp_id: String,
}

/// Adds a `Set-Cookie` field.
pub(super) fn add(response: &mut Response<Bytes>, cookie: String) {
    // Names are checked by the configuration, values are base64url: an invalid value is a defect of ours, and then no
    // cookie is better than a broken one.
    match HeaderValue::from_str(&cookie) {
        Ok(value) => {
            response.headers_mut().append(SET_COOKIE, value);
        }
        Err(_) => tracing::error!("a cookie could not be written"),
    }
}

/// The session cookie that holds `handle`.
pub(super) fn session(guest: &Guest, handle: &SessionHandle) -> String {
    let identity = &guest.plan.identity;
    session_text(guest, &identity.seal_session(handle), handle.expires_at)
}

/// The session cookie's removal.
pub(super) fn no_session(guest: &Guest) -> String {
    session_text(guest, "", 0)
}

fn session_text(guest: &Guest, value: &str, expires_at: i64) -> String {
    let cookie = &guest.plan.identity.cookie;
    let mut text = format!("{}={value}; Path=/; Expires={}; Secure", cookie.name, http_date(expires_at));
    if cookie.http_only {
        text.push_str("; HttpOnly");
    }
    if let Some(same_site) = cookie.same_site {
        text.push_str("; SameSite=");
        text.push_str(same_site_name(same_site));
    }
    let host = guest.url.host_str().unwrap_or_default();
    if let Some(domain) = cookie.domain.as_deref().filter(|domain| is_within(host, domain)) {
        text.push_str("; Domain=");
        text.push_str(domain.trim_start_matches('.'));
    }
    text
}

/// Browsers refuse a `Domain` that does not cover the host; then the cookie belongs to the host alone.
fn is_within(host: &str, domain: &str) -> bool {
    let domain = domain.trim_start_matches('.');
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The browser's token and its cookie: the token it has, or a new one.
pub(super) fn csrf(guest: &Guest) -> (String, String) {
    let identity = &guest.plan.identity;
    let key = csrf_key(identity);
    let name = csrf_name(identity);
    let token = guest.cookies(&name).find_map(|value| csrf_token(&key, value)).unwrap_or_else(random_bytes);
    let value = [&token, hmac::sign(&key, &token).as_ref()].concat();
    let text = helper(guest, &name, &URL_SAFE_NO_PAD.encode(value), "/", CSRF_LIFETIME_S);
    (URL_SAFE_NO_PAD.encode(token), text)
}

/// Whether this browser holds `token`.
pub(super) fn has_csrf(guest: &Guest, token: &str) -> bool {
    let Ok(token) = URL_SAFE_NO_PAD.decode(token) else { return false };
    let key = csrf_key(&guest.plan.identity);
    let name = csrf_name(&guest.plan.identity);
    guest
        .cookies(&name)
        .filter_map(|value| csrf_token(&key, value))
        .any(|held| constant_time::verify_slices_are_equal(&held, &token).is_ok())
}

fn csrf_name(identity: &Identity) -> String {
    format!("{}_csrf", identity.cookie.name)
}

fn csrf_key(identity: &Identity) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, identity.cookie_secret.derive(Purpose::Csrf).bytes())
}

/// The token in a cookie's value, if we made it.
fn csrf_token(key: &hmac::Key, value: &[u8]) -> Option<[u8; TOKEN_BYTES]> {
    let bytes = URL_SAFE_NO_PAD.decode(value).ok().filter(|bytes| bytes.len() == TOKEN_BYTES + TAG_BYTES)?;
    let (token, tag) = bytes.split_at_checked(TOKEN_BYTES)?;
    hmac::verify(key, token, tag).ok()?;
    token.try_into().ok()
}

/// The cookie that keeps `secret` for the flow of `state`.
pub(super) fn keep_flow(guest: &Guest, state: &str, secret: &FlowSecret) -> String {
    let identity = &guest.plan.identity;
    let plain = serde_json::to_vec(secret).expect("a flow's secret is plain data");
    let value = flow_sealer(identity).seal(&plain, state.as_bytes());
    helper(guest, &flow_name(identity, state), &value, callback::PATH, FLOW_LIFETIME_S)
}

/// The secret that this browser keeps for the flow of `state`.
pub(super) fn flow_secret(guest: &Guest, state: &str) -> Option<FlowSecret> {
    let identity = &guest.plan.identity;
    let (name, sealer) = (flow_name(identity, state), flow_sealer(identity));
    guest.cookies(&name).find_map(|value| {
        let plain = sealer.open(value, state.as_bytes()).ok()?;
        serde_json::from_slice(&plain).ok()
    })
}

/// The removal of what is kept for the flow of `state`.
pub(super) fn forget_flow(guest: &Guest, state: &str) -> String {
    helper(guest, &flow_name(&guest.plan.identity, state), "", callback::PATH, -guest.now)
}

/// Each flow has a cookie of its own, so that flows in several tabs do not disturb each other.
fn flow_name(identity: &Identity, state: &str) -> String {
    let hash = digest::digest(&digest::SHA256, state.as_bytes());
    let short: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}_pkce_{short}", identity.cookie.name)
}

fn flow_sealer(identity: &Identity) -> Sealer {
    Sealer::new(&identity.cookie_secret.derive(Purpose::FlowSecret))
}

/// A helper cookie. It must come back with the provider's redirect, which is a cross-site navigation: never `Strict`.
fn helper(guest: &Guest, name: &str, value: &str, path: &str, lifetime_s: i64) -> String {
    let same_site = match guest.plan.identity.cookie.same_site {
        Some(SameSite::None) => "None",
        _ => "Lax",
    };
    let expires = http_date(guest.now + lifetime_s);
    format!("{name}={value}; Path={path}; Expires={expires}; Secure; HttpOnly; SameSite={same_site}")
}

fn same_site_name(same_site: SameSite) -> &'static str {
    match same_site {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
        SameSite::None => "None",
    }
}

fn http_date(unix_s: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(unix_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    date.format(&HTTP_DATE).unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 GMT".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn a_domain_covers_itself_and_what_is_below() {
        for (host, domain, expected) in [
            ("app.example.com", "example.com", true),
            ("app.example.com", ".example.com", true),
            ("example.com", "example.com", true),
            ("badexample.com", "example.com", false),
            ("example.com", "app.example.com", false),
        ] {
            assert_eq!(is_within(host, domain), expected, "{host} {domain}");
        }
    }
}
