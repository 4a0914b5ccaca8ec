//! One stream as its task sees it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::Shared;
use crate::edge::codec::h2::{ErrorCode, Lines, StreamId};
use crate::edge::deadline::Deadline;
use crate::http::head::Room;
use crate::http::trailers::Trailers;

/// The stream was reset, or its connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is broken")]
pub struct Broken;

/// A stream; when dropped it is closed: cut, unless its response was ended.
pub struct Stream {
    shared: Rc<Shared>,
    id: StreamId,
    /// Of the request's body: what was looked at and put back.
    unread: RefCell<Vec<u8>>,
}

impl Stream {
    pub(super) fn open(shared: Rc<Shared>, id: StreamId) -> Self {
        shared.waiting.borrow_mut().insert(id, super::Waiting::default());
        Stream { shared, id, unread: RefCell::default() }
    }

    /// Sends the response's head; `end`: there is no body.
    pub fn send_head<'f>(
        &self,
        status: u16,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        end: bool,
    ) -> Result<(), Broken> {
        let result = self.shared.codec.borrow_mut().send_head(self.id, status, fields, end);
        self.shared.wake_writer();
        result.map_err(|_| Broken)
    }

    /// The same for fields that are found one by one: `fill` adds them.
    pub fn send_head_by(&self, status: u16, end: bool, fill: impl FnOnce(&mut Lines<'_>)) -> Result<(), Broken> {
        let result = self.shared.codec.borrow_mut().send_head_by(self.id, status, end, fill);
        self.shared.wake_writer();
        result.map_err(|_| Broken)
    }

    /// Sends the fields behind the response's body, which end it.
    pub fn send_trailers<'f>(&self, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Result<(), Broken> {
        let result = self.shared.codec.borrow_mut().send_trailers(self.id, fields);
        self.shared.wake_writer();
        result.map_err(|_| Broken)
    }

    /// Sends as much of `bytes` as there is room for; `end`: they are the last. How much was taken.
    pub fn try_write(&self, bytes: &[u8], end: bool) -> Result<usize, Broken> {
        let result = self.shared.codec.borrow_mut().send_data(self.id, bytes, end);
        self.shared.wake_writer();
        result.map_err(|_| Broken)
    }

    /// Waits until there is room for more.
    pub async fn writable(&self) -> Result<(), Broken> {
        poll_fn(|cx| {
            if self.is_broken() {
                return Poll::Ready(Err(Broken));
            }
            let room = self.shared.codec.borrow_mut().send_capacity(self.id);
            match room {
                Err(_) => Poll::Ready(Err(Broken)),
                Ok(1..) => Poll::Ready(Ok(())),
                Ok(_) => {
                    self.shared.wait(self.id, |waiting| waiting.writer = Some(cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Moves what has arrived of the request's body into `buffer`: how many bytes, and whether they were the last.
    pub fn take(&self, buffer: &mut Vec<u8>) -> (usize, bool) {
        let unread = std::mem::take(&mut *self.unread.borrow_mut());
        buffer.extend_from_slice(&unread);
        let mut codec = self.shared.codec.borrow_mut();
        let count = codec.take_data(self.id, buffer);
        let ended = codec.is_ended(self.id);
        drop(codec);
        if count > 0 {
            // Room was granted to the peer.
            self.shared.wake_writer();
        }
        (unread.len() + count, ended && !self.is_broken())
    }

    /// Puts back what was taken of the request's body, to be taken again.
    pub fn unread(&self, data: &[u8]) {
        self.unread.borrow_mut().splice(0..0, data.iter().copied());
    }

    /// The fields behind the request's body, once it has ended.
    pub fn take_trailers(&self) -> Option<Box<Trailers>> {
        self.shared.codec.borrow_mut().take_trailers(self.id)
    }

    /// Takes back the room of a head that is no longer needed.
    pub fn take_back(&self, room: Room) {
        self.shared.codec.borrow_mut().take_back(room);
    }

    /// Like [`Stream::take`], but waits until there is something to take, or the body has ended.
    pub async fn read(&self, buffer: &mut Vec<u8>) -> Result<(usize, bool), Broken> {
        poll_fn(|cx| match self.take(buffer) {
            (0, false) if self.is_broken() => Poll::Ready(Err(Broken)),
            (0, false) => {
                self.shared.wait(self.id, |waiting| waiting.reader = Some(cx.waker().clone()));
                Poll::Pending
            }
            taken => Poll::Ready(Ok(taken)),
        })
        .await
    }

    /// From now on `task`, which serves this stream, is woken for the worker's rounds.
    pub fn attend(&self, task: &Waker) {
        self.shared.wait(self.id, |waiting| waiting.task = Some(task.clone()));
    }

    /// The client waits for an answer from `endpoint`, which is let go at once when the client went away before; `task` as
    /// for [`Stream::attend`].
    pub fn answer_due(&self, endpoint: Rc<Deadline>, task: &Waker) {
        if self.is_broken() {
            return endpoint.fire();
        }
        self.shared.wait(self.id, |waiting| {
            waiting.endpoint = Some(endpoint);
            waiting.task = Some(task.clone());
        });
    }

    /// Nothing is awaited any more; returns whether the client went away meanwhile.
    pub fn answer_over(&self) -> bool {
        self.shared.wait(self.id, |waiting| waiting.endpoint = None);
        self.is_broken()
    }

    /// Ends the stream before its time: the peer must see that what it got is not whole.
    pub fn abort(&self) {
        self.shared.codec.borrow_mut().reset(self.id, ErrorCode::INTERNAL_ERROR);
        self.shared.wake_writer();
    }

    /// Breaks the stream off: what it was joined to is gone (RFC 8441 section 5).
    pub fn cancel(&self) {
        self.shared.codec.borrow_mut().reset(self.id, ErrorCode::CANCEL);
        self.shared.wait(self.id, |waiting| {
            waiting.reset = true;
            waiting.wake();
        });
        self.shared.wake_writer();
    }

    /// Whether the client took the request back, or went away.
    pub fn is_broken(&self) -> bool {
        self.shared.closed.get() || self.shared.waiting.borrow().get(&self.id).is_none_or(|waiting| waiting.reset)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.waiting.borrow_mut().remove(&self.id);
        self.shared.codec.borrow_mut().release(self.id);
        self.shared.stream_ended();
    }
}
