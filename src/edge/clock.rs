//! The worker's clock: read by everyone, moved by the tick, so that the hot path makes no clock call for deadlines.

use std::cell::Cell;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the process began (monotonic) and Unix seconds, both as of the last tick.
pub struct Clock {
    origin: Instant,
    now_ms: Cell<u64>,
    unix: Cell<i64>,
}

impl Clock {
    pub fn new() -> Self {
        static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        // One origin for all workers: endpoints carry "down until" times between them.
        let clock = Clock { origin: *ORIGIN.get_or_init(Instant::now), now_ms: Cell::new(0), unix: Cell::new(0) };
        clock.advance();
        clock
    }

    /// Reads the system's clocks.
    pub fn advance(&self) {
        self.now_ms.set(self.origin.elapsed().as_millis() as u64 + 1);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        self.unix.set(unix);
    }

    /// Milliseconds of the monotonic clock, never 0.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Unix seconds.
    pub fn unix(&self) -> i64 {
        self.unix.get()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
