//! The answer of each criterion and its reason.
//!
//! A criterion on the session answers `user-unauthenticated` whenever nobody is signed in, whatever its matcher.

use serde_json::Value;

use super::Criterion;
use crate::plan::client_certificate::Standing;
use crate::plan::policy::facts::Facts;
use crate::plan::policy::matcher::{TextMatcher, same};
use crate::plan::policy::mcp::Mcp;
use crate::plan::policy::network;
use crate::plan::policy::reason::Reason;
use crate::plan::policy::ssh::Login;
use crate::plan::session::Session;

type Answer = (bool, Reason);

impl Criterion {
    /// The answer and its reason.
    pub(in super::super) fn judge(&self, facts: &Facts<'_>) -> Answer {
        match facts.session {
            _ if !self.asks_session() => self.judge_request(facts),
            Some(session) => self.judge_session(session, facts),
            None => (false, Reason::UserUnauthenticated),
        }
    }

    fn judge_request(&self, facts: &Facts<'_>) -> Answer {
        match self {
            Criterion::Accept => (true, Reason::Accept),
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
            Criterion::McpTool(matcher) => judge_tool(matcher, facts.mcp),
            Criterion::Date(range) => choose(range.holds(facts.now), Reason::DateOk, Reason::DateUnauthorized),
            Criterion::DayOfWeek(days) => {
                choose(days.hold(facts.now), Reason::DayOfWeekOk, Reason::DayOfWeekUnauthorized)
            }
            Criterion::TimeOfDay(times) => {
                choose(times.hold(facts.now), Reason::TimeOfDayOk, Reason::TimeOfDayUnauthorized)
            }
            Criterion::SshPublicKey(keys) => choose_key(facts.ssh.is_some_and(|login| login.has_key(keys))),
            Criterion::SshCa(keys) => {
                choose_key(facts.ssh.is_some_and(|login| login.is_certified_by(keys, facts.source, facts.now)))
            }
            Criterion::SshUsername(matcher) => {
                choose_username(facts.ssh.is_some_and(|login| matcher.holds(&login.username)))
            }
            // A quirk of Pomerium: it never matches, so it denies nobody. The rest asks for the session.
            _ => (false, Reason::Reject),
        }
    }

    fn judge_session(&self, session: &Session, facts: &Facts<'_>) -> Answer {
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
            Criterion::Device(matcher) => matcher.judge(session),
            Criterion::Record(matcher) => choose(matcher.holds(session), Reason::RecordOk, Reason::RecordUnauthorized),
            Criterion::SshUsernameMatchesEmail => {
                let local_part = session.email.split('@').next().unwrap_or_default();
                choose_username(facts.ssh.is_some_and(|login| is_called(login, local_part)))
            }
            Criterion::SshUsernameMatchesClaim(path) => {
                let names = path.values(session).iter().filter_map(Value::as_str);
                choose_username(facts.ssh.is_some_and(|login| { names }.any(|name| is_called(login, name))))
            }
            // The others do not ask for the session; `judge_request` answers them.
            _ => (false, Reason::UserUnauthorized),
        }
    }
}

fn judge_tool(matcher: &TextMatcher, mcp: Mcp<'_>) -> Answer {
    match mcp {
        Mcp::ToolCall(tool) => choose(matcher.holds(tool), Reason::McpToolMatch, Reason::McpToolNoMatch),
        Mcp::Nothing | Mcp::Other | Mcp::Unreadable => (false, Reason::McpNotAToolCall),
    }
}

/// Nobody is called nothing.
fn is_called(login: &Login, name: &str) -> bool {
    !name.is_empty() && *login.username == *name
}

fn choose_key(value: bool) -> Answer {
    choose(value, Reason::SshPublickeyOk, Reason::SshPublickeyUnauthorized)
}

fn choose_username(value: bool) -> Answer {
    choose(value, Reason::SshUsernameOk, Reason::SshUsernameUnauthorized)
}

fn choose(value: bool, held: Reason, failed: Reason) -> Answer {
    (value, if value { held } else { failed })
}
