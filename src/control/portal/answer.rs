//! How our pages answer: status, body, and the header fields that every answer of ours carries.

use ::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, REFRESH};
use ::http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use ::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use maud::{Markup, html};
use url::Url;

use super::refusal::Refusal;
use crate::http::page;
use crate::plan::Plan;
use crate::plan::identity::SameSite;

/// What a page gives.
pub(super) type Answered = Result<Response<Bytes>, Refusal>;

/// A status without a body.
pub(super) fn bare(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

pub(super) fn with_body(status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn html(title: &str, body: Markup) -> Response<Bytes> {
    with_body(StatusCode::OK, "text/html; charset=utf-8", page::layout(title, body).into_string())
}

pub(super) fn json(value: &serde_json::Value) -> Response<Bytes> {
    with_body(StatusCode::OK, "application/json", value.to_string())
}

pub(super) fn text(text: &str) -> Response<Bytes> {
    with_body(StatusCode::OK, "text/plain; charset=utf-8", text.to_owned())
}

/// 302 to a URL or path of our own making.
pub(super) fn redirect(location: &str) -> Response<Bytes> {
    match HeaderValue::from_str(location) {
        Ok(value) => {
            let mut response = bare(StatusCode::FOUND);
            response.headers_mut().insert(LOCATION, value);
            response
        }
        // URLs are ASCII once parsed; this is for a defect of ours alone.
        Err(_) => bare(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Sends the browser on after a cookie was set. Browsers withhold `SameSite=Strict` cookies from a chain of redirects
/// that began on another site, so there the chain is broken by a page that goes on by itself.
pub(super) fn onward(plan: &Plan, url: &Url) -> Response<Bytes> {
    if plan.identity.cookie.same_site != Some(SameSite::Strict) {
        return redirect(url.as_str());
    }
    let body = html! {
        div.card {
            h1 { "You are signed in" }
            p { a.button href=(url) { "Go on" } }
        }
    };
    let mut response = html("Signed in", body);
    if let Ok(value) = HeaderValue::from_str(&format!("0;url={url}")) {
        response.headers_mut().insert(REFRESH, value);
    }
    response
}

/// Adds what every answer of ours carries. An answer that says nothing about caching is not stored.
pub(super) fn finish(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_SECURITY_POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    headers.insert("x-pomerium-intercepted-response", HeaderValue::from_static("true"));
    response
}
