//! The health board: every worker shows there that it goes on. Control looks; the edge never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One counter for each worker. Who looks compares with what it saw before, so that no clock is shared.
#[derive(Clone)]
pub struct Board(Arc<[AtomicU64]>);

impl Board {
    pub fn new(workers: usize) -> Self {
        Board((0..workers).map(|_| AtomicU64::new(0)).collect())
    }

    /// The worker with this index has gone once around.
    pub fn beat(&self, worker: usize) {
        if let Some(beats) = self.0.get(worker) {
            beats.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each worker has gone around so far; 0: not once since the start.
    pub fn beats(&self) -> Vec<u64> {
        self.0.iter().map(|beats| beats.load(Ordering::Relaxed)).collect()
    }
}
