//! Deadlines of sockets, kept by the worker's tick instead of one timer per read.
//!
//! A read or write that must not last for ever sets the socket's deadline (one store). The tick looks through the
//! live sockets and shuts down those that are late; the waiting operation then ends by itself, so no operation is ever
//! dropped half-way. The price is the tick's resolution ([`crate::edge::worker::TICK`]).

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use crate::net::tcp::{Control, Presence};

/// A client that waits for less long is not looked after.
const WAITING_LOOKED_AFTER_MS: u64 = 500;
/// A client that sends no more may still be there and wait for its answer, or may have closed: nothing on the wire
/// tells. It is believed to wait for this long.
const HALF_CLOSED_MS_MAX: u64 = 5_000;

/// The deadline of one socket, or of one exchange among many on a socket.
pub struct Deadline {
    /// When a waiting read is late, in milliseconds of the worker's clock; 0: never.
    read_ms: Cell<u64>,
    /// The same for a waiting write.
    write_ms: Cell<u64>,
    /// The same for all that is read, whatever is read meanwhile.
    total_ms: Cell<u64>,
    fired: Cell<bool>,
    /// Since when the socket is between two requests and may be closed at once; 0: it is not.
    idle_since_ms: Cell<u64>,
    awaited: Awaited,
    /// The task of the client whose socket this is, once it has served a request.
    task: OnceCell<Waker>,
    ends: Ends,
    control: Control,
}

/// What a deadline ends.
enum Ends {
    Socket,
    /// One exchange on a socket that others share: whoever waits for it looks again.
    Exchange(RefCell<Option<Waker>>),
}

/// The deadline passed first, or what waited was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired;

/// What a client waits for, so that an endpoint need not work for one who is gone.
#[derive(Default)]
struct Awaited {
    /// The endpoint's socket.
    from: RefCell<Option<Rc<Deadline>>>,
    since_ms: Cell<u64>,
    /// Nothing of the answer was sent yet.
    is_due: Cell<bool>,
    /// When the client was first seen to send no more; 0: it was not.
    ended_ms: Cell<u64>,
    is_gone: Cell<bool>,
}

impl Deadline {
    /// What is read must have arrived by `at_ms`.
    pub fn set_read(&self, at_ms: u64) {
        self.read_ms.set(at_ms.max(1));
    }

    pub fn clear_read(&self) {
        self.read_ms.set(0);
    }

    /// What is written must have been taken by `at_ms`.
    pub fn set_write(&self, at_ms: u64) {
        self.write_ms.set(at_ms.max(1));
    }

    pub fn clear_write(&self) {
        self.write_ms.set(0);
    }

    /// All that is to be read must have arrived by `at_ms`.
    pub fn set_total(&self, at_ms: u64) {
        self.total_ms.set(at_ms.max(1));
    }

    pub fn clear_total(&self) {
        self.total_ms.set(0);
    }

    /// Ends what is late at `now_ms`. A late read ends the reading alone: there may be an answer to give still.
    fn check(&self, now_ms: u64) {
        let is_late = |at: &Cell<u64>| at.get() != 0 && at.get() <= now_ms;
        if is_late(&self.write_ms) {
            self.clear_write();
            self.fire();
        } else if (is_late(&self.read_ms) || is_late(&self.total_ms)) && !self.fired.get() {
            match self.ends {
                Ends::Socket => {
                    self.fired.set(true);
                    self.control.shutdown_read();
                }
                Ends::Exchange(_) => self.fire(),
            }
        }
    }

