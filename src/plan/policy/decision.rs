//! From the results of `allow` and `deny` to what shall be done.

use super::reason::{Reason, Reasons};
use super::rule::Outcome;

/// Status of a refusal when nothing says otherwise.
const FORBIDDEN: u16 = 403;
/// No route takes the request.
const NOT_FOUND: u16 = 404;
/// Pomerium's status for a device that may not pass.
const DEVICE_UNAUTHORIZED: u16 = 450;
/// Pomerium's (and nginx's) status for a missing or bad client certificate.
const INVALID_CLIENT_CERTIFICATE: u16 = 495;

/// What shall be done with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    /// Nobody is signed in and the policy needs to know who it is.
    SignIn,
    /// Somebody is signed in, and the policy needs to know by which device.
    ShowDevice,
    /// Refused, with an HTTP status (403, 404, 450, 495).
    Deny(u16),
}

/// A verdict, and the two results it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub allow: Outcome,
    pub deny: Outcome,
    /// The policy asks for the message in the body, and the body is none: refused, whatever the results are.
    pub is_unread: bool,
}

impl Decision {
    pub(super) fn new(allow: Outcome, deny: Outcome, is_unread: bool) -> Decision {
        let verdict = match verdict(allow, deny) {
            Verdict::Allow if is_unread => Verdict::Deny(FORBIDDEN),
            verdict => verdict,
        };
        Decision { verdict, allow, deny, is_unread }
    }

    /// Why: the reasons of the part that decided.
    pub fn reasons(&self) -> Reasons {
        match self.verdict {
            Verdict::Allow => self.allow.reasons,
            Verdict::SignIn => Reason::UserUnauthenticated.into(),
            Verdict::ShowDevice => Reason::DeviceUnauthenticated.into(),
            Verdict::Deny(_) if self.deny.value || has_bad_certificate(self.deny.reasons) => self.deny.reasons,
            Verdict::Deny(_) if self.allow.value => Reason::McpNotAToolCall.into(),
            Verdict::Deny(_) => self.allow.reasons,
        }
    }
}

pub(super) fn verdict(allow: Outcome, deny: Outcome) -> Verdict {
    // Before sign-in: a client without the certificate it needs shall not be sent to the identity provider.
    if has_bad_certificate(deny.reasons) {
        return Verdict::Deny(INVALID_CLIENT_CERTIFICATE);
    }
    let reasons = allow.reasons | deny.reasons;
    // Whatever the values are: they may be others once it is known who asks, and by which device.
    if reasons.contains(Reason::UserUnauthenticated) {
        return Verdict::SignIn;
    }
    if reasons.contains(Reason::DeviceUnauthenticated) {
        return Verdict::ShowDevice;
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
