//! One body flowing from one connection to another, with back-pressure: nothing is read before what was read is written.

use super::body::{Incoming, Outgoing};
use super::clock::Clock;
use super::deadline::Deadline;
use super::wire::{READ_BYTES, Reader, Writer};

/// Most bytes read at once while a body flows.
const FLOW_BYTES: usize = 4 * READ_BYTES;

/// Where a body comes from.
pub struct Source<'a> {
    pub reader: &'a mut Reader,
    pub inbox: &'a mut Vec<u8>,
    pub deadline: &'a Deadline,
    /// Between two reads; `None`: the deadline is someone else's to keep.
    pub timeout_ms: Option<u64>,
}

/// Where it goes.
pub struct Sink<'a> {
    pub writer: &'a mut Writer,
    pub deadline: &'a Deadline,
    pub timeout_ms: u64,
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

/// Moves `incoming` from `source` to `sink`; `out` may already hold bytes that go first (a head). Body bytes are added
/// to `size` as they are read.
pub async fn run(
    clock: &Clock,
    mut incoming: Incoming,
    outgoing: Outgoing,
    source: Source<'_>,
    mut sink: Sink<'_>,
    out: &mut Vec<u8>,
    size: &mut u64,
) -> Result<(), Cut> {
    loop {
        *size += incoming.pass(source.inbox, outgoing, out).map_err(|e| Cut::Sender(e.0))?;
        write(clock, &mut sink, out).await?;
        if incoming.is_ended() {
            return Ok(());
        }
        if let Some(timeout_ms) = source.timeout_ms {
            source.deadline.set_read(clock.now_ms() + timeout_ms);
        }
        let room = incoming.room(FLOW_BYTES);
        let count = source.reader.read(source.inbox, room).await;
        if source.timeout_ms.is_some() {
            source.deadline.clear_read();
        }
        match count {
            Ok(1..) => {}
            _ if source.deadline.fired() => return Err(Cut::SenderLate),
            Ok(0) => {
                incoming.close(outgoing, out).map_err(|e| Cut::Sender(e.0))?;
                return write(clock, &mut sink, out).await;
            }
            Err(_) => return Err(Cut::Sender("the connection broke")),
        }
    }
}

async fn write(clock: &Clock, sink: &mut Sink<'_>, out: &mut Vec<u8>) -> Result<(), Cut> {
    if out.is_empty() {
        return Ok(());
    }
    sink.deadline.set_write(clock.now_ms() + sink.timeout_ms);
    let result = sink.writer.write_all(out).await;
    sink.deadline.clear_write();
    result.map_err(|_| Cut::Receiver)
}