    /// Waits for `future` until it ends or this deadline fires. For what can be dropped: an exchange's share of a socket,
    /// never a read or write of the socket itself.
    pub async fn bound<F: Future>(&self, future: F) -> Result<F::Output, Fired> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.fired.get() {
                return Poll::Ready(Err(Fired));
            }
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if let Ends::Exchange(waker) = &self.ends {
                *waker.borrow_mut() = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Whether the socket (or exchange) was ended because it was late.
    pub fn fired(&self) -> bool {
        self.fired.get()
    }

    /// The socket is between two requests since `now_ms`.
    pub fn set_idle(&self, now_ms: u64) {
        self.idle_since_ms.set(now_ms.max(1));
    }

    pub fn clear_idle(&self) {
        self.idle_since_ms.set(0);
    }

    fn is_idle_since(&self, at_ms: u64) -> bool {
        let since = self.idle_since_ms.get();
        since != 0 && since <= at_ms
    }

    /// From now on `task`, which serves this client, is woken for the worker's rounds.
    pub fn attend(&self, task: &Waker) {
        self.task.get_or_init(|| task.clone());
    }

    /// This client waits for an answer from `endpoint`. From now on the tick looks whether it is still there.
    pub fn answer_due(&self, endpoint: &Rc<Deadline>, now_ms: u64) {
        let awaited = &self.awaited;
        awaited.from.replace(Some(endpoint.clone()));
        awaited.since_ms.set(now_ms);
        awaited.is_due.set(true);
        awaited.ended_ms.set(0);
    }

    /// The answer has begun to flow. A client that has said all it has to say may well be reading.
    pub fn answer_begun(&self) {
        self.awaited.is_due.set(false);
    }

    /// Nothing is awaited any more; returns whether the client went away meanwhile.
    pub fn answer_over(&self) -> bool {
        self.awaited.from.take();
        self.awaited.is_gone.get()
    }

    /// Lets the endpoint go when the client is gone.
    fn look_for_client(&self, now_ms: u64) {
        // A socket that we shut down ourselves looks as if its client had gone.
        if self.fired.get() {
            return;
        }
        let awaited = &self.awaited;
        let from = awaited.from.borrow();
        let Some(endpoint) = from.as_ref().filter(|_| now_ms >= awaited.since_ms.get() + WAITING_LOOKED_AFTER_MS)
        else {
            return;
        };
        let is_gone = match self.control.presence() {
            Presence::There => false,
            Presence::Gone => true,
            Presence::Ended if awaited.ended_ms.get() == 0 => {
                awaited.ended_ms.set(now_ms);
                false
            }
            Presence::Ended => awaited.is_due.get() && now_ms >= awaited.ended_ms.get() + HALF_CLOSED_MS_MAX,
        };
        if is_gone {
            awaited.is_gone.set(true);
            endpoint.fire();
        }
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Ends the socket, or the exchange, now.
    pub fn fire(&self) {
        self.fired.set(true);
        match &self.ends {
            Ends::Socket => self.control.shutdown(),
            Ends::Exchange(waker) => {
                if let Some(waker) = waker.borrow_mut().take() {
                    waker.wake();
                }
            }
        }
    }
}

/// All live sockets of a worker.
#[derive(Default)]
pub struct Deadlines(RefCell<Vec<Weak<Deadline>>>);

impl Deadlines {
    /// Starts to watch a socket; watching ends when the returned value is dropped.
    pub fn watch(&self, control: Control) -> Rc<Deadline> {
        self.add(control, Ends::Socket)
    }

    /// Starts to watch one of the exchanges on a socket.
    pub fn watch_exchange(&self, control: Control) -> Rc<Deadline> {
        self.add(control, Ends::Exchange(RefCell::default()))
    }

    fn add(&self, control: Control, ends: Ends) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            read_ms: Cell::new(0),
            write_ms: Cell::new(0),
            total_ms: Cell::new(0),
            fired: Cell::new(false),
            idle_since_ms: Cell::new(0),
            awaited: Awaited::default(),
            task: OnceCell::new(),
            ends,
            control,
        });
        self.0.borrow_mut().push(Rc::downgrade(&deadline));
        deadline
    }

    /// Shuts down every socket that is late at `now_ms`.
    pub fn sweep(&self, now_ms: u64) {
        self.0.borrow_mut().retain(|weak| {
            let Some(deadline) = weak.upgrade() else { return false };
            deadline.check(now_ms);
            true
        });
    }

    /// Looks after clients that have been waiting for an answer for a while.
    pub fn look_for_clients(&self, now_ms: u64) {
        self.0.borrow().iter().filter_map(Weak::upgrade).for_each(|deadline| deadline.look_for_client(now_ms));
    }

    /// Wakes the tasks of clients that are not between two requests.
    pub fn wake_clients(&self) {
        for deadline in self.0.borrow().iter().filter_map(Weak::upgrade).filter(|d| d.idle_since_ms.get() == 0) {
            deadline.task.get().into_iter().for_each(Waker::wake_by_ref);
        }
    }

    /// Shuts down every socket that is between two requests.
    pub fn close_idle(&self) {
        self.close_idle_since(u64::MAX);
    }

    /// Shuts down every socket that has been between two requests since `at_ms` or longer.
    pub fn close_idle_since(&self, at_ms: u64) {
        for deadline in self.0.borrow().iter().filter_map(Weak::upgrade).filter(|d| d.is_idle_since(at_ms)) {
            deadline.control.shutdown();
        }
    }

    /// Shuts down every socket.
    pub fn close_all(&self) {
        for deadline in self.0.borrow().iter().filter_map(Weak::upgrade) {
            deadline.control.shutdown();
        }
    }
}
