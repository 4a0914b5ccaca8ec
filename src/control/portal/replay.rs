//! What was used once and must not be used again, on this node: bounded in number and in time.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;

/// Most uses remembered; the oldest is forgotten for a new one.
pub const REPLAYS_MAX: usize = 16_384;
/// How long a use is remembered, in seconds: longer than any signed URL or flow lives.
const REMEMBERED_S: i64 = 10 * 60;

type Mark = [u8; 32];

#[derive(Default)]
pub(super) struct Replays(Mutex<Uses>);

#[derive(Default)]
struct Uses {
    marks: HashSet<Mark>,
    order: VecDeque<(i64, Mark)>,
}

impl Replays {
    /// Notes the use of `what` at `now` (Unix seconds); false when it was used before.
    pub(super) fn is_first_use(&self, what: &[u8], now: i64) -> bool {
        let mut mark = [0; 32];
        mark.copy_from_slice(digest::digest(&digest::SHA256, what).as_ref());
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&(at, oldest)) = uses.order.front() {
            if uses.order.len() < REPLAYS_MAX && now.saturating_sub(at) < REMEMBERED_S {
                break;
            }
            uses.order.pop_front();
            uses.marks.remove(&oldest);
        }
        let is_first = uses.marks.insert(mark);
        if is_first {
            uses.order.push_back((now, mark));
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_use_is_seen_until_it_is_forgotten() {
        let replays = Replays::default();
        assert!(replays.is_first_use(b"a", 0));
        assert!(replays.is_first_use(b"b", 1));
        assert!(!replays.is_first_use(b"a", REMEMBERED_S - 1));
        assert!(replays.is_first_use(b"a", REMEMBERED_S));
    }

    #[test]
    fn uses_are_bounded() {
        let replays = Replays::default();
        for i in 0..REPLAYS_MAX + 10 {
            assert!(replays.is_first_use(&i.to_be_bytes(), 0));
        }
        let uses = replays.0.lock().unwrap();
        assert_eq!((uses.order.len(), uses.marks.len()), (REPLAYS_MAX, REPLAYS_MAX));
    }
}
