//! The end of HTTP/2 connections when the worker drains (RFC 9113 section 6.8): a first GOAWAY that refuses nothing, a
//! moment for what is on its way, a second one with the last stream that is served, and the end once it was.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::task::Waker;

use super::Shared;
use crate::edge::codec::h1::LINGER_MS;
use crate::edge::codec::h2::ErrorCode;
use crate::edge::wire::Writer;

/// How long a client may take to answer the PING that goes with the first GOAWAY.
const NOTICE_MS: u64 = 1_000;

/// The HTTP/2 connections of a worker.
#[derive(Default)]
pub struct Connections(RefCell<Vec<Weak<Shared>>>);

impl Connections {
    pub(super) fn enter(&self, connection: &Rc<Shared>) {
        self.0.borrow_mut().push(Rc::downgrade(connection));
    }

    /// Forgets those that have ended.
    pub fn sweep(&self) {
        self.0.borrow_mut().retain(|connection| connection.strong_count() > 0);
    }

    /// Wakes the tasks of all streams on which an answer is awaited, or flows.
    pub fn wake_streams(&self) {
        for connection in self.0.borrow().iter().filter_map(Weak::upgrade) {
            connection.waiting.borrow().values().filter_map(|w| w.task.as_ref()).for_each(Waker::wake_by_ref);
        }
    }

    /// Tells every client to go, those of new connections too; to be called again and again while the worker drains.
    pub fn leave(&self, now_ms: u64) {
        self.0.borrow().iter().filter_map(Weak::upgrade).for_each(|connection| connection.leave(now_ms));
    }
}

impl Shared {
    fn leave(&self, now_ms: u64) {
        match self.leaving_ms.get() {
            0 => {
                self.leaving_ms.set(now_ms.max(1));
                self.deadline.clear_idle();
                self.codec.borrow_mut().drain();
            }
            since if now_ms >= since + NOTICE_MS => self.codec.borrow_mut().go_away(ErrorCode::NO_ERROR),
            _ => return,
        }
        self.wake_writer();
    }

    /// All is said: closes our direction, and gives the client a moment to close its own.
    pub(super) async fn close_writer(&self, writer: &mut Writer) {
        let until_ms = self.worker.clock.now_ms() + LINGER_MS;
        self.deadline.set_total(until_ms);
        self.deadline.set_write(until_ms);
        writer.finish(self.deadline.control()).await;
    }
}
