//! When a request of HTTP/2 may begin. A client may send a hundred at once on each of many connections; were all of them
//! begun as they come, everybody else would wait until the last one is on its way.
//!
//! So a worker begins a number of them in one lap of its loop, and between two laps it hears what other clients and
//! endpoints have to say. The first few that come together never wait.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::edge::worker::Worker;
use crate::net::{self, lap::Lap};

/// Requests that came together and begin at once, whatever else goes on.
const AT_ONCE: usize = 4;
/// Requests of one connection that begin in a row, while others wait.
const IN_A_ROW_MAX: usize = 8;
/// Requests that a worker begins in one lap, besides those that begin at once.
const LAP_MAX: usize = 128;
/// Connections that are called in one lap: so many as can begin something.
const CALLED_MAX: usize = LAP_MAX / (IN_A_ROW_MAX - AT_ONCE);

/// The requests that a worker begins.
pub struct Starts {
    /// In this lap, or in several where they were few.
    begun: Cell<usize>,
    /// A task waits for the next lap.
    is_counting: Cell<bool>,
    /// At most one for each connection.
    waiting: RefCell<VecDeque<Waker>>,
    lap: Lap,
}

/// The requests of one connection that came together.
#[derive(Default)]
pub struct Batch {
    in_a_row: usize,
}

impl Starts {
    /// To be called on the worker.
    pub fn new() -> io::Result<Self> {
        Ok(Starts { begun: Cell::new(0), is_counting: Cell::new(false), waiting: RefCell::default(), lap: Lap::new()? })
    }

    fn admit(&self, batch: &mut Batch) -> bool {
        let is_turn = batch.in_a_row < IN_A_ROW_MAX || self.waiting.borrow().is_empty();
        let admitted = batch.in_a_row < AT_ONCE || (is_turn && self.begun.get() < LAP_MAX);
        if admitted {
            batch.in_a_row += 1;
            self.begun.set(self.begun.get() + 1);
        }
        admitted
    }

    /// A lap is over: those who wait longest are called. False when nobody waits.
    fn next_lap(&self) -> bool {
        self.begun.set(0);
        let mut waiting = self.waiting.borrow_mut();
        let count = waiting.len().min(CALLED_MAX);
        let called: Vec<Waker> = waiting.drain(..count).collect();
        drop(waiting);
        called.into_iter().for_each(Waker::wake);
        count > 0
    }
}

/// Whether the next request of a connection may begin now; if so, it is counted.
pub fn admit(worker: &Rc<Worker>, batch: &mut Batch) -> bool {
    let starts = &worker.starts;
    let admitted = starts.admit(batch);
    if starts.begun.get() >= LAP_MAX && !starts.is_counting.replace(true) {
        net::spawn(count_laps(worker.clone()));
    }
    admitted
}

/// Waits until the next request of a connection may begin.
pub async fn wait(worker: &Rc<Worker>, batch: &mut Batch) {
    poll_fn(|cx| {
        if admit(worker, batch) {
            return Poll::Ready(());
        }
        batch.in_a_row = AT_ONCE;
        worker.starts.waiting.borrow_mut().push_back(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

async fn count_laps(worker: Rc<Worker>) {
    let starts = &worker.starts;
    loop {
        starts.lap.next().await;
        if !starts.next_lap() {
            break;
        }
    }
    starts.is_counting.set(false);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::driver::{self, Driver};

    /// With starts of its own, on a runtime.
    fn with(check: impl FnOnce(Starts)) {
        driver::block_on(Driver::Epoll, async { check(Starts::new().unwrap()) }).unwrap();
    }

    /// How many of a batch begin before one has to wait.
    fn begin(starts: &Starts, batch: &mut Batch) -> usize {
        (0..2 * LAP_MAX).take_while(|_| starts.admit(batch)).count()
    }

    #[test]
    fn few_begin_at_once_and_many_in_laps() {
        with(|starts| {
            let mut crowd = Batch::default();
            assert_eq!(begin(&starts, &mut crowd), LAP_MAX);
            assert_eq!(begin(&starts, &mut Batch::default()), AT_ONCE, "in a lap that is full");
            assert!(!starts.next_lap(), "nobody waits");
            assert_eq!(begin(&starts, &mut crowd), LAP_MAX, "in the next lap");
        });
    }

    #[test]
    fn those_who_wait_take_turns() {
        with(|starts| {
            starts.waiting.borrow_mut().push_back(Waker::noop().clone());
            assert_eq!(begin(&starts, &mut Batch::default()), IN_A_ROW_MAX);
            assert!(starts.next_lap() && !starts.next_lap());
            for _ in 0..=CALLED_MAX {
                starts.waiting.borrow_mut().push_back(Waker::noop().clone());
            }
            assert!(starts.next_lap());
            assert_eq!(starts.waiting.borrow().len(), 1, "more than can begin anything are not called");
        });
    }
}
