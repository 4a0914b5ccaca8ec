//! One `http-request` line per request, with Pomerium's field names.

use std::net::IpAddr;

use super::logging::Object;

/// What is known about a request when it is over. Nothing here is formatted before it is needed.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    pub method: &'a str,
    pub authority: &'a str,
    /// Normal form, without query.
    pub path: &'a str,
    pub user_agent: &'a str,
    pub referer: &'a str,
    /// The X-Forwarded-For sent upstream.
    pub forwarded_for: &'a str,
    pub request_id: &'a str,
    pub ip: IpAddr,
    pub duration_us: u64,
    /// Bytes of the response body.
    pub size: u64,
    pub status: u16,
    /// Why the answer is what it is: a slug such as `via_upstream`, `route_not_found`.
    pub details: &'a str,
    pub source: Source,
    /// The route's name; empty when there was none.
    pub route: &'a str,
    /// The endpoint that answered; empty when none did.
    pub upstream: &'a str,
    /// What the client's certificate says, when it showed one, valid or not.
    pub client_certificate: Option<ClientCertificate<'a>>,
}

/// A client certificate, as Pomerium's log tells of it.
#[derive(Debug, Clone, Copy)]
pub struct ClientCertificate<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    /// Each with its kind in front, as OpenSSL writes them: `DNS:a.example`, `email:a@example`.
    pub names: &'a [&'a str],
    /// SHA-256, hexadecimal; ours.
    pub fingerprint: &'a str,
}

/// Who made the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Upstream,
    /// The route itself: a redirect or a fixed response.
    Route,
    /// One of our own pages.
    Portal,
    NoRoute,
    AuthDeny,
    AuthRedirect,
    BadRequest,
    UpstreamConnect,
    UpstreamTimeout,
    UpstreamProtocol,
    Limit,
    Draining,
    Internal,
}

impl Source {
    /// Every source, in the order of their metric cells.
    pub const ALL: [Source; 13] = [
        Source::Upstream,
        Source::Route,
        Source::Portal,
        Source::NoRoute,
        Source::AuthDeny,
        Source::AuthRedirect,
        Source::BadRequest,
        Source::UpstreamConnect,
        Source::UpstreamTimeout,
        Source::UpstreamProtocol,
        Source::Limit,
        Source::Draining,
        Source::Internal,
    ];

    /// The label in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Source::Upstream => "upstream",
            Source::Route => "route",
            Source::Portal => "portal",
            Source::NoRoute => "no_route",
            Source::AuthDeny => "authz_deny",
            Source::AuthRedirect => "auth_redirect",
            Source::BadRequest => "bad_request",
            Source::UpstreamConnect => "upstream_connect",
            Source::UpstreamTimeout => "upstream_timeout",
            Source::UpstreamProtocol => "upstream_protocol",
            Source::Limit => "limit",
            Source::Draining => "draining",
            Source::Internal => "internal",
        }
    }
}

impl ClientCertificate<'_> {
    fn members(&self) -> [(&'static str, &[&str]); 4] {
        use std::slice::from_ref;
        [
            ("issuer", from_ref(&self.issuer)),
            ("subject", from_ref(&self.subject)),
            ("subjectAltName[]", self.names),
            ("fingerprint", from_ref(&self.fingerprint)),
        ]
    }
}

/// Writes the line; `/ping` and `/healthz` only at debug. Never blocks: a full log queue drops the line and counts it.
pub fn write(record: &Record<'_>) {
    let certificate = record.client_certificate.as_ref().map(ClientCertificate::members);
    let certificate = certificate.as_ref().map(|members| tracing::field::display(Object(members)));
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                service = "edge",
                "upstream-cluster" = if record.upstream.is_empty() { "" } else { record.route },
                "upstream-address" = record.upstream,
                method = record.method,
                authority = record.authority,
                path = record.path,
                "user-agent" = record.user_agent,
                referer = without_query(record.referer),
                "forwarded-for" = record.forwarded_for,
                "request-id" = record.request_id,
                ip = %record.ip,
                duration = record.duration_us as f64 / 1000.0,
                size = record.size,
                "response-code" = u64::from(record.status),
                "response-code-details" = record.details,
                source = record.source.label(),
                route = record.route,
                "client-certificate{}" = certificate.as_ref(),
                "http-request"
            )
        };
    }
    if is_probe(record.path) { line!(debug) } else { line!(info) }
}

