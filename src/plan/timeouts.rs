//! How long we wait, and for what.

use std::time::Duration;

/// Largest value of `min_request_body_rate`, in bytes a second.
pub const BODY_RATE_MAX: u64 = 1024 * 1024;

/// Largest value of `coalesce_us`.
pub const COALESCE_MAX_US: u64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// `timeout_head` (ours): from accept to the end of the PROXY header and of the TLS handshake, and from the first byte of a request head
    /// to its last.
    pub head: Duration,
    /// `timeout_read`: how long a request body may pause; see `body_rate_min`.
    pub read: Duration,
    /// `min_request_body_rate` (ours): bytes a second that a request body must keep up over any stretch of `read`;
    /// 0: any rate will do as long as no pause is longer than that.
    pub body_rate_min: u64,
    /// `timeout_write`: within it a client must take each part of an answer, at most 64 KiB.
    pub write: Duration,
    /// `timeout_idle`: a client connection between two requests.
    pub idle: Duration,
    /// `timeout_ping` (ours): how long an endpoint of HTTP/2 may be silent while it owes answers before it is asked for a
    /// sign of life, and how long it has to give one.
    pub ping: Duration,
    /// `coalesce_us` (ours): the longest pause by which a worker lets more come together; zero: none. See `edge::coalesce`.
    pub coalesce: Duration,
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
            body_rate_min: 500,
            write: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            ping: Duration::from_secs(20),
            coalesce: Duration::from_micros(100),
            connect: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}
