//! How much one client, and all of them together, may open. Both keys are ours.

/// Largest value of the two caps on connections.
pub const CONNECTIONS_MAX: u64 = 10_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `max_connections`: client connections of the whole process; one more is closed at once.
    pub connections: usize,
    /// `max_connections_per_source`: the same for one IPv4 address or one IPv6 /64; after a PROXY header, the address
    /// in it counts.
    pub connections_per_source: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections: 100_000, connections_per_source: 50_000 }
    }
}
