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

/// The legacy access fields of a route.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Legacy {
    /// `allow_public_unauthenticated_access`.
    pub public: bool,
    /// `cors_allow_preflight`.
    pub cors_preflight: bool,
    /// `allow_any_authenticated_user`.
    pub any_authenticated_user: bool,
    /// `allowed_domains`.
    pub domains: Vec<String>,
    /// `allowed_idp_claims`: claim to accepted values.
    pub claims: Vec<(String, Vec<serde_json::Value>)>,
    /// `allowed_users`.
    pub users: Vec<String>,
}

/// One step from the root of a policy document to a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A policy that cannot be compiled: where in the document, and Pomerium's text for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    pub place: Vec<Step>,
    pub message: String,
}

impl Policy {
    /// Compiles the legacy fields and the PPL document of a route. Neither given means: nobody may pass.
    pub fn compile(_legacy: &Legacy, _ppl: Option<&serde_json::Value>) -> Result<Policy, Vec<PolicyError>> {
        Ok(Policy {})
    }
}
