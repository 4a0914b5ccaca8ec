//! A criterion in the policy's own words.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

use super::Criterion;
use crate::plan::policy::matcher::Condition;
use crate::plan::policy::ssh::ListedKey;

impl Criterion {
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
            Criterion::Device(_) => "device",
            Criterion::Record(_) => "record",
            Criterion::CorsPreflight => "cors_preflight",
            Criterion::HttpMethod(_) => "http_method",
            Criterion::HttpPath(_) => "http_path",
            Criterion::SourceIp(_) => "source_ip",
            Criterion::ClientCertificate(_) => "client_certificate",
            Criterion::InvalidClientCertificate => "invalid_client_certificate",
            Criterion::McpTool(_) => "mcp_tool",
            Criterion::Date(_) => "date",
            Criterion::DayOfWeek(_) => "day_of_week",
            Criterion::TimeOfDay(_) => "time_of_day",
            Criterion::SshPublicKey(_) => "ssh_publickey",
            Criterion::SshCa(_) => "ssh_ca",
            Criterion::SshUsername(_) => "ssh_username",
            Criterion::SshUsernameMatchesEmail => "ssh_username_matches_email",
            Criterion::SshUsernameMatchesClaim(_) => "ssh_username_matches_claim",
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
            | Criterion::HttpPath(matcher)
            | Criterion::McpTool(matcher)
            | Criterion::SshUsername(matcher) => matcher.conditions(),
            Criterion::Groups(matcher) | Criterion::Claim(_, matcher) => matcher.conditions(),
            Criterion::ClientCertificate(matcher) => matcher.conditions(),
            Criterion::Device(matcher) => matcher.conditions(),
            Criterion::Record(matcher) => matcher.conditions(),
            Criterion::SourceIp(networks) => among(networks.iter().map(ToString::to_string)),
            Criterion::Date(range) => range.conditions(),
            Criterion::DayOfWeek(days) => days.conditions(),
            Criterion::TimeOfDay(times) => times.conditions(),
            Criterion::SshPublicKey(keys) | Criterion::SshCa(keys) => among(keys.iter().map(fingerprint)),
            Criterion::SshUsernameMatchesClaim(path) => vec![Condition::one("is", &*path.name)],
            Criterion::Accept
            | Criterion::Reject
            | Criterion::AuthenticatedUser
            | Criterion::CorsPreflight
            | Criterion::InvalidClientCertificate
            | Criterion::SshUsernameMatchesEmail => Vec::new(),
        }
    }
}

fn among(values: impl Iterator<Item = String>) -> Vec<Condition> {
    vec![Condition { operator: "in", values: values.map(Value::from).collect() }]
}

/// As `ssh-keygen -l` shows it.
fn fingerprint(key: &ListedKey) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest))
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
