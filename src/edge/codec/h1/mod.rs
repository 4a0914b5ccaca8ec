//! HTTP/1.1 towards clients (RFC 9112): one head after the other from one connection, in order.

use std::rc::Rc;

use super::h2::PREFACE_HEAD;
use crate::edge::buffers::IDLE_BYTES;
use crate::edge::deadline::Deadline;
use crate::edge::exchange::Client;
use crate::edge::wire::{READ_BYTES, Reader, Writer};
use crate::edge::worker::Worker;
use crate::http::head::{End, HEAD_BYTES_MAX, HeadError, RequestHead, find_end};
use crate::plan::timeouts::Timeouts;

/// Most bytes that are read and thrown away so that a client sees our last answer before the connection ends.
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// How long that may take.
pub const LINGER_MS: u64 = 1_000;
/// Most empty lines before a request line that are forgiven (RFC 9112 section 2.2 asks for at least one).
const EMPTY_LINES_MAX: usize = 1;

/// A client's connection, once PROXY header and TLS are done with.
pub struct Connection {
    pub reader: Reader,
    pub writer: Writer,
    pub deadline: Rc<Deadline>,
    /// Plaintext read and not yet used.
    pub inbox: Vec<u8>,
    pub who: Rc<Client>,
    /// Its first bytes may turn out to be HTTP/2 (RFC 9113 section 3.3).
    pub may_be_h2: bool,
}

/// What becomes of a connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request may follow.
    Next,
    /// It ends in good order.
    Close,
    /// It ends at once: the client must see that the last message was cut.
    Abort,
}

/// Why no further request came.
#[derive(Debug)]
pub enum NoHead {
    /// The client ended the connection between two requests, or was silent for too long there.
    Done,
    /// It sent part of a head and stopped.
    Late,
    Refused(HeadError),
    /// The client speaks HTTP/2: its preface begins the inbox.
    Http2,
}

impl Connection {
    /// The next request head. Between requests the connection may be idle for `timeouts.idle`; from its first byte on a
    /// head must arrive within `timeouts.head`.
    pub async fn read_head(&mut self, worker: &Worker, timeouts: &Timeouts) -> Result<RequestHead, NoHead> {
        let mut seen = 0;
        let mut empty_lines = 0;
        let mut begun = false;
        loop {
            while self.inbox.starts_with(b"\r\n") {
                empty_lines += 1;
                if empty_lines > EMPTY_LINES_MAX {
                    return Err(NoHead::Refused(HeadError::RequestLine));
                }
                self.inbox.drain(..2);
                seen = 0;
            }
            match find_end(&self.inbox, seen).map_err(NoHead::Refused)? {
                End::At(length) => {
                    self.deadline.clear_read();
                    if std::mem::take(&mut self.may_be_h2) && self.inbox.starts_with(PREFACE_HEAD) {
                        return Err(NoHead::Http2);
                    }
                    return self.take_head(worker, length).map_err(NoHead::Refused);
                }
                End::NotYet(looked_at) => seen = looked_at,
            }
            if !self.inbox.is_empty() && !begun {
                begun = true;
                self.deadline.set_read(worker.clock.now_ms() + timeouts.head.as_millis() as u64);
            }
            self.read_more(worker, timeouts, begun).await?;
        }
    }

    /// Gives up what only an exchange needs. Clear bytes wait in a little room; over TLS the ciphertext does.
    fn rest(&mut self, worker: &Worker) {
        let small = if self.reader.is_clear() { worker.buffers.take_small() } else { Vec::new() };
        worker.buffers.give(std::mem::replace(&mut self.inbox, small));
        self.writer.rest();
    }

    async fn read_more(&mut self, worker: &Worker, timeouts: &Timeouts, begun: bool) -> Result<(), NoHead> {
        let room = if begun {
            READ_BYTES
        } else {
            // Idle: hold as little as possible.
            self.rest(worker);
            self.deadline.set_read(worker.clock.now_ms() + timeouts.idle.as_millis() as u64);
            if worker.draining.get() {
                return Err(NoHead::Done);
            }
            self.deadline.set_idle(worker.clock.now_ms());
            IDLE_BYTES
        };
        let result = self.reader.read(&mut self.inbox, room).await;
        self.deadline.clear_idle();
        match result {
            Ok(1..) => Ok(()),
            _ if begun && self.deadline.fired() => Err(NoHead::Late),
            _ if self.deadline.fired() => {
                worker.cells.limit("idle_timeout");
                Err(NoHead::Done)
            }
            _ => Err(NoHead::Done),
        }
    }

    /// Takes the first `length` bytes of the inbox as a head; what follows stays.
    fn take_head(&mut self, worker: &Worker, length: usize) -> Result<RequestHead, HeadError> {
        if length > HEAD_BYTES_MAX {
            return Err(HeadError::TooLarge);
        }
        let rest = if length == self.inbox.len() { Vec::new() } else { self.inbox.split_off(length) };
        let bytes = std::mem::replace(&mut self.inbox, rest);
        RequestHead::parse(bytes, worker.buffers.take_fields())
    }

    /// Ends the connection so that the client gets all of the last answer: our end is closed, and what the client still
    /// sends is read for a moment, because unread bytes would make the kernel throw the answer away.
    pub async fn close(mut self, worker: &Worker) {
        let control = self.deadline.control().clone();
        self.deadline.set_read(worker.clock.now_ms() + LINGER_MS);
        self.deadline.set_write(worker.clock.now_ms() + LINGER_MS);
        self.writer.finish(&control).await;
        let mut read = 0;
        while read < LINGER_BYTES_MAX {
            self.inbox.clear();
            match self.reader.read(&mut self.inbox, READ_BYTES).await {
                Ok(count @ 1..) => read += count,
                _ => return,
            }
        }
    }
}
