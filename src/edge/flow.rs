//! One body flowing from one connection to another, with back-pressure: nothing is read before what was read is written.

use std::cell::RefCell;
use std::time::Duration;

use super::body::{self, Incoming, Outgoing};
use super::clock::Clock;
use super::codec::mux::Stream;
use super::deadline::Deadline;
use super::oversight::Cause;
use super::pace::Pace;
use super::trailers::Allowed;
use super::upstream::h2::{Log, Receiving, Sending};
use super::wire::{READ_BYTES, Reader, Writer};
use crate::http::trailers::Trailers;
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
    /// A client's stream of HTTP/2.
    Stream {
        stream: &'a Stream,
        /// What was read and not passed on yet.
        inbox: Vec<u8>,
        ended: bool,
        patience: Patience<'a>,
    },
    /// An endpoint's stream of HTTP/2; `pace`: how slow it may be.
    Upstream { receiving: &'a mut Receiving, deadline: &'a Deadline, pace: Option<Pace> },
}

/// How long a client's stream may pause.
pub enum Patience<'a> {
    Pace(Pace),
    /// As long as the answer may: what the client says puts off `deadline` for so many milliseconds anew.
    WithAnswer {
        deadline: &'a Deadline,
        idle_ms: Option<u64>,
    },
}

/// Where it goes.
pub enum Sink<'a> {
    /// An HTTP/1 connection.
    Wire { writer: &'a mut Writer, outgoing: Outgoing, deadline: &'a Deadline, timeout_ms: u64 },
    /// A client's stream of HTTP/2; `whole`: its head said that there is no body.
    Stream { stream: &'a Stream, whole: bool, timeout: Duration },
    /// An endpoint's stream of HTTP/2; what is sent is noted in `log`.
    Upstream { sending: &'a mut Sending, log: &'a RefCell<Log>, timeout: Duration },
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
    /// It may not go on.
    Revoked(Cause),
}

/// Moves a body from `source` to `sink`; `out` may already hold bytes that go first (a head). Body bytes are added to
/// `size` as they are read; when there are more than `size_max`, the flow is cut. Of the fields behind the body those
/// go on that are `allowed`.
pub async fn run(
    clock: &Clock,
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    out: &mut Vec<u8>,
    size: &mut u64,
    size_max: u64,
    allowed: Allowed<'_>,
) -> Result<(), Cut> {
    loop {
        let (count, ended) = source.take(sink.framing(), out)?;
        *size += count;
        if *size > size_max {
            return Err(Cut::TooLarge);
        }
        if ended {
            let trailers = source.take_trailers().and_then(|trailers| allowed.filter(trailers));
            return sink.finish(clock, out, trailers.as_deref()).await;
        }
        sink.write(clock, out, false).await?;
        source.fill(clock).await?;
    }
}

/// Moves what is at hand of a body to `out`: true when that is all of it, so that [`Sink::finish`] is what remains to be
/// done; otherwise [`run`] goes on from here. A short answer in chunks has often come as a whole, and then needs no room
/// for waiting.
pub fn take_whole(source: &mut Source<'_>, sink: &Sink<'_>, out: &mut Vec<u8>, size: &mut u64) -> Result<bool, Cut> {
    let Source::Wire { inbox, incoming, .. } = source else { return Ok(false) };
    *size += incoming.pass(inbox, sink.framing(), out).map_err(|malformed| Cut::Sender(malformed.0))?;
    // Fields behind the body are sent on by `run`.
    Ok(matches!(incoming, Incoming::Ended))
}

impl Patience<'_> {
    /// A read that was begun at `began_ms` brought so many bytes.
    fn note(&mut self, count: usize, began_ms: u64, now_ms: u64) {
        match self {
            Patience::Pace(pace) => pace.note(now_ms - began_ms, count),
            Patience::WithAnswer { deadline, idle_ms: Some(idle_ms) } => deadline.set_read(now_ms + *idle_ms),
            Patience::WithAnswer { idle_ms: None, .. } => {}
        }
    }
}

