//! Says in words why a policy did not let a request pass. Only the policy's own words and the reasons appear, never
//! what the session holds.

use std::fmt;

use super::criterion::Criterion;
use super::rule::Rule;
use super::{Facts, Policy};

/// Most lines of an explanation.
pub const FAILING_LINES_MAX: usize = 32;

impl Policy {
    /// Which conditions stood in the way: those that matched in `deny`, then those that failed in `allow`, such as
    /// `claim/groups has "admins" → claim-unauthorized`. At most [`FAILING_LINES_MAX`] lines and one that says how many
    /// were left out; empty when the request may pass.
    pub fn failing(&self, facts: &Facts<'_>) -> Vec<String> {
        let decision = self.decide(facts);
        let mut lines = Vec::new();
        if decision.deny.value {
            for rule in self.deny.iter().filter(|rule| rule.outcome(facts).value) {
                lines.extend(explain(rule, facts).map(|line| format!("deny: {line}")));
            }
        }
        if !decision.allow.value {
            for rule in &self.allow {
                lines.extend(explain(rule, facts));
            }
            if self.allow.is_empty() {
                lines.push("no rule allows anybody".to_owned());
            }
        }
        let hidden = lines.len().saturating_sub(FAILING_LINES_MAX);
        if hidden > 0 {
            lines.truncate(FAILING_LINES_MAX);
            lines.push(format!("and {hidden} more"));
        }
        lines
    }
}

fn explain<'a>(rule: &'a Rule, facts: &'a Facts<'a>) -> impl Iterator<Item = String> {
    let inverted = if rule.operator.inverts() { "not " } else { "" };
    rule.decisive(facts).map(move |(criterion, reason)| format!("{inverted}{criterion} → {reason}"))
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Criterion::Accept => f.write_str("accept"),
            Criterion::Reject => f.write_str("reject"),
            Criterion::AuthenticatedUser => f.write_str("authenticated_user"),
            Criterion::User(matcher) => write!(f, "user{matcher}"),
            Criterion::Email(matcher) => write!(f, "email{matcher}"),
            Criterion::Domain(matcher) => write!(f, "domain{matcher}"),
            Criterion::Groups(matcher) => write!(f, "groups{matcher}"),
            Criterion::Claim(path, matcher) => write!(f, "claim/{}{matcher}", path.name),
            Criterion::CorsPreflight => f.write_str("cors_preflight"),
            Criterion::HttpMethod(matcher) => write!(f, "http_method{matcher}"),
            Criterion::HttpPath(matcher) => write!(f, "http_path{matcher}"),
            Criterion::SourceIp(networks) => {
                f.write_str("source_ip in [")?;
                for (position, network) in networks.iter().enumerate() {
                    write!(f, "{}{network}", if position == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Criterion::InvalidClientCertificate => f.write_str("invalid_client_certificate"),
        }
    }
}
