//! How busy a worker is.

use std::time::{Duration, Instant};

use crate::net::affinity;

/// The share of time that the thread which made it was on its CPU.
pub struct Busy {
    wall: Instant,
    cpu: Duration,
}

impl Busy {
    pub fn new() -> Self {
        Busy { wall: Instant::now(), cpu: affinity::thread_cpu_time() }
    }

    /// Since the last call, 0 to 1.
    pub fn ratio(&mut self) -> f64 {
        let (wall, cpu) = (Instant::now(), affinity::thread_cpu_time());
        let elapsed = wall.duration_since(self.wall).as_secs_f64();
        let used = cpu.saturating_sub(self.cpu).as_secs_f64();
        *self = Busy { wall, cpu };
        if elapsed > 0.0 { (used / elapsed).min(1.0) } else { 0.0 }
    }
}
