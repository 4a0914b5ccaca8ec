//! Whether the workers go on, by the signs of life that they leave on the health board.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::link::board::Board;

/// A worker without a sign of life for so long is stuck. A healthy one leaves twenty each second.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Remembers when each worker was last seen to go on. Somebody must look every few seconds.
pub struct Liveness {
    board: Board,
    seen: Mutex<Vec<Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    beats: u64,
    since: Instant,
}

impl Liveness {
    pub fn new(board: Board) -> Self {
        let now = Instant::now();
        let seen = board.beats().into_iter().map(|beats| Seen { beats, since: now }).collect();
        Liveness { board, seen: Mutex::new(seen) }
    }

    /// The workers, by index, that have made no progress for [`STUCK_AFTER`].
    pub fn stuck(&self) -> Vec<usize> {
        self.stuck_at(Instant::now())
    }

    fn stuck_at(&self, now: Instant) -> Vec<usize> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (seen, beats) in seen.iter_mut().zip(self.board.beats()) {
            if seen.beats != beats {
                *seen = Seen { beats, since: now };
            }
        }
        let is_stuck = |seen: &Seen| now.saturating_duration_since(seen.since) >= STUCK_AFTER;
        seen.iter().enumerate().filter(|(_, seen)| is_stuck(seen)).map(|(index, _)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_stops_is_noticed_and_one_that_goes_on_is_not() {
        let board = Board::new(2);
        let liveness = Liveness::new(board.clone());
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(liveness.stuck_at(after(9)), [0; 0]);
        board.beat(1);
        assert_eq!(liveness.stuck_at(after(11)), [0]);
        assert_eq!(liveness.stuck_at(after(30)), [0, 1]);
        board.beat(0);
        board.beat(7);
        assert_eq!(liveness.stuck_at(after(31)), [1]);
    }
}
