//! One exchange among others on a connection of HTTP/2: its way there and back.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use ::h2::client::ResponseFuture;
use ::h2::{Reason, RecvStream};
use ::http::{Request, Response};

use super::connection::Connection;
use super::receiving::Receiving;
use super::sending::Sending;
use crate::edge::deadline::Deadline;
use crate::edge::worker::Worker;
use crate::plan::cluster::Endpoint;

/// A place on a connection, for one exchange.
pub struct Place {
    connection: Rc<Connection>,
    /// This exchange's own; the connection has another.
    pub deadline: Rc<Deadline>,
    pub endpoint: Arc<Endpoint>,
    /// Another exchange was on this connection before.
    pub reused: bool,
    since_ms: u64,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The endpoint did nothing with the request and said so (RFC 9113 section 8.7), or it was not sent.
    Unprocessed,
    /// The connection or the stream ended.
    Closed,
    /// What came is no HTTP/2.
    Malformed,
    /// More interim responses than are taken.
    Interim,
}

impl Lost {
    fn of(error: &::h2::Error) -> Self {
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        match () {
            () if error.is_remote() && (error.is_go_away() || refused) => Lost::Unprocessed,
            () if error.is_library() => Lost::Malformed,
            () => Lost::Closed,
        }
    }
}

impl Place {
    pub(super) fn take(worker: &Worker, connection: Rc<Connection>, endpoint: Arc<Endpoint>) -> Self {
        let reused = connection.enter();
        let deadline = worker.deadlines.watch_exchange(connection.deadline().control().clone());
        Place { connection, deadline, endpoint, reused, since_ms: worker.clock.now_ms() }
    }

    /// Sends the head of a request; `end`: no body follows.
    pub fn send(&self, request: Request<()>, end: bool) -> Result<(Answering, Sending), Lost> {
        let sent = self.connection.sender().map(|mut sender| sender.send_request(request, end));
        match sent {
            Some(Ok((answer, stream))) => Ok((Answering { answer, interim: 0 }, Sending::new(stream, end))),
            _ => {
                self.connection.retire();
                Err(Lost::Unprocessed)
            }
        }
    }

    /// Whether the endpoint takes WebSockets (RFC 8441 section 3), once it has said what it takes.
    pub async fn takes_websockets(&self) -> Result<bool, Lost> {
        self.connection.takes_connect().await
    }

    /// Whether the connection was given up because nothing was heard from its endpoint.
    pub fn is_dead(&self) -> bool {
        self.connection.is_dead()
    }

    /// The body behind a response's head; `empty`: there is none to be passed on.
    pub fn receive(&self, stream: RecvStream, empty: bool) -> Receiving {
        Receiving::new(self.connection.clone(), stream, empty)
    }

    /// The endpoint did not answer in time. When nothing at all was heard from it during the second half of the wait, the
    /// connection may be dead: no other exchange shall find that out.
    pub fn suspect(&self, now_ms: u64) {
        if self.connection.pulse().is_silent_since(now_ms - now_ms.saturating_sub(self.since_ms) / 2) {
            self.connection.retire();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connection.leave();
    }
}

/// The head of an answer that is still to come.
pub struct Answering {
    answer: ResponseFuture,
    interim: usize,
}

impl Answering {
    /// Waits for the head of the final response. At most `interim_max` interim ones may come before it; each is handed to
    /// `pass`.
    pub async fn head(
        &mut self,
        interim_max: usize,
        mut pass: impl FnMut(&Response<()>),
    ) -> Result<Response<RecvStream>, Lost> {
        poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(interim))) = self.answer.poll_informational(cx) {
                self.interim += 1;
                if self.interim > interim_max {
                    return Poll::Ready(Err(Lost::Interim));
                }
                pass(&interim);
            }
            std::pin::Pin::new(&mut self.answer).poll(cx).map_err(|error| Lost::of(&error))
        })
        .await
    }
}
