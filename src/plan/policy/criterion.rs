//! Criteria: the single questions a policy asks of a request, and their answers.
//!
//! A criterion on the session answers `user-unauthenticated` whenever nobody is signed in, whatever its matcher.

use std::fmt;

use ipnet::IpNet;
use serde_json::Value;

use super::Facts;
use super::certificate::CertificateMatcher;
use super::claim::ClaimPath;
use super::matcher::{Condition, ListMatcher, TextMatcher, same};
use super::network;
use super::problem::Problems;
use super::reason::Reason;
use super::undecidable;
use crate::plan::client_certificate::Standing;
use crate::plan::session::Session;

/// One question. Written as text it is the policy's own words: `email is "a@example.com"`.
#[derive(Debug, Clone, PartialEq)]
pub enum Criterion {
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
    ClientCertificate(CertificateMatcher),
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
            "client_certificate" => Criterion::ClientCertificate(CertificateMatcher::read(data, problems)?),
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
            Criterion::ClientCertificate(matcher) => {
                let holds = facts.certificate.is_some_and(|leaf| matcher.holds(leaf));
                choose(holds, Reason::ClientCertificateOk, Reason::ClientCertificateUnauthorized)
            }
            Criterion::InvalidClientCertificate => match facts.standing {
                Standing::Valid => (false, Reason::ValidClientCertificate),
                Standing::Missing => (true, Reason::ClientCertificateRequired),
                Standing::Invalid => (true, Reason::InvalidClientCertificate),
            },
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
    pub(super) fn asks_session(&self) -> bool {
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
            | Criterion::ClientCertificate(_)
            | Criterion::InvalidClientCertificate => false,
        }
    }

    /// Whether the answer depends on anything else; if not, it stands for as long as the session does.
    pub(super) fn asks_request(&self) -> bool {
        match self {
            Criterion::CorsPreflight
            | Criterion::HttpMethod(_)
            | Criterion::HttpPath(_)
            | Criterion::SourceIp(_)
            | Criterion::ClientCertificate(_)
            | Criterion::InvalidClientCertificate => true,
            Criterion::Accept
            | Criterion::Reject
            | Criterion::AuthenticatedUser
            | Criterion::User(_)
            | Criterion::Email(_)
            | Criterion::Domain(_)
            | Criterion::Groups(_)
            | Criterion::Claim(..) => false,
        }
    }

    /// As written in a policy, without the sub path.
    pub fn name(&self) -> &'static str {
        match self {
            Criterion::Accept => "accept",
            Criterion::Reject => "reject",
            Criterion::AuthenticatedUser => "authenticated_user",
            Criterion::User(_) => "user",
            Criterion::Email(_) => "email",
            Criterion::Domain(_) => "domain",
            Criterion::Groups(_) => "groups",
            Criterion::Claim(..) => "claim",
            Criterion::CorsPreflight => "cors_preflight",
            Criterion::HttpMethod(_) => "http_method",
            Criterion::HttpPath(_) => "http_path",
            Criterion::SourceIp(_) => "source_ip",
            Criterion::ClientCertificate(_) => "client_certificate",
            Criterion::InvalidClientCertificate => "invalid_client_certificate",
        }
    }

    /// Behind the name: `groups` in `claim/groups`; else empty.
    pub fn sub_path(&self) -> &str {
        match self {
            Criterion::Claim(path, _) => &path.name,
            _ => "",
        }
    }

    /// What it asks for, all of which must hold; empty where there is nothing to choose.
    pub fn conditions(&self) -> Vec<Condition> {
        match self {
            Criterion::User(matcher)
            | Criterion::Email(matcher)
            | Criterion::Domain(matcher)
            | Criterion::HttpMethod(matcher)
            | Criterion::HttpPath(matcher) => matcher.conditions(),
            Criterion::Groups(matcher) | Criterion::Claim(_, matcher) => matcher.conditions(),
            Criterion::ClientCertificate(matcher) => matcher.conditions(),
            Criterion::SourceIp(networks) => {
                let values = networks.iter().map(|network| Value::from(network.to_string())).collect();
                vec![Condition { operator: "in", values }]
            }
            Criterion::Accept
            | Criterion::Reject
            | Criterion::AuthenticatedUser
            | Criterion::CorsPreflight
            | Criterion::InvalidClientCertificate => Vec::new(),
        }
    }
}

/// `email is "a@example.com"`, `source_ip in ["10.0.0.0/8"]`, `accept`.
impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if !self.sub_path().is_empty() {
            write!(f, "/{}", self.sub_path())?;
        }
        for (position, condition) in self.conditions().iter().enumerate() {
            write!(f, "{}{condition}", if position == 0 { " " } else { " and " })?;
        }
        Ok(())
    }
}

fn choose(value: bool, held: Reason, failed: Reason) -> (bool, Reason) {
    (value, if value { held } else { failed })
}
