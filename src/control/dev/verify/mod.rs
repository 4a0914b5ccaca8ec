//! The `verify` upstream: the application behind every route of a development installation. It does what a real
//! application should do with the assertion, shows every step, and shows what it received.

mod check;
mod page;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, HOST};
use axum::http::{HeaderMap, HeaderName, Method, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::KeySource;
use super::guard::{self, Names};
use super::site::Site;
use check::Verdict;

const ASSERTION: HeaderName = HeaderName::from_static("x-pomerium-jwt-assertion");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Most bytes of a request's body that are read, and thrown away, before the answer.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The upstream. It answers by its [`Upstream::router`].
pub struct Upstream {
    site: Site,
    /// The identity provider's URL, for the link to it.
    issuer: String,
    keys: KeySource,
}

/// Everything about one request that is shown.
struct Report {
    method: Method,
    uri: Uri,
    /// The host that the client asked for, lower case, no port.
    host: String,
    verdict: Verdict,
    /// Name and value, in order of arrival.
    headers: Vec<(String, String)>,
}

impl Upstream {
    pub fn new(site: Site, issuer: String, keys: KeySource) -> Self {
        Upstream { site, issuer, keys }
    }

    /// One answer for every path.
    pub fn router(self) -> Router {
        Router::new().fallback(show).layer(from_fn(admit)).with_state(Arc::new(self))
    }

    fn report(&self, request: &Request) -> Report {
        let headers = request.headers();
        let host = asked_host(headers);
        let assertions: Vec<&[u8]> = headers.get_all(ASSERTION).iter().map(|value| value.as_bytes()).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let verdict = check::examine(&assertions, &host, &(self.keys)(), now);
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Report {
            method: request.method().clone(),
            uri: request.uri().clone(),
            host,
            verdict,
            headers: headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        }
    }
}

/// The door: local names only. Behind the proxy the name is that of the route or of this listener.
async fn admit(request: Request, next: Next) -> Response {
    match guard::is_local(&request, Names::Site) {
        true => next.run(request).await,
        false => guard::misdirected(),
    }
}

async fn show(State(upstream): State<Arc<Upstream>>, request: Request) -> Response {
    let report = upstream.report(&request);
    let as_json = wants_json(request.headers());
    drain(request.into_body()).await;
    if !as_json {
        return page::show(&upstream, &report);
    }
    let mut response = Json(report.json()).into_response();
    guard::seal(response.headers_mut());
    response
}

impl Report {
    fn json(&self) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            match headers.get_mut(name) {
                Some(Value::String(earlier)) => *earlier = format!("{earlier}, {value}"),
                _ => drop(headers.insert(name.clone(), json!(value))),
            }
        }
        json!({
            "verified": self.verdict.verified(),
            "signed_in": self.verdict.signed_in(),
            "checks": self.verdict.checks,
            "claims": self.verdict.claims,
            "method": self.method.as_str(),
            "path": self.uri.path(),
            "host": self.host,
            "headers": headers,
        })
    }
}

/// The host that the client asked the proxy for: the last `X-Forwarded-Host` (the one that the proxy added), else
/// `Host`.
fn asked_host(headers: &HeaderMap) -> String {
    let forwarded = headers.get_all(FORWARDED_HOST).iter().next_back();
    let field = forwarded.or_else(|| headers.get(HOST)).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let last = field.rsplit(',').next().unwrap_or_default().trim();
    last.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

/// Reads the body away, so that a client that still sends gets its answer instead of a broken connection.
async fn drain(mut body: Body) {
    let mut left = BODY_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len());
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests;
