//! Who waits for a place at an endpoint, in the order of their coming, and those who make few requests apart from those
//! who make many: nobody waits behind a crowd that may not enter.
//!
//! Of each line only the first is called when something changed. Who was called and has entered, or has given up, calls
//! the next: a thousand who wait are not woken for one place.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Waker};

use super::WAITING_MAX;
use crate::edge::upstream::Share;

#[derive(Default)]
pub struct Queue {
    lines: [RefCell<Line>; 2],
    /// How many attempts to open a connection have failed.
    failures: Cell<u64>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiter>,
    /// The number of the next who comes.
    next: u64,
}

struct Waiter {
    number: u64,
    waker: Waker,
}

/// One who needs a place, until dropped.
pub struct Ticket<'q> {
    queue: &'q Queue,
    share: Share,
    number: Option<u64>,
    failures: u64,
}

/// There are as many in the line as may be.
#[derive(Debug)]
pub struct TooLong;

impl Queue {
    pub fn ticket(&self, share: Share) -> Ticket<'_> {
        Ticket { queue: self, share, number: None, failures: self.failures.get() }
    }

    /// Something changed: the first of each line looks again.
    pub fn call(&self) {
        for line in &self.lines {
            if let Some(first) = line.borrow().waiting.front() {
                first.waker.wake_by_ref();
            }
        }
    }

    /// No connection could be opened: for none who waits now.
    pub fn fail(&self) {
        self.failures.set(self.failures.get() + 1);
        for line in &self.lines {
            line.borrow().waiting.iter().for_each(|waiter| waiter.waker.wake_by_ref());
        }
    }
}

impl Ticket<'_> {
    /// Whether no connection could be opened since this one came.
    pub fn has_failed(&self) -> bool {
        self.queue.failures.get() != self.failures
    }

    /// Whether nobody is before this one.
    pub fn is_first(&self) -> bool {
        let line = self.line().borrow();
        line.waiting.front().is_none_or(|first| Some(first.number) == self.number)
    }

    /// Waits to be called, at the end of the line or where it stood before.
    pub fn wait(&mut self, cx: &Context<'_>) -> Result<(), TooLong> {
        let mut line = self.queue.lines[self.share as usize].borrow_mut();
        if let Some(number) = self.number
            && let Ok(at) = line.waiting.binary_search_by_key(&number, |waiter| waiter.number)
        {
            line.waiting[at].waker.clone_from(cx.waker());
            return Ok(());
        }
        if line.waiting.len() >= WAITING_MAX {
            return Err(TooLong);
        }
        let number = line.next;
        line.next += 1;
        line.waiting.push_back(Waiter { number, waker: cx.waker().clone() });
        self.number = Some(number);
        Ok(())
    }

    fn line(&self) -> &RefCell<Line> {
        &self.queue.lines[self.share as usize]
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut line = self.line().borrow_mut();
        let Ok(at) = line.waiting.binary_search_by_key(&number, |waiter| waiter.number) else { return };
        drop(line.waiting.remove(at));
        let next = line.waiting.front().filter(|_| at == 0).map(|first| first.waker.clone());
        drop(line);
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Calls {
        fn take(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    /// A ticket that waits, and how often it is called.
    fn waiting(queue: &Queue, share: Share) -> (Ticket<'_>, Arc<Calls>) {
        let (mut ticket, calls) = (queue.ticket(share), Arc::new(Calls::default()));
        ticket.wait(&Context::from_waker(&Waker::from(calls.clone()))).unwrap();
        (ticket, calls)
    }

    #[test]
    fn the_first_of_each_line_is_called_and_calls_the_next() {
        let queue = Queue::default();
        assert!(queue.ticket(Share::Half).is_first());
        let (first, called) = waiting(&queue, Share::Half);
        let (second, second_called) = waiting(&queue, Share::Half);
        let (modest, modest_called) = waiting(&queue, Share::Whole);
        assert!(first.is_first() && !second.is_first() && modest.is_first());
        assert!(!queue.ticket(Share::Half).is_first());
        queue.call();
        assert_eq!((called.take(), second_called.take(), modest_called.take()), (1, 0, 1));
        drop(first);
        assert!(second.is_first());
        assert_eq!((second_called.take(), modest_called.take()), (1, 0));
    }

    #[test]
    fn who_gives_up_in_the_middle_calls_nobody() {
        let queue = Queue::default();
        let (first, called) = waiting(&queue, Share::Whole);
        let (second, _) = waiting(&queue, Share::Whole);
        let (third, third_called) = waiting(&queue, Share::Whole);
        drop(second);
        assert_eq!((called.take(), third_called.take()), (0, 0));
        drop(first);
        assert!(third.is_first());
        assert_eq!(third_called.take(), 1);
    }

    #[test]
    fn all_hear_of_a_failure_and_those_who_come_later_do_not() {
        let queue = Queue::default();
        let (first, called) = waiting(&queue, Share::Whole);
        let (second, second_called) = waiting(&queue, Share::Half);
        queue.fail();
        assert!(first.has_failed() && second.has_failed() && !queue.ticket(Share::Half).has_failed());
        assert_eq!((called.take(), second_called.take()), (1, 1));
    }

    #[test]
    fn a_line_is_bounded_and_keeps_the_place_of_who_waits_on() {
        let queue = Queue::default();
        let mut tickets: Vec<_> = (0..WAITING_MAX).map(|_| waiting(&queue, Share::Half).0).collect();
        let cx = Context::from_waker(Waker::noop());
        assert!(queue.ticket(Share::Half).wait(&cx).is_err());
        tickets[0].wait(&cx).unwrap();
        assert!(tickets[0].is_first());
        waiting(&queue, Share::Whole);
    }
}
