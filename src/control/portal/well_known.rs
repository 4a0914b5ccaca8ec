//! `/.well-known/pomerium` and the key set with which upstreams verify assertions. Both are public.

use ::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use ::http::{HeaderValue, Response, StatusCode};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::json;

use super::guest::Guest;
use super::{answer, callback, sign_out};

pub(super) const PATH: &str = "/.well-known/pomerium";
pub(super) const KEYS_PATH: &str = "/.well-known/pomerium/jwks.json";

pub(super) fn document(guest: &Guest) -> Response<Bytes> {
    open(answer::json(&json!({
        "issuer": guest.own_url("/").as_str(),
        "authentication_callback_endpoint": guest.sign_in_host_url(callback::PATH).as_str(),
        "jwks_uri": guest.own_url(KEYS_PATH).as_str(),
        "frontchannel_logout_uri": guest.sign_in_host_url(sign_out::PATH).as_str(),
    })))
}

pub(super) fn keys(guest: &Guest) -> Response<Bytes> {
    let body = guest.plan.identity.signer.jwks().to_string();
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, body.as_bytes())));
    let is_known = guest.field(IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').map(str::trim).any(|known| known.trim_start_matches("W/") == tag || known == "*")
    });
    let mut response = match is_known {
        true => answer::bare(StatusCode::NOT_MODIFIED),
        false => answer::with_body(StatusCode::OK, "application/json", body),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    open(response)
}

/// Scripts of any site may read it.
fn open(mut response: Response<Bytes>) -> Response<Bytes> {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