/// The paths that load balancers ask for every second.
fn is_probe(path: &str) -> bool {
    matches!(path, "/ping" | "/healthz")
}

/// Queries hold secrets: those of the page before are no business of ours either.
fn without_query(url: &str) -> &str {
    url.split_once(['?', '#']).map_or(url, |(bare, _)| bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::logging::{Format, Level, captured};
    use serde_json::{Value, json};

    fn record(path: &str) -> Record<'_> {
        Record {
            method: "GET",
            authority: "app.example.com",
            path,
            user_agent: "curl/8 \"\r\n\u{1b}[2J",
            referer: "https://a.example/x?code=secret#y",
            forwarded_for: "192.0.2.7,198.51.100.1",
            request_id: "r-1",
            ip: "192.0.2.7".parse().unwrap(),
            duration_us: 12_345,
            size: 1024,
            status: 200,
            details: "via_upstream",
            source: Source::Upstream,
            route: "app",
            upstream: "10.0.0.1:80",
            client_certificate: None,
        }
    }

    #[test]
    fn a_client_certificate_is_an_object() {
        let shown = ClientCertificate {
            issuer: "CN=ca",
            subject: "CN=\u{1f}evil\u{1e}\"\u{1b}",
            names: &["DNS:a.example", "email:a@example"],
            fingerprint: "00",
        };
        let record = Record { client_certificate: Some(shown), ..record("/a") };
        let lines = captured(Format::Json, Level::Info, || write(&record));
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            line["client-certificate"],
            json!({
                "issuer": "CN=ca", "subject": "CN= evil \"\u{1b}", "fingerprint": "00",
                "subjectAltName": ["DNS:a.example", "email:a@example"],
            })
        );
    }

    #[test]
    fn one_line_with_the_names_that_pomerium_uses() {
        let lines = captured(Format::Json, Level::Info, || write(&record("/a")));
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("time").unwrap();
        assert_eq!(
            line,
            json!({
                "level": "info", "message": "http-request", "service": "edge", "upstream-cluster": "app",
                "upstream-address": "10.0.0.1:80", "method": "GET", "authority": "app.example.com", "path": "/a",
                "user-agent": "curl/8 \"\r\n\u{1b}[2J", "referer": "https://a.example/x",
                "forwarded-for": "192.0.2.7,198.51.100.1", "request-id": "r-1", "ip": "192.0.2.7",
                "duration": 12.345, "size": 1024, "response-code": 200, "response-code-details": "via_upstream",
                "source": "upstream", "route": "app"
            })
        );
    }

    #[test]
    fn an_answer_of_our_own_names_no_cluster() {
        let own = Record { upstream: "", source: Source::AuthDeny, status: 403, ..record("/a") };
        let lines = captured(Format::Json, Level::Info, || write(&own));
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            (&line["upstream-cluster"], &line["route"], &line["source"]),
            (&json!(""), &json!("app"), &json!("authz_deny"))
        );
    }

    #[test]
    fn probes_are_told_at_debug_only() {
        let probes = || ["/ping", "/healthz"].iter().for_each(|path| write(&record(path)));
        assert_eq!(captured(Format::Json, Level::Info, probes).len(), 0);
        let lines = captured(Format::Json, Level::Debug, probes);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("{\"level\":\"debug\""), "{}", lines[0]);
    }

    #[test]
    fn every_source_has_its_own_cell_and_label() {
        for (position, source) in Source::ALL.into_iter().enumerate() {
            assert_eq!(source as usize, position);
            assert_eq!(Source::ALL.iter().filter(|other| other.label() == source.label()).count(), 1);
        }
    }
}
