//! How slow a body may arrive: an allowance of waiting time that waiting uses up and bytes earn back.
//!
//! A sender may pause for as long as the allowance lasts, which is `timeout_read` at first and never more; at least
//! `min_request_body_rate` bytes a second are needed to keep it. A byte now and then does not.

use crate::plan::timeouts::Timeouts;

#[derive(Debug, Clone)]
pub struct Pace {
    /// The allowance when it is full.
    timeout_ms: u64,
    /// Bytes a second; 0: each byte fills the allowance.
    rate: u64,
    left_ms: u64,
}

impl Pace {
    pub fn of(timeouts: &Timeouts) -> Pace {
        Pace::new(timeouts.read.as_millis() as u64, timeouts.body_rate_min)
    }

    /// Silence alone is limited: each byte fills the allowance.
    pub fn idle(timeout_ms: u64) -> Pace {
        Pace::new(timeout_ms, 0)
    }

    fn new(timeout_ms: u64, rate: u64) -> Pace {
        Pace { timeout_ms, rate, left_ms: timeout_ms }
    }

    /// How long the next read may take at most, in milliseconds.
    pub fn left_ms(&self) -> u64 {
        self.left_ms
    }

    /// A read took so long and brought so many bytes.
    pub fn note(&mut self, waited_ms: u64, bytes: usize) {
        let earned_ms = match self.rate {
            0 => self.timeout_ms,
            rate => (bytes as u64).saturating_mul(1_000) / rate,
        };
        self.left_ms = self.left_ms.saturating_sub(waited_ms).saturating_add(earned_ms).min(self.timeout_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many reads of `bytes`, each after `waited_ms`, pass before the sender is late; at most 10,000.
    fn reads(timeout_ms: u64, rate: u64, waited_ms: u64, bytes: usize) -> usize {
        let mut pace = Pace::new(timeout_ms, rate);
        (0..10_000)
            .take_while(|_| {
                let in_time = waited_ms < pace.left_ms();
                pace.note(waited_ms, bytes);
                in_time
            })
            .count()
    }

    #[test]
    fn a_trickle_ends_and_a_slow_stream_goes_on() {
        // A byte every ten seconds; a byte every second; just below and at the rate; a pause that is too long.
        assert_eq!(reads(30_000, 500, 10_000, 1), 3);
        assert_eq!(reads(30_000, 500, 1_000, 1), 30);
        assert!(reads(30_000, 500, 1_000, 490) < 2_000);
        assert_eq!(reads(30_000, 500, 1_000, 500), 10_000);
        assert_eq!(reads(30_000, 500, 29_000, 15_000), 10_000);
        assert_eq!(reads(30_000, 500, 30_000, 1 << 20), 0);
        // Without a rate only pauses count.
        assert_eq!(reads(30_000, 0, 29_999, 1), 10_000);
        assert_eq!(reads(30_000, 0, 30_000, 1), 0);
    }
}
