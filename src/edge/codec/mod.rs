//! The wire formats. They differ here and nowhere after: the stations see a [`Client`].

pub mod h1;

use bytes::Bytes;

use super::body::{Incoming, Outgoing};
use super::deadline::Deadline;
use super::failure::Failure;
use super::flow::{Sink, Source};
use super::upstream::response::write_status_line;
use super::wire::Writer;
use super::worker::Worker;
use crate::http::framing::BodyLength;
use crate::plan::timeouts::Timeouts;

/// The client's side of one exchange, whatever it speaks.
pub enum Client<'c> {
    H1(&'c mut h1::Connection),
}

/// The way back to the client, while its body may still be arriving.
pub enum Back<'c> {
    H1 { writer: &'c mut Writer, deadline: &'c Deadline },
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
        }
    }

    /// Takes what is at hand of the request's body into `out`, framed anew.
    pub fn take(&mut self, incoming: &mut Incoming, outgoing: Outgoing, out: &mut Vec<u8>) -> Result<(), Failure> {
        match self {
            Client::H1(connection) => {
                incoming.pass(&mut connection.inbox, outgoing, out).map(|_| ()).map_err(|e| Failure::Body(e.0))
            }
        }
    }

    /// Reads a whole body of at most `bytes_max` bytes, within `timeouts.head`.
    pub async fn collect(
        &mut self,
        worker: &Worker,
        timeouts: &Timeouts,
        body: BodyLength,
        bytes_max: usize,
    ) -> Result<Bytes, Failure> {
        const TOO_LARGE: Failure = Failure::Body("the body is larger than this page takes");
        if matches!(body, BodyLength::Fixed(length) if length > bytes_max as u64) {
            return Err(TOO_LARGE);
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
                        return Err(TOO_LARGE);
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
        }
        Ok(Bytes::from(collected))
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
                    timeout_ms: Some(timeouts.read.as_millis() as u64),
                };
                (source, Back::H1 { writer: &mut connection.writer, deadline: &connection.deadline })
            }
        }
    }

    /// The way back alone.
    pub fn back(&mut self) -> Back<'_> {
        match self {
            Client::H1(connection) => Back::H1 { writer: &mut connection.writer, deadline: &connection.deadline },
        }
    }
}

impl<'c> Back<'c> {
    /// A sink for the response's body, whose head said how it is framed.
    pub fn sink(self, outgoing: Outgoing, timeouts: &Timeouts) -> Sink<'c> {
        match self {
            Back::H1 { writer, deadline } => {
                Sink::Wire { writer, outgoing, deadline, timeout_ms: timeouts.write.as_millis() as u64 }
            }
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
