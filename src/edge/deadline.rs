//! Deadlines of sockets, kept by the worker's tick instead of one timer per read.
//!
//! A read or write that must not last for ever sets the socket's deadline (one store). The tick looks through the
//! live sockets and shuts down those that are late; the waiting operation then ends by itself, so no operation is ever
//! dropped half-way. The price is the tick's resolution ([`crate::edge::worker::TICK`]).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::net::tcp::Control;

/// The deadline of one socket.
pub struct Deadline {
    /// When a waiting read is late, in milliseconds of the worker's clock; 0: never.
    read_ms: Cell<u64>,
    /// The same for a waiting write.
    write_ms: Cell<u64>,
    /// The same for all that is read, whatever is read meanwhile.
    total_ms: Cell<u64>,
    fired: Cell<bool>,
    /// Whether the socket may be closed at once when the worker drains (it is between two requests).
    idle: Cell<bool>,
    control: Control,
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

    fn is_late(&self, now_ms: u64) -> bool {
        [&self.read_ms, &self.write_ms, &self.total_ms].into_iter().map(Cell::get).any(|at| at != 0 && at <= now_ms)
    }

    /// Whether the socket was shut down because it was late.
    pub fn fired(&self) -> bool {
        self.fired.get()
    }

    pub fn set_idle(&self, idle: bool) {
        self.idle.set(idle);
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Shuts the socket down now.
    pub fn fire(&self) {
        self.fired.set(true);
        self.control.shutdown();
    }
}

/// All live sockets of a worker.
#[derive(Default)]
pub struct Deadlines(RefCell<Vec<Weak<Deadline>>>);

impl Deadlines {
    /// Starts to watch a socket; watching ends when the returned value is dropped.
    pub fn watch(&self, control: Control) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            read_ms: Cell::new(0),
            write_ms: Cell::new(0),
            total_ms: Cell::new(0),
            fired: Cell::new(false),
            idle: Cell::new(false),
            control,
        });
        self.0.borrow_mut().push(Rc::downgrade(&deadline));
        deadline
    }

    /// Shuts down every socket that is late at `now_ms`.
    pub fn sweep(&self, now_ms: u64) {
        self.0.borrow_mut().retain(|weak| {
            let Some(deadline) = weak.upgrade() else { return false };
            if !deadline.fired.get() && deadline.is_late(now_ms) {
                deadline.fire();
            }
            true
        });
    }

    /// Shuts down every socket that is between two requests.
    pub fn close_idle(&self) {
        for deadline in self.0.borrow().iter().filter_map(Weak::upgrade).filter(|d| d.idle.get()) {
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
