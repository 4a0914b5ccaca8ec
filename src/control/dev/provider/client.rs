//! The one client and how it proves itself at the token endpoint (RFC 6749 section 2.3.1).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::parameters::Parameters;

/// An id and a secret.
pub struct Client {
    id: String,
    secret: String,
}

/// Why a client was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("the client uses two methods at once to prove itself")]
    TwoMethods,
    #[error("the client id or secret is wrong")]
    Wrong,
}

impl Client {
    pub fn new(id: String, secret: String) -> Self {
        Client { id, secret }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Checks `client_secret_basic` or `client_secret_post`.
    pub fn verify(&self, headers: &HeaderMap, form: &Parameters) -> Result<(), ClientError> {
        let basic = headers.get(AUTHORIZATION);
        let (id, secret) = match (basic, form.value("client_secret")) {
            (Some(_), Some(_)) => return Err(ClientError::TwoMethods),
            (Some(field), None) => parse_basic(field.as_bytes()).ok_or(ClientError::Wrong)?,
            (None, Some(secret)) => (form.value("client_id").unwrap_or_default().to_owned(), secret.to_owned()),
            (None, None) => return Err(ClientError::Wrong),
        };
        if form.value("client_id").is_some_and(|named| named != id) {
            return Err(ClientError::Wrong);
        }
        let id = verify_slices_are_equal(id.as_bytes(), self.id.as_bytes());
        let secret = verify_slices_are_equal(secret.as_bytes(), self.secret.as_bytes());
        id.and(secret).map_err(|_| ClientError::Wrong)
    }
}

/// `Basic base64(urlencode(id):urlencode(secret))`.
fn parse_basic(field: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = field.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim_ascii()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((decode(id)?, decode(secret)?))
}

/// Undoes the form encoding of one value, in which no separator is left.
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(authorization: Option<&str>, form: &str) -> Result<(), ClientError> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        Client::new("me".into(), "s3 cr:t".into()).verify(&headers, &Parameters::parse(form.as_bytes()).unwrap())
    }

    #[test]
    fn both_methods_work_one_at_a_time() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let good = basic("me:s3+cr%3At");
        let cases = [
            (Some(good.as_str()), "", Ok(())),
            (Some(good.as_str()), "client_id=me", Ok(())),
            (Some(good.as_str()), "client_id=you", Err(ClientError::Wrong)),
            (Some(good.as_str()), "client_id=me&client_secret=s3+cr%3At", Err(ClientError::TwoMethods)),
            (None, "client_id=me&client_secret=s3+cr%3At", Ok(())),
            (None, "client_id=me&client_secret=wrong", Err(ClientError::Wrong)),
            (None, "client_secret=s3+cr%3At", Err(ClientError::Wrong)),
            (None, "client_id=me", Err(ClientError::Wrong)),
            (Some(&basic("me:wrong")), "", Err(ClientError::Wrong)),
            (Some(&basic("you:s3+cr%3At")), "", Err(ClientError::Wrong)),
            (Some(&basic("me")), "", Err(ClientError::Wrong)),
            (Some("Basic !!"), "", Err(ClientError::Wrong)),
            (Some("Bearer x"), "", Err(ClientError::Wrong)),
            (Some("x"), "", Err(ClientError::Wrong)),
        ];
        for (authorization, form, expected) in cases {
            assert_eq!(verify(authorization, form), expected, "{authorization:?} {form:?}");
        }
    }
}
