//! One exchange among others on a connection of HTTP/2: its way there and back.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::h2::client::ResponseFuture;
use ::h2::{Reason, RecvStream, SendStream};
use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use bytes::Bytes;

use super::connection::Connection;
use crate::edge::body::{self, Outgoing};
use crate::edge::deadline::Deadline;
use crate::edge::flow::Cut;
use crate::edge::wire::READ_BYTES;
use crate::edge::worker::Worker;
use crate::http::trailers::Trailers;
use crate::net::timer;
use crate::plan::cluster::Endpoint;

/// Body bytes that are taken at once.
const TAKEN_BYTES: usize = 4 * READ_BYTES;
/// Bytes of a request's body that are kept, so that it can be sent again when the endpoint says that it did nothing.
const KEPT_BYTES_MAX: usize = 64 * 1024;

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
            Some(Ok((answer, stream))) => Ok((Answering { answer, interim: 0 }, Sending { stream, ended: end })),
            _ => {
                self.connection.retire();
                Err(Lost::Unprocessed)
            }
        }
    }

    /// Whether the connection was given up because nothing was heard from its endpoint.
    pub fn is_dead(&self) -> bool {
        self.connection.is_dead()
    }

    /// The body behind a response's head; `empty`: there is none to be passed on.
    pub fn receive(&self, stream: RecvStream, empty: bool) -> Receiving {
        let connection = self.connection.clone();
        connection.pulse().note_answer();
        Receiving { connection, stream, inbox: Vec::new(), owed: 0, ended: empty, trailers: None }
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
    /// Waits for the head of the final response. At most `interim_max` interim ones may come before it; they are skipped.
    pub async fn head(&mut self, interim_max: usize) -> Result<Response<RecvStream>, Lost> {
        poll_fn(|cx| {
            while let Poll::Ready(Some(Ok(_))) = self.answer.poll_informational(cx) {
                self.interim += 1;
                if self.interim > interim_max {
                    return Poll::Ready(Err(Lost::Interim));
                }
            }
            std::pin::Pin::new(&mut self.answer).poll(cx).map_err(|error| Lost::of(&error))
        })
        .await
    }
}

/// What was sent of a request's body, kept until it is too much.
#[derive(Default)]
pub struct Log {
    pieces: Vec<Bytes>,
    bytes: usize,
    trailers: Option<Trailers>,
    is_lost: bool,
    /// Something may have been taken from the client.
    is_begun: bool,
    /// The body was taken to its end.
    ended: bool,
}

impl Log {
    fn note(&mut self, piece: &Bytes) {
        self.bytes += piece.len();
        self.is_lost |= self.bytes > KEPT_BYTES_MAX;
        match self.is_lost {
            true => self.pieces = Vec::new(),
            false if piece.is_empty() => {}
            false => self.pieces.push(piece.clone()),
        }
    }

    fn end(&mut self, last: &Bytes, trailers: Option<&Trailers>) {
        self.note(last);
        self.trailers = trailers.cloned();
        self.ended = true;
    }

    /// From here on the body is taken from the client.
    pub fn begin(&mut self) {
        self.is_begun = true;
    }

    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether all of the body is here.
    pub fn is_whole(&self) -> bool {
        self.ended && !self.is_lost
    }

    /// Forgets everything: nothing will be sent again.
    pub fn forget(&mut self) {
        *self = Log { is_lost: true, is_begun: true, ..Log::default() };
    }
}

/// The request's body on its way.
pub struct Sending {
    stream: SendStream<Bytes>,
    ended: bool,
}

impl Sending {
    /// Sends all of `out` as the endpoint grants room; each wait for room is bounded. `out` is noted in `log`.
    pub async fn write(&mut self, timeout: Duration, out: &mut Vec<u8>, log: &RefCell<Log>) -> Result<(), Cut> {
        let piece = Bytes::from(std::mem::take(out));
        log.borrow_mut().note(&piece);
        self.push(timeout, piece).await
    }

    /// Ends the body, behind what is left of it in `out`.
    pub async fn finish(
        &mut self,
        timeout: Duration,
        out: &mut Vec<u8>,
        trailers: Option<&Trailers>,
        log: &RefCell<Log>,
    ) -> Result<(), Cut> {
        let piece = Bytes::from(std::mem::take(out));
        log.borrow_mut().end(&piece, trailers);
        self.push_last(timeout, piece, trailers).await
    }

    /// Sends a body that was sent before.
    pub async fn again(&mut self, timeout: Duration, log: &Log) -> Result<(), Cut> {
        for piece in &log.pieces {
            self.push(timeout, piece.clone()).await?;
        }
        self.push_last(timeout, Bytes::new(), log.trailers.as_ref()).await
    }

