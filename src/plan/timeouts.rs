//! How long we wait, and for what.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the end of the PROXY header and of the TLS handshake, and from the first byte of a request head
    /// to its last.
    pub head: Duration,
    /// `timeout_read`: between two reads of a request body.
    pub read: Duration,
    /// `timeout_write`: one write to the client may stall this long.
    pub write: Duration,
    /// `timeout_idle`: a client connection between two requests.
    pub idle: Duration,
    /// TCP (and TLS) connect to an endpoint.
    pub connect: Duration,
    /// On SIGTERM: from the last accept to the end of the process.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            head: Duration::from_secs(10),
            read: Duration::from_secs(30),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            connect: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}
