//! One body flowing from one connection to another, with back-pressure: nothing is read before what was read is written.

use std::time::Duration;

use super::body::{self, Incoming, Outgoing};
use super::clock::Clock;
use super::codec::mux::Stream;
use super::deadline::Deadline;
use super::pace::Pace;
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
        /// How slow it may be; `None`: the deadline is someone else's to keep.
        pace: Option<Pace>,
    },
    /// A stream of HTTP/2.
    Stream {
        stream: &'a Stream,
        /// What was read and not passed on yet.
        inbox: Vec<u8>,
        ended: bool,
        /// How slow it may be.
        pace: Pace,
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
    /// There is more than may be.
    TooLarge,
    /// The receiver takes no more.
    Receiver,
    /// The receiver took too little for too long.
    ReceiverLate,
}

/// Moves a body from `source` to `sink`; `out` may already hold bytes that go first (a head). Body bytes are added to
/// `size` as they are read; when there are more than `size_max`, the flow is cut.
pub async fn run(
    clock: &Clock,
    mut source: Source<'_>,
    mut sink: Sink<'_>,
    out: &mut Vec<u8>,
    size: &mut u64,
    size_max: u64,
) -> Result<(), Cut> {
    loop {
        let (count, ended) = source.take(sink.framing(), out)?;
        *size += count;
        if *size > size_max {
            return Err(Cut::TooLarge);
        }
        sink.write(clock, out, ended).await?;
        if ended {
            return Ok(());
        }
        source.fill(clock).await?;
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
            Source::Wire { reader, inbox, incoming, deadline, pace } => {
                let began_ms = clock.now_ms();
                if let Some(pace) = pace {
                    deadline.set_read(began_ms + pace.left_ms());
                }
                let count = reader.read(inbox, incoming.room(FLOW_BYTES)).await;
                if let Some(pace) = pace {
                    deadline.clear_read();
                    pace.note(clock.now_ms() - began_ms, *count.as_ref().unwrap_or(&0));
                }
                match count {
                    Ok(1..) => Ok(()),
                    _ if deadline.fired() => Err(Cut::SenderLate),
                    Ok(0) => incoming.close().map_err(|e| Cut::Sender(e.0)),
                    Err(_) => Err(Cut::Sender("the connection broke")),
                }
            }
            Source::Stream { stream, inbox, ended, pace } => {
                let began_ms = clock.now_ms();
                match timer::timeout(Duration::from_millis(pace.left_ms()), stream.read(inbox)).await {
                    Ok(Ok((count, last))) => {
                        *ended = last;
                        pace.note(clock.now_ms() - began_ms, count);
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
                result.map_err(|_| if deadline.fired() { Cut::ReceiverLate } else { Cut::Receiver })
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
            Ok(Err(_)) => return Err(Cut::Receiver),
            Err(_) => return Err(Cut::ReceiverLate),
        }
    }
    out.clear();
    Ok(())
}
