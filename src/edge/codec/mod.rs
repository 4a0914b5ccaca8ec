//! The wire formats. They differ here and nowhere after: the stations see a [`Client`].

pub mod h1;
pub mod h2;
pub mod mux;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;

use super::body::{self, Incoming, Outgoing};
use super::deadline::Deadline;
use super::failure::Failure;
use super::flow::{self, Patience, Sink, Source};
use super::pace::Pace;
use super::trailers::Allowed;
use super::upstream::response::write_status_line;
use super::wire::Writer;
use super::worker::Worker;
use crate::http::framing::BodyLength;
use crate::http::head::Room;
use crate::net::timer;
use crate::plan::timeouts::Timeouts;

/// The client's side of one exchange, whatever it speaks.
pub enum Client<'c> {
    H1(&'c mut h1::Connection),
    H2(&'c mux::Stream),
}

/// The way back to the client, while its body may still be arriving.
pub enum Back<'c> {
    H1 { writer: &'c mut Writer, deadline: &'c Deadline },
    H2(&'c mux::Stream),
}

/// Where the head of a response goes as soon as it is known.
pub enum HeadSink<'c> {
    /// In front of the body's first bytes.
    H1(&'c mut Vec<u8>),
    H2(&'c mux::Stream),
}

/// A whole answer of our own.
pub struct Whole<'a> {
    pub status: u16,
    pub fields: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    /// The answer is to HEAD: its length is told, its body is not sent.
    pub is_head: bool,
    /// The connection ends after this answer.
    pub close: bool,
}

impl Client<'_> {
    /// Sends a whole answer.
    pub async fn answer(&mut self, worker: &Worker, timeouts: &Timeouts, whole: Whole<'_>) -> Result<(), Failure> {
        match self {
            Client::H1(connection) => {
                let mut out = worker.buffers.take();
                write_whole(&whole, &mut out);
                connection.deadline.set_write(worker.clock.now_ms() + timeouts.write.as_millis() as u64);
                let result = connection.writer.write_all(&mut out).await;
                connection.deadline.clear_write();
                worker.buffers.give(out);
                result.map_err(|_| Failure::ClientGone)
            }
            Client::H2(stream) => answer_stream(stream, timeouts, whole).await,
        }
    }

    /// Tells a client that waits for it to send its body (RFC 9110 section 10.1.1), unless some of it is here already.
    pub async fn invite(&mut self) -> Result<(), Failure> {
        match self {
            Client::H1(connection) if connection.inbox.is_empty() => {
                let mut interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
                connection.writer.write_all(&mut interim).await.map_err(|_| Failure::ClientGone)
            }
            Client::H1(_) => Ok(()),
            Client::H2(stream) => stream.send_head(100, std::iter::empty(), false).map_err(|_| Failure::ClientGone),
        }
    }

    /// Takes what is at hand of the request's body into `out`, framed anew, with its end when that is at hand, too;
    /// returns how many bytes of body there were.
    pub fn take(
        &mut self,
        incoming: &mut Incoming,
        outgoing: Outgoing,
        out: &mut Vec<u8>,
        allowed: Allowed<'_>,
    ) -> Result<u64, Failure> {
        let count = match self {
            Client::H1(connection) => {
                incoming.pass(&mut connection.inbox, outgoing, out).map_err(|e| Failure::Body(e.0))?
            }
            Client::H2(stream) => {
                let mut data = Vec::new();
                let (count, ended) = stream.take(&mut data);
                body::write_data(&data, outgoing, out);
                if ended {
                    *incoming = stream.take_trailers().map_or(Incoming::Ended, Incoming::Trailing);
                }
                count as u64
            }
        };
        if incoming.is_ended() {
            let trailers = incoming.take_trailers().and_then(|trailers| allowed.filter(trailers));
            body::write_end(outgoing, trailers.as_deref(), out);
        }
        Ok(count)
    }

    /// Reads a whole body of at most `bytes_max` bytes, within `timeouts.head`.
    pub async fn collect(
        &mut self,
        worker: &Worker,
        timeouts: &Timeouts,
        body: BodyLength,
        bytes_max: usize,
    ) -> Result<Bytes, Failure> {
        if matches!(body, BodyLength::Fixed(length) if length > bytes_max as u64) {
            return Err(Failure::BodyTooLarge);
        }
        let mut collected = Vec::new();
        let mut incoming = Incoming::new(body);
        match self {
            Client::H1(connection) => {
                connection.deadline.set_read(worker.clock.now_ms() + timeouts.head.as_millis() as u64);
                loop {
                    incoming
                        .pass(&mut connection.inbox, Outgoing::Plain, &mut collected)
                        .map_err(|e| Failure::Body(e.0))?;
                    if collected.len() > bytes_max {
                        return Err(Failure::BodyTooLarge);
                    }
                    if incoming.is_ended() {
                        break;
                    }
                    match connection.reader.read(&mut connection.inbox, incoming.room(bytes_max)).await {
                        Ok(1..) => {}
                        _ if connection.deadline.fired() => return Err(Failure::BodyTimeout),
                        _ => return Err(Failure::ClientGone),
                    }
                }
                connection.deadline.clear_read();
            }
            Client::H2(stream) => loop {
                match timer::timeout(timeouts.head, stream.read(&mut collected)).await {
                    Ok(Ok(_)) if collected.len() > bytes_max => return Err(Failure::BodyTooLarge),
                    Ok(Ok((_, true))) => break,
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) => return Err(Failure::ClientGone),
                    Err(_) => return Err(Failure::BodyTimeout),
                }
            },
        }
        Ok(Bytes::from(collected))
    }

    /// Puts back a whole body that was collected, to be taken again; its length is known from now on.
    pub fn unread(&mut self, body: &[u8]) {
        match self {
            Client::H1(connection) => drop(connection.inbox.splice(0..0, body.iter().copied())),
            Client::H2(stream) => stream.unread(body),
        }
    }

    /// The request's body and the way back, to be used at the same time.
    pub fn split(&mut self, incoming: Incoming, timeouts: &Timeouts) -> (Source<'_>, Back<'_>) {
        match self {
            Client::H1(connection) => {
                let source = Source::Wire {
                    reader: &mut connection.reader,
                    inbox: &mut connection.inbox,
                    incoming,
                    deadline: &connection.deadline,
                    pace: Some(Pace::of(timeouts)),
                };
                (source, Back::H1 { writer: &mut connection.writer, deadline: &connection.deadline })
            }
            Client::H2(stream) => {
                let stream: &mux::Stream = stream;
                let (ended, patience) = (incoming.is_ended(), Patience::Pace(Pace::of(timeouts)));
                let source = Source::Stream { stream, inbox: Vec::new(), ended, patience };
                (source, Back::H2(stream))
            }
        }
    }

    /// Whether the client is known to have taken its request back, or to have gone. One of HTTP/1 is looked after while
    /// it waits for an answer.
    pub fn is_gone(&self) -> bool {
        self.stream().is_some_and(mux::Stream::is_broken)
    }

    /// Nothing is awaited for this client any more; returns whether it went away meanwhile.
    pub fn answer_over(&mut self) -> bool {
        match self {
            Client::H1(connection) => connection.deadline.answer_over(),
            Client::H2(stream) => stream.answer_over(),
        }
    }

    /// The way back alone.
    pub fn back(&mut self) -> Back<'_> {
        match self {
            Client::H1(connection) => Back::H1 { writer: &mut connection.writer, deadline: &connection.deadline },
            Client::H2(stream) => Back::H2(stream),
        }
    }

    /// Takes back the room of a head that is no longer needed.
    pub fn take_back(&self, worker: &Worker, room: Room) {
        match self {
            Client::H1(_) => worker.buffers.give_room(room),
            Client::H2(stream) => stream.take_back(room),
        }
    }

    /// The stream, when the client speaks HTTP/2.
    pub fn stream(&self) -> Option<&mux::Stream> {
        match self {
            Client::H1(_) => None,
            Client::H2(stream) => Some(stream),
        }
    }
}