impl<'a> Source<'a> {
    /// Lets a client's stream pause for as long as its answer may, which is bounded by `deadline`.
    pub fn wait_with_answer(&mut self, deadline: &'a Deadline, idle: Option<Duration>) {
        if let Source::Stream { patience, .. } = self {
            *patience = Patience::WithAnswer { deadline, idle_ms: idle.map(|idle| idle.as_millis() as u64) };
        }
    }

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
                Ok((count, *ended))
            }
            Source::Upstream { receiving, .. } => Ok(receiving.take(outgoing, out)),
        }
    }

    /// The fields behind the body, once it has ended.
    fn take_trailers(&mut self) -> Option<Box<Trailers>> {
        match self {
            Source::Wire { incoming, .. } => incoming.take_trailers(),
            Source::Stream { stream, .. } => stream.take_trailers(),
            Source::Upstream { receiving, .. } => receiving.take_trailers(),
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
            Source::Stream { stream, inbox, ended, patience } => {
                let began_ms = clock.now_ms();
                let read = match patience {
                    Patience::Pace(pace) => {
                        let left = Duration::from_millis(pace.left_ms());
                        timer::timeout(left, stream.read(inbox)).await.map_err(|_| Cut::SenderLate)?
                    }
                    Patience::WithAnswer { .. } => stream.read(inbox).await,
                };
                let (count, last) = read.map_err(|_| Cut::Sender("the stream was reset"))?;
                *ended = last;
                patience.note(count, began_ms, clock.now_ms());
                Ok(())
            }
            // Boxed, so that a flow of HTTP/1 has no room for it.
            Source::Upstream { receiving, deadline, pace } => {
                Box::pin(fill_from_upstream(receiving, deadline, pace.as_mut(), clock)).await
            }
        }
    }
}

async fn fill_from_upstream(
    receiving: &mut Receiving,
    deadline: &Deadline,
    pace: Option<&mut Pace>,
    clock: &Clock,
) -> Result<(), Cut> {
    let Some(pace) = pace else {
        return deadline.bound(receiving.fill()).await.map_err(|_| Cut::SenderLate)?.map(drop);
    };
    let began_ms = clock.now_ms();
    deadline.set_read(began_ms + pace.left_ms());
    let filled = deadline.bound(receiving.fill()).await.map_err(|_| Cut::SenderLate)?;
    deadline.clear_read();
    pace.note(clock.now_ms() - began_ms, filled.unwrap_or(0));
    filled.map(drop)
}

impl Sink<'_> {
    fn framing(&self) -> Outgoing {
        match self {
            Sink::Wire { outgoing, .. } => *outgoing,
            Sink::Stream { .. } | Sink::Upstream { .. } => Outgoing::Plain,
        }
    }

    /// Writes all of `out` and ends the body.
    pub async fn finish(&mut self, clock: &Clock, out: &mut Vec<u8>, trailers: Option<&Trailers>) -> Result<(), Cut> {
        match (&mut *self, trailers) {
            (Sink::Wire { outgoing, .. }, trailers) => {
                body::write_end(*outgoing, trailers, out);
                self.write(clock, out, true).await
            }
            (Sink::Stream { stream, whole: false, timeout }, Some(trailers)) => {
                write_stream(stream, *timeout, out, false).await?;
                stream.send_trailers(trailers.iter()).map_err(|_| Cut::Receiver)
            }
            (Sink::Stream { .. }, None) | (Sink::Stream { whole: true, .. }, _) => self.write(clock, out, true).await,
            (Sink::Upstream { sending, log, timeout }, trailers) => {
                Box::pin(sending.finish(*timeout, out, trailers, log)).await
            }
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
            Sink::Upstream { sending, log, timeout } => Box::pin(sending.write(*timeout, out, log)).await,
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
