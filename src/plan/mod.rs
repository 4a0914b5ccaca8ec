//! The compiled configuration: immutable, shared by every worker, replaced as a whole.
//!
//! Everything here is a value or a pure decision: no I/O, no `async`. `control::config` builds a [`Plan`],
//! `link` publishes it, `edge` consults it.

pub mod certificate;
pub mod client_certificate;
pub mod cluster;
pub mod field_rules;
pub mod identity;
pub mod limits;
pub mod listener;
pub mod policy;
pub mod route;
pub mod session;
pub mod sign_in;
pub mod timeouts;

/// One generation of the configuration.
#[derive(Debug)]
pub struct Plan {
    /// 1 for the configuration of the start, one more for every reload that was adopted.
    pub generation: u64,
    /// FNV-1a of the effective configuration; equal configurations have equal checksums.
    pub checksum: u64,
    pub listener: listener::Listener,
    pub certificates: certificate::Index,
    /// Which clients are asked for a certificate, and on which terms.
    pub client_certificates: client_certificate::Index,
    pub routes: route::Table,
    pub identity: identity::Identity,
    pub timeouts: timeouts::Timeouts,
    pub limits: limits::Limits,
    pub path_rules: crate::http::path::PathRules,
    pub field_rules: field_rules::FieldRules,
    pub logs: Logs,
}

/// What is logged about each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logs {
    /// One `http-request` line per request (`proxy_log_level` info or lower).
    pub access: bool,
    /// One `authorize check` line per decision (`log_level` info or lower).
    pub authorize: bool,
}