/// A whole answer of our own on a stream.
async fn answer_stream(stream: &mux::Stream, timeouts: &Timeouts, whole: Whole<'_>) -> Result<(), Failure> {
    let mut length = itoa::Buffer::new();
    let has_length = !matches!(whole.status, 100..=199 | 204 | 304);
    let length = has_length.then(|| (&b"content-length"[..], length.format(whole.body.len()).as_bytes()));
    let fields = whole.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let end = whole.is_head || !has_length || whole.body.is_empty();
    stream.send_head(whole.status, fields.chain(length), end).map_err(|_| Failure::ClientGone)?;
    if end {
        return Ok(());
    }
    let mut body = whole.body.to_vec();
    flow::write_stream(stream, timeouts.write, &mut body, true).await.map_err(|_| Failure::ClientGone)
}

impl<'c> Back<'c> {
    /// Where the response's head goes; `out` will go first of what is written.
    pub fn head<'h>(&self, out: &'h mut Vec<u8>) -> HeadSink<'h>
    where
        'c: 'h,
    {
        match self {
            Back::H1 { .. } => HeadSink::H1(out),
            Back::H2(stream) => HeadSink::H2(stream),
        }
    }

    /// From now on the task that serves this client is woken for the worker's rounds.
    pub async fn attend(&self) {
        poll_fn(|cx| {
            match self {
                Back::H1 { deadline, .. } => deadline.attend(cx.waker()),
                Back::H2(stream) => stream.attend(cx.waker()),
            }
            Poll::Ready(())
        })
        .await
    }

    /// The request was sent to `endpoint`, and the client, which is attended from now on, waits for the answer.
    pub async fn answer_due(&self, endpoint: &Rc<Deadline>, now_ms: u64) {
        poll_fn(|cx| {
            match self {
                Back::H1 { deadline, .. } => {
                    deadline.attend(cx.waker());
                    deadline.answer_due(endpoint, now_ms);
                }
                // The connection is read all the time, so it is known at once when the client goes away.
                Back::H2(stream) => stream.answer_due(endpoint.clone(), cx.waker()),
            }
            Poll::Ready(())
        })
        .await
    }

    /// The answer has begun.
    pub fn answer_begun(&self) {
        match self {
            Back::H1 { deadline, .. } => deadline.answer_begun(),
            Back::H2(_) => {}
        }
    }

    /// A sink for the response's body, whose head said how long it is.
    pub fn sink(self, body: BodyLength, timeouts: &Timeouts) -> Sink<'c> {
        let outgoing = Outgoing::of(body);
        match self {
            Back::H1 { writer, deadline } => {
                Sink::Wire { writer, outgoing, deadline, timeout_ms: timeouts.write.as_millis() as u64 }
            }
            Back::H2(stream) => Sink::Stream { stream, whole: body == BodyLength::None, timeout: timeouts.write },
        }
    }
}

/// An answer of our own in HTTP/1 (RFC 9112).
fn write_whole(whole: &Whole<'_>, out: &mut Vec<u8>) {
    write_status_line(whole.status, out);
    for (name, value) in whole.fields {
        line(out, name, value);
    }
    let has_length = !matches!(whole.status, 100..=199 | 204 | 304);
    if has_length {
        line(out, "content-length", itoa::Buffer::new().format(whole.body.len()));
    }
    if whole.close {
        line(out, "connection", "close");
    }
    out.extend_from_slice(b"\r\n");
    if has_length && !whole.is_head {
        out.extend_from_slice(whole.body);
    }
}

fn line(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}
