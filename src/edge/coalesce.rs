//! Coalescing, as network cards do it with interrupts: a worker that is not busy, but whose answers come fast one by
//! one, pauses for a moment after each lap of its loop, so that what arrives meanwhile is served together: one lap, one
//! record and one packet for many answers instead of one for each. It costs less CPU time, and little else: a pause is
//! a small share of what a request takes anyway.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::net::timer;

/// A pause is at most this part of what requests take on average.
const SHARE: u64 = 16;
/// How many answers must be expected within a pause, else it would bring nothing together.
const ANSWERS_MIN: f64 = 2.0;
/// A worker that is busier has enough to do in each lap as it is, and no time to lose.
const BUSY_MAX: f64 = 0.9;

/// When a worker pauses, and for how long.
#[derive(Debug)]
pub struct Coalescing {
    /// Answers since `adapt` was called.
    answers: Cell<u32>,
    /// The pauses that these answers would bear, in microseconds.
    bearable_us: Cell<u64>,
    /// The longest pause that is allowed, in microseconds.
    longest_us: Cell<u64>,
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
            longest_us: Cell::new(0),
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
        let bearable_us = (took_us / SHARE).min(self.longest_us.get());
        self.bearable_us.set(self.bearable_us.get() + bearable_us);
        if !self.pause.get().is_zero()
            && !self.due.replace(true)
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Waits until a pause is due.
    pub async fn due(&self) {
        poll_fn(|context| {
            if self.due.get() {
                return Poll::Ready(());
            }
            let mut kept = self.waker.borrow_mut();
            if !kept.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *kept = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Pauses if it is time to. To be called at the end of a lap, when nobody has anything left to do.
    pub fn pause_when_due(&self) {
        if self.due.take() {
            timer::pause(self.pause.get());
        }
    }

    /// Sets the length of the pauses, at most `longest`, by what was answered since the last call, and by how busy (0 to
    /// 1) the worker was.
    pub fn adapt(&self, longest: Duration, busy: f64) {
        let now = Instant::now();
        let elapsed = now.duration_since(self.adapted.replace(now));
        let answers = self.answers.replace(0);
        let bearable_us = self.bearable_us.replace(0);
        self.pause.set(pause_for(answers, bearable_us, elapsed, busy).min(longest));
        self.longest_us.set(longest.as_micros() as u64);
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
    const LONGEST: Duration = Duration::from_micros(100);

    fn allowed() -> Coalescing {
        let coalescing = Coalescing::new();
        coalescing.adapt(LONGEST, 0.0);
        coalescing
    }

    /// The pause, in microseconds, after a tick with `answers`, each a number and how long they took.
    fn pause_us(answers: &[(u32, u64)], busy: f64) -> u128 {
        let coalescing = allowed();
        for &(count, took_us) in answers {
            (0..count).for_each(|_| coalescing.answered(took_us));
        }
        pause_for(coalescing.answers.get(), coalescing.bearable_us.get(), TICK, busy).as_micros()
    }

    #[test]
    fn a_pause_is_a_share_of_what_requests_take_and_brings_some_together() {
        let (hour_us, minute_us) = (3_600_000_000, 60_000_000);
        for (answers, busy, expected_us) in [
            (&[][..], 0.0, 0),
            // 40,000 a second that take 1 ms: 2.5 are expected within a sixteenth of that.
            (&[(2_000, 1_000)], 0.5, 62),
            // Half as many, or faster ones: too few would come together.
            (&[(1_000, 1_000)], 0.5, 0),
            (&[(2_000, 500)], 0.5, 0),
            // Never longer than allowed, whatever some of them take.
            (&[(3_000, 4_000)], 0.5, 100),
            (&[(3_000, hour_us)], 0.5, 100),
            // Slow ones say nothing about the others.
            (&[(3_000, 640), (30, minute_us)], 0.5, 40),
            // There is enough to do.
            (&[(3_000, 4_000)], 0.95, 0),
        ] {
            assert_eq!(pause_us(answers, busy), expected_us, "{answers:?}, {busy} busy");
        }
    }

    #[test]
    fn where_no_pause_is_allowed_there_is_none() {
        let coalescing = allowed();
        (0..1_000_000).for_each(|_| coalescing.answered(4_000));
        coalescing.adapt(Duration::ZERO, 0.5);
        assert_eq!(coalescing.pause(), Duration::ZERO);
        (0..1_000_000).for_each(|_| coalescing.answered(4_000));
        coalescing.adapt(LONGEST, 0.5);
        assert_eq!(coalescing.pause(), Duration::ZERO, "of answers that were not asked how long they may wait");
        (0..1_000_000).for_each(|_| coalescing.answered(4_000));
        coalescing.adapt(LONGEST, 0.5);
        assert_eq!(coalescing.pause(), LONGEST);
    }

    #[test]
    fn one_pause_is_due_for_many_answers() {
        let coalescing = allowed();
        coalescing.answered(4_000);
        assert!(!coalescing.due.get(), "there are no pauses");
        coalescing.pause.set(LONGEST);
        let woken = std::sync::Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut context = std::task::Context::from_waker(&waker);
        for round in 1..=2 {
            let mut due = std::pin::pin!(coalescing.due());
            assert!(due.as_mut().poll(&mut context).is_pending());
            (0..10).for_each(|_| coalescing.answered(4_000));
            assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), round);
            assert!(due.as_mut().poll(&mut context).is_ready());
            let before = Instant::now();
            coalescing.pause_when_due();
            assert!(before.elapsed() >= LONGEST && !coalescing.due.get());
            coalescing.pause_when_due();
        }
    }

    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
