//! The words of the policy language, and words that people write for them.

use super::super::nearest::nearest;

/// What a criterion compares, as far as lints care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Whatever stands behind it is ignored.
    Nothing,
    /// A text matcher.
    Text,
    /// A list matcher.
    List,
    /// Addresses and ranges.
    Networks,
    /// A form of its own.
    Own,
}

/// Every criterion: its name, what it takes, and whether it asks who somebody is.
pub(super) const CRITERIA: [(&str, Takes, bool); 25] = [
    ("accept", Takes::Nothing, false),
    ("authenticated_user", Takes::Nothing, true),
    ("claim", Takes::List, true),
    ("client_certificate", Takes::Own, false),
    ("cors_preflight", Takes::Nothing, false),
    ("date", Takes::Own, false),
    ("day_of_week", Takes::Own, false),
    ("device", Takes::Own, true),
    ("domain", Takes::Text, true),
    ("email", Takes::Text, true),
    ("groups", Takes::List, true),
    ("http_method", Takes::Text, false),
    ("http_path", Takes::Text, false),
    ("invalid_client_certificate", Takes::Nothing, false),
    ("mcp_tool", Takes::Text, false),
    ("record", Takes::Own, true),
    ("reject", Takes::Nothing, false),
    ("source_ip", Takes::Networks, false),
    ("ssh_ca", Takes::Own, false),
    ("ssh_publickey", Takes::Own, false),
    ("ssh_username", Takes::Text, false),
    ("ssh_username_matches_claim", Takes::Own, true),
    ("ssh_username_matches_email", Takes::Nothing, true),
    ("time_of_day", Takes::Own, false),
    ("user", Takes::Text, true),
];

pub(super) const TEXT_OPERATORS: [&str; 7] = ["is", "not", "contains", "starts_with", "ends_with", "in", "not_in"];
pub(super) const LIST_OPERATORS: [&str; 3] = ["has", "is", "exclude"];

/// What a criterion of this name takes; `None`: there is no such criterion.
pub(super) fn takes(name: &str) -> Option<Takes> {
    CRITERIA.iter().find(|criterion| criterion.0 == name).map(|criterion| criterion.1)
}

/// Whether a criterion of this name asks who somebody is.
pub(super) fn is_about_identity(name: &str) -> bool {
    CRITERIA.iter().any(|criterion| criterion.0 == name && criterion.2)
}

/// Names that people write for a criterion, and what to write.
const MEANT: [(&str, &str); 34] = [
    ("all", "accept: true"),
    ("allow_any_authenticated_user", "authenticated_user: true"),
    ("allow_public_unauthenticated_access", "accept: true"),
    ("allowed_domains", "domain: { in: [example.com] }"),
    ("allowed_groups", "groups: { has: GROUP }"),
    ("allowed_idp_claims", "claim/NAME: VALUE"),
    ("allowed_users", "email: { in: [a@example.com] }"),
    ("any_authenticated_user", "authenticated_user: true"),
    ("anyone", "accept: true"),
    ("authenticated", "authenticated_user: true"),
    ("certificate", "client_certificate: { … }"),
    ("cidr", "source_ip: 10.0.0.0/8"),
    ("claims", "claim/NAME: VALUE"),
    ("client_cert", "client_certificate: { … }"),
    ("client_ip", "source_ip: 10.0.0.0/8"),
    ("cors", "cors_preflight: true"),
    ("day", "day_of_week: mon-fri"),
    ("email_domain", "domain: example.com"),
    ("everyone", "accept: true"),
    ("group", "groups: { has: GROUP }"),
    ("ip", "source_ip: 10.0.0.0/8"),
    ("ip_address", "source_ip: 10.0.0.0/8"),
    ("mail", "email: a@example.com"),
    ("method", "http_method: GET"),
    ("methods", "http_method: { in: [GET, HEAD] }"),
    ("path", "http_path: { starts_with: /docs/ }"),
    ("paths", "http_path: { in: [/a, /b] }"),
    ("prefix", "http_path: { starts_with: /docs/ }"),
    ("public", "accept: true"),
    ("remote_ip", "source_ip: 10.0.0.0/8"),
    ("role", "claim/role: VALUE"),
    ("roles", "claim/roles: VALUE"),
    ("time", "time_of_day: { … }"),
    ("username", "claim/preferred_username: NAME"),
];

/// Operators that people write for one of a matcher.
const MEANT_OPERATORS: [(&str, &str); 16] = [
    ("begins_with", "starts_with"),
    ("contain", "contains"),
    ("endswith", "ends_with"),
    ("eq", "is"),
    ("equal", "is"),
    ("equals", "is"),
    ("includes", "contains"),
    ("isnot", "not"),
    ("is_not", "not"),
    ("neq", "not"),
    ("notin", "not_in"),
    ("one_of", "in"),
    ("prefix", "starts_with"),
    ("startswith", "starts_with"),
    ("suffix", "ends_with"),
    ("value", "is"),
];

/// What to write where `name` was written for a criterion.
pub(super) fn meant(name: &str) -> Option<String> {
    let (name, sub) = name.split_once('/').unwrap_or((name, ""));
    let lower = name.trim().to_ascii_lowercase();
    if let Some((_, instead)) = MEANT.iter().find(|meant| meant.0 == lower) {
        return Some(format!("write `{instead}`"));
    }
    let known = CRITERIA.iter().map(|criterion| criterion.0);
    let nearest = nearest(&lower.replace('-', "_"), known)?;
    let sub = if nearest == "claim" && !sub.is_empty() { format!("/{sub}") } else { String::new() };
    Some(format!("did you mean `{nearest}{sub}`?"))
}

/// The operator of a matcher that was meant by `name`.
pub(super) fn meant_operator(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = name.trim().to_ascii_lowercase().replace('-', "_");
    let listed = MEANT_OPERATORS.iter().find(|meant| meant.0 == lower).map(|meant| meant.1);
    listed.filter(|operator| known.contains(operator)).or_else(|| nearest(&lower, known.iter().copied()))
}
