//! What both helpers refuse, and the fields that every page of theirs carries.
//!
//! A page anywhere on the web can make a browser talk to loopback. Two guards keep such a page out: requests must
//! name a local host (a name that was rebound to 127.0.0.1 does not), and forms must come from our own pages.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::site::Site;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which host names a helper answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// `127.0.0.1` and `localhost`.
    Loopback,
    /// Those and every `*.localhost`.
    Site,
}

/// Whether a request names a host that is ours: in its only `Host` field, and in its target when that names one.
pub fn is_local<B>(request: &Request<B>, names: Names) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let target = request.uri().authority().map(|authority| authority.as_str());
    host.to_str().is_ok_and(|host| allows(names, host)) && target.is_none_or(|target| allows(names, target))
}

fn allows(names: Names, authority: &str) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let host = host.to_ascii_lowercase();
    let ours = host == "127.0.0.1" || host == "localhost" || (names == Names::Site && host.ends_with(".localhost"));
    ours && port.parse::<u16>().is_ok()
}

/// The answer to a request that names somebody else.
pub fn misdirected() -> Response {
    (StatusCode::MISDIRECTED_REQUEST, "this is a development helper; it answers to local names only\n").into_response()
}

/// Whether a form was sent by one of our own pages. Every browser says where a POST comes from; a program that says
/// nothing is let through, for nobody can make it send a person's cookie.
pub fn is_own_form(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = format!("http://{host}");
    let origin = headers.get_all(ORIGIN).iter().all(|origin| origin.as_bytes() == own.as_bytes());
    origin && headers.get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none")
}

/// A page in the common look; forms may lead into the site and nowhere else.
pub fn page(status: StatusCode, site: Site, title: &str, body: Markup) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'",
        site.any()
    );
    let policy = HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    let html = crate::http::page::layout(title, body).into_string();
    let mut response = (status, html).into_response();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    fields.insert(CONTENT_SECURITY_POLICY, policy);
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    seal(fields);
    response
}

/// Keeps an answer out of caches and out of guesses about its type.
pub fn seal(fields: &mut HeaderMap) {
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, hosts: &[&str]) -> Request<()> {
        let builder = Request::get(target);
        hosts.iter().fold(builder, |builder, host| builder.header(HOST, *host)).body(()).unwrap()
    }

    #[test]
    fn only_local_names_are_answered() {
        let cases: [(&str, &[&str], bool, bool); 12] = [
            ("/", &["127.0.0.1:8444"], true, true),
            ("/", &["LocalHost"], true, true),
            ("/", &["verify.localhost:8443"], false, true),
            ("http://127.0.0.1:1/", &["127.0.0.1:1"], true, true),
            ("http://evil.example/", &["127.0.0.1:1"], false, false),
            ("/", &[], false, false),
            ("/", &["127.0.0.1", "127.0.0.1"], false, false),
            ("/", &["evil.example:8444"], false, false),
            ("/", &["127.0.0.1.evil.example"], false, false),
            ("/", &["evillocalhost"], false, false),
            ("/", &["127.0.0.1:x"], false, false),
            ("/", &["user@127.0.0.1"], false, false),
        ];
        for (target, hosts, loopback, site) in cases {
            let request = request(target, hosts);
            assert_eq!(is_local(&request, Names::Loopback), loopback, "{target} {hosts:?}");
            assert_eq!(is_local(&request, Names::Site), site, "{target} {hosts:?}");
        }
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        let cases: [(&[(&str, &str)], bool); 7] = [
            (&[], true),
            (&[("origin", "http://127.0.0.1:8444"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://127.0.0.1:8445")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ];
        for (fields, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8444"));
            for (name, value) in fields {
                headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
            }
            assert_eq!(is_own_form(&headers), expected, "{fields:?}");
        }
    }
}
