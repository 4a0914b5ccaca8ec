//! How much one client, and all of them together, may take. All of these keys are ours.

/// Largest value of the two caps on connections.
pub const CONNECTIONS_MAX: u64 = 10_000_000;
/// Largest value of `min_request_body_rate`, in bytes a second.
pub const BODY_RATE_MAX: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `max_connections`: client connections of the whole process; one more is closed at once.
    pub connections: usize,
    /// `max_connections_per_source`: the same for one IPv4 address or one IPv6 /64; after a PROXY header, the address
    /// in it counts.
    pub connections_per_source: usize,
    /// `min_request_body_rate`: bytes a second that a request body must keep up over any stretch of
    /// `timeout_read`; 0: any rate will do as long as no pause is longer than that.
    pub body_rate_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 100_000, connections_per_source: 50_000, body_rate_min: 500 }
    }
}
