//! One `authorize check` line per decision, with Pomerium's field names.

use std::net::IpAddr;

/// One decision. Reasons are the strings of the closed vocabulary.
#[derive(Debug, Clone)]
pub struct Check<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub host: &'a str,
    pub ip: IpAddr,
    pub session_id: &'a str,
    pub user: &'a str,
    pub email: &'a str,
    pub route_id: u64,
    pub allow: bool,
    pub allow_reasons: &'a [&'static str],
    pub deny: bool,
    pub deny_reasons: &'a [&'static str],
}

/// Writes the line.
pub fn write(_check: &Check<'_>) {}
