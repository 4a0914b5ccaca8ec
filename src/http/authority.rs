//! The authority of a request: `host[:port]` brought to one normal form.

use std::borrow::Cow;

/// A host and a port in normal form: lower case, no trailing dot, IPv6 in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority<'a> {
    pub host: Cow<'a, str>,
    /// `None` when the client named no port.
    pub port: Option<u16>,
}

/// Why an authority was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    #[error("the host is empty")]
    Empty,
    #[error("the host holds a byte that no host may hold")]
    Byte,
    #[error("the host carries user information")]
    UserInfo,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("the IPv6 address in brackets is malformed")]
    Ipv6,
}