    async fn push_last(&mut self, timeout: Duration, piece: Bytes, trailers: Option<&Trailers>) -> Result<(), Cut> {
        if self.ended {
            return Ok(());
        }
        self.push(timeout, piece).await?;
        self.ended = true;
        let result = match trailers {
            Some(trailers) => self.stream.send_trailers(to_map(trailers)),
            None => self.stream.send_data(Bytes::new(), true),
        };
        result.map_err(|_| Cut::Receiver)
    }

    async fn push(&mut self, timeout: Duration, mut piece: Bytes) -> Result<(), Cut> {
        while !piece.is_empty() {
            self.stream.reserve_capacity(piece.len());
            let room = match self.stream.capacity() {
                0 => timer::timeout(timeout, poll_fn(|cx| self.stream.poll_capacity(cx)))
                    .await
                    .map_err(|_| Cut::ReceiverLate)?
                    .and_then(Result::ok)
                    .ok_or(Cut::Receiver)?,
                room => room,
            };
            let now = piece.split_to(room.min(piece.len()));
            self.stream.send_data(now, false).map_err(|_| Cut::Receiver)?;
        }
        Ok(())
    }
}

fn to_map(trailers: &Trailers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in trailers.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// The response's body on its way.
pub struct Receiving {
    connection: Rc<Connection>,
    stream: RecvStream,
    /// What was read and not passed on yet.
    inbox: Vec<u8>,
    /// What the endpoint may send anew once all that was read is passed on.
    owed: usize,
    ended: bool,
    trailers: Option<Box<Trailers>>,
}

impl Receiving {
    /// Moves what is at hand into `out`: how many bytes, and whether they were the last.
    pub fn take(&mut self, outgoing: Outgoing, out: &mut Vec<u8>) -> (u64, bool) {
        let count = self.inbox.len() as u64;
        if out.is_empty() && outgoing == Outgoing::Plain {
            std::mem::swap(out, &mut self.inbox);
        } else {
            body::write_data(&self.inbox, outgoing, out);
            self.inbox.clear();
        }
        (count, self.ended)
    }

    pub fn take_trailers(&mut self) -> Option<Box<Trailers>> {
        self.trailers.take()
    }

    /// Waits until there is more at hand, or the end; returns how much there is. What was at hand before has been passed
    /// on, so the endpoint may send as much again.
    pub async fn fill(&mut self) -> Result<usize, Cut> {
        let _ = self.stream.flow_control().release_capacity(std::mem::take(&mut self.owed));
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Cut>> {
        while self.inbox.len() < TAKEN_BYTES {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.connection.pulse().note_answer();
                    self.owed += data.len();
                    self.inbox.extend_from_slice(&data);
                }
                Poll::Ready(None) => return self.poll_end(cx),
                // What came before the cut is passed on first.
                Poll::Ready(Some(Err(_))) if self.inbox.is_empty() => {
                    return Poll::Ready(Err(Cut::Sender("the stream was reset")));
                }
                Poll::Pending if self.inbox.is_empty() => return Poll::Pending,
                Poll::Ready(Some(Err(_))) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(self.inbox.len()))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Cut>> {
        match self.stream.poll_trailers(cx) {
            Poll::Ready(Ok(map)) => {
                self.ended = true;
                match map.map(|map| from_map(&map)).transpose() {
                    Ok(trailers) => self.trailers = trailers.flatten(),
                    Err(_) => return Poll::Ready(Err(Cut::Sender("the trailers are too large"))),
                }
                Poll::Ready(Ok(self.inbox.len()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Cut::Sender("the stream was reset"))),
            Poll::Pending if self.inbox.is_empty() => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(self.inbox.len())),
        }
    }
}

fn from_map(map: &HeaderMap) -> Result<Option<Box<Trailers>>, crate::http::trailers::TooLarge> {
    let mut trailers = Trailers::default();
    for (name, value) in map {
        trailers.add(name.as_str().as_bytes(), value.as_bytes())?;
    }
    Ok((!trailers.is_empty()).then(|| Box::new(trailers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_body_is_kept_and_a_long_one_is_not() {
        let mut log = Log::default();
        log.note(&Bytes::from_static(b"abc"));
        assert!(!log.is_whole());
        log.ended = true;
        assert!(log.is_whole() && log.pieces.len() == 1);
        log.note(&Bytes::from(vec![0; KEPT_BYTES_MAX]));
        assert!(!log.is_whole() && log.pieces.is_empty());
        let mut log = Log { ended: true, ..Log::default() };
        log.forget();
        assert!(!log.is_whole());
    }
}
