//! Who may do what: Pomerium's policy language, compiled and decided here.
//!
//! `document` and `legacy` turn configuration into rules, `rule` and `criterion` judge a request by them, `explain` says
//! why. Deciding is pure, looks at nothing but its [`Facts`] and allocates nothing.

mod claim;
mod criterion;
mod document;
mod explain;
mod legacy;
mod matcher;
mod network;
mod problem;
mod reason;
mod rule;
mod undecidable;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::session::Session;
use document::Rules;
pub use explain::FAILING_LINES_MAX;
use problem::Problems;
pub use reason::{Reason, Reasons};
pub use rule::Outcome;
use rule::Rule;

/// Status of a refusal when nothing says otherwise.
const FORBIDDEN: u16 = 403;
/// No route takes the request.
const NOT_FOUND: u16 = 404;
/// Pomerium's status for a device that may not pass.
const DEVICE_UNAUTHORIZED: u16 = 450;
/// Pomerium's (and nginx's) status for a missing or bad client certificate.
const INVALID_CLIENT_CERTIFICATE: u16 = 495;

/// A compiled policy: the legacy fields of a route and its PPL, merged. The default lets nobody pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    allow: Box<[Rule]>,
    deny: Box<[Rule]>,
    needs_session: bool,
    asks_method: bool,
}

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

/// A verdict, and the two results it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub allow: Outcome,
    pub deny: Outcome,
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

/// A policy that cannot be compiled: where in the document, and Pomerium's text for it. For an error in the legacy field
/// `allowed_idp_claims` the place starts at the route instead: that key, the claim, the index of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PolicyError {
    pub place: Vec<Step>,
    pub message: String,
}

impl Policy {
    /// Compiles the legacy fields and the PPL document of a route. Neither given means: nobody may pass. All errors are
    /// reported, in the order of the document.
    pub fn compile(legacy: &Legacy, ppl: Option<&serde_json::Value>) -> Result<Policy, Vec<PolicyError>> {
        let mut problems = Problems::default();
        let mut rules = Rules::default();
        rules.allow.extend(legacy.rule(&mut problems));
        if let Some(document) = ppl {
            rules.read(document, &mut problems);
        }
        let needs_session = rules.allow.iter().chain(&rules.deny).any(Rule::needs_session);
        let asks_method = rules.allow.iter().chain(&rules.deny).any(Rule::asks_method);
        problems.finish(Policy { allow: rules.allow.into(), deny: rules.deny.into(), needs_session, asks_method })
    }

    /// Decides about one request.
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let allow = rule::any(&self.allow, facts);
        let deny = rule::any(&self.deny, facts);
        Decision { verdict: verdict(allow, deny), allow, deny }
    }

    /// Whether a decision may depend on who is signed in. When false, [`Facts::session`] may be left out.
    pub fn needs_session(&self) -> bool {
        self.needs_session
    }

    /// Whether a decision may depend on the method.
    pub fn asks_method(&self) -> bool {
        self.asks_method
    }
}

impl Decision {
    /// Why: the reasons of the part that decided.
    pub fn reasons(&self) -> Reasons {
        match self.verdict {
            Verdict::Allow => self.allow.reasons,
            Verdict::SignIn => Reason::UserUnauthenticated.into(),
            Verdict::Deny(_) if self.deny.value || has_bad_certificate(self.deny.reasons) => self.deny.reasons,
            Verdict::Deny(_) => self.allow.reasons,
        }
    }
}

fn verdict(allow: Outcome, deny: Outcome) -> Verdict {
    // Before sign-in: a client without the certificate it needs shall not be sent to the identity provider.
    if has_bad_certificate(deny.reasons) {
        return Verdict::Deny(INVALID_CLIENT_CERTIFICATE);
    }
    let reasons = allow.reasons | deny.reasons;
    // Whatever the values are: they may be others once it is known who asks.
    if reasons.contains(Reason::UserUnauthenticated) {
        return Verdict::SignIn;
    }
    // There are no pages yet on which a device could be shown, so this is as final as the wrong device.
    if reasons.contains(Reason::DeviceUnauthenticated) {
        return Verdict::Deny(DEVICE_UNAUTHORIZED);
    }
    if deny.value {
        return Verdict::Deny(status(deny.reasons));
    }
    if allow.value { Verdict::Allow } else { Verdict::Deny(status(allow.reasons)) }
}

fn status(reasons: Reasons) -> u16 {
    if reasons.contains(Reason::DeviceUnauthorized) {
        DEVICE_UNAUTHORIZED
    } else if reasons.contains(Reason::RouteNotFound) {
        NOT_FOUND
    } else if has_bad_certificate(reasons) {
        INVALID_CLIENT_CERTIFICATE
    } else {
        FORBIDDEN
    }
}

fn has_bad_certificate(reasons: Reasons) -> bool {
    reasons.contains(Reason::ClientCertificateRequired) || reasons.contains(Reason::InvalidClientCertificate)
}
