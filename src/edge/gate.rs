//! Who may connect: caps on client connections, counted over all workers, and the mark above which descriptors are
//! kept back for everything else.
//!
//! This is asked once per connection, never per request. The counts are shared because a cap that each worker counted
//! for itself would depend on how the kernel spreads connections.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::plan::limits::Limits;

/// Parts of the table of sources, each behind a lock of its own.
const SHARDS: usize = 64;
/// Most descriptors that are kept back from clients: for endpoints, control, files, the log.
const RESERVE_MAX: u64 = 4096;
/// The share of all descriptors that is kept back where there are few.
const RESERVE_SHARE: u64 = 4;

/// The share of the descriptors up to the mark that connections to one endpoint may take. Clients over HTTP/2 ask for many at
/// once, and an endpoint that hangs would else leave none for anybody.
const ENDPOINT_SHARE: usize = 2;

/// Whose connections are counted together: one IPv4 address, or one IPv6 /64, which is what one host gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(u64, bool);

impl Source {
    pub fn of(address: IpAddr) -> Source {
        match address.to_canonical() {
            IpAddr::V4(v4) => Source(u64::from(v4.to_bits()), true),
            IpAddr::V6(v6) => Source((v6.to_bits() >> 64) as u64, false),
        }
    }
}

/// Which cap is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("max_connections is reached")]
    All,
    #[error("max_connections_per_source is reached")]
    Source,
}

impl Full {
    /// As a metric label and in the log.
    pub fn slug(self) -> &'static str {
        match self {
            Full::All => "max_connections",
            Full::Source => "max_connections_per_source",
        }
    }
}

type Shard = Mutex<HashMap<Source, usize>>;

/// One for the process.
pub struct Gate {
    open: AtomicUsize,
    /// Bounded by `open`: a source without a connection has no entry.
    sources: [Shard; SHARDS],
    hasher: std::hash::RandomState,
    /// A client's descriptor with this number or a higher one is one too many.
    mark: i32,
}

impl Gate {
    /// `descriptors`: how many this process may have.
    pub fn new(descriptors: u64) -> Gate {
        let reserve = (descriptors / RESERVE_SHARE).min(RESERVE_MAX);
        Gate {
            open: AtomicUsize::new(0),
            sources: std::array::from_fn(|_| Mutex::default()),
            hasher: std::hash::RandomState::new(),
            mark: i32::try_from(descriptors - reserve).unwrap_or(i32::MAX),
        }
    }

    /// Counts one more connection from `address`, unless a cap is reached. Each success is followed by one [`Gate::leave`].
    pub fn enter(&self, limits: &Limits, address: IpAddr) -> Result<Source, Full> {
        // The order of other memory does not depend on this count.
        if self.open.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::All);
        }
        let source = Source::of(address);
        self.add(limits, source).inspect_err(|_| {
            self.open.fetch_sub(1, Ordering::Relaxed);
        })?;
        Ok(source)
    }

    /// A connection turned out to come from `address` (its PROXY header says so). When that one has too many, the
    /// connection stays counted as it was.
    pub fn move_to(&self, limits: &Limits, from: Source, address: IpAddr) -> Result<Source, Full> {
        let source = Source::of(address);
        if source != from {
            self.add(limits, source)?;
            self.remove(from);
        }
        Ok(source)
    }

    /// A connection is over.
    pub fn leave(&self, source: Source) {
        self.remove(source);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether so many descriptors are in use that no further client should get one. The system gives out the lowest
    /// free number, so a number tells how many are in use.
    pub fn is_crowded(&self, descriptor: i32) -> bool {
        descriptor >= self.mark
    }

    /// How many connections all workers may have to one endpoint.
    pub fn per_endpoint(&self) -> usize {
        usize::try_from(self.mark).unwrap_or(0) / ENDPOINT_SHARE
    }

    fn add(&self, limits: &Limits, source: Source) -> Result<(), Full> {
        let mut shard = self.shard(source).lock().unwrap_or_else(PoisonError::into_inner);
        let count = shard.get(&source).copied().unwrap_or(0);
        if count >= limits.connections_per_source {
            return Err(Full::Source);
        }
        shard.insert(source, count + 1);
        Ok(())
    }

    fn remove(&self, source: Source) {
        let mut shard = self.shard(source).lock().unwrap_or_else(PoisonError::into_inner);
        match shard.get_mut(&source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(shard.remove(&source)),
        }
    }

    fn shard(&self, source: Source) -> &Shard {
        &self.sources[self.hasher.hash_one(source) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: usize, connections_per_source: usize) -> Limits {
        Limits { connections, connections_per_source }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_source_has_its_own_count() {
        let (gate, limits) = (Gate::new(1024), limits(100, 2));
        let first = gate.enter(&limits, ip("192.0.2.1")).unwrap();
        gate.enter(&limits, ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(gate.enter(&limits, ip("192.0.2.1")), Err(Full::Source));
        gate.enter(&limits, ip("192.0.2.2")).unwrap();
        for address in ["2001:db8::1", "2001:db8::ffff:2"] {
            gate.enter(&limits, ip(address)).unwrap();
        }
        assert_eq!(gate.enter(&limits, ip("2001:db8::3")), Err(Full::Source));
        gate.enter(&limits, ip("2001:db8:0:1::3")).unwrap();
        gate.leave(first);
        gate.enter(&limits, ip("192.0.2.1")).unwrap();
    }

    #[test]
    fn all_sources_together_have_a_cap() {
        let (gate, limits) = (Gate::new(1024), limits(2, 2));
        let first = gate.enter(&limits, ip("192.0.2.1")).unwrap();
        gate.enter(&limits, ip("192.0.2.2")).unwrap();
        for _ in 0..3 {
            assert_eq!(gate.enter(&limits, ip("192.0.2.3")), Err(Full::All));
        }
        gate.leave(first);
        gate.enter(&limits, ip("192.0.2.3")).unwrap();
    }

    #[test]
    fn a_connection_moves_to_the_address_of_its_header() {
        let (gate, limits) = (Gate::new(1024), limits(100, 1));
        let (balancer, client) = (ip("10.0.0.1"), ip("192.0.2.1"));
        let source = gate.enter(&limits, balancer).unwrap();
        let source = gate.move_to(&limits, source, client).unwrap();
        assert_eq!(gate.move_to(&limits, source, client), Ok(source));
        let second = gate.enter(&limits, balancer).unwrap();
        assert_eq!(gate.move_to(&limits, second, client), Err(Full::Source));
        gate.leave(second);
        gate.leave(source);
        assert_eq!(gate.open.load(Ordering::Relaxed), 0);
        assert!(gate.sources.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn some_descriptors_are_kept_back() {
        for (limit, mark) in [(64, 48), (1024, 768), (20_000, 15_904), (1 << 20, (1 << 20) - 4096)] {
            let gate = Gate::new(limit);
            assert!(!gate.is_crowded(mark - 1) && gate.is_crowded(mark), "{limit}");
        }
    }
}
