//! What is known about each name: its last good addresses, and when to ask again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::answer::{Answer, Failure};
use super::{REFRESH_AFTER_FAILURE, REFRESH_MAX, REFRESH_MIN, Upstream, endpoints};

/// Names and their addresses. Clusters are filled while the table is held, so that the last filling always shows its
/// last state.
#[derive(Default)]
pub(super) struct Table(Mutex<HashMap<Box<str>, Known>>);

struct Known {
    /// The last good answer; empty when there never was one.
    addresses: Vec<IpAddr>,
    due: Instant,
    is_failing: bool,
}

impl Table {
    /// The names among `names` to ask for at `now`, the longest waiting first.
    pub(super) fn due(&self, names: &[&str], now: Instant) -> Vec<Box<str>> {
        let table = self.lock();
        let mut due: Vec<(Option<Instant>, &str)> = names
            .iter()
            .map(|name| (table.get(*name).map(|known| known.due), *name))
            .filter(|(due, _)| due.is_none_or(|due| due <= now))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, name)| name.into()).collect()
    }

    /// Takes note of an answer; a failure leaves the addresses that are known.
    pub(super) fn learn(&self, name: Box<str>, answer: Result<Answer, Failure>, now: Instant) {
        let mut table = self.lock();
        let known = table.entry(name.clone()).or_insert(Known { addresses: Vec::new(), due: now, is_failing: false });
        let was_failing = std::mem::replace(&mut known.is_failing, answer.is_err());
        let wait = match answer {
            Ok(answer) => {
                if was_failing {
                    tracing::info!(name = &*name, "an upstream name resolves again");
                }
                known.addresses = answer.addresses;
                answer.ttl.clamp(REFRESH_MIN, REFRESH_MAX)
            }
            Err(failure) => {
                if !was_failing {
                    let addresses_kept = known.addresses.len();
                    tracing::warn!(name = &*name, error = %failure, addresses_kept, "an upstream name does not resolve");
                }
                REFRESH_AFTER_FAILURE
            }
        };
        known.due = now + wait;
    }

    /// Gives the clusters the endpoints that the table knows of.
    pub(super) fn fill(&self, upstreams: &[Upstream<'_>]) {
        let table = self.lock();
        let addresses = |name: &str| table.get(name).map(|known| known.addresses.as_slice()).unwrap_or_default();
        for (_, cluster) in upstreams {
            endpoints::fill(cluster, addresses);
        }
    }

    /// Forgets names that are not among `names` (sorted).
    pub(super) fn forget_all_but(&self, names: &[&str]) {
        self.lock().retain(|name, _| names.binary_search(&&**name).is_ok());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
