//! Criteria: the single questions a policy asks of a request, and their answers.
//!
//! A criterion on the session answers `user-unauthenticated` whenever nobody is signed in, whatever its matcher.

use ipnet::IpNet;
use serde_json::Value;

use super::Facts;
use super::claim::ClaimPath;
use super::matcher::{ListMatcher, TextMatcher, same};
use super::network;
use super::problem::Problems;
use super::reason::Reason;
use super::undecidable;
use crate::plan::session::Session;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Criterion {
    Accept,
    Reject,
    AuthenticatedUser,
    User(TextMatcher),
    Email(TextMatcher),
    Domain(TextMatcher),
    Groups(ListMatcher),
    Claim(ClaimPath, ListMatcher),
    CorsPreflight,
    HttpMethod(TextMatcher),
    HttpPath(TextMatcher),
    SourceIp(Box<[IpNet]>),
    InvalidClientCertificate,
}

impl Criterion {
    /// Reads the criterion `key` (a name, or a name and a sub path behind the first `/`). `None`: it was reported.
    pub(super) fn read(key: &str, data: &Value, problems: &mut Problems) -> Option<Criterion> {
        let (name, sub_path) = key.split_once('/').unwrap_or((key, ""));
        Some(match name {
            "accept" => Criterion::Accept,
            "reject" => Criterion::Reject,
            "authenticated_user" => Criterion::AuthenticatedUser,
            "user" => Criterion::User(TextMatcher::read(data, problems)),
            "email" => Criterion::Email(TextMatcher::read(data, problems)),
            "domain" => Criterion::Domain(TextMatcher::read(data, problems)),
            "groups" => Criterion::Groups(ListMatcher::read(data, problems)),
            "claim" => Criterion::Claim(ClaimPath::new(sub_path), ListMatcher::read(data, problems)),
            "cors_preflight" => Criterion::CorsPreflight,
            "http_method" => Criterion::HttpMethod(TextMatcher::read(data, problems)),
            "http_path" => Criterion::HttpPath(TextMatcher::read(data, problems)),
            "source_ip" => Criterion::SourceIp(network::read(data, problems)),
            "invalid_client_certificate" => Criterion::InvalidClientCertificate,
            _ if undecidable::knows(name) => return undecidable::refuse(name, data, problems),
            _ => return problems.report(format_args!("unknown policy criterion: {name}")),
        })
    }

    /// The answer and its reason.
    pub(super) fn judge(&self, facts: &Facts<'_>) -> (bool, Reason) {
        match self {
            Criterion::Accept => (true, Reason::Accept),
            // A quirk of Pomerium: it never matches, so it denies nobody.
            Criterion::Reject => (false, Reason::Reject),
            Criterion::CorsPreflight => choose(facts.cors_preflight, Reason::CorsRequest, Reason::NonCorsRequest),
            Criterion::HttpMethod(matcher) => {
                choose(matcher.holds(facts.method), Reason::HttpMethodOk, Reason::HttpMethodUnauthorized)
            }
            Criterion::HttpPath(matcher) => {
                choose(matcher.holds(facts.path), Reason::HttpPathOk, Reason::HttpPathUnauthorized)
            }
            Criterion::SourceIp(networks) => {
                let inside = network::contain(networks, facts.source);
                choose(inside, Reason::SourceIpOk, Reason::SourceIpUnauthorized)
            }
            // Without a client CA every certificate, and none, counts as valid.
            Criterion::InvalidClientCertificate => (false, Reason::ValidClientCertificate),
            Criterion::AuthenticatedUser
            | Criterion::User(_)
            | Criterion::Email(_)
            | Criterion::Domain(_)
            | Criterion::Groups(_)
            | Criterion::Claim(..) => match facts.session {
                Some(session) => self.judge_session(session),
                None => (false, Reason::UserUnauthenticated),
            },
        }
    }

    fn judge_session(&self, session: &Session) -> (bool, Reason) {
        match self {
            Criterion::AuthenticatedUser => {
                choose(!session.user_id.is_empty(), Reason::UserOk, Reason::UserUnauthorized)
            }
            Criterion::User(matcher) => {
                choose(matcher.holds(&session.user_id), Reason::UserOk, Reason::UserUnauthorized)
            }
            Criterion::Email(matcher) => {
                choose(matcher.holds(&session.email), Reason::EmailOk, Reason::EmailUnauthorized)
            }
            Criterion::Domain(matcher) => {
                // Between the first and the second `@`. Without any `@` nothing matches, not even `not`.
                let domain = session.email.split('@').nth(1);
                let holds = domain.is_some_and(|domain| matcher.holds(domain));
                choose(holds, Reason::DomainOk, Reason::DomainUnauthorized)
            }
            Criterion::Groups(matcher) => {
                let groups = &session.groups;
                let contains = |wanted: &Value| groups.iter().any(|group| wanted.as_str() == Some(group));
                // No groups: no directory knows this person, and nothing matches, not even `exclude`.
                let holds = !groups.is_empty() && matcher.holds(groups.len(), contains);
                choose(holds, Reason::GroupsOk, Reason::GroupsUnauthorized)
            }
            Criterion::Claim(path, matcher) => {
                let values = path.values(session);
                let contains = |wanted: &Value| values.iter().any(|value| same(value, wanted));
                choose(matcher.holds(values.len(), contains), Reason::ClaimOk, Reason::ClaimUnauthorized)
            }
            // The others do not ask about the session; `judge` answered them.
            _ => (false, Reason::UserUnauthorized),
        }
    }

    /// Whether the answer depends on the session.
    pub(super) fn needs_session(&self) -> bool {
        match self {
            Criterion::AuthenticatedUser
            | Criterion::User(_)
            | Criterion::Email(_)
            | Criterion::Domain(_)
            | Criterion::Groups(_)
            | Criterion::Claim(..) => true,
            Criterion::Accept
            | Criterion::Reject
            | Criterion::CorsPreflight
            | Criterion::HttpMethod(_)
            | Criterion::HttpPath(_)
            | Criterion::SourceIp(_)
            | Criterion::InvalidClientCertificate => false,
        }
    }
}

fn choose(value: bool, held: Reason, failed: Reason) -> (bool, Reason) {
    (value, if value { held } else { failed })
}
