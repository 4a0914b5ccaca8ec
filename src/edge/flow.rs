//! One body flowing from one connection to another, with back-pressure: nothing is read before what was read is written.

use std::pin::pin;
use std::time::Duration;

use super::body::{self, Incoming, Outgoing};
use super::clock::Clock;
use super::codec::mux::Stream;
use super::deadline::Deadline;
use super::race::{First, first};
use super::wire::{READ_BYTES, Reader, Writer};
use crate::net::timer;

/// Most bytes read at once while a body flows.
const FLOW_BYTES: usize = 4 * READ_BYTES;

/// Where a body comes from.
pub enum Source<'a> {
    /// An HTTP/1 connection.
    Wire {
        reader: &'a mut Reader,
        inbox: &'a mut Vec<u8>,
        incoming: Incoming,
        deadline: &'a Deadline,
        /// Between two reads; `None`: the deadline is someone else's to keep.
        timeout_ms: Option<u64>,
    },
    /// A stream of HTTP/2.
    Stream {
        stream: &'a Stream,
        /// What was read and not passed on yet.
        inbox: Vec<u8>,
        ended: bool,
        /// Between two reads.
        timeout: Duration,
    },
}

/// Where it goes.
pub enum Sink<'a> {
    /// An HTTP/1 connection.
    Wire { writer: &'a mut Writer, outgoing: Outgoing, deadline: &'a Deadline, timeout_ms: u64 },
    /// A stream of HTTP/2; `whole`: its head said that there is no body.
    Stream { stream: &'a Stream, whole: bool, timeout: Duration },
}

/// Who ended a flow before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The sender closed or sent something malformed.
    Sender(&'static str),
    /// The sender was silent for too long.
    SenderLate,
    /// The receiver takes no more.
    Receiver,
}

/// Moves a body from `source` to `sink`; `out` may already hold bytes that go first (a head). Body bytes are added to
/// `size` as they are read.
pub async fn run(
    clock: &Clock,
    mut source: Source<'_>,
    mut sink: Sink<'_>,
    out: &mut Vec<u8>,
    size: &mut u64,
) -> Result<(), Cut> {
    loop {
        let (count, ended) = source.take(sink.framing(), out)?;
        *size += count;
        sink.write(clock, out, ended).await?;
        if ended {
            return Ok(());
        }
        fill(clock, &mut source, &sink).await?;
    }
}

/// Waits until the source has more, or the end. A receiver that goes meanwhile is not kept until the sender speaks again.
async fn fill(clock: &Clock, source: &mut Source<'_>, sink: &Sink<'_>) -> Result<(), Cut> {
    let (Sink::Stream { stream, .. }, Source::Wire { deadline, .. }) = (sink, &*source) else {
        return source.fill(clock).await;
    };
    let deadline = *deadline;
    let (mut filling, mut gone) = (pin!(source.fill(clock)), pin!(stream.broken()));
    match first(filling.as_mut(), gone.as_mut()).await {
        First::Left(result) => result,
        First::Right(()) => {
            // The read ends by itself, it is not dropped.
            deadline.control().shutdown();
            let _ = filling.await;
            Err(Cut::Receiver)
        }
    }
}

impl Source<'_> {
    /// Moves what is at hand into `out`, framed as the sink wants it: how many bytes of body, and whether they were the
    /// last.
    fn take(&mut self, outgoing: Outgoing, out: &mut Vec<u8>) -> Result<(u64, bool), Cut> {
        match self {
            Source::Wire { inbox, incoming, .. } => {
                let count = incoming.pass(inbox, outgoing, out).map_err(|e| Cut::Sender(e.0))?;
                Ok((count, incoming.is_ended()))
            }
            Source::Stream { stream, inbox, ended, .. } => {
                if !*ended {
                    *ended = stream.take(inbox).1;
                }
                let count = inbox.len() as u64;
                body::write_data(inbox, outgoing, out);
                inbox.clear();
                if *ended {
                    body::write_end(outgoing, out);
                }
                Ok((count, *ended))
            }
        }
    }

    /// Waits until there is more at hand, or the end.
    async fn fill(&mut self, clock: &Clock) -> Result<(), Cut> {
        match self {
            Source::Wire { reader, inbox, incoming, deadline, timeout_ms } => {
                if let Some(timeout_ms) = timeout_ms {
                    deadline.set_read(clock.now_ms() + *timeout_ms);
                }
                let count = reader.read(inbox, incoming.room(FLOW_BYTES)).await;
                if timeout_ms.is_some() {
                    deadline.clear_read();
                }
                match count {
                    Ok(1..) => Ok(()),
                    _ if deadline.fired() => Err(Cut::SenderLate),
                    Ok(0) => incoming.close().map_err(|e| Cut::Sender(e.0)),
                    Err(_) => Err(Cut::Sender("the connection broke")),
                }
            }
            Source::Stream { stream, inbox, ended, timeout } => {
                match timer::timeout(*timeout, stream.read(inbox)).await {
                    Ok(Ok((_, last))) => {
                        *ended = last;
                        Ok(())
                    }
                    Ok(Err(_)) => Err(Cut::Sender("the stream was reset")),
                    Err(_) => Err(Cut::SenderLate),
                }
            }
        }
    }
}

impl Sink<'_> {
    fn framing(&self) -> Outgoing {
        match self {
            Sink::Wire { outgoing, .. } => *outgoing,
            Sink::Stream { .. } => Outgoing::Plain,
        }
    }

    /// Writes all of `out`; `ended`: nothing follows.
    async fn write(&mut self, clock: &Clock, out: &mut Vec<u8>, ended: bool) -> Result<(), Cut> {
        match self {
            Sink::Wire { writer, deadline, timeout_ms, .. } => {
                if out.is_empty() {
                    return Ok(());
                }
                deadline.set_write(clock.now_ms() + *timeout_ms);
                let result = writer.write_all(out).await;
                deadline.clear_write();
                result.map_err(|_| Cut::Receiver)
            }
            Sink::Stream { whole: true, .. } => Ok(()),
            Sink::Stream { stream, timeout, .. } => write_stream(stream, *timeout, out, ended).await,
        }
    }
}

/// Writes all of `out` as the peer grants room; each wait for room is bounded.
pub async fn write_stream(stream: &Stream, timeout: Duration, out: &mut Vec<u8>, end: bool) -> Result<(), Cut> {
    let mut sent = 0;
    while sent < out.len() || (end && out.is_empty()) {
        sent += stream.try_write(&out[sent..], end).map_err(|_| Cut::Receiver)?;
        if sent == out.len() {
            break;
        }
        match timer::timeout(timeout, stream.writable()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(Cut::Receiver),
        }
    }
    out.clear();
    Ok(())
}
