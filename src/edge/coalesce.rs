//! Coalescing, as network cards do it with interrupts: a worker that is not busy, but whose answers come fast one by
//! one, pauses for a moment now and then, so that what arrives meanwhile is served together: one look at the ring, one
//! record and one packet for many answers instead of one for each. It costs less CPU time, and little else: a pause is
//! a small share of what a request takes anyway.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::net::timer;

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_micros(100);
/// A pause is at most this part of what requests take on average.
const SHARE: u64 = 16;
/// How many answers must be expected within a pause, else it would bring nothing together.
const ANSWERS_MIN: f64 = 2.0;
/// A worker that is busier has enough to do at each look as it is, and no time to lose.
const BUSY_MAX: f64 = 0.9;

/// When a worker pauses, and for how long.
#[derive(Debug)]
pub struct Coalescing {
    /// Answers since `adapt` was called.
    answers: Cell<u32>,
    /// The pauses that these answers would bear, in microseconds.
    bearable_us: Cell<u64>,
    /// Zero: none.
    pause: Cell<Duration>,
    /// A pause is due once all that arrived is dealt with.
    due: Cell<bool>,
    /// The task that pauses.
    waker: RefCell<Option<Waker>>,
    adapted: Cell<Instant>,
}

impl Coalescing {
    pub fn new() -> Self {
        Coalescing {
            answers: Cell::new(0),
            bearable_us: Cell::new(0),
            pause: Cell::new(Duration::ZERO),
            due: Cell::new(false),
            waker: RefCell::new(None),
            adapted: Cell::new(Instant::now()),
        }
    }

    /// A request was answered that took so long.
    pub fn answered(&self, took_us: u64) {
        self.answers.set(self.answers.get() + 1);
        // The slow ones (a poll, a stream of events) say nothing about how long the others may wait.
        let bearable_us = (took_us / SHARE).min(PAUSE_MAX.as_micros() as u64);
        self.bearable_us.set(self.bearable_us.get() + bearable_us);
        if !self.pause.get().is_zero()
            && !self.due.replace(true)
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Pauses whenever it is time to. To be run by the worker's first task: that is looked at last, when the others have
    /// nothing left to do, so there is one pause for each look at the ring.
    pub async fn pauses(&self) {
        poll_fn(|context| {
            self.waker.borrow_mut().get_or_insert_with(|| context.waker().clone());
            if self.due.take() {
                timer::pause(self.pause.get());
            }
            Poll::Pending
        })
        .await
    }

    /// Sets the length of the pauses by what was answered since the last call, and by how busy (0 to 1) the worker was.
    pub fn adapt(&self, busy: f64) {
        let now = Instant::now();
        let elapsed = now.duration_since(self.adapted.replace(now));
        let answers = self.answers.replace(0);
        let bearable_us = self.bearable_us.replace(0);
        self.pause.set(pause_for(answers, bearable_us, elapsed, busy));
    }

    /// How long a pause is now.
    pub fn pause(&self) -> Duration {
        self.pause.get()
    }
}

/// The pause for a worker that gave so many answers in `elapsed`.
fn pause_for(answers: u32, bearable_us: u64, elapsed: Duration, busy: f64) -> Duration {
    if answers == 0 || elapsed.is_zero() || busy > BUSY_MAX {
        return Duration::ZERO;
    }
    let pause = Duration::from_micros(bearable_us / u64::from(answers));
    let expected = f64::from(answers) * pause.as_secs_f64() / elapsed.as_secs_f64();
    if expected < ANSWERS_MIN { Duration::ZERO } else { pause }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(50);

    /// The pause, in microseconds, after a tick with so many answers that took so long each.
    fn pause_us(answers: u32, took_us: u64, busy: f64) -> u128 {
        let coalescing = Coalescing::new();
        (0..answers).for_each(|_| coalescing.answered(took_us));
        let bearable_us = coalescing.bearable_us.get();
        pause_for(coalescing.answers.get(), bearable_us, TICK, busy).as_micros()
    }

    #[test]
    fn a_pause_is_a_share_of_what_requests_take_and_brings_some_together() {
        for (answers, took_us, busy, expected_us) in [
            // Nothing to do.
            (0, 0, 0.0, 0),
            // 40,000 a second that take 1 ms: 2.5 are expected within a sixteenth of that.
            (2_000, 1_000, 0.5, 62),
            // Half as many, or faster ones: too few would come together.
            (1_000, 1_000, 0.5, 0),
            (2_000, 500, 0.5, 0),
            // Never longer than the bound, whatever some of them take.
            (3_000, 4_000, 0.5, 100),
            (3_000, 3_600_000_000, 0.5, 100),
            // There is enough to do.
            (3_000, 4_000, 0.95, 0),
        ] {
            assert_eq!(pause_us(answers, took_us, busy), expected_us, "{answers} of {took_us} us, {busy} busy");
        }
    }

    #[test]
    fn slow_requests_do_not_lengthen_the_pauses_of_fast_ones() {
        let coalescing = Coalescing::new();
        (0..3_000).for_each(|_| coalescing.answered(640));
        (0..30).for_each(|_| coalescing.answered(60_000_000));
        let pause = pause_for(coalescing.answers.get(), coalescing.bearable_us.get(), TICK, 0.5);
        assert_eq!(pause.as_micros(), 40);
    }

    #[test]
    fn one_pause_is_due_for_many_answers_and_none_when_there_shall_be_none() {
        let coalescing = Coalescing::new();
        coalescing.answered(4_000);
        assert!(!coalescing.due.get());
        coalescing.pause.set(PAUSE_MAX);
        coalescing.answered(4_000);
        coalescing.answered(4_000);
        assert!(coalescing.due.get());
        let mut pauses = std::pin::pin!(coalescing.pauses());
        let mut context = std::task::Context::from_waker(Waker::noop());
        assert!(pauses.as_mut().poll(&mut context).is_pending());
        assert!(!coalescing.due.get());
    }
}
