//! The response's body on its way from an endpoint of HTTP/2.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use ::h2::RecvStream;
use ::http::HeaderMap;

use super::connection::Connection;
use crate::edge::body::{self, Outgoing};
use crate::edge::flow::Cut;
use crate::edge::wire::READ_BYTES;
use crate::http::trailers::{TooLarge, Trailers};

/// Body bytes that are taken at once.
const TAKEN_BYTES: usize = 4 * READ_BYTES;

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
    /// The body behind a response's head; `empty`: there is none to be passed on.
    pub(super) fn new(connection: Rc<Connection>, stream: RecvStream, empty: bool) -> Self {
        connection.pulse().note_answer();
        Receiving { connection, stream, inbox: Vec::new(), owed: 0, ended: empty, trailers: None }
    }

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

    /// Whether there will be no more than what is at hand.
    pub fn is_ended(&self) -> bool {
        self.ended
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

fn from_map(map: &HeaderMap) -> Result<Option<Box<Trailers>>, TooLarge> {
    let mut trailers = Trailers::default();
    for (name, value) in map {
        trailers.add(name.as_str().as_bytes(), value.as_bytes())?;
    }
    Ok((!trailers.is_empty()).then(|| Box::new(trailers)))
}
