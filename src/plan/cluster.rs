//! The upstream behind a route: its targets as written, its endpoints as resolved, and the order in which they take turns.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use rustls_pki_types::ServerName;

/// Most turns that a schedule may hold; larger weight sums are scaled down.
pub const SCHEDULE_TURNS_MAX: usize = 4096;

/// The upstream of one route.
#[derive(Debug)]
pub struct Cluster {
    /// As in logs and metrics.
    pub name: Box<str>,
    /// What `to` says.
    pub targets: Vec<Target>,
    /// What the endpoints speak.
    pub protocol: Protocol,
    /// TLS towards the endpoints, when the targets are `https`. All targets of a route share it.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Distinguishes connections of different TLS settings in a pool; equal settings have equal keys, 0 is clear text.
    pub tls_key: u64,
    /// The addresses behind the targets now; control replaces them when names resolve anew.
    pub endpoints: ArcSwap<Endpoints>,
}

/// What is spoken towards endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    /// `h2c://`: HTTP/2 in clear text, known beforehand (RFC 9113 section 3.3).
    Http2,
    /// HTTP/2 or HTTP/1.1, as TLS agrees on each connection (ALPN).
    Negotiated,
}

/// One entry of `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: Box<str>,
    pub port: u16,
    /// 1 when no weights are given.
    pub weight: u32,
    /// `tls_upstream_server_name`: the name to verify and to send as SNI; `None`: the host.
    pub server_name: Option<Box<str>>,
}

impl Target {
    /// The address that the target names itself: a literal one, or loopback for `localhost`. `None`: a name to resolve.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.host.parse() {
            Ok(address) => Some(address),
            Err(_) if self.host.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
            Err(_) => None,
        }
    }

    /// The target's host and, unless it is the scheme's own, its port.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        let default = if self.tls { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }

    /// The name that the endpoints must prove, and that is sent as SNI; `None` for clear text.
    pub fn verified_name(&self) -> Option<ServerName<'static>> {
        let name = self.server_name.as_deref().unwrap_or(&self.host);
        ServerName::try_from(name.to_owned()).ok().filter(|_| self.tls)
    }
}

/// The endpoints of a cluster and the order of their turns.
#[derive(Debug, Default)]
pub struct Endpoints {
    list: Vec<Arc<Endpoint>>,
    /// Indices into `list`, smoothly interleaved by weight.
    schedule: Vec<u16>,
}

/// One address of an upstream.
#[derive(Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    /// The `Host` field sent upstream unless the route preserves the client's.
    pub authority: Box<str>,
    /// The name verified and sent as SNI; `None` for clear text.
    pub server_name: Option<ServerName<'static>>,
    pub weight: u32,
    /// Milliseconds of the process's monotonic clock until which this endpoint is passed over; 0 when it is up.
    down_until_ms: AtomicU64,
    /// Connections of all workers to it.
    open: AtomicUsize,
}

/// A connection's place among all those to its endpoint; given back when dropped.
#[derive(Debug)]
pub struct Seat(Arc<Endpoint>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Endpoint {
    pub fn new(address: SocketAddr, authority: &str, server_name: Option<ServerName<'static>>, weight: u32) -> Self {
        Endpoint {
            address,
            authority: authority.into(),
            server_name,
            weight,
            down_until_ms: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        }
    }

    /// Counts one more connection to the endpoint; `None` when there are `max` already.
    pub fn enter(self: &Arc<Self>, max: usize) -> Option<Seat> {
        // Made first, so that a count that is too high is taken back by its drop. The order of other memory does not
        // depend on it.
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(self.clone());
        (before < max).then_some(seat)
    }

    /// Whether the endpoint may take a request at `now_ms`.
    pub fn is_up(&self, now_ms: u64) -> bool {
        self.down_until_ms.load(Ordering::Relaxed) <= now_ms
    }

    /// Passes the endpoint over until `until_ms`.
    pub fn mark_down(&self, until_ms: u64) {
        self.down_until_ms.store(until_ms, Ordering::Relaxed);
    }

    pub fn mark_up(&self) {
        if self.down_until_ms.load(Ordering::Relaxed) != 0 {
            self.down_until_ms.store(0, Ordering::Relaxed);
        }
    }
}

impl Endpoints {
    /// The endpoints in the order given, their turns interleaved by weight (smooth weighted round robin).
    pub fn new(list: Vec<Arc<Endpoint>>) -> Self {
        let weights: Vec<u64> = list.iter().map(|e| u64::from(e.weight.max(1))).collect();
        let schedule = schedule(&weights);
        Endpoints { list, schedule }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.list.iter()
    }

    /// How many turns make one round.
    pub fn turns(&self) -> usize {
        self.schedule.len()
    }

    /// The endpoint whose turn is `turn` (taken modulo the round); `None` when there are none.
    pub fn at(&self, turn: usize) -> Option<&Arc<Endpoint>> {
        let index = *self.schedule.get(turn.checked_rem(self.schedule.len())?)?;
        self.list.get(usize::from(index))
    }
}

/// One round of smooth weighted round robin: each index appears in proportion to its weight, spread out.
fn schedule(weights: &[u64]) -> Vec<u16> {
    let weights = scaled(weights);
    let total: i64 = weights.iter().sum();
    let mut current = vec![0i64; weights.len()];
    let mut turns = Vec::with_capacity(total as usize);
    for _ in 0..total {
        for (credit, weight) in current.iter_mut().zip(&weights) {
            *credit += weight;
        }
        let Some(best) = (0..current.len()).max_by_key(|&i| (current[i], std::cmp::Reverse(i))) else { break };
        current[best] -= total;
        turns.push(best as u16);
    }
    turns
}

/// Weights divided by their common divisor, then scaled so that they sum to at most [`SCHEDULE_TURNS_MAX`]; none becomes 0.
fn scaled(weights: &[u64]) -> Vec<i64> {
    fn gcd(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let weights = &weights[..weights.len().min(SCHEDULE_TURNS_MAX)];
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let sum: u64 = weights.iter().map(|w| w / divisor).sum();
    let room = SCHEDULE_TURNS_MAX as u64;
    weights
        .iter()
        .map(|w| w / divisor)
        .map(|w| if sum <= room { w } else { (w * room / sum / 2).max(1) })
        .map(|w| w as i64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(turns: &[u16], index: u16) -> usize {
        turns.iter().filter(|t| **t == index).count()
    }

    #[test]
    fn seats_are_given_back() {
        let endpoint = Arc::new(Endpoint::new("192.0.2.1:80".parse().unwrap(), "a", None, 1));
        let first = endpoint.enter(2);
        let second = endpoint.enter(2);
        assert!(first.is_some() && second.is_some() && endpoint.enter(2).is_none() && endpoint.enter(2).is_none());
        drop(first);
        assert!(endpoint.enter(2).is_some());
    }

    #[test]
    fn turns_follow_weights_and_are_spread() {
        assert_eq!(schedule(&[1, 1]), [0, 1]);
        assert_eq!(schedule(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(schedule(&[10, 30]).len(), 4);
        assert!(schedule(&[]).is_empty());
    }

    #[test]
    fn huge_weights_are_scaled_and_none_is_forgotten() {
        let turns = schedule(&[4_000_000_000, 1, 2_000_000_000]);
        assert!(turns.len() <= SCHEDULE_TURNS_MAX);
        assert!(count(&turns, 1) >= 1);
        let ratio = count(&turns, 0) as f64 / count(&turns, 2) as f64;
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
    }
}
