//! One body flowing from one connection to another, with back-pressure: nothing is read before what was read is written.

use super::body::{Incoming, Outgoing};
use super::clock::Clock;
use super::deadline::Deadline;
use super::wire::{READ_BYTES, Reader, Writer};

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
}

/// Where it goes.
pub enum Sink<'a> {
    /// An HTTP/1 connection.
    Wire { writer: &'a mut Writer, outgoing: Outgoing, deadline: &'a Deadline, timeout_ms: u64 },
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
        }
    }
}

impl Sink<'_> {
    fn framing(&self) -> Outgoing {
        match self {
            Sink::Wire { outgoing, .. } => *outgoing,
        }
    }

    /// Writes all of `out`; `ended`: nothing follows.
    async fn write(&mut self, clock: &Clock, out: &mut Vec<u8>, _ended: bool) -> Result<(), Cut> {
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
        }
    }
}
