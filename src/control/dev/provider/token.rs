//! The token and userinfo endpoints (OpenID Connect Core 1.0 sections 3.1.3 and 5.3).

use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::authorize::Grant;
use super::client::ClientError;
use super::parameters::Parameters;
use super::{Provider, Shared, TOKEN_LIFE, profile, unix_now};

/// Bounds of a PKCE verifier (RFC 7636 section 4.1).
const VERIFIER_BYTES: std::ops::RangeInclusive<usize> = 43..=128;

/// An OAuth error: status, code, description.
type Fault = (StatusCode, &'static str, String);

/// POST: a code for tokens.
pub async fn redeem(State(provider): Shared, headers: HeaderMap, body: Bytes) -> Response {
    match provider.redeem(&headers, &body) {
        Ok(tokens) => Json(tokens).into_response(),
        Err((status, error, description)) => {
            let mut response =
                (status, Json(json!({ "error": error, "error_description": description }))).into_response();
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
            }
            response
        }
    }
}

/// GET and POST: who the bearer of an access token is.
pub async fn userinfo(State(provider): Shared, headers: HeaderMap) -> Response {
    let person = bearer(&headers).and_then(|token| provider.tokens.find(token, Instant::now()));
    match person {
        Some(person) => Json(profile(person)).into_response(),
        None => {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
        }
    }
}

impl Provider {
    fn redeem(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Fault> {
        let bad = |error, description: &str| (StatusCode::BAD_REQUEST, error, description.to_owned());
        let form_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let form_type = form_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        if !form_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(bad("invalid_request", "the body is not application/x-www-form-urlencoded"));
        }
        let form = Parameters::parse(body).map_err(|e| bad("invalid_request", &e.to_string()))?;
        self.client.verify(headers, &form).map_err(|error| match error {
            ClientError::TwoMethods => bad("invalid_request", &error.to_string()),
            ClientError::Wrong => (StatusCode::UNAUTHORIZED, "invalid_client", error.to_string()),
        })?;
        if form.value("grant_type") != Some("authorization_code") {
            return Err(bad("unsupported_grant_type", "grant_type must be authorization_code"));
        }
        let code = form.value("code").ok_or_else(|| bad("invalid_request", "the code is missing"))?;
        // Taken before anything else is compared: one attempt per code.
        let grant = self.codes.take(code, Instant::now());
        let grant = grant.ok_or_else(|| bad("invalid_grant", "the code is unknown, used or expired"))?;
        if form.value("redirect_uri") != Some(&grant.redirect_uri) {
            return Err(bad("invalid_grant", "redirect_uri is not the one that the code was made for"));
        }
        if !proves(form.value("code_verifier").unwrap_or_default(), &grant.challenge) {
            return Err(bad("invalid_grant", "code_verifier does not match the code_challenge"));
        }
        self.tokens(&grant)
    }

    fn tokens(&self, grant: &Grant) -> Result<Value, Fault> {
        let access = self.tokens.issue(grant.person, Instant::now());
        let now = unix_now();
        let mut claims = profile(grant.person);
        claims["iss"] = json!(self.issuer);
        claims["aud"] = json!(self.client.id());
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + TOKEN_LIFE.as_secs());
        claims["auth_time"] = json!(grant.auth_time);
        claims["at_hash"] = json!(half_hash(&access));
        if let Some(nonce) = &grant.nonce {
            claims["nonce"] = json!(nonce);
        }
        let failed = |e: jsonwebtoken::errors::Error| {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error", format!("signing failed: {e}"))
        };
        Ok(json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE.as_secs(),
            "scope": "openid profile email",
            "id_token": self.signer.sign(&claims).map_err(failed)?,
        }))
    }
}

/// RFC 7636 section 4.6, S256.
fn proves(verifier: &str, challenge: &str) -> bool {
    let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    VERIFIER_BYTES.contains(&verifier.len()) && verify_slices_are_equal(hash.as_bytes(), challenge.as_bytes()).is_ok()
}

/// `at_hash`: the left half of the hash (OpenID Connect Core 1.0 section 3.1.3.6).
fn half_hash(token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
