//! The metric catalogue, and the cells in which each worker counts without sharing.
//!
//! A worker adds to plain integers of its own ([`WorkerCells`]) and pours them into the catalogue a few times a second;
//! control sets its few values directly; a scrape reads the catalogue and stops nobody. Label values come from the
//! configuration and closed vocabularies only, and the number of series is bounded ([`SERIES_MAX`]).

mod cells;
mod exposition;
mod family;
mod histogram;
mod process;
mod tally;
mod totals;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Registry, TextEncoder};

pub use cells::WorkerCells;
pub use histogram::BOUNDS_SECONDS;
pub use totals::SERIES_MAX;

use totals::{Certificate, Totals};

/// The route label of requests that no route took.
pub const NO_ROUTE: &str = "_none";
/// The label of what has no series of its own any more because there are too many.
pub const OVERFLOW: &str = "_overflow";
/// Most certificates whose expiry is shown.
pub const CERTIFICATES_MAX: usize = 1000;

/// Every metric of the process. Series of a route that a reload removed vanish one scrape after the last worker let go
/// of it.
pub struct Catalogue {
    registry: Registry,
    totals: Shared,
}

/// Totals behind their lock.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Totals>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Totals> {
        // Integers are whole at any time: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when somebody else holds the lock now.
    fn try_lock(&self) -> Option<MutexGuard<'_, Totals>> {
        match self.0.try_lock() {
            Ok(totals) => Some(totals),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}

impl Catalogue {
    /// An empty catalogue. Make one for the process, early: its birth is `process_start_time_seconds`.
    pub fn new() -> Arc<Catalogue> {
        let totals = Shared::default();
        let registry = Registry::new();
        registry
            .register(Box::new(exposition::Exposition::new(totals.clone())))
            .expect("a new registry holds nothing that could collide");
        Arc::new(Catalogue { registry, totals })
    }

    /// The cells of worker `index` (its `worker` label). Make them on the worker's own thread.
    pub fn worker(&self, index: usize) -> WorkerCells {
        WorkerCells::new(index, self.totals.clone())
    }

    /// For metrics of other parts of the control plane. Names begin with `vallum_`.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How many endpoints of a route may take requests, and how many are passed over.
    pub fn set_endpoints(&self, route: &str, up: usize, down: usize) {
        self.totals.lock().endpoints.insert(route.into(), (up as u64, down as u64));
    }

    /// Forgets the endpoints of routes that are not among `routes`.
    pub fn keep_endpoints<'a>(&self, routes: impl IntoIterator<Item = &'a str>) {
        let kept: std::collections::HashSet<&str> = routes.into_iter().collect();
        self.totals.lock().endpoints.retain(|route, _| kept.contains(&**route));
    }

    /// A configuration was adopted. Generation 1 is that of the start and counts as no reload.
    pub fn config_adopted(&self, generation: u64, checksum: u64) {
        let mut totals = self.totals.lock();
        totals.config.successful = true;
        totals.config.adopted_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        totals.config.current = Some((generation, checksum));
        if generation > 1 {
            totals.config.reloads_adopted += 1;
        }
    }

    /// A configuration was refused; the one before is still in force.
    pub fn config_refused(&self) {
        let mut totals = self.totals.lock();
        totals.config.successful = false;
        totals.config.reloads_refused += 1;
    }

    /// Replaces the expiry times shown: a name from the configuration and `notAfter` in Unix seconds. At most
    /// [`CERTIFICATES_MAX`] are shown, those that end first.
    pub fn set_certificates<'a>(&self, certificates: impl IntoIterator<Item = (&'a str, i64)>) {
        let mut certificates: Vec<Certificate> =
            certificates.into_iter().map(|(name, not_after)| Certificate { name: name.into(), not_after }).collect();
        certificates.sort_by(|a, b| a.name.cmp(&b.name).then(a.not_after.cmp(&b.not_after)));
        certificates.dedup_by(|a, b| a.name == b.name);
        certificates.sort_by_key(|certificate| certificate.not_after);
        certificates.truncate(CERTIFICATES_MAX);
        self.totals.lock().certificates = certificates;
    }

    /// The text of a scrape (format 0.0.4).
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

#[cfg(test)]
mod tests;
