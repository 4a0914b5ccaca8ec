//! Routes to servers of the Model Context Protocol.

/// Largest body that is read for its message where the route says nothing (Pomerium: 4 KiB).
pub const BODY_BYTES_DEFAULT: usize = 4096;
/// Largest value of `max_request_bytes`: such bodies are held in memory before they are sent on.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// `mcp.server`: what lies behind the route is an MCP server, and who asks is a program. Programs are never redirected, and
/// are told by 401 where the metadata of the resource is (RFC 9728).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `max_request_bytes`: largest body that is read for its message.
    pub body_bytes_max: usize,
    /// `path` of the server, without a trailing `/`; empty for the root.
    pub path: Box<str>,
}
