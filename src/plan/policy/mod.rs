//! Who may do what: Pomerium's policy language, compiled and decided here.

use std::net::IpAddr;

use super::session::Session;

/// A compiled policy: the legacy fields of a route and its PPL, merged.
#[derive(Debug, Clone, Default)]
pub struct Policy {}

/// What a decision may look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The session, when one was presented, found and valid.
    pub session: Option<&'a Session>,
    /// As received.
    pub method: &'a str,
    /// Percent-decoded, normalised, without query.
    pub path: &'a str,
    /// The client's address after PROXY and X-Forwarded-For handling.
    pub source: IpAddr,
    /// `OPTIONS` with `Origin` and `Access-Control-Request-Method`.
    pub cors_preflight: bool,
}

/// What shall be done with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// Nobody is signed in and the policy needs to know who it is.
    SignIn,
    /// Refused, with an HTTP status (403, 404, 450, 495).
    Deny(u16),
}
