//! What a decision may look at.

use std::net::{IpAddr, Ipv4Addr};

use super::mcp::Mcp;
use super::ssh::Login;
use crate::plan::client_certificate::{Leaf, Standing};
use crate::plan::session::Session;

/// One request, as policies see it. Make one from the default and set what is known, so that a new field touches few
/// places; whatever is left out counts against the request where a criterion asks for it.
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
    /// What the client's certificate says, when one was shown, valid or not.
    pub certificate: Option<&'a Leaf>,
    /// Whether that certificate is valid for the route; where none is asked for, it is.
    pub standing: Standing,
    /// The time of the request, in Unix seconds.
    pub now: i64,
    /// What is asked of an MCP server; read where [`super::Policy::needs_message`] says so.
    pub mcp: Mcp<'a>,
    /// Who comes by SSH, where somebody does.
    pub ssh: Option<&'a Login>,
}

/// `GET /` from nobody and nowhere, in 1970.
impl Default for Facts<'_> {
    fn default() -> Self {
        Facts {
            session: None,
            method: "GET",
            path: "/",
            source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            cors_preflight: false,
            certificate: None,
            standing: Standing::Valid,
            now: 0,
            mcp: Mcp::Nothing,
            ssh: None,
        }
    }
}
